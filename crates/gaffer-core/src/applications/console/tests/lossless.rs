//! Consoles that lose nothing.

use std::{
    collections::BTreeMap,
    future::pending,
    io::{self, ErrorKind, Write},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use proptest::prelude::*;
use tokio::{sync::watch, time::timeout};

use super::{
    fixture::{Broken, DEADLINE, Screen, Stalled, job, plain, stop, without_times},
    puppets::Puppets,
};
use crate::{
    applications::{ConsoleOutput, ConsoleSettings},
    backend::{Backend, ExitStatus, FactSender, RealBackend},
    config::JobSpec,
    events::EventKind,
    manager::{Manager, ManagerOptions},
    names::ProcessId,
    streams::Output,
    supervisor::OneOff,
};

/// Longer than anything waits that does not wait for ever.
const FOR_EVER: Duration = Duration::from_secs(24 * 60 * 60);

fn lossless() -> ConsoleSettings {
    let actions = vec![EventKind::Spawn, EventKind::Exit];
    ConsoleSettings { lossless: true, exit_reasons: true, actions, ..plain() }
}

/// Starts a console on a manager whose processes wait for it.
async fn start<B: Backend>(console: ConsoleOutput, backend: impl FnOnce(FactSender) -> io::Result<B>) -> Manager {
    let options = ManagerOptions { expect_sinks: true, ..ManagerOptions::default() };
    let manager = Manager::start(options, backend).unwrap();
    manager.start_applications(vec![Box::new(console)]).await.unwrap();
    manager
}

/// A console over puppets.
struct Stage {
    manager: Manager,
    puppets: Puppets,
}

impl Stage {
    async fn start(console: ConsoleOutput) -> Self {
        let puppets = Puppets::default();
        Self { manager: start(console, |facts| Ok(puppets.backend(facts))).await, puppets }
    }

    async fn load(&self, name: &str) {
        let spec = JobSpec { start: false, ..job(name, "puppet").spec().clone() };
        self.manager.load(spec.check().unwrap()).await.unwrap();
    }

    /// Launches a process that is not restarted, of a job that is loaded.
    async fn launch(&self, name: &str) -> ProcessId {
        self.manager.commit(&name.parse().unwrap(), OneOff::default()).await.unwrap()
    }
}

/// Waits until a condition on what was written holds.
async fn until(screen: &mut watch::Receiver<Vec<u8>>, condition: impl Fn(&str) -> bool) {
    let shown = screen.wait_for(|text| condition(&String::from_utf8_lossy(text)));
    let shown = timeout(DEADLINE, shown).await.is_ok();
    assert!(shown, "seen: {}", String::from_utf8_lossy(&screen.borrow()));
}

/// Whether something does not come about whatever time passes. Nothing else must be under way on other threads.
async fn never<T>(event: impl Future<Output = T>) -> bool {
    tokio::time::pause();
    let is_late = timeout(FOR_EVER, event).await.is_err();
    tokio::time::resume();
    is_late
}

#[tokio::test]
async fn a_life_is_shown_byte_for_byte_and_errors_apart() {
    let (out, mut output) = Screen::new();
    let (err, errors) = Screen::new();
    let labels = BTreeMap::from([
        ("shop.web".parse().unwrap(), "web.1".to_owned()),
        ("shop.clock".parse().unwrap(), "clock".to_owned()),
    ]);
    let settings = ConsoleSettings { labels, aligned: true, colorize: true, ..lossless() };
    let manager = start(ConsoleOutput::with_writers(settings, Box::new(out), Box::new(err)), RealBackend::start).await;
    let script = r"printf 'one\r\n\n  two  \n\033[1mthree'; printf 'odd \n' >&2; exit 3";
    let spec = JobSpec { start: false, ..job("shop.web", script).spec().clone() };
    manager.load(spec.check().unwrap()).await.unwrap();
    manager.commit(&"shop.web".parse().unwrap(), OneOff::default()).await.unwrap();
    until(&mut output, |text| text.contains("exit process")).await;
    stop(&manager).await;
    let lines = without_times(&output.borrow());
    let os_pid: u32 =
        lines[0].split(' ').next_back().and_then(|pid| pid.strip_suffix("\x1b[39m")?.parse().ok()).unwrap();
    let line = |text: &str| format!("\x1b[36m web.1 | {text}\x1b[39m");
    assert_eq!(
        lines,
        [
            line(&format!("spawn process with pid {os_pid}")),
            line("one"),
            line(""),
            line("  two  "),
            line("\x1b[1mthree\x1b[0m"),
            line(&format!("exit process with pid {os_pid} (code 3)")),
        ]
    );
    assert_eq!(without_times(&errors.borrow()), ["\x1b[36m web.1 \x1b[31m|\x1b[36m odd \x1b[39m"]);
}

#[tokio::test]
async fn errors_may_be_without_colours_where_all_else_has_them() {
    let (out, mut output) = Screen::new();
    let (err, errors) = Screen::new();
    let settings = ConsoleSettings { colorize_errors: false, actions: vec![EventKind::Exit], ..lossless() };
    let settings = ConsoleSettings { colorize: true, ..settings };
    let manager = start(ConsoleOutput::with_writers(settings, Box::new(out), Box::new(err)), RealBackend::start).await;
    let spec = JobSpec { start: false, ..job("web", "echo one; echo odd >&2").spec().clone() };
    manager.load(spec.check().unwrap()).await.unwrap();
    manager.commit(&"web".parse().unwrap(), OneOff::default()).await.unwrap();
    until(&mut output, |text| text.contains("exit process")).await;
    stop(&manager).await;
    assert_eq!(without_times(&output.borrow())[0], "\x1b[36m web | one\x1b[39m");
    assert_eq!(without_times(&errors.borrow()), [" web | odd"]);
}

#[tokio::test]
async fn bars_stand_in_one_column_which_grows_when_it_must() {
    let (writer, screen) = Screen::new();
    let labels = BTreeMap::from([("web".parse().unwrap(), "web.1".to_owned())]);
    let settings = ConsoleSettings { labels, aligned: true, actions: vec![EventKind::Spawn], ..lossless() };
    let stage = Stage::start(ConsoleOutput::with_writer(settings, Box::new(writer))).await;
    let mut processes = Vec::new();
    for name in ["db", "web", "a-longer-one"] {
        stage.load(name).await;
        let pid = stage.launch(name).await;
        stage.puppets.write(pid, 0, b"hello\n").await;
        let mut screen = screen.clone();
        until(&mut screen, |text| text.matches("hello").count() == processes.len() + 1).await;
        processes.push(pid);
    }
    stage.puppets.write(processes[0], 0, b"bye\n").await;
    stop(&stage.manager).await;
    let bars: Vec<usize> = without_times(&screen.borrow()).iter().map(|line| line.find('|').unwrap()).collect();
    assert_eq!(bars, [7, 7, 7, 7, 14, 14, 14]);
}

/// Takes a few bytes at a time, and sometimes none.
struct Picky {
    screen: watch::Sender<Vec<u8>>,
    calls: usize,
}

impl Write for Picky {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        match self.calls % 7 {
            0 => return Err(ErrorKind::Interrupted.into()),
            1 if self.calls < 50 => return Err(ErrorKind::WouldBlock.into()),
            _ => {}
        }
        let count = data.len().min(self.calls % 4000 + 1);
        self.screen.send_modify(|text| text.extend_from_slice(&data[..count]));
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_processes_write_as_fast_as_they_can_is_neither_lost_nor_torn_nor_reordered() {
    const LINES: usize = 20_000;
    let (sender, mut screen) = watch::channel(Vec::new());
    let writer = Picky { screen: sender, calls: 0 };
    let console = ConsoleOutput::with_writer(ConsoleSettings { actions: Vec::new(), ..lossless() }, Box::new(writer));
    let manager = start(console, RealBackend::start).await;
    let names = ["a", "b", "c"];
    for name in names {
        let job = job(name, &format!("seq -f '%.0f {name}' {LINES}; echo end; exec sleep 1000"));
        manager.load(job).await.unwrap();
    }
    until(&mut screen, |text| text.matches("| end\n").count() == names.len()).await;
    stop(&manager).await;
    let lines = without_times(&screen.borrow());
    for name in names {
        let prefix = format!(" {name} | ");
        let shown = lines.iter().filter_map(|line| line.strip_prefix(&prefix));
        let expected = (1..=LINES).map(|number| format!("{number} {name}")).chain(["end".to_owned()]);
        assert!(shown.eq(expected), "the lines of {name}");
    }
    assert_eq!(lines.len(), names.len() * (LINES + 1));
}

#[tokio::test]
async fn processes_wait_for_a_terminal_that_stalls_and_can_be_stopped_and_the_end_waits_too() {
    let (screen, seen) = Screen::new();
    let (stalled, go, stands) = Stalled::new(screen);
    let settings = ConsoleSettings { actions: EventKind::ALL.to_vec(), ..lossless() };
    let stage = Stage::start(ConsoleOutput::with_writer(settings, Box::new(stalled))).await;
    stage.load("loud").await;
    stage.load("short").await;
    let loud = stage.launch("loud").await;
    stands.notified().await;
    let line = [vec![b'x'; 99], vec![b'\n']].concat();
    let mut written = 0;
    let output = stage.puppets.output(loud, 0);
    let flood = async {
        loop {
            stage.puppets.write(loud, 0, &line).await;
            written += 1;
        }
    };
    assert!(never(flood).await);
    assert!(is_stuck(&output) && written > 1000);
    // Those that are launched meanwhile are no less complete, however short they live and however many there are.
    for number in 0..100 {
        let short = stage.launch("short").await;
        stage.puppets.write(short, 0, format!("short {number}").as_bytes()).await;
        stage.puppets.exit(short, ExitStatus::Code(0));
    }
    let manager = stage.manager.clone();
    let mut stopping = tokio::spawn(async move { manager.stop().await });
    assert!(never(&mut stopping).await);
    assert!(output.is_closed(), "the process was not stopped");
    drop(go);
    timeout(DEADLINE, stopping).await.unwrap().unwrap();
    let lines = without_times(&seen.borrow());
    assert_eq!(lines.iter().filter(|line| **line == format!(" loud | {}", "x".repeat(99))).count(), written);
    let of_short = lines.iter().filter(|line| line.starts_with(" short | "));
    let of_short: Vec<&str> = of_short.filter_map(|line| line[9..].split(" process").next()).collect();
    let expected = (0..100).flat_map(|number| ["spawn".to_owned(), format!("short {number}"), "exit".to_owned()]);
    assert!(of_short[1..].iter().copied().eq(expected), "{of_short:?}"); // The first is its creation.
    let last = lines.iter().rfind(|line| line.starts_with(" loud | "));
    assert_eq!(last.unwrap(), &format!(" loud | exit process with pid {loud} (SIGTERM)"));
}

/// Whether a writer of this output has to wait.
fn is_stuck(output: &Output) -> bool {
    let mut writable = std::pin::pin!(output.writable());
    writable.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) == Poll::Pending
}

#[tokio::test]
async fn when_nobody_reads_any_more_it_is_told_and_processes_go_on() {
    let console = ConsoleOutput::with_writer(lossless(), Box::new(Broken));
    let (failure, later) = (console.failure(), console.failure());
    let stage = Stage::start(console).await;
    stage.load("web").await;
    let before = stage.launch("web").await;
    assert_eq!(timeout(DEADLINE, failure).await.unwrap().kind(), ErrorKind::BrokenPipe);
    let after = stage.launch("web").await;
    for pid in [before, after] {
        for _ in 0..20 {
            timeout(DEADLINE, stage.puppets.write(pid, 0, &[b'x'; 64 * 1024])).await.expect("a sink was left");
        }
    }
    stop(&stage.manager).await;
    assert_eq!(later.await.kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_writer_that_does_not_fail_is_never_told_to_have_failed() {
    let console = ConsoleOutput::with_writer(lossless(), Box::new(io::sink()));
    let failure = console.failure();
    let stage = Stage::start(console).await;
    stage.load("web").await;
    stage.launch("web").await;
    stop(&stage.manager).await;
    drop(stage);
    assert!(never(failure).await);
}

#[tokio::test]
async fn without_output_streams_processes_wait_for_nobody() {
    let (writer, mut screen) = Screen::new();
    let settings = ConsoleSettings { output_streams: false, ..lossless() };
    let stage = Stage::start(ConsoleOutput::with_writer(settings, Box::new(writer))).await;
    stage.load("web").await;
    let pid = stage.launch("web").await;
    for _ in 0..20 {
        let written = timeout(DEADLINE, stage.puppets.write(pid, 0, &[b'\n'; 64 * 1024])).await;
        written.expect("the output should be dropped");
    }
    stage.puppets.exit(pid, ExitStatus::Code(1));
    until(&mut screen, |text| text.contains("exit process")).await;
    stop(&stage.manager).await;
    assert_eq!(without_times(&screen.borrow()).len(), 2);
}

#[tokio::test]
async fn an_exit_is_shown_after_the_last_output_however_slow_the_terminal() {
    let (screen, mut seen) = Screen::new();
    let (stalled, go, stands) = Stalled::new(screen);
    let stage = Stage::start(ConsoleOutput::with_writer(lossless(), Box::new(stalled))).await;
    stage.load("web").await;
    let pid = stage.launch("web").await;
    stands.notified().await;
    for number in 0..3000 {
        stage.puppets.write(pid, number % 2, &[b'\n'; 100]).await;
    }
    stage.puppets.write(pid, 0, b"last").await;
    stage.puppets.exit(pid, ExitStatus::Code(0));
    assert!(never(pending::<()>()).await);
    drop(go);
    until(&mut seen, |text| text.contains("exit process")).await;
    let lines = without_times(&seen.borrow());
    assert_eq!(lines.len(), 300_003);
    assert!(lines[0].contains("spawn process") && lines[300_002].contains("exit process"));
    stop(&stage.manager).await;
}

#[tokio::test]
async fn an_exit_does_not_wait_for_descendants_that_are_silent_and_what_they_say_is_shown() {
    let (writer, mut screen) = Screen::new();
    let stage = Stage::start(ConsoleOutput::with_writer(lossless(), Box::new(writer))).await;
    for name in ["web", "other"] {
        stage.load(name).await;
    }
    let (pid, other) = (stage.launch("web").await, stage.launch("other").await);
    stage.puppets.write(pid, 0, b"hello\nbeg").await;
    let outputs = stage.puppets.exit_but_for_output(pid);
    stage.puppets.write(other, 0, b"meanwhile\n").await;
    until(&mut screen, |text| text.contains("web | exit process")).await;
    outputs[0].push("un\nnever ended".into());
    until(&mut screen, |text| text.contains("begun")).await;
    stop(&stage.manager).await; // Though the output is never closed.
    let lines = without_times(&screen.borrow());
    let place = |part: &str| lines.iter().position(|line| line.contains(part)).unwrap();
    assert!(place("hello") < place("web | exit") && place("web | exit") < place("web | begun"), "{lines:?}");
    assert!(place("other | meanwhile") < place("web | exit"), "{lines:?}");
    assert!(place("web | begun") < place("web | never ended"), "{lines:?}");
}

#[tokio::test]
async fn an_exit_does_not_wait_for_descendants_that_never_are_silent() {
    let (writer, mut screen) = Screen::new();
    let stage = Stage::start(ConsoleOutput::with_writer(lossless(), Box::new(writer))).await;
    stage.load("web").await;
    let pid = stage.launch("web").await;
    let outputs = stage.puppets.exit_but_for_output(pid);
    let long_line = Bytes::from([vec![b'x'; 60_000], vec![b'\n']].concat());
    let flood = tokio::spawn(async move {
        loop {
            outputs[1].writable().await;
            outputs[1].push(long_line.clone());
            tokio::task::yield_now().await;
        }
    });
    until(&mut screen, |text| text.contains("exit process")).await;
    stop(&stage.manager).await;
    flood.abort();
}

#[derive(Clone, Debug)]
enum Act {
    Write { process: usize, stream: usize, data: Vec<u8> },
    Pause,
}

fn act() -> impl Strategy<Value = Act> {
    let data = prop_oneof![
        5 => prop::collection::vec(prop::sample::select(&b"abc\x00\xff\n\n\r"[..]), 1..40),
        1 => (1..200_000_usize).prop_map(|len| vec![b'x'; len]),
        1 => (1..30_000_usize).prop_map(|len| vec![b'\n'; len]),
    ];
    prop_oneof![
        6 => (0..3_usize, 0..2_usize, data).prop_map(|(process, stream, data)| Act::Write { process, stream, data }),
        1 => Just(Act::Pause),
    ]
}

proptest! {
    #![proptest_config(crate::test_scale::cases(32))]

    #[test]
    fn however_pieces_are_cut_and_mixed_the_lines_of_each_stream_come_whole_and_in_order(
        acts in prop::collection::vec(act(), 0..80),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (writers, screens): (Vec<_>, Vec<_>) = (0..2).map(|_| Screen::new()).unzip();
        let written = runtime.block_on(play(acts, writers));
        for (stream, screen) in screens.iter().enumerate() {
            let shown = screen.borrow().clone();
            for (process, written) in written.iter().enumerate() {
                let shown = text_of(&shown, process);
                prop_assert!(shown == normal(&written[stream]), "stream {} of process {}", stream, process);
            }
        }
    }
}

/// Has three processes write; answers what each has written to its two streams.
async fn play(acts: Vec<Act>, writers: Vec<Screen>) -> [[Vec<u8>; 2]; 3] {
    let mut writers = writers.into_iter().map(|writer| Box::new(writer) as Box<dyn Write + Send>);
    let settings = ConsoleSettings { actions: Vec::new(), ..lossless() };
    let console = ConsoleOutput::with_writers(settings, writers.next().unwrap(), writers.next().unwrap());
    let stage = Stage::start(console).await;
    let mut pids = Vec::new();
    for number in 0..3 {
        let name = format!("p{number}");
        stage.load(&name).await;
        pids.push(stage.launch(&name).await);
    }
    let mut written: [[Vec<u8>; 2]; 3] = Default::default();
    for act in acts {
        match act {
            Act::Write { process, stream, data } => {
                stage.puppets.write(pids[process], stream, &data).await;
                written[process][stream].extend(data);
            }
            Act::Pause => tokio::task::yield_now().await,
        }
    }
    stop(&stage.manager).await;
    written
}

/// What is shown of a process, without times and names.
fn text_of(shown: &[u8], process: usize) -> Vec<u8> {
    let prefix = format!("HH:MM:SS p{process} | ");
    let lines = shown.split_inclusive(|byte| *byte == b'\n');
    let its_own = lines.filter(|line| line["HH:MM:SS".len()..].starts_with(&prefix.as_bytes()["HH:MM:SS".len()..]));
    its_own.flat_map(|line| line[prefix.len()..].to_vec()).collect()
}

/// How a text looks on the console: each line ends with a line feed alone, and the last one, too.
fn normal(text: &[u8]) -> Vec<u8> {
    let mut normal = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n")).unwrap_or(line);
        normal.extend_from_slice(line);
        normal.push(b'\n');
    }
    normal
}
