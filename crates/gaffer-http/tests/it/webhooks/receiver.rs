//! Receivers of webhooks, good and bad ones.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use gaffer_tests::Identity;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// What a receiver was sent.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Got {
    /// A header; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The event and its job.
    pub(crate) fn event(&self) -> (String, String) {
        let json = self.json();
        (json["event"].as_str().unwrap().to_owned(), json["name"].as_str().unwrap().to_owned())
    }
}

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Status(u16),
    /// A status, and a line of the head.
    With(u16, String),
    /// No answer, ever.
    Silence,
    /// The connection is cut in the middle.
    Reset,
}

/// How a receiver answers a request, of which it had so many before.
pub(crate) type Manner = dyn Fn(usize, &Got) -> Reply + Send + Sync;

/// A receiver. Dropping it ends it.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _server: JoinSet<()>,
}

struct State {
    manner: Box<Manner>,
    got: Mutex<Vec<Got>>,
    /// How many were answered by 2xx.
    taken: Mutex<Vec<Got>>,
    count: watch::Sender<usize>,
    /// Connections that were closed by the other side.
    closed: watch::Sender<usize>,
}

impl Receiver {
    pub(crate) async fn start(manner: impl Fn(usize, &Got) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(None, manner).await
    }

    /// One that takes everything.
    pub(crate) async fn good() -> Self {
        Self::start(|_, _| Reply::Status(200)).await
    }

    /// One that speaks TLS.
    pub(crate) async fn tls(
        identity: &Identity,
        manner: impl Fn(usize, &Got) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(chain, key).unwrap();
        Self::with(Some(TlsAcceptor::from(Arc::new(config))), manner).await
    }

    async fn with(tls: Option<TlsAcceptor>, manner: impl Fn(usize, &Got) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), tls, manner)
    }

    /// One on a socket that listens already.
    pub(crate) fn at(listener: TcpListener, manner: impl Fn(usize, &Got) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(listener, None, manner)
    }

    fn serve(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        manner: impl Fn(usize, &Got) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (got, taken) = (Mutex::default(), Mutex::default());
        let (count, closed) = (watch::Sender::new(0), watch::Sender::new(0));
        let state = Arc::new(State { manner: Box::new(manner), got, taken, count, closed });
        let mut server = JoinSet::new();
        let shared = state.clone();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (state, tls) = (shared.clone(), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => state.serve(stream, |stream| stream.set_zero_linger().unwrap()).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                state.serve(stream, |stream| stream.get_ref().0.set_zero_linger().unwrap()).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, state, _server: server }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// All that it was sent.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.state.got.lock().unwrap().clone()
    }

    /// What it has taken.
    pub(crate) fn taken(&self) -> Vec<Got> {
        self.state.taken.lock().unwrap().clone()
    }

    /// Waits until it was sent so many requests.
    pub(crate) async fn until_got(&self, number: usize) -> Vec<Got> {
        let mut count = self.state.count.subscribe();
        let waiting = count.wait_for(|count| *count >= number);
        tokio::time::timeout(super::DEADLINE, waiting).await.expect("enough requests").unwrap();
        self.got()
    }

    /// Waits until so many of its connections were closed by the other side.
    pub(crate) async fn until_closed(&self, number: usize) {
        let mut closed = self.state.closed.subscribe();
        let waiting = closed.wait_for(|closed| *closed >= number);
        tokio::time::timeout(super::DEADLINE, waiting).await.expect("connections are closed").unwrap();
    }
}

impl State {
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S, reset: impl Fn(&S)) {
        let mut read = Vec::new();
        while let Some(got) = request(&mut stream, &mut read).await {
            let before = self.got.lock().unwrap().len();
            let reply = (self.manner)(before, &got);
            let (status, line) = match reply {
                Reply::Status(status) => (status, String::new()),
                Reply::With(status, line) => (status, format!("{line}\r\n")),
                Reply::Silence => {
                    self.count(got);
                    let _end = stream.read(&mut [0]).await;
                    break;
                }
                Reply::Reset => {
                    self.count(got);
                    reset(&stream);
                    return;
                }
            };
            if (200..300).contains(&status) {
                self.taken.lock().unwrap().push(got.clone());
            }
            self.count(got);
            let answer = format!("HTTP/1.1 {status} Whatever\r\n{line}Content-Length: 2\r\n\r\nok");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                break;
            }
        }
        self.closed.send_modify(|closed| *closed += 1);
    }

    fn count(&self, got: Got) {
        self.got.lock().unwrap().push(got);
        self.count.send_modify(|count| *count += 1);
    }
}

/// Reads a request; `None` at the end of the connection.
async fn request(stream: &mut (impl AsyncRead + Unpin), read: &mut Vec<u8>) -> Option<Got> {
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(read[..end].to_vec()).unwrap();
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let mut got = Got { path, head, body: String::new() };
            let length: usize = got.header("content-length").parse().unwrap();
            if read.len() >= end + 4 + length {
                got.body = String::from_utf8(read[end + 4..end + 4 + length].to_vec()).unwrap();
                read.drain(..end + 4 + length);
                assert!(got.head.starts_with("POST "), "{got:?}");
                return Some(got);
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(number) => read.extend_from_slice(&buffer[..number]),
        }
    }
}

/// An address at which nobody listens: connections are refused, as the port is held.
pub(crate) fn nobody() -> (tokio::net::TcpSocket, SocketAddr) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Whether somebody listens there.
pub(crate) async fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).await.is_ok()
}
