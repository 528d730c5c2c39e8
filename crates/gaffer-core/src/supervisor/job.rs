//! One job as the supervisor sees it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use super::{
    message::{Answer, Origin, Standing, Ticket},
    restart::Backoff,
    rollout::Rollout,
    timers::TimerId,
};
use crate::{
    api::LastExit,
    backend::SpawnError,
    config::JobConfig,
    names::{JobName, ProcessId},
};

/// Names a job for good: another job loaded later under the same name has another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct JobKey(pub(super) u64);

/// A place for one process.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) process: Option<ProcessId>,
    pub(super) backoff: Backoff,
    /// Not to be filled before; decided when its process exits, used when the process's tree is gone.
    pub(super) not_before: Option<Instant>,
    /// Set while it waits to be filled.
    pub(super) timer: Option<TimerId>,
}

/// Why a job that is wanted does not run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// It flapped; the timer tries it again.
    Resting(Option<TimerId>),
    /// It flapped too often.
    GivenUp,
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) config: Arc<JobConfig>,
    /// How many processes it wants: the configured number, or what it was scaled to.
    pub(super) number: u32,
    /// Whether it is to run: started and not stopped.
    pub(super) wanted: bool,
    /// Whether it was to run when the end of the node began.
    pub(super) wanted_at_end: bool,
    /// Who brought it.
    pub(super) origin: Origin,
    pub(super) unloaded: bool,
    pub(super) hold: Option<Hold>,
    /// Times of exits that nobody asked for, for the flapping rule.
    pub(super) exits: VecDeque<Instant>,
    pub(super) retries: u32,
    pub(super) last_retry: Option<Instant>,
    pub(super) slots: BTreeMap<u32, Slot>,
    pub(super) rollout: Option<Rollout>,
    /// All its processes, whatever their role.
    pub(super) processes: BTreeSet<ProcessId>,
    /// How many of them are being launched.
    pub(super) launching: usize,
    /// Why the last launch failed; cleared by the next that succeeds.
    pub(super) spawn_error: Option<SpawnError>,
    /// Why it flapped last.
    pub(super) flapped: Option<String>,
    pub(super) restarts: u64,
    pub(super) last_exit: Option<LastExit>,
    /// Commands to be answered once the launches that they found pending are done.
    pub(super) waiting: Vec<Waiting>,
}

/// A command that waits for launches: for those that were pending when it came, not for later ones. In a storm of crashes
/// some launch is always pending.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) ticket: Ticket,
    pub(super) answer: Answer,
    /// The youngest process that it waits for.
    pub(super) newest: ProcessId,
    /// How many launches it still waits for.
    pub(super) pending: usize,
}

impl Job {
    /// A job that is not started yet, whatever its standing says.
    pub(super) fn new(config: Arc<JobConfig>, standing: Standing) -> Self {
        Self {
            number: standing.number,
            config,
            wanted: false,
            wanted_at_end: false,
            origin: standing.origin,
            unloaded: false,
            hold: None,
            exits: VecDeque::new(),
            retries: 0,
            last_retry: None,
            slots: BTreeMap::new(),
            rollout: None,
            processes: BTreeSet::new(),
            launching: 0,
            spawn_error: None,
            flapped: None,
            restarts: 0,
            last_exit: None,
            waiting: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> &JobName {
        self.config.name()
    }

    /// Whether empty slots are to be filled.
    pub(super) fn is_active(&self) -> bool {
        self.wanted && self.hold.is_none()
    }

    /// Forgets what it did wrong: it gets a fresh start.
    pub(super) fn forgive(&mut self) {
        self.exits.clear();
        self.retries = 0;
        self.last_retry = None;
        self.flapped = None;
        for slot in self.slots.values_mut() {
            slot.backoff = Backoff::default();
            slot.not_before = None;
        }
    }
}
