//! What a launch costs: `/bin/true`, from the request to its reaped end, ours against std's (which is `posix_spawn`).
//!
//! Also with half a gigabyte in use, as a supervisor that forks gets slower when it grows. Ours includes what std's does not:
//! two pipes and their readers, the drain, and a look at what the process has left behind.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark")]

use std::{collections::BTreeMap, hint::black_box, process::Command, sync::Arc};

use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime};
use gaffer_core::{
    ProcessId,
    backend::{Backend, Fact, LaunchPlan, RealBackend},
};
use tokio::{runtime::Runtime, sync::mpsc};

fn plan(pid: u64) -> LaunchPlan {
    LaunchPlan {
        pid: ProcessId::new(pid),
        argv: vec!["/bin/true".into()],
        program: "/bin/true".into(),
        is_path_of_job: false,
        env: BTreeMap::from([("GAFFER_PROCESS".into(), format!("bench:{pid}").into())]),
        cwd: None,
        uid: None,
        gid: None,
        detach: false,
        outputs: vec!["out".parse().unwrap(), "err".parse().unwrap()],
        stdin: false,
        custom: vec![],
        terminal: None,
        expect_sinks: false,
        survivor: None,
    }
}

fn both(group: &mut BenchmarkGroup<'_, WallTime>) {
    let runtime = Runtime::new().unwrap();
    let (sender, mut facts) = mpsc::channel(16);
    let mut backend = runtime.block_on(async { RealBackend::start(sender).unwrap() });
    let mut pid = 0;
    group.bench_function("backend", |bencher| {
        bencher.iter(|| {
            pid += 1;
            backend.launch(Arc::new(plan(pid)));
            runtime.block_on(async { while !matches!(facts.recv().await, Some(Fact::Exited { .. })) {} });
        });
    });
    group.bench_function("std", |bencher| {
        bencher.iter(|| Command::new("/bin/true").env_clear().status().unwrap());
    });
}

fn launch(criterion: &mut Criterion) {
    both(&mut criterion.benchmark_group("small"));
    let memory: Vec<u8> = vec![1; 500 << 20];
    both(&mut criterion.benchmark_group("500 MB"));
    black_box(memory);
}

criterion_group!(benches, launch);
criterion_main!(benches);
