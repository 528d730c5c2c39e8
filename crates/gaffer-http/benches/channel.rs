//! 100 jobs that are restarted, told to 1,000 sessions of SockJS over websockets that are subscribed to `EVENTS`, beside tokio's
//! broadcast channel written to the same number of websockets, in one run; then the same with readers that stopped reading.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may panic")]

mod usage;

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use gaffer_core::{JobName, Manager, ManagerOptions, backend::RealBackend, config::JobSpec};
use gaffer_http::{HttpHandler, serve::Endpoint};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{broadcast, mpsc},
    task::JoinSet,
};
use tokio_tungstenite::{
    accept_async, client_async_with_config,
    tungstenite::{Message, Utf8Bytes, protocol::WebSocketConfig},
};

use self::usage::processor_time;

const SESSIONS: usize = 1000;
const JOBS: usize = 100;
const RESTARTS: usize = 10;

/// What a restart tells: restart, spawn, reap and exit, under the names of the event and of its job.
const EVENTS: usize = JOBS * RESTARTS * 8;

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Connects all readers, says when they are subscribed, and ends when each has read all events. Who stalls reads none.
fn readers(
    address: SocketAddr,
    stalls: bool,
    subscribed: mpsc::Sender<()>,
    end: broadcast::Sender<()>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut all = JoinSet::new();
            for number in 0..SESSIONS {
                let (subscribed, mut end) = (subscribed.clone(), end.subscribe());
                all.spawn(async move {
                    let socket = TcpSocket::new_v4().unwrap();
                    if stalls {
                        socket.set_recv_buffer_size(4096).unwrap();
                    }
                    let stream = socket.connect(address).await.unwrap();
                    let url = format!("ws://{address}/channel/000/bench{number}/websocket");
                    // Small buffers: the memory that is shown holds the readers, too.
                    let config = WebSocketConfig::default().read_buffer_size(4096);
                    let (mut socket, _) = client_async_with_config(url, stream, Some(config)).await.unwrap();
                    let subscribe = r#"["{\"event\":\"SUB\",\"data\":{\"topic\":\"EVENTS\"}}"]"#;
                    socket.send(Message::text(subscribe)).await.unwrap();
                    let mut texts = 0;
                    while texts < 2 {
                        // The frame that opens the session, and the one that grants the subscription.
                        texts += usize::from(socket.next().await.unwrap().unwrap().is_text());
                    }
                    subscribed.send(()).await.unwrap();
                    drop(subscribed);
                    if stalls {
                        end.recv().await.unwrap();
                        return;
                    }
                    let mut events = 0;
                    while events < EVENTS {
                        let Message::Text(frame) = socket.next().await.unwrap().unwrap() else { continue };
                        assert!(!frame.contains("gaffer:lagged"), "{frame}");
                        events += frame.matches("gaffer:event").count();
                    }
                    assert_eq!(events, EVENTS, "each event once, and no loss told");
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
    let (subscribed, mut all) = mpsc::channel(SESSIONS);
    let (end, _) = broadcast::channel(1);
    let readers = readers(address, false, subscribed, end);
    while all.recv().await.is_some() {}
    let (begun, used) = (Instant::now(), processor_time());
    publish.await;
    tokio::task::spawn_blocking(|| readers.join().unwrap()).await.unwrap();
    (begun.elapsed(), processor_time() - used)
}

/// The least that could be done: each client's websocket gets what a broadcast channel has, in frames that are made once.
async fn broadcast_server() -> (SocketAddr, broadcast::Sender<Utf8Bytes>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, _) = broadcast::channel(EVENTS);
    let source = sender.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let mut events = source.subscribe();
            tokio::spawn(async move {
                let mut socket = accept_async(stream).await.unwrap();
                socket.next().await.unwrap().unwrap();
                socket.send(Message::text("o")).await.unwrap();
                socket.send(Message::text("granted")).await.unwrap();
                while let Ok(event) = events.recv().await {
                    if socket.send(Message::Text(event)).await.is_err() {
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
        let names: Vec<JobName> = (0..JOBS).map(|number| format!("bench.job{number}").parse().unwrap()).collect();
        for name in &names {
            manager.load(JobSpec::new(name.clone(), "sleep 1000").check().unwrap()).await.unwrap();
        }
        let (bare, sender) = broadcast_server().await;
        let event = r#"a["{\"event\":\"gaffer:event\",\"id\":\"b2e9c2346fd7c5e1-15\",\"data\":{\"topic\":\"EVENTS\",\"event\":\"job.bench.job17.exit\",\"name\":\"bench.job17\",\"pid\":117,\"os_pid\":29117,\"exit_code\":0,\"exit_status\":0,\"term_signal\":15,\"once\":false,\"time\":1795891241.116}}"]"#;
        let event = Utf8Bytes::from_static(event);
        let of_bare = round(bare, async {
            for _ in 0..EVENTS {
                sender.send(event.clone()).unwrap();
                tokio::task::yield_now().await;
            }
        })
        .await;

        let restart_all = async || {
            for _ in 0..RESTARTS {
                for name in &names {
                    manager.restart_job(name).await.unwrap();
                }
            }
        };
        let alone = {
            let (begun, used) = (Instant::now(), processor_time());
            restart_all().await;
            (begun.elapsed(), processor_time() - used)
        };
        let before = resident();
        let of_ours = round(ours, restart_all()).await;
        let with_readers = resident();

        let (subscribed, mut all) = mpsc::channel(SESSIONS);
        let (end, _) = broadcast::channel(1);
        let stalled = readers(ours, true, subscribed, end.clone());
        while all.recv().await.is_some() {}
        let begun = Instant::now();
        restart_all().await;
        let with_stalled = begun.elapsed();
        let stalled_memory = resident();
        end.send(()).unwrap();
        tokio::task::spawn_blocking(|| stalled.join().unwrap()).await.unwrap();

        let deliveries = (SESSIONS * EVENTS) as f64;
        let rate = |round: (Duration, Duration)| deliveries / round.0.as_secs_f64();
        let each = |used: Duration| used.as_secs_f64() * 1e6 / deliveries;
        println!("{JOBS} jobs restarted {RESTARTS} times, told to {SESSIONS} websockets, readers included:");
        println!("  broadcast channel  {:9.0} deliveries/s  {:.2} us of processor each", rate(of_bare), each(of_bare.1));
        println!(
            "  /channel, SockJS   {:9.0} deliveries/s  {:.2} us of processor each (launches left out: {:.2})  ratio {:.2}",
            rate(of_ours),
            each(of_ours.1),
            each(of_ours.1.saturating_sub(alone.1)),
            rate(of_ours) / rate(of_bare),
        );
        println!(
            "  the restarts took {:.2} s alone, {:.2} s with readers, {:.2} s with {SESSIONS} that do not read",
            alone.0.as_secs_f64(),
            of_ours.0.as_secs_f64(),
            with_stalled.as_secs_f64(),
        );
        println!(
            "  resident: {before:.0} MiB before, {with_readers:.0} MiB with readers, {stalled_memory:.0} MiB with {SESSIONS} that do not read"
        );
        manager.stop_now().await;
    });
}
