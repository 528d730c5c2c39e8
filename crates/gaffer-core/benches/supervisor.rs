//! One decision of the supervisor: a process exits, its replacement is launched and runs; among few and many jobs.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a bench reads the clock and may panic")]

use std::{
    hint::black_box,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use gaffer_core::{
    JobSpec, ProcessId,
    backend::ExitStatus,
    config::Flapping,
    names::OsPid,
    supervisor::{Command, Effect, Input, Supervisor, Ticket},
};

/// A supervisor with so many jobs of one process each, all running.
fn running(jobs: u64) -> (Supervisor, Instant, Vec<Effect>) {
    let (mut supervisor, now, mut effects) = (Supervisor::default(), Instant::now(), Vec::new());
    for number in 1..=jobs {
        let mut spec = JobSpec::new(format!("job{number}").parse().unwrap(), "run");
        // Never trips; without it a back-off would set in.
        spec.flapping = Some(Flapping {
            attempts: const { NonZeroU32::new(100_000).unwrap() },
            window: Duration::ZERO,
            ..Flapping::default()
        });
        let config = Arc::new(spec.check().unwrap());
        supervisor.handle(now, Input::Command(Ticket(number), Command::Load { config, start: true }), &mut effects);
        supervisor.handle(now, spawned(number), &mut effects);
    }
    effects.clear();
    (supervisor, now, effects)
}

fn spawned(pid: u64) -> Input {
    Input::Spawned { pid: ProcessId::new(pid), os_pid: OsPid::new(pid as i32).unwrap() }
}

fn step(c: &mut Criterion) {
    let mut group = c.benchmark_group("supervisor");
    for jobs in [1, 10_000] {
        let (mut supervisor, start, mut effects) = running(jobs);
        let (mut oldest, mut newest, mut now) = (1, jobs, start);
        group.bench_function(format!("exit and respawn, {jobs} jobs"), |bencher| {
            bencher.iter(|| {
                now += Duration::from_micros(1);
                let exited =
                    Input::Exited { pid: ProcessId::new(oldest), status: ExitStatus::Code(1), tree_alive: false };
                supervisor.handle(now, exited, &mut effects);
                newest += 1;
                supervisor.handle(now, spawned(newest), &mut effects);
                oldest += 1;
                black_box(&effects);
                effects.clear();
            });
        });
        group.bench_function(format!("info of one job, {jobs} jobs"), |bencher| {
            let name = "job1".parse().unwrap();
            bencher.iter(|| black_box(supervisor.info(&name, now)));
        });
    }
    group.finish();
}

criterion_group!(benches, step);
criterion_main!(benches);
