//! One event to 1,000 subscribers of `/watch`, 1,000 times over, beside tokio's broadcast channel written to the same number
//! of sockets, in one run.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may panic")]

mod usage;

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gaffer_core::{Manager, ManagerOptions, backend::RealBackend, config::JobSpec};
use gaffer_http::{HttpHandler, serve::Endpoint};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{broadcast, mpsc},
    task::JoinSet,
};

use self::usage::processor_time;

const SUBSCRIBERS: usize = 1000;
const EVENTS: usize = 1000;
const ROUNDS: usize = 3;

/// Connects all readers, says when they are subscribed, and ends when each has read all events.
///
/// An event is one chunk of one line: three line feeds, whoever sends it.
fn readers(address: SocketAddr, subscribed: mpsc::Sender<()>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut all = JoinSet::new();
            for _ in 0..SUBSCRIBERS {
                let subscribed = subscribed.clone();
                all.spawn(async move {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    let request =
                        "GET /watch/proc/bench?feed=continuous&heartbeat=0 HTTP/1.1\r\nHost: localhost\r\n\r\n";
                    stream.write_all(request.as_bytes()).await.unwrap();
                    let mut piece = vec![0; 64 * 1024];
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
                    subscribed.send(()).await.unwrap();
                    let mut line_feeds = 0;
                    while line_feeds < 3 * EVENTS {
                        let length = stream.read(&mut piece).await.unwrap();
                        assert!(length > 0, "the feed ended early");
                        line_feeds += piece[..length].iter().filter(|byte| **byte == b'\n').count();
                    }
                    assert_eq!(line_feeds, 3 * EVENTS, "each event once, and no loss told");
                });
            }
            drop(subscribed);
            while let Some(read) = all.join_next().await {
                read.unwrap();
            }
        });
    })
}

/// Time and processor time from the first event to the last delivery.
async fn round(address: SocketAddr, publish: impl Future<Output = ()>) -> (Duration, Duration) {
    let (subscribed, mut all_subscribed) = mpsc::channel(SUBSCRIBERS);
    let reading = readers(address, subscribed);
    for _ in 0..SUBSCRIBERS {
        all_subscribed.recv().await.unwrap();
    }
    let (begun, used) = (Instant::now(), processor_time());
    publish.await;
    tokio::task::spawn_blocking(|| reading.join().unwrap()).await.unwrap();
    (begun.elapsed(), processor_time() - used)
}

/// Writes what comes over a broadcast channel to every connection, as chunks.
async fn broadcast_server() -> (SocketAddr, broadcast::Sender<Bytes>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, _) = broadcast::channel::<Bytes>(2 * EVENTS);
    let source = sender.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut events = source.subscribe();
            tokio::spawn(async move {
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
                while let Ok(event) = events.recv().await {
                    if stream.write_all(&event).await.is_err() {
                        return; // The round is over.
                    }
                }
            });
        }
    });
    (address, sender)
}

fn main() {
    gaffer_core::os::raise_nofile_limit().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let endpoint = Endpoint { bind: "127.0.0.1:0".parse().unwrap(), backlog: 4096, ..Endpoint::default() };
        let http = HttpHandler::bind(&[endpoint]).await.unwrap();
        let ours = http.addresses()[0].tcp().unwrap();
        let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
        manager.start_applications(vec![Box::new(http)]).await.unwrap();
        // A job that has no process: all there is are its events.
        let mut job = JobSpec::new("bench".parse().unwrap(), "true");
        (job.numprocesses, job.start) = (0, false);
        let name = job.name.clone().unwrap();
        manager.load(job.check().unwrap()).await.unwrap();
        let (bare, sender) = broadcast_server().await;

        let line = "{\"event\":\"proc.bench.start\",\"name\":\"bench\"}\r\n";
        let chunk = Bytes::from(format!("{:X}\r\n{line}\r\n", line.len()));
        let (mut of_ours, mut of_bare) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let publish = async {
                for _ in 0..EVENTS {
                    sender.send(chunk.clone()).unwrap();
                    tokio::task::yield_now().await;
                }
            };
            of_bare.push(round(bare, publish).await);
            let publish = async {
                for _ in 0..EVENTS / 2 {
                    manager.start_job(&name).await.unwrap();
                    manager.stop_job(&name).await.unwrap();
                }
            };
            of_ours.push(round(ours, publish).await);
        }
        of_ours.sort();
        of_bare.sort();
        let (ours, bare) = (of_ours[ROUNDS / 2], of_bare[ROUNDS / 2]);
        let rate = |round: (Duration, Duration)| (SUBSCRIBERS * EVENTS) as f64 / round.0.as_secs_f64();
        let each = |round: (Duration, Duration)| round.1.as_secs_f64() * 1e6 / (SUBSCRIBERS * EVENTS) as f64;
        println!(
            "{EVENTS} events to {SUBSCRIBERS} subscribers over HTTP, medians of {ROUNDS} rounds, readers included:"
        );
        println!("  broadcast channel  {:9.0} deliveries/s  {:.2} us of processor each", rate(bare), each(bare));
        println!(
            "  gaffer /watch      {:9.0} deliveries/s  {:.2} us of processor each   ratios {:.2}, {:.2}",
            rate(ours),
            each(ours),
            rate(ours) / rate(bare),
            each(ours) / each(bare)
        );
        manager.stop().await;
    });
}
