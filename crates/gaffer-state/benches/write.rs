//! Acknowledged writes of a key, by one writer and by 64 at once, beside bare fsyncs of 4 KiB that are appended to a file in the same
//! folder, in one run. What is acknowledged has been waited for on the disk, so one writer cannot be faster than that; 64 share waits.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may panic")]

use std::{
    fs::OpenOptions,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gaffer_core::access::Permissions;
use gaffer_state::{Change, KeyDigest, KeyRecord, StateFile};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
};

const MANY: u64 = 64;

fn key(number: u64) -> Change {
    let text = format!("{number:012x}");
    Change::PutKey(KeyRecord {
        id: text.parse().unwrap(),
        digest: KeyDigest::of(&text),
        label: Some("of a bench".to_owned()),
        permissions: Permissions::admin(),
        parent: None,
        user: None,
        created: number,
        expires: None,
    })
}

/// Writes so many keys, of which each writer begins the next when its last one is acknowledged.
fn write(runtime: &Runtime, file: &StateFile, next: &Arc<AtomicU64>, rounds: u64, writers: u64) -> Duration {
    let begun = Instant::now();
    runtime.block_on(async {
        let left = Arc::new(AtomicU64::new(rounds));
        let mut tasks = JoinSet::new();
        for _ in 0..writers {
            let (file, next, left) = (file.clone(), next.clone(), left.clone());
            tasks.spawn(async move {
                let take = |left: u64| left.checked_sub(1);
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
                    file.write(vec![key(next.fetch_add(1, Ordering::Relaxed))]).await.unwrap();
                }
            });
        }
        tasks.join_all().await;
    });
    begun.elapsed()
}

/// How many were done, and in which time.
#[derive(Default)]
struct Done {
    rounds: u64,
    time: Duration,
}

impl Done {
    fn add(&mut self, rounds: u64, time: Duration) -> Duration {
        self.rounds += rounds;
        self.time += time;
        time
    }

    fn per_second(&self) -> f64 {
        self.rounds as f64 / self.time.as_secs_f64()
    }
}

fn writes(criterion: &mut Criterion) {
    // In the folder of the build: the system's for temporary files may be memory, on which nothing waits for a disk.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let mut group = criterion.benchmark_group("write");
    group.throughput(Throughput::Elements(1));

    let mut bare = Done::default();
    group.bench_function("bare fsync", |bencher| {
        let mut file = OpenOptions::new().append(true).create(true).open(folder.path().join("bare")).unwrap();
        bencher.iter_custom(|rounds| {
            let begun = Instant::now();
            for _ in 0..rounds {
                file.write_all(&[7; 4096]).unwrap();
                file.sync_all().unwrap();
            }
            bare.add(rounds, begun.elapsed())
        });
    });

    let file = StateFile::open(&folder.path().join("state.db")).unwrap();
    let next = Arc::new(AtomicU64::new(0));
    for writers in [1, MANY] {
        let mut done = Done::default();
        group.bench_function(format!("{writers} at once"), |bencher| {
            bencher.iter_custom(|rounds| done.add(rounds, write(&runtime, &file, &next, rounds, writers)));
        });
        if done.rounds > 0 && bare.rounds > 0 {
            let (ours, theirs) = (done.per_second(), bare.per_second());
            println!(
                "write/{writers} at once: {ours:.0} a second, bare fsyncs {theirs:.0}: {:.2} times",
                ours / theirs
            );
        }
    }
    group.finish();
    runtime.block_on(file.close());
}

criterion_group!(benches, writes);
criterion_main!(benches);
