//! The console over real processes: what is shown, in which order, and what a bad writer cannot do.

use std::{io, sync::mpsc as std_mpsc, time::Duration};

use tokio::sync::watch;

use super::*;
use crate::{
    backend::RealBackend,
    config::{JobConfig, JobSpec},
    manager::ManagerOptions,
};

/// Fails a test that hangs. Nothing waits this long when all is well.
const DEADLINE: Duration = Duration::from_secs(30);

/// What was written so far.
struct Screen(watch::Sender<String>);

impl Write for Screen {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.send_modify(|text| text.push_str(std::str::from_utf8(data).expect("whole lines are whole characters")));
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Fixture {
    manager: Manager,
    screen: watch::Receiver<String>,
}

impl Fixture {
    async fn start(settings: ConsoleSettings) -> Self {
        let (sender, screen) = watch::channel(String::new());
        Self { manager: start(settings, Box::new(Screen(sender))).await, screen }
    }

    /// Waits until this was shown.
    async fn until(&mut self, part: &str) {
        let shown = tokio::time::timeout(DEADLINE, self.screen.wait_for(|text| text.contains(part))).await.is_ok();
        assert!(shown, "{part:?} should be shown; seen: {}", *self.screen.borrow());
    }

    /// Stops, and answers all lines without their times.
    async fn finish(self) -> Vec<String> {
        stop(&self.manager).await;
        let text = self.screen.borrow().clone();
        text.lines()
            .map(|line| {
                let at = line.find(':').expect("a time") - 2;
                let (before, time) = line.split_at(at);
                let (time, after) = time.split_at(8);
                assert!(time.bytes().all(|byte| byte.is_ascii_digit() || byte == b':'), "{line}");
                format!("{before}{after}")
            })
            .collect()
    }
}

async fn start(settings: ConsoleSettings, writer: Box<dyn Write + Send>) -> Manager {
    let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
    let console = ConsoleOutput::with_writer(settings, writer);
    manager.start_applications(vec![Box::new(console)]).await.unwrap();
    manager
}

async fn stop(manager: &Manager) {
    tokio::time::timeout(DEADLINE, manager.stop()).await.expect("the manager should stop");
}

fn plain() -> ConsoleSettings {
    ConsoleSettings { colorize: false, ..ConsoleSettings::default() }
}

fn job(name: &str, script: &str) -> JobConfig {
    let mut spec = JobSpec::new(name.parse().unwrap(), script);
    spec.shell = true;
    spec.redirect_output = ["out", "err"].map(|label| label.parse().unwrap()).into();
    spec.check().unwrap()
}

#[tokio::test]
async fn a_life_is_shown_from_start_to_exit() {
    let mut console = Fixture::start(plain()).await;
    let script = "printf 'on'; printf 'e\\n\\n  two\\nthree'; echo ready >&2; exec sleep 1000";
    console.manager.load(job("shop.web", script)).await.unwrap();
    console.until("ready").await;
    console.until("two").await;
    let pid = console.manager.pids(None).await.unwrap()[0];
    let os_pid = console.manager.process(pid).await.unwrap().os_pid;
    let mut lines = console.finish().await;
    let ready = lines.iter().position(|line| line == " shop.web | ready").unwrap();
    lines.remove(ready); // The order of two streams is the kernel's affair.
    assert_eq!(
        lines,
        [
            " shop.web | start shop.web".to_owned(),
            format!(" shop.web | spawn process with pid {os_pid}"),
            " shop.web | one".to_owned(),
            " shop.web |   two".to_owned(),
            " shop.web | stop shop.web".to_owned(),
            format!(" shop.web | stop_pid process with pid {os_pid}"),
            " shop.web | three".to_owned(),
            format!(" shop.web | exit process with pid {os_pid}"),
        ]
    );
}

#[tokio::test]
async fn output_of_a_process_that_is_gone_at_once_is_not_lost() {
    let mut console = Fixture::start(plain()).await;
    console.manager.load(job("short", "echo gone")).await.unwrap();
    console.until("short | gone\n").await;
    console.finish().await;
}

#[tokio::test]
async fn each_job_has_its_colour() {
    let settings = ConsoleSettings { actions: vec![EventKind::Spawn], ..ConsoleSettings::default() };
    let mut console = Fixture::start(settings).await;
    for name in ["a", "b"] {
        console.manager.load(job(name, "echo hello; exec sleep 1000")).await.unwrap();
        console.until(&format!("{name} | hello")).await;
    }
    let lines = console.finish().await;
    assert!(lines[0].starts_with("\u{1b}[36m a | spawn process with pid "), "{lines:?}");
    assert!(lines[0].ends_with("\u{1b}[39m"), "{lines:?}");
    assert_eq!(lines[1], "\u{1b}[36m a | hello\u{1b}[39m");
    assert_eq!(lines[3], "\u{1b}[33m b | hello\u{1b}[39m");
    assert_eq!(lines.len(), 4);
}

#[tokio::test]
async fn without_output_streams_only_events_are_shown() {
    let settings = ConsoleSettings { output_streams: false, actions: EventKind::ALL.to_vec(), ..plain() };
    let mut console = Fixture::start(settings).await;
    console.manager.load(job("web", "echo hello; exec sleep 1000")).await.unwrap();
    console.until("spawn process").await;
    let mut nonsense = JobSpec::new("nonsense".parse().unwrap(), "/no/such/program");
    nonsense.redirect_output = vec!["out".parse().unwrap()];
    console.manager.load(nonsense.check().unwrap()).await.unwrap();
    console.until("spawn_error").await;
    let lines = console.finish().await;
    assert!(lines.iter().all(|line| !line.contains("hello")), "{lines:?}");
    assert_eq!(lines[0], " web | create web");
    let error = " nonsense | spawn_error nonsense: there is no program `/no/such/program`";
    assert!(lines.iter().any(|line| line == error), "{lines:?}");
}

/// Fails, as a pipe whose reader is gone.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_broken_pipe_hurts_nobody() {
    let manager = start(plain(), Box::new(Broken)).await;
    for name in ["a", "b"] {
        manager.load(job(name, "echo hello; exec sleep 1000")).await.unwrap();
    }
    assert_eq!(manager.pids(None).await.unwrap().len(), 2);
    stop(&manager).await;
}

/// Stands still until it is let go, as a terminal that was stopped.
struct Stalled {
    let_go: std_mpsc::Receiver<()>,
    screen: Screen,
}

impl Write for Stalled {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let _: Result<(), std_mpsc::RecvError> = self.let_go.recv(); // An error says: for good.
        self.screen.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_stalled_terminal_stops_neither_processes_nor_the_node_and_is_told_its_loss() {
    let (go, let_go) = std_mpsc::channel();
    let (sender, screen) = watch::channel(String::new());
    let stalled = Stalled { let_go, screen: Screen(sender) };
    let manager = start(plain(), Box::new(stalled)).await;
    // Far more than the queues and the history hold.
    manager.load(job("loud", "yes | head -n 8000000; echo done >&2; exec sleep 1000")).await.unwrap();
    let pid = manager.pids(None).await.unwrap()[0];
    let mut done = manager.output(pid, "err").await.unwrap().subscribe(Start::Oldest);
    let line = tokio::time::timeout(DEADLINE, done.recv()).await.expect("the process should not be held up");
    assert_eq!(line, Some(Chunk::Data(bytes::Bytes::from_static(b"done\n"))));
    drop(go);
    let mut console = Fixture { manager, screen };
    console.until(" bytes lost\n").await;
    console.finish().await;
}

#[tokio::test]
async fn a_terminal_that_never_wakes_up_does_not_keep_the_node_from_ending() {
    let (_go, let_go) = std_mpsc::channel();
    let (sender, _screen) = watch::channel(String::new());
    let manager = start(plain(), Box::new(Stalled { let_go, screen: Screen(sender) })).await;
    manager.load(job("loud", "yes")).await.unwrap();
    stop(&manager).await;
}

#[tokio::test]
async fn after_lost_events_what_runs_is_followed_once_and_what_has_ended_is_forgotten() {
    let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
    let (queue, mut texts) = mpsc::channel(64);
    let mut console = Console {
        events: manager.subscribe(&Pattern::All),
        manager: manager.clone(),
        settings: plain(),
        queue,
        palette: Palette::default(),
        followed: HashMap::new(),
    };
    for name in ["here", "gone"] {
        manager.load(job(name, "echo hello; exec sleep 1000")).await.unwrap();
    }
    let mut lines = async |console: &mut Console, count: usize| -> Vec<String> {
        assert!(console.show(Delivery::Lagged(7)).await.is_ok());
        let mut lines = Vec::new();
        loop {
            // Those that should come, and a moment for those that should not.
            let patience = if lines.len() < count { DEADLINE } else { Duration::from_millis(100) };
            let Ok(Some(text)) = timeout(patience, texts.recv()).await else { break };
            lines.push(text[8..].to_owned());
        }
        lines.sort_unstable();
        lines
    };
    let all = [" gaffer | ... 7 events lost\n", " gone | hello\n", " here | hello\n"];
    assert_eq!(lines(&mut console, 3).await, all);
    let (here, gone) = {
        let pids = manager.pids(None).await.unwrap();
        (pids[0], pids[1])
    };
    manager.unload(&"gone".parse().unwrap()).await.unwrap();
    while manager.process(gone).await.is_ok() || !console.followed[&gone].is_finished() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(lines(&mut console, 1).await, all[..1]);
    assert_eq!(console.followed.keys().collect::<Vec<_>>(), [&here]);
    // Its spawn was not lost, but comes after the loss.
    console.follow(here, Voice::new(&"here".parse().unwrap(), None)).await;
    assert_eq!(lines(&mut console, 1).await, all[..1]);
    stop(&manager).await;
}
