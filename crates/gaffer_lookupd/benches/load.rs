//! A lookup server with 1,000 nodes of 100 jobs each: what they cost, how many changes it takes in while one watches, and how fast it
//! answers meanwhile, beside a bare axum handler in the server's process that answers the same bytes, in one run.
//!
//! The server is a process of its own. Nodes, who watches and who asks are this one.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may panic")]

mod fleet;
mod questions;
mod server;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use gaffer_core::{
    api::lookup::{Jobs, Sources},
    os::raise_nofile_limit,
};
use tokio::time::{sleep_until, timeout};

use self::{
    fleet::{JOBS, NODES, Names, Node, Watcher, all, job_name},
    questions::{Asker, Spread, find, paced, rate},
    server::Server,
};

/// Changes a second of all nodes together, where they are paced.
const PACE: u32 = 10_000;
const PACED: Duration = Duration::from_secs(10);
const UNPACED: Duration = Duration::from_secs(5);

/// For all of it.
const LONGEST: Duration = Duration::from_secs(90);

/// Connections to each server that are asked while changes come.
const CONNECTIONS: usize = 4;

/// Of requests as fast as they are answered.
const ROUNDS: usize = 5;

/// Another job each time.
fn path(turn: u32) -> String {
    let turn = turn as usize;
    find(&job_name(Names::Own, turn * 617 % NODES, turn % JOBS))
}

fn median<T: Copy>(mut values: Vec<T>, order: impl Fn(&T, &T) -> std::cmp::Ordering) -> T {
    values.sort_by(order);
    values[values.len() / 2]
}

/// A server and its nodes, which have registered all. Tells what that took.
async fn fleet(names: Names, title: &str) -> (Server, Vec<Node>) {
    let server = Server::start();
    Asker::connect(server.address).ask("/ping");
    let empty = server.resident();
    let mut nodes = Vec::new();
    for number in 0..NODES {
        nodes.push(Node::come(server.address, number, names).await);
    }
    let connected = server.resident();
    let (begun, used) = (Instant::now(), server.processor_time());
    all(&mut nodes, async |mut node: Node| {
        node.register().await;
        (node, ())
    })
    .await;
    let (time, used) = (begun.elapsed().as_secs_f64(), server.processor_time() - used);
    let registered = server.resident();
    let jobs = (NODES * JOBS) as f64;
    println!("{title}:");
    println!("  all registered after     {time:7.2} s  {:9.0} jobs/s, each with its process", jobs / time);
    println!(
        "  processor time           {:7.1} us of the server for each job and its process",
        used.as_secs_f64() * 1e6 / jobs
    );
    println!("  memory of a connection   {:7.1} KiB", (connected - empty) / 1024.0 / NODES as f64);
    println!("  memory of a job          {:7.0} bytes with its process", (registered - connected) / jobs);
    (server, nodes)
}

/// Panics unless the server has what the nodes have.
fn check(server: &Server, nodes: &[Node]) {
    let mut theirs = BTreeMap::new();
    for node in nodes {
        for (job, pid) in node.pids.iter().enumerate() {
            let before = theirs.insert((node.job_name(job), node.name()), Vec::from_iter(*pid));
            assert!(before.is_none());
        }
    }
    let Jobs { nb_jobs, jobs } = serde_json::from_slice(Asker::connect(server.address).ask("/jobs")).unwrap();
    assert_eq!(nb_jobs, jobs.len());
    let mut known = BTreeMap::new();
    for job in jobs {
        for source in job.sources {
            let pids: Vec<u64> = source.pids.iter().map(|pid| pid.get()).collect();
            known.insert((job.name.clone(), source.name), pids);
        }
    }
    assert_eq!(known.len(), NODES * JOBS);
    assert!(known == theirs, "the server has what the nodes have");
}

/// Changes at a steady pace: the time of each until its answer.
async fn changes_paced(nodes: &mut Vec<Node>) -> Vec<Duration> {
    let begin = tokio::time::Instant::now();
    let each = Duration::from_secs(1) * u32::try_from(NODES).unwrap() / PACE;
    let times = all(nodes, move |mut node: Node| async move {
        let offset = Duration::from_secs(1) / PACE * u32::try_from(node.number).unwrap();
        let mut times = Vec::new();
        let mut due = begin + offset;
        while due < begin + PACED {
            sleep_until(due).await;
            let said = Instant::now();
            node.change().await;
            times.push(said.elapsed());
            due += each;
        }
        (node, times)
    });
    times.await.concat()
}

/// As many changes as are taken in, each node's one after the other: how many, and what to print of it.
async fn changes_unpaced(server: &Server, nodes: &mut Vec<Node>) -> (u64, String) {
    let (begun, used) = (Instant::now(), server.processor_time());
    let numbers = all(nodes, move |mut node: Node| async move {
        let mut number = 0;
        while begun.elapsed() < UNPACED {
            node.change().await;
            number += 1;
        }
        (node, number)
    });
    let number = numbers.await.iter().sum();
    (number, taken_in(number, begun.elapsed().as_secs_f64(), server.processor_time() - used))
}

fn taken_in(number: u64, seconds: f64, used: Duration) -> String {
    let (rate, each) = (number as f64 / seconds, used.as_secs_f64() * 1e6 / number as f64);
    format!("{rate:9.0} changes/s for {seconds:.1} s, {each:.1} us of the server's processor time each")
}

fn line(times: &Spread) -> String {
    let [p50, p99, max] = [times.p50, times.p99, times.max].map(|time| time.as_secs_f64() * 1e3);
    format!("p50 {p50:6.2} ms  p99 {p99:6.2} ms  max {max:6.2} ms")
}

fn print_answers(title: &str, [ours, bare]: &[Spread; 2]) {
    println!("  {title}:");
    println!("    bare axum handler   {}", line(bare));
    let ratio = ours.p99.as_secs_f64() / bare.p99.as_secs_f64();
    println!("    gaffer_lookupd      {}   ratio of the p99s {ratio:.2}", line(ours));
}

async fn own_jobs() {
    let (mut server, mut nodes) = fleet(Names::Own, "1,000 nodes, 100 jobs of its own each").await;
    let body = Asker::connect(server.address).ask(&path(0)).to_vec();
    let found: Sources = serde_json::from_slice(&body).unwrap();
    assert_eq!(found.sources.len(), 1);
    let bare = server.bare(&body);
    assert_eq!(Asker::connect(bare).ask(&path(0)), body);
    let servers = [server.address, bare];

    println!("GET /findJob?name=..., answers of {} bytes:", body.len());
    let (mut of_ours, mut of_bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        of_bare.push(rate(bare, path));
        of_ours.push(rate(server.address, path));
    }
    let (of_ours, of_bare) = (median(of_ours, f64::total_cmp), median(of_bare, f64::total_cmp));
    println!("  as fast as they are answered, 32 connections, medians of {ROUNDS} rounds:");
    println!("    bare axum handler   {of_bare:9.0} requests/s");
    println!("    gaffer_lookupd      {of_ours:9.0} requests/s  ratio {:.2}", of_ours / of_bare);
    let alone = paced(servers, CONNECTIONS, PACED, path);
    print_answers("100 a second on each of 4 connections, nothing else", &alone.join().unwrap());

    println!("changes as fast as they are answered, each node's one after the other:");
    let (_, told) = changes_unpaced(&server, &mut nodes).await;
    println!("  nobody watches           {told}");
    let watcher = Watcher::start(server.address);
    let (mut changes, told) = changes_unpaced(&server, &mut nodes).await;
    let (_, lost) = watcher.counts(changes);
    println!("  one watches              {told}, {lost} lost to it");

    let asking = paced(servers, CONNECTIONS, PACED, path);
    let (begun, used) = (Instant::now(), server.processor_time());
    let times = changes_paced(&mut nodes).await;
    let (time, used) = (begun.elapsed().as_secs_f64(), server.processor_time() - used);
    let number = times.len() as u64;
    changes += number;
    let answers = asking.join().unwrap();
    let lost = watcher.counts(changes).1 - lost;
    println!("changes at a pace of {PACE} a second, of all nodes, and one who watches:");
    println!("  taken in                 {}, {lost} lost to who watches", taken_in(number, time, used));
    println!("  until a node is answered {}", line(&Spread::of(times)));
    print_answers("GET /findJob?name=... meanwhile, as above", &answers);
    check(&server, &nodes);
}

async fn shared_jobs() {
    let (server, nodes) = fleet(Names::Shared, "1,000 nodes, the same 100 jobs each").await;
    let path = find(&job_name(Names::Shared, 0, 0));
    let mut asker = Asker::connect(server.address);
    let found: Sources = serde_json::from_slice(asker.ask(&path)).unwrap();
    assert_eq!(found.sources.len(), NODES);
    let times = (0..100).map(|_| {
        let asked = Instant::now();
        asker.ask(&path);
        asked.elapsed()
    });
    let time = median(times.collect(), Duration::cmp);
    println!("  a job's 1,000 nodes      {:7.2} ms, median of 100 requests", time.as_secs_f64() * 1e3);
    check(&server, &nodes);
}

fn main() {
    if server::is_meant() {
        return server::serve();
    }
    raise_nofile_limit().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let whole = async {
        own_jobs().await;
        shared_jobs().await;
    };
    runtime.block_on(async { timeout(LONGEST, whole).await }).unwrap();
}
