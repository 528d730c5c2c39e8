//! What goes into the supervisor and what comes out of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{Instant, Scale, TimerId};
use crate::{
    backend::{ExitStatus, SpawnError, Survivor},
    config::{InvalidConfig, JobConfig, OneOffFields},
    events::Event,
    names::{JobName, OsPid, ProcessId, SessionId, Signal},
};

/// Names a command until it is answered. The shell chooses the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a client may ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Takes a job in; starts it if `start`.
    Load {
        /// The job.
        config: Arc<JobConfig>,
        /// Whether to start it.
        start: bool,
    },
    /// Takes a job in as it stood before, or is to stand.
    Restore {
        /// The job.
        config: Arc<JobConfig>,
        /// How it stands.
        standing: Standing,
        /// Processes of it that outlived the last run of the node: they take its first places. As many as it wants, at most, and
        /// none if it is stopped.
        survivors: Vec<Survivor>,
    },
    /// Has a job be as the node's configuration says: takes it in, or changes what is different, and replaces its processes only
    /// if they must be otherwise. What was asked of it by hand (its number, whether it runs) stays, unless the configuration says
    /// something new of it.
    Reconfigure(Arc<JobConfig>),
    /// Stops a job and forgets it.
    Unload(JobName),
    /// The same, if the job is still one of the node's configuration; else it is left alone.
    UnloadConfigured(JobName),
    /// Gives a job a new configuration; what runs is replaced, once the new command is known to start.
    Update {
        /// The new configuration, under the name of a job that is loaded.
        config: Arc<JobConfig>,
        /// Whether to start the job if it is stopped.
        start: bool,
    },
    /// Starts a job; also one that was given up or rests.
    Start(JobName),
    /// Stops a job; its number is kept.
    Stop(JobName),
    /// Replaces a job's processes: new ones first, then the old. Starts a stopped job.
    Restart(JobName),
    /// Sets the number back to the configured one and replaces what runs. A stopped job stays stopped.
    Reload(JobName),
    /// Changes how many processes a job runs.
    Scale(JobName, Scale),
    /// Launches a one-off process of a job, stopped or not.
    Commit(JobName, OneOff),
    /// Sends a signal to one process.
    Signal(ProcessId, Signal),
    /// Sends a signal to every process of a job.
    SignalJob(JobName, Signal),
    /// Stops one process; it is replaced, unless it is a one-off.
    StopProcess(ProcessId),
    /// Stops every process of a job but its one-offs; they are replaced.
    StopAll(JobName),
    /// Stops everything in reverse order of priority, and ends.
    Shutdown,
    /// Kills everything, and ends.
    ShutdownNow,
}

/// Who brought a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Somebody, at run time.
    #[default]
    Client,
    /// The node's configuration.
    Configuration,
    /// A part of the program, for its own ends.
    Program,
}

/// How a job stands, beside what is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is to run.
    pub started: bool,
    /// How many processes it wants.
    pub number: u32,
    /// Who brought it.
    pub origin: Origin,
}

impl Standing {
    /// As a configuration has it that nobody has touched.
    pub fn configured(config: &JobConfig, origin: Origin) -> Self {
        Self { started: config.spec().start, number: config.numprocesses(), origin }
    }
}

/// How a one-off process differs from its job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneOff {
    /// How long it may take to end once stopped; the job's own if `None`.
    pub graceful_timeout: Option<Duration>,
    /// Variables on top of the job's.
    pub env: BTreeMap<String, String>,
}

impl Refusal {
    /// Whether the job stands as it did, for certain.
    pub(crate) fn changes_nothing(&self) -> bool {
        match self {
            Self::UnknownJob(_)
            | Self::UnknownSession(_)
            | Self::UnknownProcess(_)
            | Self::AlreadyLoaded(_)
            | Self::Reserved(_)
            | Self::NotLaunched { .. }
            | Self::TooMany { .. }
            | Self::ShuttingDown => true,
            Self::NotStarted { .. } | Self::Superseded(_) | Self::NotKept { .. } => false,
        }
    }
}

impl Command {
    /// The job whose configuration or standing it may change.
    pub(crate) fn changes(&self) -> Option<&JobName> {
        match self {
            Self::Load { config, .. }
            | Self::Restore { config, .. }
            | Self::Reconfigure(config)
            | Self::Update { config, .. } => Some(config.name()),
            Self::Unload(name)
            | Self::UnloadConfigured(name)
            | Self::Start(name)
            | Self::Stop(name)
            | Self::Restart(name)
            | Self::Reload(name)
            | Self::Scale(name, _) => Some(name),
            Self::Commit(..)
            | Self::Signal(..)
            | Self::SignalJob(..)
            | Self::StopProcess(_)
            | Self::StopAll(_)
            | Self::Shutdown
            | Self::ShutdownNow => None,
        }
    }
}

impl OneOff {
    /// Reads `env` and `graceful_timeout` (seconds), both optional, as a job's are read. With it come the keys that mean nothing.
    ///
    /// # Errors
    /// All mistakes at once, each with its field, the value found and what was expected.
    pub fn from_json(object: &Map<String, Value>) -> Result<(Self, Vec<String>), InvalidConfig> {
        let OneOffFields { env, graceful_timeout, ignored } = OneOffFields::from_json(object)?;
        Ok((Self { graceful_timeout, env }, ignored))
    }
}

/// One fact or command.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A client asks.
    Command(Ticket, Command),
    /// A launch succeeded.
    Spawned {
        /// Whose.
        pid: ProcessId,
        /// The kernel's number.
        os_pid: OsPid,
    },
    /// A launch failed.
    SpawnFailed {
        /// Whose.
        pid: ProcessId,
        /// Why.
        error: SpawnError,
    },
    /// A process ended.
    Exited {
        /// Which.
        pid: ProcessId,
        /// How.
        status: ExitStatus,
        /// Whether descendants of it live on; then `TreeGone` follows.
        tree_alive: bool,
    },
    /// The last descendant of an ended process is gone.
    TreeGone {
        /// Whose.
        pid: ProcessId,
    },
    /// A timer that was set is due. One that was cancelled may still fire; that is harmless.
    TimerFired(TimerId),
}

/// What the shell must do now.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Launch a process and report `Spawned` or `SpawnFailed`.
    Launch(Launch),
    /// Take a launch back if it has not begun, and report `SpawnFailed` then; else it is reported as it comes.
    Cancel(ProcessId),
    /// Send a signal to the process itself.
    Signal(ProcessId, Signal),
    /// Send SIGTERM: to the group, or to what is left of it once the leader has exited.
    Terminate(ProcessId),
    /// Kill the group and every descendant.
    Kill(ProcessId),
    /// Report `TimerFired` at this time.
    SetTimer(TimerId, Instant),
    /// Forget a timer.
    CancelTimer(TimerId),
    /// Tell subscribers.
    Emit(Event),
    /// Tell the client.
    Answer(Ticket, Result<Answer, Refusal>),
    /// Nothing of this process is left; its number will not be mentioned again.
    Released(ProcessId),
    /// The shutdown is over; these processes could not be ended.
    Finished(Vec<ProcessId>),
}

/// One launch.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The number of the process to be.
    pub pid: ProcessId,
    /// How to launch it.
    pub config: Arc<JobConfig>,
    /// Variables on top of the job's.
    pub env: BTreeMap<String, String>,
    /// Which of the job's places it takes, from 1; 0 for a one-off.
    pub instance: u32,
    /// The process is there already: it is to be watched, and nothing to be launched.
    pub survivor: Option<Survivor>,
}

/// A command carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done,
    /// The job now wants so many processes.
    Number(u32),
    /// This process was launched.
    Launched(ProcessId),
}

/// A command that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No job of this name is loaded.
    #[error("no job is named `{0}`")]
    UnknownJob(JobName),
    /// No loaded job belongs to this session.
    #[error("no session is named `{0}`")]
    UnknownSession(SessionId),
    /// No process of this number lives.
    #[error("no process has the pid {0}")]
    UnknownProcess(ProcessId),
    /// A job of this name is loaded already.
    #[error("a job named `{0}` is loaded already; update or unload it, or choose another name")]
    AlreadyLoaded(JobName),
    /// The new processes could not be started; what ran before still runs.
    #[error("job `{job}` was left as it was, because a new process did not start: {cause}")]
    NotStarted {
        /// Which job.
        job: JobName,
        /// Why.
        cause: String,
    },
    /// A one-off process could not be launched.
    #[error("a one-off process of job `{job}` did not start: {error}")]
    NotLaunched {
        /// Of which job.
        job: JobName,
        /// Why.
        error: SpawnError,
    },
    /// Another command for the job took over before this one was done.
    #[error("a later command for job `{0}` took over")]
    Superseded(JobName),
    /// More processes than one job may have.
    #[error("job `{job}` cannot run {asked} processes; at most {max} are allowed")]
    TooMany {
        /// Which job.
        job: JobName,
        /// How many were asked for.
        asked: u64,
        /// How many are allowed.
        max: u32,
    },
    /// It was done, and will not outlive the node.
    #[error("job `{job}` was changed, but that could not be kept, and will be lost at the end of the node: {cause}")]
    NotKept {
        /// Which job.
        job: JobName,
        /// What kept it from being kept.
        cause: String,
    },
    /// The session is for jobs of plugins.
    #[error("`{0}` cannot be loaded or updated: the session `{session}` is for the applications of plugins", session = SessionId::PLUGINS)]
    Reserved(JobName),
    /// The node is going down.
    #[error("the node is shutting down")]
    ShuttingDown,
}
