//! A gafferd of its own for each test.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

/// Fails a test that hangs. Nothing waits this long when all is well.
const DEADLINE: Duration = Duration::from_secs(30);

/// A folder with a `gaffer.ini`.
pub(crate) fn folder(ini: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gaffer.ini"), ini).unwrap();
    folder
}

/// gafferd in a folder, with nothing of our own environment that matters to it.
pub(crate) fn gafferd(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gafferd"));
    command.args(arguments).current_dir(folder.path()).stdin(Stdio::null());
    command.env_remove("GAFFERD_CONFIG").env_remove("GAFFER_LOG").env_remove("NO_COLOR");
    command.env("STATE_DIRECTORY", folder.path().join("state"));
    command
}

/// A gafferd that runs; killed if a test ends without stopping it.
pub(crate) struct Daemon {
    child: Child,
    /// Lines of stderr, as they come.
    log: Receiver<String>,
    /// Lines of stderr that were waited through.
    seen: Vec<String>,
    pub(crate) address: SocketAddr,
}

impl Daemon {
    /// Starts one, and waits until it listens.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (lines, log) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                drop(lines.send(line)); // The test is over.
            }
        });
        let mut daemon = Self { child, log, seen: Vec::new(), address: ([0, 0, 0, 0], 0).into() };
        let line = daemon.logged("listening on http://");
        let (_, address) = line.split_once("http://").unwrap();
        daemon.address = address.split(' ').next().unwrap().parse().unwrap();
        daemon
    }

    /// Waits for a line of the log that holds this.
    pub(crate) fn logged(&mut self, part: &str) -> String {
        let begun = Instant::now();
        loop {
            let left = DEADLINE.saturating_sub(begun.elapsed());
            let Ok(line) = self.log.recv_timeout(left) else { panic!("no {part:?} in the log: {:#?}", self.seen) };
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    pub(crate) fn stdout(&mut self) -> BufReader<ChildStdout> {
        BufReader::new(self.child.stdout.take().unwrap())
    }

    /// The name that `ps` shows.
    pub(crate) fn title(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/comm", self.child.id())).unwrap().trim_end().to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// The body of an answer that is 200.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
        body.to_owned()
    }

    /// Asks again and again, until the answer is as it should be.
    pub(crate) fn until(&self, path: &str, good: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        loop {
            let body = self.get(path);
            if good(&body) {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "{path} is still {body}");
        }
    }

    /// Waits for the end.
    pub(crate) fn ended(mut self) -> ExitStatus {
        // The log ends with the program.
        let begun = Instant::now();
        while let Ok(line) = self.log.recv_timeout(DEADLINE.saturating_sub(begun.elapsed())) {
            self.seen.push(line);
        }
        assert!(begun.elapsed() < DEADLINE, "gafferd should have ended: {:#?}", self.seen);
        self.child.wait().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has usually ended.
        let _: std::io::Result<()> = self.child.kill();
        let _: std::io::Result<ExitStatus> = self.child.wait();
    }
}
