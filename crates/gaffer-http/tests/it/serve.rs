//! The accept loop and connections, with a router that knows no manager.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, response::Response, routing::get};
use bytes::Bytes;
use gaffer_http::{
    feed::{self, FeedKind, FeedOptions, Item, Media},
    serve::{BindError, Endpoint, Limits, Listener, Server},
};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::wire::{DEADLINE, Wire};

struct Source(mpsc::Receiver<Item>);

impl futures_core::Stream for Source {
    type Item = Item;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Item>> {
        self.0.poll_recv(cx)
    }
}

/// What the routes of a test share.
#[derive(Clone, Default)]
struct Shared {
    /// Writes into the feeds that were opened, in order.
    feeds: Arc<Mutex<Vec<mpsc::Sender<Item>>>>,
    /// `/slow` has begun.
    begun: Arc<Notify>,
    /// `/slow` may go on.
    go_on: Arc<Notify>,
    /// Requests of `/slow` under way, and the most there ever were.
    slow: Arc<Mutex<(usize, usize)>>,
    closing: CancellationToken,
}

async fn open_feed(State(shared): State<Shared>) -> Response {
    let (sender, receiver) = mpsc::channel(16);
    shared.feeds.lock().unwrap().push(sender);
    let options = FeedOptions { kind: FeedKind::EventSource, heartbeat: None };
    feed::response(Source(receiver), options, Media::Bytes, shared.closing)
}

async fn slow(State(shared): State<Shared>) -> &'static str {
    {
        let mut slow = shared.slow.lock().unwrap();
        *slow = (slow.0 + 1, slow.1.max(slow.0 + 1));
    }
    shared.begun.notify_one();
    shared.go_on.notified().await;
    shared.slow.lock().unwrap().0 -= 1;
    "slow but sure"
}

struct Fixture {
    address: SocketAddr,
    shared: Shared,
    server: Server,
}

impl Fixture {
    async fn start(limits: Limits) -> Self {
        let endpoint = Endpoint { bind: "127.0.0.1:0".parse().unwrap(), ..Endpoint::default() };
        let listener = Listener::bind(&endpoint).await.unwrap();
        let address = listener.local_addr();
        let shared = Shared::default();
        let router = Router::new()
            .route("/", get(async || "hello"))
            .route("/feed", get(open_feed))
            .route("/slow", get(slow))
            .with_state(shared.clone());
        let server = Server::start(vec![listener], router, &limits, shared.closing.clone());
        Self { address, shared, server }
    }

    async fn connect(&self) -> Wire {
        Wire::connect(self.address).await
    }

    fn feed(&self, index: usize) -> mpsc::Sender<Item> {
        self.shared.feeds.lock().unwrap()[index].clone()
    }
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = Fixture::start(Limits::default()).await;
    let mut wire = server.connect().await;
    for _ in 0..2 {
        wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let answer = wire.until("hello").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    assert_eq!(server.server.shutdown().await, 0, "an idle connection is closed at once");
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
    feed.send(Item::Output("out".parse().unwrap(), Bytes::from_static(b"x"))).await.unwrap();
    assert_eq!(wire.until("\r\n\r\n").await, "event: out\r\ndata: x\r\n\r\n");
}

#[tokio::test]
async fn garbage_is_refused_and_hurts_nobody() {
    let server = Fixture::start(Limits::default()).await;
    let mut wire = server.connect().await;
    wire.send("\u{1}\u{2}no http at all\r\n\r\n").await;
    let answer = wire.rest().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");

    let mut wire = server.connect().await;
    wire.send(&format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(200_000))).await;
    let answer = wire.rest().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");

    let mut wire = server.connect().await;
    wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    wire.until("hello").await;
}

#[tokio::test]
async fn a_client_that_dribbles_its_head_is_cut_off() {
    let limits = Limits { header_read_timeout: Duration::from_millis(200), ..Limits::default() };
    let server = Fixture::start(limits).await;
    let mut silent = server.connect().await;
    silent.send("GET / HT").await;
    let mute = server.connect().await;
    assert!(!silent.rest().await.contains("200 OK"));
    assert_eq!(mute.rest().await, "");
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_a_place() {
    let server = Fixture::start(Limits { max_connections: 1, ..Limits::default() }).await;
    let mut first = server.connect().await;
    first.send("GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    server.shared.begun.notified().await;
    let mut second = server.connect().await; // By the kernel; it is not accepted.
    second.send("GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    server.shared.go_on.notify_one();
    assert!(first.rest().await.ends_with("slow but sure"));
    server.shared.begun.notified().await;
    server.shared.go_on.notify_one();
    assert!(second.rest().await.ends_with("slow but sure"));
    assert_eq!(server.shared.slow.lock().unwrap().1, 1, "the second began only once the first was over");
}

#[tokio::test]
async fn the_head_of_a_feed_is_sent_at_once_and_each_event_is_one_chunk() {
    let server = Fixture::start(Limits::default()).await;
    let mut wire = server.connect().await;
    wire.send("GET /feed HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let head = wire.until("\r\n\r\n").await.to_lowercase();
    assert!(head.contains("content-type: text/event-stream") && head.contains("transfer-encoding: chunked"), "{head}");
    let feed = server.feed(0);
    for text in ["one\n", "two\n"] {
        feed.send(Item::Output("out".parse().unwrap(), Bytes::from_static(text.as_bytes()))).await.unwrap();
    }
    assert_eq!(wire.until("\r\n\r\n\r\n").await, "19\r\nevent: out\r\ndata: one\r\n\r\n\r\n");
    assert_eq!(wire.until("\r\n\r\n\r\n").await, "19\r\nevent: out\r\ndata: two\r\n\r\n\r\n");
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_feed() {
    let server = Fixture::start(Limits::default()).await;
    let mut wire = server.connect().await;
    wire.send("GET /feed HTTP/1.1\r\nHost: x\r\n\r\n").await;
    wire.until("\r\n\r\n").await;
    let feed = server.feed(0);
    drop(wire);
    tokio::time::timeout(DEADLINE, feed.closed()).await.expect("the source should be dropped though nothing is sent");
}

#[tokio::test]
async fn shutdown_ends_feeds_properly_and_waits_for_answers() {
    let server = Fixture::start(Limits { drain: DEADLINE, ..Limits::default() }).await;
    let mut fed = server.connect().await;
    fed.send("GET /feed HTTP/1.1\r\nHost: x\r\n\r\n").await;
    fed.until("\r\n\r\n").await;
    let mut slow = server.connect().await;
    slow.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.shared.begun.notified().await;
    let mute = server.connect().await;

    let Fixture { address, shared, server } = server;
    let shutdown = tokio::spawn(server.shutdown());
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
    let server = Fixture::start(Limits { drain: Duration::from_millis(50), ..Limits::default() }).await;
    let mut slow = server.connect().await;
    slow.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.shared.begun.notified().await;
    assert_eq!(server.server.shutdown().await, 1);
    assert_eq!(slow.rest().await, "");
}

#[tokio::test]
async fn an_address_in_use_is_told_with_its_user() {
    let server = Fixture::start(Limits::default()).await;
    let endpoint = Endpoint { bind: server.address.to_string().parse().unwrap(), ..Endpoint::default() };
    let error = Listener::bind(&endpoint).await.unwrap_err();
    let text = error.to_string();
    let BindError::InUse { user: Some(user), .. } = error else { panic!("{text}") };
    assert_eq!(user.os_pid, std::process::id());
    assert!(text.starts_with(&format!("cannot listen on {}: it is in use by ", server.address)), "{text}");
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_named() {
    let endpoint = Endpoint { bind: "no-such-host.invalid:0".parse().unwrap(), ..Endpoint::default() };
    let text = Listener::bind(&endpoint).await.unwrap_err().to_string();
    assert_eq!(text, "cannot listen on no-such-host.invalid:0: its host cannot be resolved");
}
