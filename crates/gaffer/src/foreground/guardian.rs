//! What outlives a gaffer that is killed, to end what it has launched.
//!
//! ```text
//! gaffer ── a pipe ──► guardian
//!    │  "<node> <grace>\n"      what to look for
//!    │  "<os_pid> <start>\n"    a process that was launched: its mark may not be there to be read
//!    │  "."                     farewell: all is over
//!    ╳  nothing                 killed: end these processes, and every one that carries the node's mark
//! ```
//!
//! The guardian is this program once more, in a session of its own and as nobody's child, so that what ends gaffer does not
//! end it too: neither a signal from the terminal nor one to gaffer's group. It is launched in two steps: the first one leaves
//! gaffer's group and ends, and the second, which is an orphan then, leaves the first one's session. That must be over before gaffer
//! becomes the parent of its orphaned descendants.

use std::{
    collections::HashSet,
    ffi::OsStr,
    future::pending,
    io::{self, BufRead, PipeWriter, Read, Write},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use gaffer_core::{
    backend::{Root, end_leftovers},
    names::OsPid,
    proctitle::set_process_title,
};
use nix::{
    sys::signal::{SigSet, Signal},
    unistd::{setsid, write},
};
use tokio::{io::Interest, net::unix::pipe};

/// The first argument of a guardian. No command is called so.
const MODE: &str = "__guardian";

/// The second argument in the second step.
const WATCH: &str = "watch";

/// The very program that runs, even if its file was replaced.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Ends the message of a run that needs no guardian any more.
const FAREWELL: &str = ".";

/// More than any line: what is longer was not written by gaffer.
const LONGEST_LINE: u64 = 1024;

/// Beyond these, processes that are gone are forgotten.
const FEW_ROOTS: usize = 256;

/// A guardian that is being launched.
pub(super) struct Launching {
    first: Child,
    pipe: PipeWriter,
}

/// A guardian that was not told what to look for.
pub(super) struct Idle {
    pipe: PipeWriter,
}

/// A run's guardian. If it is dropped without a farewell, it ends what the run has left.
pub(super) struct Guardian {
    pipe: pipe::Sender,
}

impl Launching {
    /// Begins. It takes some milliseconds, in which something else can be done.
    pub(super) fn begin() -> io::Result<Self> {
        let (end, pipe) = io::pipe()?;
        let first = step().arg(MODE).current_dir("/").stdin(end).process_group(0).spawn()?;
        Ok(Self { first, pipe })
    }

    /// Waits until it watches.
    pub(super) fn finish(mut self) -> io::Result<Idle> {
        let status = self.first.wait()?;
        if status.success() { Ok(Idle { pipe: self.pipe }) } else { Err(io::Error::other(status.to_string())) }
    }
}

impl Idle {
    /// Tells it what to look for: to be done before anything is launched. To be called within the runtime.
    pub(super) fn watch(mut self, node: &str, grace: Duration) -> io::Result<Guardian> {
        // In one piece: half a message would mean nothing.
        self.pipe.write_all(format!("{node} {}\n", grace.as_secs_f64()).as_bytes())?;
        Ok(Guardian { pipe: pipe::Sender::from_owned_fd(self.pipe.into())? })
    }
}

impl Guardian {
    /// Tells it of a process that was launched. Its end needs not be told: the guardian sees that for itself.
    pub(super) fn launched(&self, os_pid: OsPid) {
        if let Some(root) = Root::of(os_pid) {
            self.say(&format!("{root}\n"));
        }
    }

    /// Waits until it is gone, which it should not be. Cancel safe.
    pub(super) async fn gone(&self) {
        if self.pipe.ready(Interest::ERROR).await.is_err() {
            pending().await
        }
    }

    /// Nothing is left: it can go.
    pub(super) fn dismiss(self) {
        self.say(FAREWELL);
    }

    /// Says it as a whole or, rather than wait, not at all: then the guardian knows less, or looks for what is not there.
    fn say(&self, text: &str) {
        let _full_or_gone = write(&self.pipe, text.as_bytes());
    }
}

fn step() -> Command {
    let mut command = Command::new(THIS_PROGRAM);
    command.arg0("gaffer").stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Whether this program was started as a guardian.
pub(crate) fn is_meant() -> bool {
    std::env::args_os().nth(1).is_some_and(|word| word == OsStr::new(MODE))
}

/// Is a guardian, to the end.
pub(crate) fn main() -> ExitCode {
    let outcome = match std::env::args_os().nth(2) {
        None => step().args([MODE, WATCH]).spawn().map(drop),
        Some(_) => watch(),
    };
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn watch() -> io::Result<()> {
    setsid()?;
    keep_signals_off()?;
    set_process_title("gaffer guardian")?;
    if let Some(Left { node, grace, roots }) = left_behind(io::stdin().lock()) {
        // There is nobody to tell what could not be ended.
        end_leftovers(&node, &roots, &HashSet::new(), grace)?;
    }
    Ok(())
}

/// What gaffer has left.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    node: String,
    /// How long it may take to end.
    grace: Duration,
    roots: HashSet<Root>,
}

/// Signals that are meant for gaffer, or for all that a person has begun, have nothing to say to it.
fn keep_signals_off() -> io::Result<()> {
    let signals = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGTSTP];
    Ok(SigSet::from_iter(signals).thread_block()?)
}

/// Hears what gaffer has to say to its end: `None` if it has seen to everything itself, or has launched nothing.
fn left_behind(mut said: impl BufRead) -> Option<Left> {
    let (node, grace) = line(&mut said)?.strip_suffix('\n').and_then(task)?;
    let mut roots = HashSet::new();
    let mut enough = FEW_ROOTS;
    // What cannot be read is the end, too.
    while let Some(line) = line(&mut said).filter(|line| !line.is_empty()) {
        if line == FAREWELL {
            return None;
        }
        roots.extend(line.strip_suffix('\n').and_then(Root::parse));
        if roots.len() > enough {
            roots.retain(|root| root.is_there());
            enough = FEW_ROOTS.max(2 * roots.len());
        }
    }
    Some(Left { node, grace, roots })
}

fn line(said: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    said.take(LONGEST_LINE).read_line(&mut line).ok()?;
    Some(line)
}

fn task(line: &str) -> Option<(String, Duration)> {
    let (node, grace) = line.split_once(' ')?;
    let grace = grace.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())?;
    (!node.is_empty()).then(|| (node.to_owned(), grace))
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    fn left(node: &str, millis: u64, roots: &[&str]) -> Option<Left> {
        let roots = roots.iter().map(|root| Root::parse(root).unwrap()).collect();
        Some(Left { node: node.to_owned(), grace: Duration::from_millis(millis), roots })
    }

    #[test]
    fn only_who_was_told_of_a_node_and_no_farewell_ends_something() {
        assert_eq!(left_behind(&b"0123abcd 2.5\n"[..]), left("0123abcd", 2500, &[]));
        assert_eq!(left_behind(&b"n 1\n7 12\n9 x\n-1 5\n8 13\n9"[..]), left("n", 1000, &["7 12", "8 13"]));
        for message in
            ["", "0123", "0123abcd 2.5", "0123abcd 2.5\n.", "n 2.5\n7 12\n.", "0123abcd x\n", " 2.5\n", "0123abcd\n"]
        {
            assert_eq!(left_behind(message.as_bytes()), None, "{message:?}");
        }
    }

    #[test]
    fn processes_that_are_gone_are_forgotten() {
        let starts = 1..=10 * FEW_ROOTS;
        let message: String = starts.map(|start| format!("{} {start}\n", std::process::id())).collect();
        let left = left_behind(format!("n 1\n{message}").as_bytes()).unwrap();
        assert!(left.roots.len() <= FEW_ROOTS, "{}", left.roots.len());
    }

    #[tokio::test]
    async fn what_gaffer_says_is_what_the_guardian_reads() {
        for is_dismissed in [false, true] {
            let (end, pipe) = io::pipe().unwrap();
            let guardian = Idle { pipe }.watch("0123abcd", Duration::from_millis(1500)).unwrap();
            guardian.launched(OsPid::new(1).unwrap()); // None of its own.
            if is_dismissed {
                guardian.dismiss();
            } else {
                drop(guardian);
            }
            let heard = left_behind(io::BufReader::new(end));
            assert_eq!(heard, left("0123abcd", 1500, &[]).filter(|_| !is_dismissed));
        }
    }

    #[tokio::test]
    async fn a_full_pipe_holds_nobody_up_and_its_end_is_noticed() {
        let (end, pipe) = io::pipe().unwrap();
        let guardian = Idle { pipe }.watch("0123abcd", Duration::ZERO).unwrap();
        for _ in 0..10_000 {
            guardian.say("12345 1234567890\n");
        }
        assert!(timeout(Duration::from_millis(20), guardian.gone()).await.is_err(), "it is there");
        drop(end);
        timeout(Duration::from_secs(30), guardian.gone()).await.unwrap();
    }
}
