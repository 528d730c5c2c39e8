//! Requests a second at `GET /status/{name}`, beside a bare axum handler that answers the same bytes, in one run.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may panic")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use axum::{Router, http::header, routing::get};
use gaffer_core::{Manager, ManagerOptions, backend::RealBackend, config::JobSpec};
use gaffer_http::{HttpHandler, serve::Endpoint};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(1);
/// Each thread asks on all of its connections before it reads the first answer.
const THREADS: usize = 2;
const CONNECTIONS: usize = 16;

const REQUEST: &[u8] = b"GET /status/bench HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The length of an answer with its head, and its body.
fn answer(address: SocketAddr) -> (usize, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(REQUEST).unwrap();
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
fn rate(address: SocketAddr, length: usize) -> f64 {
    let begun = Instant::now();
    let clients: Vec<_> = (0..THREADS)
        .map(|_| {
            thread::spawn(move || {
                let mut streams: Vec<_> = (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
                let mut answer = vec![0; length];
                let mut answered = 0_u32;
                while begun.elapsed() < ROUND {
                    for stream in &mut streams {
                        stream.write_all(REQUEST).unwrap();
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

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (manager, ours) = runtime.block_on(async {
        let endpoint = Endpoint { bind: "127.0.0.1:0".parse().unwrap(), ..Endpoint::default() };
        let http = HttpHandler::bind(&[endpoint]).await.unwrap();
        let address = http.addresses()[0].tcp().unwrap();
        let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
        manager.start_applications(vec![Box::new(http)]).await.unwrap();
        let mut job = JobSpec::new("bench".parse().unwrap(), "sleep 1000");
        job.start = false; // So that no answer differs from another.
        manager.load(job.check().unwrap()).await.unwrap();
        (manager, address)
    });
    let (our_length, body) = answer(ours);
    let bare = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let body = bytes::Bytes::from(body);
        let content_type = [(header::CONTENT_TYPE, "application/json; charset=UTF-8")];
        let router = Router::new().route("/status/{name}", get(async move || (content_type, body.clone())));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    });
    let (bare_length, _) = answer(bare);

    let (mut of_ours, mut of_bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        of_bare.push(rate(bare, bare_length));
        of_ours.push(rate(ours, our_length));
    }
    let (ours, bare) = (median(of_ours), median(of_bare));
    println!("GET /status/bench, {} connections, medians of {ROUNDS} rounds:", THREADS * CONNECTIONS);
    println!("  bare axum handler  {bare:9.0} requests/s");
    println!("  gaffer             {ours:9.0} requests/s   ratio {:.2}", ours / bare);
    runtime.block_on(manager.stop());
}
