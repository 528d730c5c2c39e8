//! A server with services of SockJS.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use axum::Router;
use gaffer_http::{
    origin::Origins,
    serve::{Endpoint, Lifetime, Listener, Server},
    sockjs::{Options, Service, Session, router},
};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{client_async, tungstenite::client::IntoClientRequest};

use super::client::{Answer, Open};
use crate::{
    sockets::Client,
    wire::{DEADLINE, Wire},
};

/// Less than anything that a test fills.
const SMALL_BUFFER: u32 = 16 * 1024;

pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    server: Server,
}

/// Says what it hears.
pub(crate) async fn echo(session: Session) {
    while let Some(message) = session.recv().await {
        if session.send(message).await.is_err() {
            break;
        }
    }
}

/// What the services of the suite have in common: any page, and answers that end soon.
pub(crate) fn options() -> Options {
    Options { origins: Origins::Any, response_limit: 4096, ..Options::default() }
}

impl Site {
    /// The services that the suite wants.
    pub(crate) async fn start() -> Self {
        let close = async |session: Session| session.close(3000, "Go away!");
        let close = move |session| close(session);
        Self::serving(|lifetime| {
            router("/echo", echo, options(), lifetime.clone())
                .merge(router(
                    "/disabled_websocket_echo",
                    echo,
                    Options { websocket: false, ..options() },
                    lifetime.clone(),
                ))
                .merge(router("/cookie_needed_echo", echo, Options { cookie: true, ..options() }, lifetime.clone()))
                .merge(router("/close", close, options(), lifetime.clone()))
        })
        .await
    }

    /// One service, at `/s`.
    pub(crate) async fn of(service: impl Service, options: Options) -> Self {
        Self::serving(|lifetime| router("/s", service, options, lifetime.clone())).await
    }

    async fn serving(routes: impl FnOnce(&Lifetime) -> Router) -> Self {
        let endpoint = Endpoint { bind: "127.0.0.1:0".parse().unwrap(), ..Endpoint::default() };
        let listener = Listener::bind(&endpoint).await.unwrap();
        let address = listener.listening().tcp().unwrap();
        let lifetime = Lifetime::new();
        let routes = routes(&lifetime);
        Self { address, server: Server::start(vec![listener], routes, lifetime) }
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire::connect(self.address).await
    }

    /// A connection with little room for what is not read.
    pub(crate) async fn connect_small(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(SMALL_BUFFER).unwrap();
        socket.set_send_buffer_size(SMALL_BUFFER).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// Asks on a connection of its own, and reads the head of the answer.
    pub(crate) async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Open {
        Open::ask(self.connect().await, method, path, headers, body).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.open(method, path, headers, "").await.whole().await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.open("POST", path, &[], body).await.whole().await
    }

    /// Posts a form, as pages without scripts do.
    pub(crate) async fn submit(&self, path: &str, body: &str) -> Answer {
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        self.open("POST", path, &form, body).await.whole().await
    }

    /// Polls for frames, which must be granted.
    pub(crate) async fn poll(&self, session: &str) -> String {
        let answer = self.post(&format!("{session}/xhr"), "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// Says something on a session, which must be taken.
    pub(crate) async fn say(&self, session: &str, messages: &str) {
        let answer = self.post(&format!("{session}/xhr_send"), messages).await;
        assert_eq!(answer.says(), (204, ""), "{answer:?}");
    }

    /// Opens a streaming answer, which must begin as it should.
    pub(crate) async fn stream(&self, session: &str) -> Open {
        let mut stream = self.open("POST", &format!("{session}/xhr_streaming"), &[], "").await;
        assert_eq!(stream.status, 200);
        assert_eq!(stream.chunk().await, "h".repeat(2048) + "\n");
        stream
    }

    pub(crate) async fn socket(&self, path: &str) -> Client {
        self.socket_over(TcpStream::connect(self.address).await.unwrap(), path).await
    }

    pub(crate) async fn socket_over(&self, stream: TcpStream, path: &str) -> Client {
        let request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        let opening = client_async(request, stream);
        let (socket, _answer) = tokio::time::timeout(DEADLINE, opening).await.expect("an answer").unwrap();
        Client { socket }
    }

    /// Waits until a count does not grow any more: not while the server answers others.
    pub(crate) async fn settled(&self, count: &AtomicUsize) -> usize {
        loop {
            let before = count.load(Ordering::Relaxed);
            for _ in 0..10 {
                assert_eq!(self.get("/s/info").await.status, 200);
            }
            if before > 0 && count.load(Ordering::Relaxed) == before {
                return before;
            }
        }
    }

    /// Ends the server, and how many tasks it had to cut.
    pub(crate) async fn shutdown(self) -> usize {
        self.server.shutdown(DEADLINE).await
    }

    /// Ends the server, of which nothing may be left.
    pub(crate) async fn stop(self) {
        assert_eq!(self.shutdown().await, 0);
    }
}
