//! The accept loop and connections, with a router that knows no manager.

use std::time::Duration;

use gaffer_http::serve::{BindError, Endpoint, Limits, Listener};

use tokio::io::AsyncWriteExt;

use crate::{
    server::{Fixture, output},
    wire::DEADLINE,
};

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = Fixture::start(Limits::default()).await;
    let mut wire = server.connect().await;
    for _ in 0..2 {
        wire.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let answer = wire.until("hello").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    assert_eq!(server.server.shutdown(DEADLINE).await, 0, "an idle connection is closed at once");
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn http_1_0_is_answered_without_chunks_and_closed() {
    let server = Fixture::start(Limits::default()).await;
    let mut wire = server.connect().await;
    wire.send("GET / HTTP/1.0\r\n\r\n").await;
    let answer = wire.rest().await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");

    let mut wire = server.connect().await;
    wire.send("GET /feed HTTP/1.0\r\n\r\n").await;
    let head = wire.until("\r\n\r\n").await.to_lowercase();
    assert!(!head.contains("transfer-encoding"), "{head}");
    let feed = server.feed(0);
    feed.send(output("x")).await.unwrap();
    assert_eq!(wire.until("\r\n\r\n").await, "event: out\r\ndata: x\r\n: no line break\r\n\r\n");
}

#[tokio::test]
async fn garbage_is_refused_and_hurts_nobody() {
    let server = Fixture::start(Limits::default()).await;
    for garbage in ["\u{1}\u{2}no http at all\r\n\r\n", "GET / HTTP/1.1\r\nHo st: x\r\n\r\n"] {
        let mut wire = server.connect().await;
        wire.send(garbage).await;
        let answer = wire.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{garbage:?}: {answer}");
    }

    let mut wire = server.connect().await;
    let head = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    // It is not read to its end, so that the reset for the rest can come before the answer, or before all is sent.
    drop(wire.stream.write_all(head.as_bytes()).await);
    let answer = wire.rest().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");

    let mut wire = server.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    wire.until("hello").await;
}

#[tokio::test]
async fn the_head_of_a_feed_is_sent_at_once_and_each_event_is_one_chunk() {
    let server = Fixture::start(Limits::default()).await;
    let mut wire = server.connect().await;
    wire.send("GET /feed HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let head = wire.until("\r\n\r\n").await.to_lowercase();
    assert!(head.contains("content-type: text/event-stream") && head.contains("transfer-encoding: chunked"), "{head}");
    let feed = server.feed(0);
    for text in ["one\n", "two\n"] {
        feed.send(output(text)).await.unwrap();
    }
    assert_eq!(wire.until("\r\n\r\n\r\n").await, "19\r\nevent: out\r\ndata: one\r\n\r\n\r\n");
    assert_eq!(wire.until("\r\n\r\n\r\n").await, "19\r\nevent: out\r\ndata: two\r\n\r\n\r\n");
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_feed() {
    let server = Fixture::start(Limits::default()).await;
    let mut wire = server.connect().await;
    wire.send("GET /feed HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    wire.until("\r\n\r\n").await;
    let feed = server.feed(0);
    drop(wire);
    tokio::time::timeout(DEADLINE, feed.closed()).await.expect("the source should be dropped though nothing is sent");
}

#[tokio::test]
async fn shutdown_ends_feeds_properly_and_waits_for_answers() {
    let server = Fixture::start(Limits::default()).await;
    let mut fed = server.connect().await;
    fed.send("GET /feed HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    fed.until("\r\n\r\n").await;
    let mut slow = server.connect().await;
    slow.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    server.shared.begun.notified().await;
    let mute = server.connect().await;
    let address = server.address();

    let Fixture { shared, server, .. } = server;
    let shutdown = tokio::spawn(server.shutdown(DEADLINE));
    assert_eq!(fed.rest().await, "0\r\n\r\n", "the feed ends as a whole answer does");
    assert!(!shutdown.is_finished());
    shared.go_on.notify_one();
    assert!(slow.rest().await.ends_with("slow but sure"));
    assert_eq!(mute.rest().await, "");
    assert_eq!(shutdown.await.unwrap(), 0);
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn shutdown_cuts_what_does_not_end_in_time() {
    let server = Fixture::start(Limits::default()).await;
    let mut slow = server.connect().await;
    slow.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    server.shared.begun.notified().await;
    assert_eq!(server.server.shutdown(Duration::from_millis(50)).await, 1);
    assert_eq!(slow.rest().await, "");
}

#[tokio::test]
async fn an_address_in_use_is_told_with_its_user() {
    let server = Fixture::start(Limits::default()).await;
    let endpoint = Endpoint { bind: server.address().to_string().parse().unwrap(), ..Endpoint::default() };
    let error = Listener::bind(&endpoint).await.unwrap_err();
    let text = error.to_string();
    let BindError::InUse { user: Some(user), .. } = error else { panic!("{text}") };
    assert_eq!(user.os_pid, std::process::id());
    assert!(text.starts_with(&format!("cannot listen on {}: it is in use by ", server.address())), "{text}");
    assert!(text.ends_with("; stop what listens there, or choose another address"), "{text}");
}

#[tokio::test]
async fn an_address_of_another_machine_is_told() {
    // One that is kept for documentation.
    let endpoint = Endpoint { bind: "192.0.2.1:0".parse().unwrap(), ..Endpoint::default() };
    let error = Listener::bind(&endpoint).await.unwrap_err();
    assert!(matches!(error, BindError::NotHere { .. }), "{error:?}");
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_named() {
    let endpoint = Endpoint { bind: "no-such-host.invalid:0".parse().unwrap(), ..Endpoint::default() };
    let text = Listener::bind(&endpoint).await.unwrap_err().to_string();
    assert_eq!(text, "cannot listen on no-such-host.invalid:0: its host cannot be resolved");
}
