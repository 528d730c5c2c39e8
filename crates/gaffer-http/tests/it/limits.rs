//! What clients may cost.

use std::time::Duration;

use gaffer_http::serve::Limits;

use crate::{
    server::{Fixture, output},
    wire::DEADLINE,
};

/// Shorter than anything that a test does not mean to time out.
const SHORT: Duration = Duration::from_millis(200);

/// Time for a head where a test sends some in time: even a machine with too much to do gets that done.
const LONG: Duration = Duration::from_secs(2);

fn header_timeout(header_timeout: Duration) -> Limits {
    Limits { header_timeout, idle_timeout: DEADLINE * 2, ..Limits::default() }
}

fn idle_timeout(idle_timeout: Duration) -> Limits {
    Limits { header_timeout: DEADLINE * 2, idle_timeout, ..Limits::default() }
}

#[tokio::test]
async fn a_client_that_dribbles_its_head_is_cut_off() {
    let server = Fixture::start(header_timeout(SHORT)).await;
    let mut silent = server.connect().await;
    silent.send("GET / HT").await;
    let mute = server.connect().await;
    assert!(!silent.rest().await.contains("200 OK"));
    assert_eq!(mute.rest().await, "");
}

#[tokio::test]
async fn the_head_of_a_second_request_must_be_on_time_too() {
    let server = Fixture::start(header_timeout(LONG)).await;
    let mut wire = server.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    wire.until("hello").await;
    wire.send("GET / HT").await;
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn a_kept_connection_has_more_time_than_a_head() {
    let server = Fixture::start(header_timeout(LONG)).await;
    let mut wire = server.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    wire.until("hello").await;
    // Another's head is overdue meanwhile, so that the time of a head is over.
    assert_eq!(server.connect().await.rest().await, "");
    wire.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    wire.until("hello").await;
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_in_the_end() {
    let server = Fixture::start(idle_timeout(SHORT)).await;
    let mut wire = server.connect().await;
    let begun = std::time::Instant::now();
    wire.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    wire.until("hello").await;
    assert_eq!(wire.rest().await, "");
    assert!(begun.elapsed() >= SHORT, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_feed_and_a_slow_answer_are_not_idle() {
    let server = Fixture::start(idle_timeout(SHORT)).await;
    let mut fed = server.connect().await;
    fed.send("GET /feed HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    fed.until("\r\n\r\n").await;
    let mut slow = server.connect().await;
    slow.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    server.shared.begun.notified().await;
    for _ in 0..2 {
        let mut idle = server.connect().await;
        idle.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        idle.until("hello").await;
        idle.rest().await; // It is closed, and they are not.
    }
    let event = output("still there\n");
    server.feed(0).send(event).await.unwrap();
    fed.until("data: still there\r\n\r\n\r\n").await;
    server.shared.go_on.notify_one();
    slow.until("slow but sure").await;
    assert_eq!(slow.rest().await, "", "idle from now on");
    drop(fed);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_so_until_there_is_room() {
    let server = Fixture::start(Limits { max_connections: 2, ..Limits::default() }).await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut wire = server.connect().await;
        wire.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        wire.until("hello").await;
        kept.push(wire);
    }
    let mut refused = server.connect().await;
    refused.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n").await;
    refused.send(&"x".repeat(5000)).await;
    let answer = refused.rest().await;
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nconnection: close") && head.contains("\r\nretry-after: 1\r\n"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["errno"], &body["error"]), (&503.into(), &"too_many_connections".into()));

    let mute = server.connect().await;
    assert!(mute.rest().await.starts_with("HTTP/1.1 503 "), "one that sends nothing is told, too, and soon");

    drop(kept.pop());
    let begun = std::time::Instant::now();
    loop {
        let mut wire = server.connect().await;
        wire.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
        let answer = wire.rest().await;
        if answer.ends_with("hello") {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "{answer}");
    }
    kept[0].send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    kept[0].until("hello").await;
}

#[tokio::test]
async fn refusals_are_bounded_too() {
    let server = Fixture::start(Limits { max_connections: 1, ..Limits::default() }).await;
    let mut kept = server.connect().await;
    kept.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    kept.until("hello").await;
    let mut refused = Vec::new();
    let begun = std::time::Instant::now();
    for _ in 0..200 {
        refused.push(server.connect().await); // They say nothing, so that each is waited for, a second at least.
    }
    // All others were taken before the last.
    let mut told = usize::from(refused.pop().unwrap().rest().await.starts_with("HTTP/1.1 503 "));
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap();
    for wire in refused {
        told += usize::from(wire.rest().await.starts_with("HTTP/1.1 503 "));
    }
    assert!((1..=64 * (1 + seconds)).contains(&told), "{told} in {seconds} s");
    server.stop().await;
}

#[tokio::test]
async fn what_holds_on_to_a_connection_keeps_its_slot() {
    use axum::{Extension, Router, routing::get};
    use gaffer_http::serve::{Connected, Endpoint, Lifetime, Listener, Server};

    let (hold, mut held) = tokio::sync::mpsc::channel(1);
    let take = async move |Extension(connected): Extension<Connected>| {
        hold.send(connected).await.unwrap();
        "held"
    };
    let limits = Limits { max_connections: 1, ..Limits::default() };
    let endpoint = Endpoint { bind: "127.0.0.1:0".parse().unwrap(), limits, ..Endpoint::default() };
    let listener = Listener::bind(&endpoint).await.unwrap();
    let address = listener.listening().tcp().unwrap();
    let server = Server::start(vec![listener], Router::new().route("/", get(take)), Lifetime::new());
    let ask = async || {
        let mut wire = crate::wire::Wire::connect(address).await;
        wire.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
        wire.rest().await
    };
    assert!(ask().await.ends_with("held"));
    let connected = held.recv().await.unwrap();
    assert!(ask().await.starts_with("HTTP/1.1 503 "), "the connection is closed, but somebody goes on with it");
    drop(connected);
    assert!(ask().await.ends_with("held"));
    assert_eq!(server.shutdown(DEADLINE).await, 0);
}
