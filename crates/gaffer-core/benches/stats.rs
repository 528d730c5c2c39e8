//! What it costs to read the figures of many sleeping processes, by our own sampler and by sysinfo.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a bench launches what it looks at")]

use std::process::{Child, Command};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gaffer_core::{
    names::{OsPid, ProcessId},
    stats::{Member, Sampler, StatsSource},
};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

const PROCESSES: u64 = 200;

struct Sleepers(Vec<Child>);

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

fn sampling(criterion: &mut Criterion) {
    let sleep = || Command::new("sleep").arg("10000").spawn().unwrap();
    let sleepers = Sleepers((0..PROCESSES).map(|_| sleep()).collect());
    let os_pids: Vec<i32> = sleepers.0.iter().map(|child| child.id() as i32).collect();
    let members: Vec<Member> = (1..)
        .zip(&os_pids)
        .map(|(pid, &os_pid)| Member::new(ProcessId::new(pid), OsPid::new(os_pid).unwrap(), "web".parse().unwrap()))
        .collect();

    let mut group = criterion.benchmark_group("stats of 200 sleeping processes");
    group.throughput(Throughput::Elements(PROCESSES));
    let mut sampler = Sampler::new();
    group.bench_function("sampler, processes alone", |bencher| {
        bencher.iter(|| members.iter().filter_map(|member| sampler.read_alone(member)).count());
    });
    group.bench_function("sampler, with descendants", |bencher| bencher.iter(|| sampler.sample(&members)));
    group.bench_function("sampler made anew, with descendants", |bencher| {
        bencher.iter(|| Sampler::new().sample(&members));
    });
    let pids: Vec<Pid> = os_pids.iter().map(|&pid| Pid::from_u32(pid as u32)).collect();
    let what = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
    let mut system = System::new().unwrap();
    group.bench_function("sysinfo, processes alone", |bencher| {
        bencher.iter(|| system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, what));
    });
    group.finish();
}

criterion_group!(benches, sampling);
criterion_main!(benches);
