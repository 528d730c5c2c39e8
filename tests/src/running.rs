//! Client programs that run, and what they have said.

use std::{
    fmt,
    io::{self, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, ExitStatus},
    thread::{self, JoinHandle},
};

use nix::sys::signal::Signal;

use crate::{Line, output::Output, processes, terminal::Screen, wait_until};

/// What a client said until its end.
#[derive(Clone, Debug)]
pub struct Said {
    what: String,
    /// The exit code; if a signal ended it, 128 and the signal's number.
    pub code: i32,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: code {}\nstdout:\n{}\nstderr:\n{}", self.what, self.code, self.stdout, self.stderr)
    }
}

/// A client that runs. Dropping it ends it.
#[derive(Debug)]
pub struct RunningClient {
    what: String,
    child: Child,
    stdout: Output,
    stderr: Output,
    feeder: Option<JoinHandle<()>>,
    /// Where the person sits, if it was begun at a terminal.
    seat: Option<Screen>,
}

impl RunningClient {
    pub(crate) fn new(mut child: Child, screen: Option<Screen>, args: &[&str]) -> Self {
        let seat = screen.as_ref().map(Screen::try_clone);
        let (stdout, stderr) = match screen {
            Some(screen) => (Output::of(screen), Output::of(io::empty())),
            None => (Output::of(child.stdout.take().unwrap()), Output::of(child.stderr.take().unwrap())),
        };
        Self { what: args.join(" "), child, stdout, stderr, feeder: None, seat }
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Types this at its terminal: `\x03` is Ctrl-C.
    #[track_caller]
    pub fn type_in(&self, keys: &str) {
        self.seat.as_ref().expect("it has a terminal").type_in(keys);
    }

    /// Gives its terminal another size.
    #[track_caller]
    pub fn resize(&self, columns: u16, rows: u16) {
        self.seat.as_ref().expect("it has a terminal").resize(columns, rows);
    }

    /// Writes this into the pipe that is its stdin, and closes that. Returns at once.
    pub fn feed(&mut self, input: impl AsRef<[u8]>) {
        let (mut pipe, input) = (self.child.stdin.take().expect("stdin is a pipe, and open"), input.as_ref().to_vec());
        self.feeder = Some(thread::spawn(move || {
            // One that does not read it says so in what it prints.
            let _unread = pipe.write_all(&input);
        }));
    }

    /// The lines on stdout so far.
    pub fn lines(&self) -> Vec<Line> {
        self.stdout.lines()
    }

    /// What stands on stdout so far, also of a line that has no end yet, such as a question.
    pub fn shown(&self) -> String {
        self.stdout.shown()
    }

    /// Waits for a line on stdout that holds the text.
    #[track_caller]
    pub fn until_printed(&self, text: &str) -> Line {
        let found = self.stdout.find(|line| line.text.contains(text).then(|| line.clone()));
        found.unwrap_or_else(|| {
            panic!("{} never printed {text:?}; stdout:\n{}stderr:\n{}", self.what, self.stdout, self.stderr)
        })
    }

    /// Waits for a line on stderr that holds the text.
    #[track_caller]
    pub fn until_said(&self, text: &str) -> Line {
        let found = self.stderr.find(|line| line.text.contains(text).then(|| line.clone()));
        found.unwrap_or_else(|| {
            panic!("{} never said {text:?}; stdout:\n{}stderr:\n{}", self.what, self.stdout, self.stderr)
        })
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        processes::signal(self.pid(), signal);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Said {
        let status: ExitStatus = wait_until(&format!("{} ends", self.what), || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err(format!("it runs; stdout:\n{}stderr:\n{}", self.stdout, self.stderr)),
        });
        self.stdout.finish();
        self.stderr.finish();
        if let Some(feeder) = self.feeder.take() {
            feeder.join().unwrap();
        }
        let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap();
        Said { what: self.what.clone(), code, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }
}

impl Drop for RunningClient {
    fn drop(&mut self) {
        // Both fail if it has ended, which is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
