//! gafferd as a citizen of its system: in the background, with its log, and under a service manager.

mod activation;
mod daemon_mode;
mod logs;
mod systemd;

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Command, Output},
};

use gaffer_tests::{binary, processes, wait_until};
use nix::sys::signal::Signal;
use tempfile::TempDir;

/// A folder in which gafferd is started as a person would do it.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// gafferd, or another daemon of ours, in the folder, and nothing of the tests' own surroundings.
    pub(crate) fn command(&self, program: &str, args: &str) -> Command {
        let mut command = Command::new(binary(program));
        command.args(args.split_whitespace()).current_dir(self.0.path());
        self.surround(&mut command);
        command
    }

    pub(crate) fn surround(&self, command: &mut Command) {
        for variable in ["GAFFERD_CONFIG", "GAFFER_LOG", "RUST_LOG", "NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM"]
        {
            command.env_remove(variable);
        }
        command.env("HOME", self.0.path()).env("STATE_DIRECTORY", self.path("state"));
    }

    /// Runs it to its end, or until it is in the background: whoever reads its stderr reads that to the end.
    pub(crate) fn run(&self, program: &str, args: &str) -> Output {
        self.command(program, args).output().unwrap()
    }

    /// Starts gafferd in the background, which must work.
    #[track_caller]
    pub(crate) fn daemon(&self, args: &str) -> Background {
        let output = self.run("gafferd", &format!("--daemon --pidfile g.pid {args}"));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let pid = self.read("g.pid").trim().parse().unwrap();
        Background { pid, pidfile: self.path("g.pid") }
    }
}

/// A gafferd in the background. Dropping it ends it.
pub(crate) struct Background {
    pub(crate) pid: i32,
    pidfile: PathBuf,
}

impl Background {
    /// Ends it with SIGTERM, and waits until it is gone.
    #[track_caller]
    pub(crate) fn stop(self) {
        drop(self);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        processes::signal(self.pid, Signal::SIGTERM);
        let ended = || if processes::is_alive(self.pid) { Err("it is there") } else { Ok(()) };
        wait_until("the daemon is gone", ended);
        if !std::thread::panicking() {
            assert!(!self.pidfile.exists(), "its pidfile goes with it");
        }
    }
}

/// A port that was free a moment ago.
pub(crate) fn port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
