//! What publishing costs: for nobody, for one and for many, and for one among a thousand who want something else.
//!
//! `broadcast` is tokio's channel of that name in the same run. It knows no topics; it is the yardstick for handing one item
//! to many.

use std::{hint::black_box, sync::Arc};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use gaffer_core::events::{Emitter, Subscription};
use tokio::sync::broadcast;

const TOPIC: [&str; 4] = ["proc", "default", "web", "spawn"];

/// Items between two looks of the readers: well below the bounds of both kinds of queue.
const BURST: u64 = 1000;

type Item = Arc<str>;

fn drain(subscriptions: &mut [Subscription<Item>]) {
    for subscription in subscriptions {
        while black_box(subscription.try_recv()).is_some() {}
    }
}

/// Publishing alone; who reads does so between the measurements.
fn publish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish");
    group.throughput(Throughput::Elements(BURST));
    let item: Item = "an item".into();

    let mut emitter_with = |name: &str, patterns: Vec<Vec<String>>| {
        let emitter = Emitter::new(10_000);
        let mut subscriptions = patterns.iter().map(|pattern| emitter.subscribe(pattern)).collect::<Vec<_>>();
        group.bench_function(format!("emitter/{name}"), |bencher| {
            bencher.iter_batched(
                || drain(&mut subscriptions),
                |()| (0..BURST).for_each(|_| emitter.publish(black_box(&TOPIC), &item)),
                BatchSize::PerIteration,
            );
        });
    };
    let web = || ["proc", "default", "web"].map(str::to_owned).to_vec();
    let other = |number| vec!["proc".to_owned(), "default".to_owned(), format!("job{number}")];
    emitter_with("0 subscribers", vec![]);
    emitter_with("1 subscriber", vec![web()]);
    emitter_with("100 subscribers", vec![web(); 100]);
    emitter_with("1 of 1000 patterns", (1..1000).map(other).chain([web()]).collect());
    emitter_with("0 of 1000 patterns", (0..1000).map(other).collect());

    for readers in [1, 100] {
        let (sender, _) = broadcast::channel::<Item>(10_000);
        let mut receivers = (0..readers).map(|_| sender.subscribe()).collect::<Vec<_>>();
        group.bench_function(format!("broadcast/{readers} subscribers"), |bencher| {
            bencher.iter_batched(
                || receivers.iter_mut().for_each(|receiver| while receiver.try_recv().is_ok() {}),
                |()| (0..BURST).for_each(|_| drop(sender.send(Arc::clone(black_box(&item))))),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// Publishing, and every subscriber reading all of it: per item that arrives.
fn publish_and_read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish and read");
    let item: Item = "an item".into();
    for readers in [1, 100] {
        group.throughput(Throughput::Elements(BURST * readers));
        let emitter = Emitter::new(10_000);
        let mut subscriptions = (0..readers).map(|_| emitter.subscribe(&TOPIC[..3])).collect::<Vec<_>>();
        group.bench_function(format!("emitter/{readers} subscribers"), |bencher| {
            bencher.iter(|| {
                (0..BURST).for_each(|_| emitter.publish(&TOPIC, &item));
                drain(&mut subscriptions);
            });
        });
        let (sender, _) = broadcast::channel::<Item>(10_000);
        let mut receivers = (0..readers).map(|_| sender.subscribe()).collect::<Vec<_>>();
        group.bench_function(format!("broadcast/{readers} subscribers"), |bencher| {
            bencher.iter(|| {
                (0..BURST).for_each(|_| drop(sender.send(Arc::clone(&item))));
                for receiver in &mut receivers {
                    while black_box(receiver.try_recv()).is_ok() {}
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, publish, publish_and_read);
criterion_main!(benches);
