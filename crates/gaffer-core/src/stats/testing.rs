//! What the tests of several modules need: figures to show, and children to look at.
#![expect(clippy::disallowed_methods, reason = "tests look at real processes over real time")]

use std::{
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::wait::{Id, WaitPidFlag, waitid},
    unistd::Pid,
};

use super::{Member, ProcessStats, Usage};
use crate::names::{OsPid, ProcessId};

/// Longest wait for anything: long, as the machine may be busy with other tests.
const DEADLINE: Duration = Duration::from_secs(60);

pub(super) fn stats(pid: u64, os_pid: i32) -> ProcessStats {
    let usage = Usage {
        os_pid: OsPid::new(os_pid).unwrap(),
        username: Some("root".into()),
        nice: Some(0),
        cmdline: Some("web".into()),
        cpu: Some(12.5),
        mem: Some(0.4),
        rss: Some(1_600_000),
        vms: Some(5_000_000),
        cpu_time: Some(Duration::from_millis(65_430)),
        create_time: Some(1_700_000_000.25),
        children: Vec::new(),
    };
    ProcessStats { pid: ProcessId::new(pid), usage }
}

/// Looks again and again until a condition holds.
pub(super) async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A child in a process group of its own, all of which is killed and which is reaped when this is dropped.
pub(super) struct Child(std::process::Child);

impl Child {
    pub(super) fn shell(script: &str) -> Self {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        Self(command.spawn().unwrap())
    }

    pub(super) fn os_pid(&self) -> OsPid {
        OsPid::new(self.0.id() as i32).unwrap()
    }

    pub(super) fn member(&self, pid: u64) -> Member {
        Member::new(ProcessId::new(pid), self.os_pid(), "web".parse().unwrap())
    }

    /// How long it ran and how long it had to wait for a processor, in nanoseconds.
    pub(super) fn scheduled(&self) -> (f64, f64) {
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", self.0.id())).unwrap();
        let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
        (numbers.next().unwrap(), numbers.next().unwrap())
    }

    /// Writes to its input and leaves that open.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.0.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub(super) fn kill_without_reaping(&mut self) {
        self.0.kill().unwrap();
        waitid(Id::Pid(Pid::from_raw(self.0.id() as i32)), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
    }

    pub(super) fn end(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = nix::sys::signal::killpg(Pid::from_raw(self.0.id() as i32), nix::sys::signal::Signal::SIGKILL);
        }
        self.0.wait().unwrap();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}
