//! The seam between the manager and the operating system.
//!
//! The manager asks for a launch, a signal, an end; the backend answers with [`Fact`]s. What crosses the seam is plain
//! data and descriptors, so that a backend may live in another process.

mod error;
mod plan;
mod real;
mod search_path;
pub mod simulated;
mod survivor;

use std::{fmt, sync::Arc};

pub use error::{SpawnError, SpawnStage};
pub use plan::{LaunchPlan, MARK, PARENTS};
pub use real::{Descendants, RealBackend, Root, end_descendants, end_leftovers};
pub use search_path::SearchPath;
pub use survivor::Survivor;
use tokio::sync::mpsc;

use crate::{
    names::{OsPid, ProcessId, Signal},
    streams::ProcessIo,
};

/// Carries facts to the manager. Bounded: a backend waits when the manager is busy.
pub type FactSender = mpsc::Sender<Fact>;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// By itself, with this code.
    Code(i32),
    /// By a signal, with this number.
    Signal(i32),
}

impl ExitStatus {
    /// The exit code; 0 when a signal ended it.
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(_) => 0,
        }
    }

    /// The signal that ended it; 0 when none did.
    pub fn signal(self) -> i32 {
        match self {
            Self::Code(_) => 0,
            Self::Signal(signal) => signal,
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => match Signal::new(number) {
                Ok(signal) => signal.fmt(f),
                Err(_) => write!(f, "signal {number}"),
            },
        }
    }
}

/// Something that the backend saw.
#[derive(Debug)]
pub enum Fact {
    /// The launch that was asked for under this number succeeded.
    Spawned {
        /// Whose.
        pid: ProcessId,
        /// The kernel's number.
        os_pid: OsPid,
        /// Its streams.
        io: ProcessIo,
    },
    /// It failed; nothing is left of it.
    SpawnFailed {
        /// Whose.
        pid: ProcessId,
        /// Why.
        error: SpawnError,
    },
    /// The process itself ended, and its pipes were drained. Its os_pid is not reused before the tree is gone.
    Exited {
        /// Whose.
        pid: ProcessId,
        /// How.
        status: ExitStatus,
        /// Whether descendants of it live on. If not, no [`Fact::TreeGone`] follows.
        tree_alive: bool,
    },
    /// The last descendant of a process that had exited is gone.
    TreeGone {
        /// Whose.
        pid: ProcessId,
    },
}

/// What the manager needs of an operating system, real or simulated.
///
/// No method blocks. A request about a process that is gone does nothing. Each accepted [`launch`](Self::launch) is
/// answered by `SpawnFailed`, or by `Spawned` and in the end exactly one `Exited`, followed by exactly one `TreeGone`
/// if that said that the tree was alive.
pub trait Backend: Send + 'static {
    /// Launches a process.
    fn launch(&mut self, plan: Arc<LaunchPlan>);

    /// Takes back a launch that has not begun: it is answered by `SpawnFailed` with [`SpawnError::Cancelled`] if this was in
    /// time, else as usual. A backend need not be able to.
    fn cancel(&mut self, pid: ProcessId) {
        let _ = pid;
    }

    /// Sends a signal to the process itself, not to its descendants.
    fn signal(&mut self, pid: ProcessId, signal: Signal);

    /// Sends SIGTERM: to the whole process group while the leader lives; once it has exited, to those descendants that
    /// are left and have not had it.
    fn terminate(&mut self, pid: ProcessId);

    /// Kills the process group and every descendant, and goes on until nothing is left.
    fn kill(&mut self, pid: ProcessId);
}
