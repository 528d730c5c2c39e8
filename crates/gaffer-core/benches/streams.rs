//! How many bytes a second an output hands to its readers.
//!
//! Beside it, in the same run: `memcpy`, the same chunks copied once per reader, which is what handing over bytes costs at
//! least where they are copied; and `broadcast`, tokio's channel of that name with the same chunks, which keeps no history.
//! The throughput is that of the process's writes; each reader gets all of them.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gaffer_core::streams::{Output, Start};
use tokio::sync::broadcast;

/// Bytes written in one measurement.
const TOTAL: usize = 512 * 1024;

fn fan_out(criterion: &mut Criterion) {
    // A full pipe, a page, a line of a log; and how many of them are written before the readers look. They never fall behind.
    for (len, burst) in [(64 * 1024, 1), (4096, 1), (4096, 16), (100, 1), (100, 64)] {
        let mut group = criterion.benchmark_group(format!("fan-out of {len} byte writes, {burst} at once"));
        let bursts = TOTAL / len / burst;
        group.throughput(Throughput::Bytes((bursts * burst * len) as u64));
        // As from a pipe: each write is in a buffer of its own.
        let source = vec![b'x'; len];
        for readers in [1, 10] {
            let output = Output::new("stdout".parse().expect("a valid label"));
            let mut subscriptions = (0..readers).map(|_| output.subscribe(Start::Now)).collect::<Vec<_>>();
            group.bench_with_input(BenchmarkId::new("output", readers), &readers, |bencher, _| {
                bencher.iter(|| {
                    for _ in 0..bursts {
                        for _ in 0..burst {
                            output.push(Bytes::copy_from_slice(&source));
                        }
                        for subscription in &mut subscriptions {
                            while black_box(subscription.try_recv()).is_some() {}
                        }
                    }
                });
            });
            assert_eq!(output.lost(), 0);

            let (sender, _) = broadcast::channel::<Bytes>(1024);
            let mut receivers = (0..readers).map(|_| sender.subscribe()).collect::<Vec<_>>();
            group.bench_with_input(BenchmarkId::new("broadcast", readers), &readers, |bencher, _| {
                bencher.iter(|| {
                    for _ in 0..bursts {
                        for _ in 0..burst {
                            drop(sender.send(Bytes::copy_from_slice(&source)));
                        }
                        for receiver in &mut receivers {
                            while black_box(receiver.try_recv()).is_ok() {}
                        }
                    }
                });
            });

            let mut copies = vec![vec![0; len]; readers];
            group.bench_with_input(BenchmarkId::new("memcpy", readers), &readers, |bencher, _| {
                bencher.iter(|| {
                    for _ in 0..bursts {
                        for _ in 0..burst {
                            let data = Bytes::copy_from_slice(&source);
                            for copy in &mut copies {
                                copy.copy_from_slice(black_box(&data));
                                black_box(copy);
                            }
                        }
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, fan_out);
criterion_main!(benches);
