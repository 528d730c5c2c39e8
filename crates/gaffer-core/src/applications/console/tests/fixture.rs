//! Consoles that write where a test sees it.

use std::{
    io::{self, Write},
    sync::{Arc, mpsc as std_mpsc},
    time::Duration,
};

use tokio::sync::{Notify, watch};

use super::super::{ConsoleOutput, ConsoleSettings};
use crate::{
    backend::RealBackend,
    config::{JobConfig, JobSpec},
    manager::{Manager, ManagerOptions},
};

/// Fails a test that hangs. Nothing waits this long when all is well.
pub(in super::super) const DEADLINE: Duration = Duration::from_secs(30);

/// What was written so far. Each time that is whole lines.
pub(in super::super) struct Screen(watch::Sender<Vec<u8>>);

impl Screen {
    pub(in super::super) fn new() -> (Self, watch::Receiver<Vec<u8>>) {
        let (sender, receiver) = watch::channel(Vec::new());
        (Self(sender), receiver)
    }
}

impl Write for Screen {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        assert!(data.ends_with(b"\n"), "{}", String::from_utf8_lossy(data));
        self.0.send_modify(|text| text.extend_from_slice(data));
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(in super::super) struct Fixture {
    pub(in super::super) manager: Manager,
    pub(in super::super) screen: watch::Receiver<Vec<u8>>,
}

impl Fixture {
    pub(in super::super) async fn start(settings: ConsoleSettings) -> Self {
        let (writer, screen) = Screen::new();
        Self { manager: start(settings, Box::new(writer)).await, screen }
    }

    /// Waits until this was shown.
    pub(in super::super) async fn until(&mut self, part: &str) {
        let shown = self.screen.wait_for(|text| String::from_utf8_lossy(text).contains(part));
        let shown = tokio::time::timeout(DEADLINE, shown).await.is_ok();
        assert!(shown, "{part:?} should be shown; seen: {}", String::from_utf8_lossy(&self.screen.borrow()));
    }

    /// Stops, and answers all lines without their times.
    pub(in super::super) async fn finish(self) -> Vec<String> {
        stop(&self.manager).await;
        without_times(&self.screen.borrow())
    }
}

/// Lines without their times.
pub(in super::super) fn without_times(text: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(text).expect("whole lines are whole characters");
    let lines = text.lines().map(|line| {
        let at = line.find(':').expect("a time") - 2;
        let (before, time) = line.split_at(at);
        let (time, after) = time.split_at(8);
        assert!(time.bytes().all(|byte| byte.is_ascii_digit() || byte == b':'), "{line}");
        format!("{before}{after}")
    });
    lines.collect()
}

pub(in super::super) async fn start(settings: ConsoleSettings, writer: Box<dyn Write + Send>) -> Manager {
    let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
    let console = ConsoleOutput::with_writer(settings, writer);
    manager.start_applications(vec![Box::new(console)]).await.unwrap();
    manager
}

pub(in super::super) async fn stop(manager: &Manager) {
    tokio::time::timeout(DEADLINE, manager.stop()).await.expect("the manager should stop");
}

pub(in super::super) fn plain() -> ConsoleSettings {
    ConsoleSettings { colorize: false, ..ConsoleSettings::default() }
}

pub(in super::super) fn job(name: &str, script: &str) -> JobConfig {
    let mut spec = JobSpec::new(name.parse().unwrap(), script);
    spec.shell = true;
    spec.redirect_output = ["out", "err"].map(|label| label.parse().unwrap()).into();
    spec.check().unwrap()
}

/// Fails, as a pipe whose reader is gone.
pub(in super::super) struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Stands still until it is let go, as a terminal that was stopped.
pub(in super::super) struct Stalled {
    let_go: std_mpsc::Receiver<()>,
    stands: Arc<Notify>,
    screen: Screen,
}

impl Stalled {
    /// Is let go when the sender is dropped. Tells when it stands still.
    pub(in super::super) fn new(screen: Screen) -> (Self, std_mpsc::Sender<()>, Arc<Notify>) {
        let (go, let_go) = std_mpsc::channel();
        let stands = Arc::new(Notify::new());
        (Self { let_go, stands: Arc::clone(&stands), screen }, go, stands)
    }
}

impl Write for Stalled {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.stands.notify_one();
        let _: Result<(), std_mpsc::RecvError> = self.let_go.recv(); // An error says: for good.
        self.screen.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
