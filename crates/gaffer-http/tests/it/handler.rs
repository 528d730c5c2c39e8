//! The application, over real sockets.

use gaffer_core::{Manager, ManagerOptions, backend::RealBackend, config::JobSpec};
use gaffer_http::{HttpHandler, serve::Endpoint};

use crate::wire::{DEADLINE, Wire};

#[tokio::test]
async fn a_node_serves_on_all_its_endpoints_until_its_jobs_are_stopped() {
    let endpoint =
        |name: &str| Endpoint { name: name.into(), bind: "127.0.0.1:0".parse().unwrap(), ..Endpoint::default() };
    let handler = HttpHandler::bind(&[endpoint("public"), endpoint("private")]).await.unwrap();
    let handler = handler.with_drain(DEADLINE);
    let addresses = handler.addresses().to_vec();
    let [public, private] = [0, 1].map(|index: usize| addresses[index].tcp().unwrap());
    assert_eq!((addresses[0].endpoint.as_str(), addresses[1].endpoint.as_str()), ("public", "private"));

    // It comes before the start, and is answered after.
    let mut early = Wire::connect(public).await;
    early.send("GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
    manager.start_applications(vec![Box::new(handler)]).await.unwrap();
    early.until("\r\n\r\nOK").await;

    let mut job = JobSpec::new("web".parse().unwrap(), "sleep 1000");
    job.redirect_output = vec!["out".parse().unwrap()];
    manager.load(job.check().unwrap()).await.unwrap();
    let mut feed = Wire::connect(private).await;
    feed.send("GET /streams/1/out?feed=eventsource HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    feed.until("\r\n\r\n").await;

    tokio::time::timeout(DEADLINE, manager.stop()).await.expect("nothing is under way");
    assert_eq!(feed.rest().await, "0\r\n\r\n");
    assert_eq!(early.rest().await, "");
    assert!(tokio::net::TcpStream::connect(public).await.is_err());
}

#[tokio::test]
async fn one_endpoint_that_is_taken_keeps_all_from_being_served() {
    let free = Endpoint { bind: "127.0.0.1:0".parse().unwrap(), ..Endpoint::default() };
    let holder = HttpHandler::bind(std::slice::from_ref(&free)).await.unwrap();
    let taken = Endpoint { bind: holder.addresses()[0].tcp().unwrap().to_string().parse().unwrap(), ..free.clone() };
    let error = HttpHandler::bind(&[free, taken]).await.unwrap_err().to_string();
    assert!(error.contains("it is in use by "), "{error}");
}
