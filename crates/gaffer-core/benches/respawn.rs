//! From the death of a real process to its replacement, beside a bare spawn-and-wait loop in the same run.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench reads the clock, spawns, prints and may panic"
)]

use std::{
    num::NonZeroU32,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gaffer_core::{
    JobConfig, JobSpec, Manager, ManagerOptions,
    backend::RealBackend,
    config::Flapping,
    events::{Delivery, EventKind, Notification, Pattern, Subscription},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

type Events = Subscription<Arc<Notification>>;

/// A job that is respawned at once, however often it exits.
fn job(cmd: &str, numprocesses: u32) -> JobConfig {
    let mut spec = JobSpec::new("job".parse().unwrap(), cmd);
    spec.numprocesses = numprocesses;
    spec.flapping = Some(Flapping {
        attempts: const { NonZeroU32::new(100_000).unwrap() },
        window: Duration::from_millis(1),
        ..Flapping::default()
    });
    spec.check().unwrap()
}

async fn next_os_pid(events: &mut Events) -> Pid {
    loop {
        if let Some(Delivery::Item(told)) = events.recv().await
            && let Some(os_pid) = told.event().process.and_then(|process| process.os_pid)
        {
            return Pid::from_raw(os_pid.as_raw());
        }
    }
}

fn bare(program: &str, argument: &str) -> std::process::Child {
    Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// SIGKILL to the moment at which the replacement has been executed.
fn latency(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (mut bare_rounds, mut gaffer_rounds) = (Vec::new(), Vec::new());
    let mut group = c.benchmark_group("kill to respawn");
    group.bench_function("bare loop", |bencher| {
        let mut child = bare("/bin/sleep", "1000");
        bencher.iter_custom(|rounds| {
            let mut spent = Vec::new();
            for _ in 0..rounds {
                let start = Instant::now();
                child.kill().unwrap();
                child.wait().unwrap();
                child = bare("/bin/sleep", "1000");
                spent.push(start.elapsed());
            }
            bare_rounds.extend_from_slice(&spent);
            spent.iter().sum()
        });
        child.kill().unwrap();
        child.wait().unwrap();
    });
    group.bench_function("gaffer", |bencher| {
        let _context = runtime.enter();
        let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
        let mut spawns = manager.subscribe(&Pattern::Kind(EventKind::Spawn));
        let mut os_pid = runtime.block_on(async {
            manager.load(job("/bin/sleep 1000", 1)).await.unwrap();
            next_os_pid(&mut spawns).await
        });
        bencher.iter_custom(|rounds| {
            // In a task, as whoever serves clients is: a thread outside of the runtime would be one more to wake.
            let (mut events, mut latest) = (manager.subscribe(&Pattern::Kind(EventKind::Spawn)), os_pid);
            let measured = runtime.spawn(async move {
                let mut spent = Vec::new();
                for _ in 0..rounds {
                    let start = Instant::now();
                    kill(latest, Signal::SIGKILL).unwrap();
                    latest = next_os_pid(&mut events).await;
                    spent.push(start.elapsed());
                }
                (spent, latest)
            });
            let (spent, latest) = runtime.block_on(measured).unwrap();
            os_pid = latest;
            gaffer_rounds.extend_from_slice(&spent);
            spent.iter().sum()
        });
        runtime.block_on(manager.stop_now());
    });
    group.finish();
    tell("bare loop", &mut bare_rounds);
    tell("gaffer", &mut gaffer_rounds);
}

/// Prints the percentiles of single rounds: a mean hides that few slow ones weigh as much as all others.
fn tell(what: &str, rounds: &mut [Duration]) {
    if rounds.is_empty() {
        return; // Filtered out.
    }
    rounds.sort_unstable();
    let at = |percent: usize| rounds[(rounds.len() - 1) * percent / 100];
    println!("kill to respawn/{what}: p50 {:?}, p90 {:?}, p99 {:?} of {} rounds", at(50), at(90), at(99), rounds.len());
}

/// How many processes that end at once are replaced in a second.
fn storm(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut group = c.benchmark_group("crash storm");
    group.throughput(Throughput::Elements(1));
    group.bench_function("bare loop", |bencher| bencher.iter(|| bare("/bin/true", "").wait().unwrap()));
    for processes in [1, 8] {
        group.bench_function(format!("gaffer, {processes} at a time"), |bencher| {
            let _context = runtime.enter();
            let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
            let mut exits = manager.subscribe(&Pattern::Kind(EventKind::Exit));
            runtime.block_on(manager.load(job("/bin/true", processes))).unwrap();
            bencher.iter_custom(|rounds| {
                while exits.try_recv().is_some() {}
                let start = Instant::now();
                for _ in 0..rounds {
                    runtime.block_on(next_os_pid(&mut exits));
                }
                start.elapsed()
            });
            runtime.block_on(manager.stop_now());
        });
    }
    group.finish();
}

criterion_group!(benches, latency, storm);
criterion_main!(benches);
