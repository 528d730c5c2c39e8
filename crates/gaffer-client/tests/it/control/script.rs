//! A node on which the test decides what is said, message by message.

use futures_util::{SinkExt, StreamExt};
use gaffer_client::{Client, Control, ControlOptions};
use gaffer_core::api::channel::{Command, Request, Subscribe};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

use crate::fixture::{client_of, soon};

/// A node that does nothing by itself.
pub(super) struct Script {
    listener: TcpListener,
}

/// One connection to it.
pub(super) struct Peer(WebSocketStream<TcpStream>);

impl Script {
    pub(super) async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(super) fn client(&self) -> Client {
        client_of(self.listener.local_addr().unwrap())
    }

    /// The next connection, bare.
    pub(super) async fn stream(&self) -> TcpStream {
        soon("the client connects", self.listener.accept()).await.unwrap().0
    }

    /// Grants the next connection its websocket.
    pub(super) async fn accept(&self) -> Peer {
        let stream = accept_async(self.stream().await).await.unwrap();
        let mut peer = Peer(stream);
        assert!(peer.message().await.unwrap().is_ping(), "a client asks whether it is welcome");
        peer.0.flush().await.unwrap();
        peer
    }

    /// A client, and its connection.
    pub(super) async fn connected(&self, client: &Client, options: &ControlOptions) -> (Control, Peer) {
        let (control, peer) = tokio::join!(client.control(options), self.accept());
        (control.unwrap(), peer)
    }
}

/// A node that does nothing by itself, and a connection to it.
pub(super) async fn script() -> (Script, Control, Peer) {
    let script = Script::new().await;
    let (control, peer) = script.connected(&script.client(), &ControlOptions::default()).await;
    (script, control, peer)
}

impl Peer {
    /// The next message; `None` once the client is gone.
    pub(super) async fn message(&mut self) -> Option<Message> {
        soon("the client says something", self.0.next()).await.and_then(Result::ok)
    }

    /// The next request.
    pub(super) async fn hear(&mut self) -> Request {
        loop {
            match self.message().await {
                Some(Message::Text(text)) => return Request::read(&text).unwrap(),
                Some(Message::Ping(_)) => {}
                other => panic!("this is no request: {other:?}"),
            }
        }
    }

    /// The next request, which must be for a topic.
    pub(super) async fn subscribe(&mut self) -> Subscribe {
        let request = self.hear().await;
        let Request::Subscribe(subscribe) = request else { panic!("this is no SUB: {request:?}") };
        subscribe
    }

    /// The next request, which must take this topic back.
    pub(super) async fn unsubscribe(&mut self, topic: &str) {
        assert_eq!(self.hear().await, Request::Unsubscribe { topic: topic.to_owned() });
    }

    /// The next request, which must be a command.
    pub(super) async fn command(&mut self) -> Command {
        let request = self.hear().await;
        let Request::Command(command) = request else { panic!("this is no CMD: {request:?}") };
        command
    }

    pub(super) async fn say(&mut self, message: Value) {
        self.say_text(&message.to_string()).await;
    }

    pub(super) async fn say_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// Says yes to a subscription, with what else there is to say of its beginning.
    pub(super) async fn agree(&mut self, topic: &str, start: Value) {
        let mut message = json!({"event": "gaffer:subscription_success", "topic": topic});
        message.as_object_mut().unwrap().extend(start.as_object().unwrap().clone());
        self.say(message).await;
    }

    /// Says no to one.
    pub(super) async fn refuse(&mut self, topic: &str, status: u16) {
        let error = json!({"errno": status, "error": "no", "reason": "because"});
        self.say(json!({"event": "gaffer:subscription_error", "topic": topic, "data": error})).await;
    }

    /// Tells of a spawn of this job.
    pub(super) async fn spawn(&mut self, topic: &str, id: &str, name: &str) {
        let data = json!({"event": "spawn", "topic": topic, "name": name});
        self.say(json!({"event": "gaffer:event", "id": id, "data": data})).await;
    }

    /// Answers a command.
    pub(super) async fn answer(&mut self, command: &Command, result: Value) {
        let data = json!({"id": command.identity, "result": result});
        self.say(json!({"event": "gaffer:command_success", "data": data})).await;
    }

    /// Closes it with this code, and waits until the client has gone.
    pub(super) async fn close(mut self, code: u16) {
        let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame { code: code.into(), reason: "".into() };
        self.0.close(Some(frame)).await.unwrap();
        while self.message().await.is_some() {}
    }

    /// Reads nothing and answers no more, but stays.
    pub(super) fn into_inner(self) -> WebSocketStream<TcpStream> {
        self.0
    }
}
