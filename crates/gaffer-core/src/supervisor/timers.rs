//! Timers as data: what each is for.

use std::{collections::HashMap, time::Instant};

use super::{Effect, Step, job::JobKey};
use crate::names::ProcessId;

/// Names a timer; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId(u64);

/// What becomes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A process that was asked to end has had its time.
    Grace(ProcessId),
    /// A slot may be filled again.
    Backoff(JobKey, u32),
    /// A flapping job is tried again.
    Retry(JobKey),
    /// All that still lives is killed.
    ShutdownDeadline,
    /// The shutdown ends whatever lives.
    ShutdownEnd,
}

/// The timers that are set.
#[derive(Debug, Default)]
pub(super) struct Timers {
    last: u64,
    set: HashMap<TimerId, Purpose>,
}

impl Timers {
    pub(super) fn set(&mut self, step: &mut Step<'_>, at: Instant, purpose: Purpose) -> TimerId {
        self.last += 1;
        let id = TimerId(self.last);
        self.set.insert(id, purpose);
        step.effects.push(Effect::SetTimer(id, at));
        id
    }

    pub(super) fn cancel(&mut self, step: &mut Step<'_>, timer: &mut Option<TimerId>) {
        if let Some(id) = timer.take()
            && self.set.remove(&id).is_some()
        {
            step.effects.push(Effect::CancelTimer(id));
        }
    }

    pub(super) fn fire(&mut self, id: TimerId) -> Option<Purpose> {
        self.set.remove(&id)
    }
}
