//! What all handles of one manager share.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot, watch};

use super::{applications::Started, launches::Launches, live::View};
use crate::{
    events::Journal,
    names::{JobName, ProcessId},
    stats::Monitor,
    supervisor::{Answer, Command, Refusal},
};

/// What a handle asks of the actor.
pub(crate) enum Request {
    /// Decide, and answer once it is done.
    Command(Command, oneshot::Sender<Result<Answer, Refusal>>),
    /// Look at the state between two inputs.
    Query(Box<dyn FnOnce(&View<'_>) + Send>),
}

/// A process that outlived the shutdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leftover {
    pub(crate) pid: ProcessId,
    pub(crate) job: JobName,
    pub(crate) os_pid: Option<i32>,
}

impl std::fmt::Display for Leftover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "could not be ended: {} (pid {}, ", self.job, self.pid)?;
        match self.os_pid {
            Some(os_pid) => write!(f, "os_pid {os_pid})"),
            None => f.write_str("still launching)"),
        }
    }
}

/// How far the manager is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Running,
    /// All jobs are stopped; applications are being stopped.
    Closing,
    /// All jobs are stopped and all applications too.
    Stopped(Arc<End>),
}

/// How it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    /// What could not be ended.
    pub(crate) left: Vec<Leftover>,
    /// What kept the actor from going on until it was asked to stop.
    pub(crate) failure: Option<String>,
}

pub(crate) struct Shared {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) launches: Arc<Launches>,
    pub(crate) monitor: Monitor,
    pub(crate) applications: Mutex<Started>,
    pub(crate) stage: watch::Receiver<Stage>,
    pub(crate) node: String,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("node", &self.node).finish_non_exhaustive()
    }
}
