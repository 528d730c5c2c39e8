//! The end of the server.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use gaffer_http::sockjs::Session;

use super::site::{Site, options};

#[tokio::test]
async fn at_the_end_every_client_is_told_and_every_service_ends() {
    let open = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&open);
    let service = move |session: Session| {
        let open = Arc::clone(&counting);
        async move {
            open.fetch_add(1, Ordering::Relaxed);
            while session.recv().await.is_some() {}
            open.fetch_sub(1, Ordering::Relaxed);
        }
    };
    let site = Site::of(service, options()).await;
    let mut streams = Vec::new();
    for (method, transport, first) in [
        ("POST", "xhr_streaming", "o\n"),
        ("GET", "eventsource", "data: o\r\n\r\n"),
        ("GET", "htmlfile?c=f", "<script>\np(\"o\");\n</script>\r\n"),
    ] {
        let mut stream = site.open(method, &format!("/s/000/{}/{transport}", streams.len()), &[], "").await;
        stream.chunk().await;
        stream.chunks(&[first]).await;
        streams.push(stream);
    }
    assert_eq!(site.poll("/s/000/poll").await, "o\n");
    let poll = site.open("POST", "/s/000/poll/xhr", &[], "").await;
    assert_eq!(site.get("/s/000/script/jsonp?c=f").await.body, "/**/f(\"o\");\r\n");
    let script = site.open("GET", "/s/000/script/jsonp?c=f", &[], "").await;
    assert_eq!(site.poll("/s/000/away").await, "o\n");
    let mut framed = site.socket("/s/000/x/websocket").await;
    assert_eq!(framed.text().await, "o");
    let mut bare = site.socket("/s/websocket").await;
    assert_eq!(open.load(Ordering::Relaxed), 8);

    let clients = async {
        const CLOSE: &str = "c[1001,\"the server is shutting down\"]";
        const IN_SCRIPT: &str = "c[1001,\\\"the server is shutting down\\\"]";
        streams[0].chunks(&[&format!("{CLOSE}\n"), ""]).await;
        streams[1].chunks(&[&format!("data: {CLOSE}\r\n\r\n"), ""]).await;
        streams[2].chunks(&[&format!("<script>\np(\"{IN_SCRIPT}\");\n</script>\r\n"), ""]).await;
        assert_eq!(poll.whole().await.says(), (200, format!("{CLOSE}\n").as_str()));
        assert_eq!(script.whole().await.says(), (200, format!("/**/f(\"{IN_SCRIPT}\");\r\n").as_str()));
        assert_eq!(framed.closed().await, 1001);
        assert_eq!(bare.closed().await, 1001);
    };
    let (left, ()) = tokio::join!(site.shutdown(), clients);
    assert_eq!(left, 0);
    assert_eq!(open.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn at_the_end_nobody_waits_for_a_service_to_listen() {
    let site = Site::of(
        |session: Session| async move {
            // It hears nothing, but of the end.
            session.push("x".repeat(100_000)).unwrap();
            assert!(session.ready().await.is_err());
        },
        options(),
    )
    .await;
    assert_eq!(site.poll("/s/000/x").await, "o\n");
    let message = format!("[\"{}\"]", "x".repeat(100_000));
    site.say("/s/000/x", &message).await;
    let wire = site.connect().await;
    let ending = async {
        assert_eq!(site.get("/s/info").await.status, 200);
        site.shutdown().await
    };
    let saying = super::client::Open::ask(wire, "POST", "/s/000/x/xhr_send", &[], &message);
    let (said, left) = tokio::join!(saying, ending);
    assert!(matches!(said.status, 204 | 503), "{}", said.status);
    assert_eq!(left, 0);
}
