//! How many lines a second the console shows.
//!
//! - `formatter`: bytes into lines with their edges, beside a `memcpy` of what was read and one of what comes out, which is what a
//!   program that moves bytes cannot save.
//! - `whole path`: from the outputs of processes to a writer that takes everything, through the tasks and the thread between
//!   them. Beside it `handed over`, the same bytes from the outputs to readers that do nothing with them.

use std::{
    collections::BTreeMap,
    hint::black_box,
    io::{self, Write},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gaffer_core::{
    JobConfig, JobSpec, Manager, ManagerOptions, ProcessId,
    applications::{ConsoleOutput, ConsoleSettings},
    backend::{Backend, ExitStatus, Fact, FactSender, LaunchPlan},
    names::{OsPid, Signal},
    streams::{Output, ProcessIo},
    voice::{Bar, ExactLines, Frame, Palette, Voice},
};
use tokio::{runtime::Runtime, sync::watch, task::JoinSet};

/// What one read of a pipe brings at most.
const CHUNK: usize = 64 * 1024;

/// A chunk of whole lines of this length, line feeds included; and how many they are.
fn chunk(len: usize) -> (Bytes, usize) {
    let line = [vec![b'x'; len - 1], vec![b'\n']].concat();
    let lines = CHUNK / len;
    (line.repeat(lines).into(), lines)
}

fn formatter(criterion: &mut Criterion) {
    for len in [8, 80] {
        let (chunk, lines) = chunk(len);
        let mut group = criterion.benchmark_group(format!("formatter, lines of {len} bytes"));
        group.throughput(Throughput::Elements(lines as u64));
        for colours in [false, true] {
            let job = "web".parse().expect("a valid name");
            let voice = Voice::new(&job, colours.then(|| Palette::default().of(&job)));
            let mut frame = Frame::new(voice, Bar::Plain);
            let (mut exact, mut out) = (ExactLines::default(), Vec::new());
            let colours = if colours { "in colour" } else { "plain" };
            group.bench_function(colours, |bencher| {
                bencher.iter(|| {
                    out.clear();
                    let rest = exact.push(black_box(&chunk), frame.edges(0), usize::MAX, &mut out);
                    assert!(rest.is_empty());
                    black_box(&out);
                });
            });
            let shown = out.clone();
            group.bench_function(format!("memcpy of the lines {colours}"), |bencher| {
                bencher.iter(|| {
                    out.clear();
                    out.extend_from_slice(black_box(&shown));
                    black_box(&out);
                });
            });
        }
        let mut copy = vec![0; chunk.len()];
        group.bench_function("memcpy of the text", |bencher| {
            bencher.iter(|| {
                copy.copy_from_slice(black_box(&chunk));
                black_box(&copy);
            });
        });
        group.finish();
    }
}

/// Processes that are nothing but an output.
#[derive(Clone, Default)]
struct Outputs {
    facts: Arc<OnceLock<FactSender>>,
    live: Arc<Mutex<BTreeMap<ProcessId, Arc<Output>>>>,
}

impl Outputs {
    fn tell(&self, fact: Fact) {
        let told = self.facts.get().map(|facts| facts.try_send(fact).is_ok());
        assert_eq!(told, Some(true));
    }

    fn all(&self) -> Vec<Arc<Output>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl Backend for Outputs {
    fn launch(&mut self, plan: Arc<LaunchPlan>) {
        let output = Output::expecting_sink(plan.outputs[0].clone());
        self.live.lock().unwrap_or_else(PoisonError::into_inner).insert(plan.pid, Arc::clone(&output));
        let os_pid = OsPid::new(plan.pid.get() as i32).expect("a small number");
        let io = ProcessIo { outputs: vec![output], ..ProcessIo::default() };
        self.tell(Fact::Spawned { pid: plan.pid, os_pid, io });
    }

    fn signal(&mut self, _: ProcessId, _: Signal) {}

    fn terminate(&mut self, pid: ProcessId) {
        if let Some(output) = self.live.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid) {
            output.close();
            self.tell(Fact::Exited { pid, status: ExitStatus::Code(0), tree_alive: false });
        }
    }

    fn kill(&mut self, pid: ProcessId) {
        self.terminate(pid);
    }
}

/// Counts what is written.
struct Counter(watch::Sender<usize>);

impl Write for Counter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.send_modify(|count| *count += data.len());
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn job(number: usize) -> JobConfig {
    let mut spec = JobSpec::new(format!("web{number}").parse().expect("a valid name"), "web");
    spec.redirect_output = vec!["out".parse().expect("a valid label")];
    spec.check().expect("a valid job")
}

/// Pushes as the reader of a pipe does: bytes of their own, as far as there is room.
async fn write(output: Arc<Output>, piece: Bytes, count: usize) {
    for _ in 0..count {
        output.writable().await;
        output.push(Bytes::copy_from_slice(&piece));
    }
}

/// A lossless console that shows so many processes on a counter.
async fn console(processes: usize, counter: Counter) -> (Manager, Outputs) {
    let outputs = Outputs::default();
    let settings = ConsoleSettings { lossless: true, colorize: false, actions: vec![], ..Default::default() };
    let options = ManagerOptions { expect_sinks: true, ..ManagerOptions::default() };
    let manager = Manager::start(options, |facts| {
        assert!(outputs.facts.set(facts).is_ok());
        Ok(outputs.clone())
    });
    let manager = manager.expect("a manager");
    let console = ConsoleOutput::with_writer(settings, Box::new(counter));
    manager.start_applications(vec![Box::new(console)]).await.expect("a console");
    for number in 0..processes {
        manager.load(job(number)).await.expect("loads");
    }
    (manager, outputs)
}

fn whole_path(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let (short, full) = (chunk(8), chunk(80));
    let line = (full.0.slice(..80), 1);
    // What a process writes at once, and how often in one measurement.
    for (name, (piece, lines), count) in [
        ("lines of 8 bytes, by the chunk", short, 64),
        ("lines of 80 bytes, by the chunk", full, 64),
        ("lines of 80 bytes, one by one", line, 50_000),
    ] {
        let mut group = criterion.benchmark_group(format!("whole path, {name}"));
        for processes in [1, 4] {
            group.throughput(Throughput::Elements((lines * count * processes) as u64));
            let (counter, mut written) = watch::channel(0);
            let (manager, outputs) = runtime.block_on(console(processes, Counter(counter)));
            let shown = (piece.len() + lines * "HH:MM:SS web0 | ".len()) * count * processes;
            let mut target = 0;
            group.bench_function(BenchmarkId::new("console", processes), |bencher| {
                bencher.iter(|| {
                    target += shown;
                    runtime.block_on(async {
                        for output in outputs.all() {
                            tokio::spawn(write(output, piece.clone(), count));
                        }
                        assert!(written.wait_for(|count| *count >= target).await.is_ok());
                    });
                });
            });
            assert_eq!(*written.borrow_and_update(), target);
            runtime.block_on(manager.stop());

            group.bench_function(BenchmarkId::new("handed over", processes), |bencher| {
                bencher.iter(|| {
                    runtime.block_on(async {
                        let mut readers = JoinSet::new();
                        for _ in 0..processes {
                            let output = Output::new("out".parse().expect("a valid label"));
                            let mut sink = output.attach_sink().expect("no sink yet");
                            tokio::spawn(write(output, piece.clone(), count)); // It ends when it is dropped.
                            readers.spawn(async move { while black_box(sink.recv().await).is_some() {} });
                        }
                        readers.join_all().await;
                    });
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, formatter, whole_path);
criterion_main!(benches);
