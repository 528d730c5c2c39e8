//! Endpoints that come and go while a server runs.

use std::{error::Error, net::SocketAddr, os::unix::fs::PermissionsExt, time::Duration};

use gaffer_http::serve::{Endpoint, Endpoints, Limits, Listening, ReplaceError};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, UnixStream},
};

use crate::{
    authority::Authority,
    server::{Fixture, output},
    wire::{DEADLINE, Wire},
};

const WHO: &str = "GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n";
const WHO_ONCE: &str = "GET /who HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const FEED: &str = "GET /feed HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn endpoint(name: &str, bind: &str) -> Endpoint {
    Endpoint { name: name.to_owned(), bind: bind.parse().unwrap(), ..Endpoint::default() }
}

async fn serve(name: &str) -> Fixture {
    Fixture::at(&endpoint(name, "127.0.0.1:0")).await
}

/// Replaces endpoints, with all the time in the world for those that go.
async fn replace(server: &Fixture, come: Vec<Endpoint>, go: &[&str]) -> Result<Vec<Listening>, ReplaceError> {
    let go = go.iter().map(|name| (*name).to_owned()).collect();
    server.server.endpoints().replace(come, go, DEADLINE).await
}

/// Which endpoint answers at an address.
async fn who(address: SocketAddr) -> String {
    let mut wire = Wire::connect(address).await;
    wire.send(WHO).await;
    wire.until("\r\n\r\n").await;
    wire.until(" ").await.trim().to_owned()
}

/// A client of a feed, which has begun.
async fn reader(address: SocketAddr) -> Wire {
    let mut wire = Wire::connect(address).await;
    wire.send(FEED).await;
    wire.until("\r\n\r\n").await;
    wire
}

fn names(endpoints: &Endpoints) -> Vec<String> {
    endpoints.addresses().into_iter().map(|listening| listening.endpoint).collect()
}

/// A message with all its causes.
fn told(error: &dyn Error) -> String {
    let cause = error.source().map(|cause| format!(": {}", told(cause))).unwrap_or_default();
    format!("{error}{cause}")
}

#[tokio::test]
async fn a_feed_of_an_endpoint_that_stays_goes_on_while_others_come_and_go() {
    let server = serve("a").await;
    let mut kept = reader(server.address()).await;
    let come = vec![endpoint("b", "127.0.0.1:0"), endpoint("c", "127.0.0.1:0")];
    let added = replace(&server, come, &[]).await.unwrap();
    let [b, c] = [0, 1].map(|index: usize| added[index].tcp().unwrap());
    assert_eq!((who(b).await.as_str(), who(c).await.as_str()), ("b", "c"));
    let mut of_b = reader(b).await;
    let mut idle = Wire::connect(b).await;
    idle.send(WHO).await;
    idle.until("\r\n\r\n").await;

    assert_eq!(replace(&server, vec![], &["b"]).await.unwrap(), []);
    assert!(TcpStream::connect(b).await.is_err(), "its port is closed when it is answered");
    assert_eq!(names(server.server.endpoints()), ["a", "c"]);
    of_b.until("0\r\n\r\n").await;
    assert_eq!(of_b.rest().await, "", "it ends as at a shutdown");
    idle.rest().await;
    assert_eq!((who(server.address()).await.as_str(), who(c).await.as_str()), ("a", "c"));
    server.feed(0).send(output("still here\n")).await.unwrap();
    kept.until("still here").await;
    drop(kept);
    server.stop().await;
}

#[tokio::test]
async fn what_is_under_way_where_an_endpoint_goes_may_finish() {
    let server = serve("a").await;
    replace(&server, vec![endpoint("b", "127.0.0.1:0")], &[]).await.unwrap();
    let mut slow = Wire::connect(server.address()).await;
    slow.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    server.shared.begun.notified().await;
    replace(&server, vec![], &["a"]).await.unwrap();
    assert!(TcpStream::connect(server.address()).await.is_err());
    server.shared.go_on.notify_one();
    slow.until("slow but sure").await;
    assert_eq!(slow.rest().await, "");
    server.stop().await;
}

#[tokio::test]
async fn what_does_not_finish_where_an_endpoint_goes_is_cut() {
    let server = serve("a").await;
    let mut slow = Wire::connect(server.address()).await;
    slow.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    server.shared.begun.notified().await;
    let gone = server.server.endpoints().replace(vec![], vec!["a".to_owned()], Duration::ZERO).await;
    assert_eq!(gone.unwrap(), []);
    assert_eq!(slow.rest().await, "");
    server.stop().await;
}

#[tokio::test]
async fn an_address_moves_from_one_name_to_another_and_nobody_is_refused_meanwhile() {
    let server = serve("a").await;
    let address = server.address();
    let mut of_a = reader(address).await;
    let connecting = tokio::spawn(async move {
        let mut answered = Vec::new();
        while answered.last().is_none_or(|name: &String| !name.contains("\r\n\r\nz ")) {
            // One that was just accepted may be closed before it has asked; but none is refused.
            let mut wire = Wire::connect(address).await;
            let _closed = wire.stream.write_all(WHO_ONCE.as_bytes()).await;
            answered.push(wire.rest().await);
        }
    });
    for (old, new) in [("a", "b"), ("b", "c"), ("c", "a"), ("a", "z")] {
        let limits = Limits { max_connections: 7, ..Limits::default() };
        let come = vec![Endpoint { limits, backlog: 5, ..endpoint(new, &address.to_string()) }];
        assert_eq!(replace(&server, come, &[old]).await.unwrap()[0].tcp(), Some(address));
    }
    connecting.await.unwrap();
    of_a.until("0\r\n\r\n").await;
    server.stop().await;
}

#[tokio::test]
async fn the_same_name_gets_other_settings_on_the_same_port() {
    let server = serve("a").await;
    let address = server.address();
    let authority = Authority::new();
    let secret = Endpoint { tls: Some(authority.files(&authority.issue())), ..endpoint("a", "127.0.0.1:0") };
    let listening = replace(&server, vec![secret.clone()], &["a"]).await.unwrap();
    assert_eq!(listening[0].to_string(), format!("https://{address}"), "the port that the kernel had chosen");
    assert_eq!(server.server.endpoints().certificates().len(), 1);
    let mut plain = Wire::connect(address).await;
    plain.send(WHO).await;
    assert!(!plain.rest().await.contains("200 OK"));

    let missing = gaffer_http::serve::TlsFiles { certfile: "no.pem".into(), keyfile: None, cacert: None };
    let wrong = vec![Endpoint { tls: Some(missing), ..secret }];
    let error = replace(&server, wrong, &["a"]).await.unwrap_err();
    assert_eq!(error.endpoint, "a");
    assert!(told(&error).contains("certfile no.pem: "), "{}", told(&error));
    assert_eq!(server.server.endpoints().addresses(), listening, "nothing was changed");
    replace(&server, vec![endpoint("a", "127.0.0.1:0")], &["a"]).await.unwrap();
    assert_eq!(who(address).await, "a");
    server.stop().await;
}

#[tokio::test]
async fn one_that_cannot_come_keeps_all_as_they_are() {
    let server = serve("a").await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let mut kept = reader(server.address()).await;
    let come = vec![
        endpoint("b", &server.address().to_string()),
        endpoint("c", "127.0.0.1:0"),
        endpoint("d", &taken.to_string()),
    ];
    let error = replace(&server, come, &["a"]).await.unwrap_err();
    assert_eq!(error.endpoint, "d");
    assert!(told(&error).starts_with(&format!("endpoint `d`: cannot listen on {taken}: it is in use")), "{error}");
    assert_eq!(names(server.server.endpoints()), ["a"]);
    assert_eq!(who(server.address()).await, "a");
    server.feed(0).send(output("still here\n")).await.unwrap();
    kept.until("still here").await;
    drop(kept);
    server.stop().await;
}

#[tokio::test]
async fn an_endpoint_of_all_addresses_becomes_one_of_this_machine() {
    let server = Fixture::at(&endpoint("a", "0.0.0.0:0")).await;
    let port = server.address().port();
    let near = SocketAddr::from(([127, 0, 0, 1], port));
    let mut of_a = reader(near).await;
    let come = vec![endpoint("a", &near.to_string())];
    assert_eq!(replace(&server, come, &["a"]).await.unwrap()[0].tcp(), Some(near));
    of_a.until("0\r\n\r\n").await;
    assert_eq!(who(near).await, "a");
    server.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_was_closed_for_another_is_opened_again_if_that_fails() {
    let server = Fixture::at(&endpoint("a", "0.0.0.0:0")).await;
    let port = server.address().port();
    let near = SocketAddr::from(([127, 0, 0, 1], port));
    let mut kept = reader(near).await;
    // The second one fails only after `a` is closed: it might have been in the way of that, too.
    let come = vec![endpoint("b", &near.to_string()), endpoint("c", &format!("127.0.0.1:{port}"))];
    let error = replace(&server, come, &["a"]).await.unwrap_err();
    assert_eq!(error.endpoint, "c");
    assert_eq!(names(server.server.endpoints()), ["a"]);
    assert_eq!(who(near).await, "a");
    server.feed(0).send(output("still here\n")).await.unwrap();
    kept.until("still here").await;
    drop(kept);
    server.stop().await;
}

#[tokio::test]
async fn the_file_of_a_unix_socket_stays_where_it_is_and_gets_other_rights() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.sock");
    let at = |name: &str, mode| Endpoint { mode, ..endpoint(name, &format!("unix:{}", path.display())) };
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let server = Fixture::at(&at("a", 0o600)).await;
    replace(&server, vec![at("b", 0o660)], &["a"]).await.unwrap();
    assert_eq!(mode(), 0o660);
    let mut wire = Wire::over(UnixStream::connect(&path).await.unwrap());
    wire.send(WHO).await;
    wire.until("\r\n\r\n").await;
    assert_eq!(wire.until(" ").await, "b ");
    replace(&server, vec![endpoint("c", "127.0.0.1:0")], &["b"]).await.unwrap();
    assert!(!path.exists());
    server.stop().await;
}

#[tokio::test]
async fn a_shutdown_ends_what_an_endpoint_that_goes_still_has_under_way() {
    let server = serve("a").await;
    let mut slow = Wire::connect(server.address()).await;
    slow.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    server.shared.begun.notified().await;
    replace(&server, vec![endpoint("b", "127.0.0.1:0")], &["a"]).await.unwrap();
    let Fixture { server, shared, .. } = server;
    let ending = tokio::spawn(server.shutdown(DEADLINE));
    shared.lifetime.closing().cancelled().await;
    assert!(!ending.is_finished(), "it is waited for");
    shared.go_on.notify_one();
    slow.until("slow but sure").await;
    assert_eq!(ending.await.unwrap(), 0);
}

#[tokio::test]
async fn whoever_could_replace_them_keeps_no_socket_open() {
    let server = serve("a").await;
    let (address, endpoints) = (server.address(), server.server.endpoints().clone());
    server.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!(endpoints.addresses(), []);
    let added = endpoints.replace(vec![endpoint("b", "127.0.0.1:0")], vec![], DEADLINE).await.unwrap();
    assert_eq!(added.len(), 1);
    let refused = async {
        while TcpStream::connect(added[0].tcp().unwrap()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, refused).await.expect("what comes after the end is closed at once");
}

#[tokio::test]
async fn sockets_that_were_handed_over_are_served_and_keep_their_files() {
    use gaffer_http::serve::Listener;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.sock");
    let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let a = Listener::inherited(&endpoint("a", "127.0.0.1:1"), tcp.into()).await.unwrap();
    let b = Listener::inherited(&endpoint("b", "127.0.0.1:2"), unix.into()).await.unwrap();
    assert_eq!((a.listening().tcp(), b.listening().unix()), (Some(address), Some(&*path)));
    drop(b);
    assert!(path.exists(), "whoever made it removes it");
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let error = Listener::inherited(&endpoint("c", ":1"), udp.into()).await.unwrap_err();
    assert!(error.to_string().contains("endpoint `c` on the socket that was handed over: it is no stream socket"));
    let stream = std::net::TcpStream::connect(address).unwrap();
    let error = Listener::inherited(&endpoint("c", ":1"), stream.into()).await.unwrap_err();
    assert!(error.to_string().contains("it does not listen"), "{error}");
    let error = Listener::inherited(&endpoint("c", ":1"), std::fs::File::open("/dev/null").unwrap().into()).await;
    assert!(error.unwrap_err().to_string().contains("it is no stream socket"));
}
