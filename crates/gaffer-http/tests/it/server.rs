//! A server whose router knows no manager.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Extension, Router, extract::State, response::Response, routing::get};
use bytes::Bytes;
use gaffer_http::{
    feed::{self, FeedKind, FeedOptions, Item, Media, Output},
    serve::{Certificates, Connected, Endpoint, Lifetime, Limits, Listener, Listening, Server},
};
use tokio::sync::{Notify, mpsc};

use crate::wire::{DEADLINE, Wire};

struct Source(mpsc::Receiver<Item>);

impl futures_core::Stream for Source {
    type Item = Item;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Item>> {
        self.0.poll_recv(cx)
    }
}

/// What a process wrote.
pub(crate) fn output(data: impl Into<Bytes>) -> Item {
    Item::Output(Output { label: "out".parse().unwrap(), data: data.into(), end: None })
}

/// What the routes of a test share.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    /// Writes into the feeds that were opened, in order.
    pub(crate) feeds: Arc<Mutex<Vec<mpsc::Sender<Item>>>>,
    /// `/slow` has begun.
    pub(crate) begun: Arc<Notify>,
    /// `/slow` may go on.
    pub(crate) go_on: Arc<Notify>,
    /// Bytes that `/flood` got rid of.
    pub(crate) flooded: Arc<Mutex<usize>>,
    pub(crate) lifetime: Lifetime,
}

async fn open_feed(State(shared): State<Shared>, Extension(connected): Extension<Connected>) -> Response {
    let (sender, receiver) = mpsc::channel(16);
    shared.feeds.lock().unwrap().push(sender);
    let options = FeedOptions { kind: FeedKind::EventSource, ..FeedOptions::default() };
    feed::response(Source(receiver), options, Media::Bytes, connected.lifetime().closing().clone())
}

async fn slow(State(shared): State<Shared>) -> &'static str {
    shared.begun.notify_one();
    shared.go_on.notified().await;
    "slow but sure"
}

async fn who(Extension(connected): Extension<Connected>) -> String {
    format!("{} {:?} {}", connected.endpoint(), connected.peer(), connected.is_tls())
}

/// A megabyte at once, so that a feed of it fills any buffer.
async fn flood(State(shared): State<Shared>, connected: Extension<Connected>) -> Response {
    let response = open_feed(State(shared.clone()), connected).await;
    let feed = shared.feeds.lock().unwrap().last().unwrap().clone();
    tokio::spawn(async move {
        let data = Bytes::from_static(&[b'x'; 16 * 1024]);
        while feed.send(output(data.clone())).await.is_ok() {
            let mut flooded = shared.flooded.lock().unwrap();
            *flooded += data.len();
        }
    });
    response
}

pub(crate) struct Fixture {
    pub(crate) listening: Listening,
    pub(crate) certificates: Certificates,
    pub(crate) shared: Shared,
    pub(crate) server: Server,
}

impl Fixture {
    pub(crate) async fn start(limits: Limits) -> Self {
        Self::at(&Endpoint { bind: "127.0.0.1:0".parse().unwrap(), limits, ..Endpoint::default() }).await
    }

    pub(crate) async fn at(endpoint: &Endpoint) -> Self {
        let listener = Listener::bind(endpoint).await.unwrap();
        let listening = listener.listening().clone();
        let listeners = vec![listener];
        let certificates = Certificates::of(&listeners);
        let shared = Shared::default();
        let router = Router::new()
            .route("/", get(async || "hello"))
            .route("/feed", get(open_feed))
            .route("/flood", get(flood))
            .route("/slow", get(slow))
            .route("/who", get(who))
            .with_state(shared.clone());
        let server = Server::start(listeners, router, shared.lifetime.clone());
        Self { listening, certificates, shared, server }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listening.tcp().unwrap()
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire::connect(self.address()).await
    }

    pub(crate) fn feed(&self, index: usize) -> mpsc::Sender<Item> {
        self.shared.feeds.lock().unwrap()[index].clone()
    }

    /// Ends the server, which must have nothing to cut.
    pub(crate) async fn stop(self) {
        assert_eq!(self.server.shutdown(DEADLINE).await, 0);
    }
}
