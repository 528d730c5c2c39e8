//! The supervisor's timers on the runtime's clock.

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

use crate::supervisor::TimerId;

/// Timers in the order in which they are due.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Instant, TimerId)>,
    times: HashMap<TimerId, Instant>,
}

impl Timers {
    pub(super) fn set(&mut self, id: TimerId, at: Instant) {
        self.due.insert((at, id));
        self.times.insert(id, at);
    }

    pub(super) fn cancel(&mut self, id: TimerId) {
        if let Some(at) = self.times.remove(&id) {
            self.due.remove(&(at, id));
        }
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes out one that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<TimerId> {
        let (at, id) = *self.due.first()?;
        (at <= now).then(|| {
            self.cancel(id);
            id
        })
    }
}
