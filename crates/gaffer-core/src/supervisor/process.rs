//! One process as the supervisor sees it.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use super::{job::JobKey, message::Ticket, timers::TimerId};
use crate::{
    config::JobConfig,
    events::{Detail, Event, EventKind, EventProcess},
    names::{OsPid, ProcessId},
};

/// What a process is to its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is one of those that the job wants.
    Slot(u32),
    /// It is to take over a slot once all its siblings have started.
    Incoming(u32),
    /// It lost its slot and is on its way out.
    Surplus,
    /// It is a one-off. The ticket waits for its launch.
    Once(Option<Ticket>),
}

/// How far a process is.
///
/// | from | input | to |
/// |---|---|---|
/// | Launching | `Spawned` | Running; straight on to Stopping or Killed if that was asked for meanwhile |
/// | Launching | `SpawnFailed` | gone |
/// | Running | a stop | Stopping: SIGTERM, and a timer |
/// | Running | `Exited` with nothing left | gone |
/// | Running | `Exited` with descendants | Stopping: SIGTERM to them, and a timer |
/// | Stopping | the timer, or a kill | Killed: SIGKILL to everything |
/// | Stopping, Killed | `Exited` with nothing left, or `TreeGone` | gone |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Asked for, not yet answered.
    Launching {
        /// What to do with it once it is there.
        then: Option<Doom>,
    },
    Running,
    Stopping,
    Killed,
}

/// What awaits a process that is still being launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doom {
    /// To be stopped, with this event.
    Stop(EventKind),
    /// To be killed.
    Kill,
}

#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: ProcessId,
    pub(super) job: JobKey,
    pub(super) role: Role,
    pub(super) phase: Phase,
    /// What it was launched with, which need not be what its job has now.
    pub(super) config: Arc<JobConfig>,
    /// Variables on top of those; none, but for a one-off.
    pub(super) extra_env: BTreeMap<String, String>,
    pub(super) grace: std::time::Duration,
    /// Whether it outlived the last run of the node, and was taken back.
    pub(super) survivor: bool,
    pub(super) os_pid: Option<OsPid>,
    /// When its launch succeeded.
    pub(super) born: Option<Instant>,
    /// Whether gaffer asked for its end.
    pub(super) asked: bool,
    /// Whether the leader has exited, and only descendants live.
    pub(super) exited: bool,
    pub(super) timer: Option<TimerId>,
}

impl Process {
    pub(super) fn event(&self, kind: EventKind, detail: Detail) -> Event {
        let process = EventProcess { pid: self.pid, os_pid: self.os_pid };
        Event { kind, job: self.config.name().clone(), process: Some(process), detail }
    }

    pub(super) fn is_once(&self) -> bool {
        matches!(self.role, Role::Once(_))
    }

    pub(super) fn is_launching(&self) -> bool {
        matches!(self.phase, Phase::Launching { .. })
    }

    /// Whether it runs, or will, and nothing has been said against it.
    pub(super) fn is_healthy(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Launching { then: None })
    }
}

/// What a process is doing, for those who ask.
#[derive(Clone, Debug)]
pub struct ProcessView {
    /// What it was launched with.
    pub config: Arc<JobConfig>,
    /// Variables on top of those; none, but for a one-off.
    pub extra_env: BTreeMap<String, String>,
    /// Whether it is a one-off.
    pub once: bool,
    /// Whether the process itself, and not only descendants, lives.
    pub leader_alive: bool,
    /// Whether it is being stopped or killed.
    pub stopping: bool,
}
