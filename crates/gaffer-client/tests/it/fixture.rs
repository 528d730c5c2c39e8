//! Nodes to talk to, and what stands between them and a client.

use std::{
    future::Future,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use futures_util::{Stream, StreamExt};
use gaffer_client::{Client, Endpoint, Error, OutputText, Told};
use gaffer_core::{JobName, ProcessId, names::StreamLabel};
use gaffer_tests::{DEADLINE, Daemon, Setup};

/// A job that says what it is told, and one that just is.
pub(crate) const JOBS: &str = "[process:echo]\ncmd = cat\nredirect_input = true\nredirect_output = out\n\
                               [process:shop:api]\ncmd = misbehave forever\n";

pub(crate) fn endpoint(address: SocketAddr) -> Endpoint {
    format!("http://{address}").parse().unwrap()
}

pub(crate) fn client_of(address: SocketAddr) -> Client {
    Client::new(&endpoint(address)).unwrap()
}

pub(crate) fn job(name: &str) -> JobName {
    name.parse().unwrap()
}

pub(crate) fn label(name: &str) -> StreamLabel {
    name.parse().unwrap()
}

/// A gafferd with [`JOBS`] that run, and a client of it.
pub(crate) fn node() -> (Daemon, Client) {
    let daemon = Daemon::start(JOBS);
    daemon.until_running("echo", 1);
    daemon.until_running("shop.api", 1);
    let client = client_of(daemon.address());
    (daemon, client)
}

/// Starts gafferd at a socket that outlives it.
pub(crate) fn at_socket(socket: &std::path::Path) -> (Daemon, Client) {
    let endpoints = "[endpoint:plain]\nbind = 127.0.0.1:0\n[endpoint:local]\nbind = unix:";
    let daemon = Setup::new().own_endpoints().ini(&format!("{endpoints}{}\n{JOBS}", socket.display())).start();
    daemon.until_logged("listening on unix:");
    daemon.until_running("echo", 1);
    (daemon, Client::new(&format!("unix:{}", socket.display()).parse().unwrap()).unwrap())
}

/// The only process of a job.
pub(crate) fn pid(daemon: &Daemon, job: &str) -> ProcessId {
    ProcessId::new(daemon.until_running(job, 1)[0])
}

/// Waits for what must come.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let in_time = tokio::time::timeout(DEADLINE, future).await;
    in_time.unwrap_or_else(|_| panic!("it took too long until {what}"))
}

/// What a feed tells next; `None` at its end.
pub(crate) async fn next<T>(
    feed: &mut (impl Stream<Item = Result<Told<T>, Error>> + Unpin),
) -> Option<Result<Told<T>, Error>> {
    soon("the feed told something", feed.next()).await
}

/// The next item of a feed that must not tell anything else.
#[track_caller]
pub(crate) fn item<T: std::fmt::Debug>(told: Option<Result<Told<T>, Error>>) -> T {
    match told {
        Some(Ok(Told::Item(item))) => item,
        other => panic!("this is no item: {other:?}"),
    }
}

/// The next item of a feed whose connection may be lost and come back.
pub(crate) async fn next_item<T: std::fmt::Debug>(
    feed: &mut (impl Stream<Item = Result<Told<T>, Error>> + Unpin),
) -> T {
    loop {
        match next(feed).await {
            Some(Ok(Told::Item(item))) => return item,
            Some(Ok(Told::Disconnected(_) | Told::Reconnected { same_run: true })) => {}
            other => panic!("this is no item: {other:?}"),
        }
    }
}

/// All lines that pieces of output make up.
pub(crate) fn lines(pieces: &[OutputText]) -> Vec<String> {
    let text: String =
        pieces.iter().map(|piece| piece.text.clone() + if piece.ends_line { "\n" } else { "" }).collect();
    text.lines().map(str::to_owned).collect()
}

/// A server that hands each of its connections to `speak`, one after the other.
pub(crate) fn server(mut speak: impl FnMut(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(&mut speak));
    address
}

/// Reads the head of a request.
pub(crate) fn request(stream: &TcpStream) -> String {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
    head
}

/// A server that answers every request with the same text.
pub(crate) fn answering(answer: &'static str) -> SocketAddr {
    server(move |mut stream| {
        request(&stream);
        stream.write_all(answer.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
    })
}

/// Stands between a client and a node, and cuts connections.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<ProxyState>>,
}

struct ProxyState {
    /// How many connections are cut by themselves, and after how many bytes to the client.
    cut: (usize, usize),
    connections: Vec<TcpStream>,
    /// How many were made.
    made: usize,
}

impl Proxy {
    pub(crate) fn to(node: SocketAddr) -> Self {
        let state = Arc::new(Mutex::new(ProxyState { cut: (0, 0), connections: Vec::new(), made: 0 }));
        let shared = Arc::clone(&state);
        let address = server(move |client| {
            let Ok(node) = TcpStream::connect(node) else { return };
            let most = {
                let mut state = shared.lock().unwrap();
                state.made += 1;
                state.connections.extend([client.try_clone().unwrap(), node.try_clone().unwrap()]);
                let (times, bytes) = &mut state.cut;
                let is_cut = *times > 0;
                *times = times.saturating_sub(1);
                if is_cut { *bytes } else { usize::MAX }
            };
            let (mut up, mut down) = (client.try_clone().unwrap(), node.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut up, &mut down));
            thread::spawn(move || {
                let (mut node, mut client) = (node.take(most as u64), client);
                let _cut_by_either_side = std::io::copy(&mut node, &mut client);
                let _closed_already = client.shutdown(Shutdown::Both);
                let _closed_already = node.into_inner().shutdown(Shutdown::Both);
            });
        });
        Self { address, state }
    }

    /// Cuts the next connections, so many, after so many bytes each.
    pub(crate) fn cut_after(&self, bytes: usize, times: usize) {
        self.state.lock().unwrap().cut = (times, bytes);
    }

    /// Cuts all connections, in the middle of whatever they are about.
    pub(crate) fn cut(&self) {
        for connection in self.state.lock().unwrap().connections.drain(..) {
            let _closed_already = connection.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().made
    }
}
