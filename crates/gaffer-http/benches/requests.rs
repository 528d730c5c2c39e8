//! Requests a second at `GET /status/{name}`, with and without a key, beside a bare axum handler that answers the same bytes, in one run.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may panic")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use axum::{Router, http::header, routing::get};
use gaffer_core::{Manager, ManagerOptions, backend::RealBackend, config::JobSpec};
use gaffer_http::{HttpHandler, api, serve::Endpoint};
use gaffer_state::{Access, StateFile};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(1);
/// Each thread asks on all of its connections before it reads the first answer.
const THREADS: usize = 2;
const CONNECTIONS: usize = 16;

/// A request that shows a key, if there is one.
fn request(key: Option<&str>) -> String {
    let key = key.map(|key| format!("X-Api-Key: {key}\r\n")).unwrap_or_default();
    format!("GET /status/bench HTTP/1.1\r\nHost: localhost\r\n{key}\r\n")
}

/// The length of an answer with its head, and its body.
fn answer(address: SocketAddr, request: &str) -> (usize, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "an answer");
        read.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if length == Some(body.len()) {
            return (read.len(), body.as_bytes().to_vec());
        }
    }
}

/// Requests answered in a second.
fn rate(address: SocketAddr, request: &str, length: usize) -> f64 {
    let begun = Instant::now();
    let clients: Vec<_> = (0..THREADS)
        .map(|_| {
            let request = request.to_owned();
            thread::spawn(move || {
                let mut streams: Vec<_> = (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
                let mut answer = vec![0; length];
                let mut answered = 0_u32;
                while begun.elapsed() < ROUND {
                    for stream in &mut streams {
                        stream.write_all(request.as_bytes()).unwrap();
                    }
                    for stream in &mut streams {
                        stream.read_exact(&mut answer).unwrap();
                        answered += 1;
                    }
                }
                answered
            })
        })
        .collect();
    let answered: u32 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    f64::from(answered) / begun.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A node with the job, and where it is.
async fn node(access: Option<Access>) -> (Manager, SocketAddr) {
    let endpoint = Endpoint { bind: "127.0.0.1:0".parse().unwrap(), ..Endpoint::default() };
    let options = api::Options { access, ..api::Options::default() };
    let http = HttpHandler::bind(&[endpoint]).await.unwrap().with_options(options);
    let address = http.addresses()[0].tcp().unwrap();
    let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
    manager.start_applications(vec![Box::new(http)]).await.unwrap();
    let mut job = JobSpec::new("bench".parse().unwrap(), "sleep 1000");
    job.start = false; // So that no answer differs from another.
    manager.load(job.check().unwrap()).await.unwrap();
    (manager, address)
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (manager, ours) = runtime.block_on(node(None));
    let (keyed_manager, keyed, key) = runtime.block_on(async {
        let access = Access::open(StateFile::in_memory().unwrap()).await.unwrap();
        let key = access.create_admin("bench", "bench".to_owned()).await.unwrap();
        let (manager, address) = node(Some(access)).await;
        (manager, address, key)
    });
    let (plain, with_key) = (request(None), request(Some(key.as_str())));
    let (our_length, body) = answer(ours, &plain);
    let (keyed_length, _) = answer(keyed, &with_key);
    let bare = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let body = bytes::Bytes::from(body);
        let content_type = [(header::CONTENT_TYPE, "application/json; charset=UTF-8")];
        let router = Router::new().route("/status/{name}", get(async move || (content_type, body.clone())));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    });
    let (bare_length, _) = answer(bare, &plain);

    let (mut of_ours, mut of_keyed, mut of_bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        of_bare.push(rate(bare, &plain, bare_length));
        of_ours.push(rate(ours, &plain, our_length));
        of_keyed.push(rate(keyed, &with_key, keyed_length));
    }
    let (ours, keyed, bare) = (median(of_ours), median(of_keyed), median(of_bare));
    println!("GET /status/bench, {} connections, medians of {ROUNDS} rounds:", THREADS * CONNECTIONS);
    println!("  bare axum handler  {bare:9.0} requests/s");
    println!("  gaffer             {ours:9.0} requests/s   ratio {:.2}", ours / bare);
    println!("  gaffer, with a key {keyed:9.0} requests/s   ratio {:.2}", keyed / bare);
    runtime.block_on(manager.stop());
    runtime.block_on(keyed_manager.stop());
}
