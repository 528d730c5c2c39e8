//! A node with a real socket, and websocket clients of it.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use gaffer_core::{Manager, ManagerOptions, backend::RealBackend};
use gaffer_http::{
    HttpHandler, api,
    serve::{Endpoint, Limits},
};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, handshake::client::Response},
};

use crate::wire::{DEADLINE, Wire};

/// A node that listens.
pub(crate) struct Listening {
    pub(crate) manager: Manager,
    pub(crate) address: SocketAddr,
}

impl Listening {
    pub(crate) async fn start() -> Self {
        Self::with_limits(Limits::default()).await
    }

    pub(crate) async fn with_limits(limits: Limits) -> Self {
        Self::of(limits, api::Options::default()).await
    }

    pub(crate) async fn with_options(options: api::Options) -> Self {
        Self::of(Limits::default(), options).await
    }

    /// One that listens elsewhere, and is reached by a loopback address all the same.
    pub(crate) async fn on(bind: &str) -> Self {
        let mut node = Self::bound(bind, Limits::default(), api::Options::default()).await;
        node.address.set_ip([127, 0, 0, 1].into());
        node
    }

    async fn of(limits: Limits, options: api::Options) -> Self {
        Self::bound("127.0.0.1:0", limits, options).await
    }

    async fn bound(bind: &str, limits: Limits, options: api::Options) -> Self {
        let endpoint = Endpoint { bind: bind.parse().unwrap(), limits, ..Endpoint::default() };
        // At its end most tests still hold clients that do not read.
        let handler = HttpHandler::bind(&[endpoint]).await.unwrap();
        let handler = handler.with_drain(Duration::from_millis(20)).with_options(options);
        let address = handler.addresses()[0].tcp().unwrap();
        let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
        manager.start_applications(vec![Box::new(handler)]).await.unwrap();
        Self { manager, address }
    }

    /// Loads a job, whose processes get the next numbers from 1.
    pub(crate) async fn load(&self, job: Value) {
        let Value::Object(job) = job else { panic!("no job: {job}") };
        let read = gaffer_core::JobConfig::from_json(&job, None, None).unwrap();
        self.manager.load(read.config).await.unwrap();
    }

    pub(crate) async fn open(&self, path: &str) -> Client {
        let (client, answer) = self.try_open(path).await.unwrap();
        assert_eq!(answer.headers()["upgrade"], "websocket");
        client
    }

    /// Asks for a websocket, which may be refused.
    pub(crate) async fn try_open(&self, path: &str) -> Result<(Client, Response), Error> {
        self.try_open_with(path, &[]).await
    }

    /// The same, with headers.
    pub(crate) async fn try_open_with(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<(Client, Response), Error> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        let opening = client_async(request, stream);
        let (socket, answer) = tokio::time::timeout(DEADLINE, opening).await.expect("an answer")?;
        Ok((Client { socket }, answer))
    }

    /// What is answered to a request for a websocket with these headers.
    pub(crate) async fn ask(&self, request: &str) -> String {
        let mut wire = Wire::connect(self.address).await;
        wire.send(request).await;
        wire.until("\r\n\r\n").await.to_lowercase()
    }

    pub(crate) async fn stop(self) {
        tokio::time::timeout(DEADLINE, self.manager.stop_now()).await.expect("the manager should stop");
    }
}

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl Client {
    pub(crate) async fn send(&mut self, message: impl Into<Message>) {
        let sending = self.socket.send(message.into());
        tokio::time::timeout(DEADLINE, sending).await.expect("room for it").unwrap();
    }

    pub(crate) async fn next(&mut self) -> Message {
        let next = tokio::time::timeout(DEADLINE, self.socket.next()).await.expect("a message or the end");
        next.expect("a message").unwrap()
    }

    /// The next message, which must be text.
    pub(crate) async fn text(&mut self) -> String {
        let message = self.next().await;
        assert!(message.is_text(), "{message:?}");
        message.to_text().unwrap().to_owned()
    }

    /// Reads text until it ends so.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            text.push_str(&self.text().await);
        }
        text
    }

    /// Waits for the close, and then for the end of the connection: the code.
    pub(crate) async fn closed(&mut self) -> u16 {
        let message = self.next().await;
        let Message::Close(Some(frame)) = message else { panic!("{message:?} is no close with a code") };
        let end = tokio::time::timeout(DEADLINE, self.socket.next()).await.expect("the end");
        assert!(end.is_none(), "{end:?}");
        frame.code.into()
    }

    /// The next message is an error in the one form, and then comes the close for it. Answers its reason.
    pub(crate) async fn refused(&mut self, errno: u16, code: &str) -> String {
        let body: Value = serde_json::from_str(&self.text().await).unwrap();
        assert_eq!((body["errno"].as_u64(), body["error"].as_str()), (Some(errno.into()), Some(code)), "{body}");
        let reason = body["reason"].as_str().unwrap().to_owned();
        assert!(!reason.is_empty());
        assert_eq!(self.closed().await, 4000 + errno);
        reason
    }
}
