//! Wire types that the server and the clients share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    config::Owner,
    names::{JobName, OsPid, ProcessId, StreamLabel},
};

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Nobody wants it to run.
    Stopped,
    /// It is kept running.
    Started,
    /// It exits too often and rests until its next retry.
    Flapping,
    /// It kept flapping and was given up.
    GivenUp,
}

/// How a process ended last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LastExit {
    /// Which process.
    pub pid: ProcessId,
    /// Its exit code; 0 when a signal ended it.
    pub exit_code: i32,
    /// The signal that ended it; 0 when none did.
    pub term_signal: i32,
}

/// A job as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobInfo {
    /// Full name.
    pub name: JobName,
    /// What it is doing.
    pub state: JobState,
    /// Whether at least one process runs.
    pub active: bool,
    /// Processes that are not wholly gone, one-off ones included.
    pub running: usize,
    /// One-off processes among them.
    pub running_out: usize,
    /// How many processes the job wants.
    pub max_processes: u32,
    /// Processes that are kept alive, oldest first.
    pub pids: Vec<ProcessId>,
    /// One-off processes, oldest first.
    pub once: Vec<ProcessId>,
    /// Seconds since the oldest kept process was launched.
    pub uptime: Option<f64>,
    /// Launches that replaced a process which exited unasked or did not start.
    pub restarts: u64,
    /// How its last process ended.
    pub last_exit: Option<LastExit>,
    /// Why it does not run as it should, if it does not.
    pub cause: Option<String>,
}

/// A process as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProcessInfo {
    /// Gaffer's number.
    pub pid: ProcessId,
    /// The kernel's number.
    pub os_pid: OsPid,
    /// Its job.
    pub name: JobName,
    /// The program.
    pub cmd: String,
    /// Its arguments, variables replaced.
    pub args: Vec<String>,
    /// Variables that its job, or whoever launched it as a one-off, gave it; not those that it inherits.
    pub env: BTreeMap<String, String>,
    /// User that it was to run as, if one was given.
    pub uid: Option<Owner>,
    /// Group that it was to run as, if one was given.
    pub gid: Option<Owner>,
    /// Seconds since the epoch at which it was launched.
    pub create_time: f64,
    /// Whether it is a one-off process.
    #[serde(rename = "commited")] // The original's spelling.
    pub once: bool,
    /// Labels of stdout and stderr.
    pub redirect_output: Vec<StreamLabel>,
    /// Whether stdin can be written to.
    pub redirect_input: bool,
    /// Labels of extra pipes.
    pub custom_streams: Vec<StreamLabel>,
    /// Whether the process itself, and not only a descendant, still runs.
    pub active: bool,
    /// Whether it is being stopped.
    pub stopping: bool,
    /// Bytes of output that slow readers lost.
    pub lost: u64,
}
