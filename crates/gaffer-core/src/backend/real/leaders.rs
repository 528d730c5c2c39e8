//! Which children of this program were launched by a backend, and are thus not to be taken for orphans.
//!
//! Process-wide, like the list of children itself: also the children of another backend in the same program (there are
//! several in tests) are to be left alone.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::child::Report;

static LEADERS: Mutex<Leaders> = Mutex::new(Leaders { owners: BTreeMap::new(), launchers: Vec::new() });
static NEXT_OWNER: AtomicU64 = AtomicU64::new(0);

/// Means one backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnerId(u64);

impl OwnerId {
    pub(super) fn new() -> Self {
        Self(NEXT_OWNER.fetch_add(1, Ordering::Relaxed))
    }
}

/// The launched children that have not been reaped.
pub(super) struct Leaders {
    owners: BTreeMap<i32, OwnerId>,
    /// Where those are named that are being launched: the launcher learns their number only once they are.
    launchers: Vec<(OwnerId, Arc<Report>)>,
}

/// Locks the list, for a moment: nobody waits for anything while holding it.
pub(super) fn leaders() -> MutexGuard<'static, Leaders> {
    LEADERS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Leaders {
    /// Whose child this is, if it was launched and not orphaned.
    pub(super) fn owner(&self, pid: i32) -> Option<OwnerId> {
        let launching = || self.launchers.iter().find(|(_, report)| report.launching() == pid).map(|(owner, _)| *owner);
        self.owners.get(&pid).copied().or_else(launching)
    }

    pub(super) fn insert(&mut self, pid: i32, owner: OwnerId) {
        self.owners.insert(pid, owner);
    }

    /// To be called before the child is reaped: after it, the number may be another launch's.
    pub(super) fn remove(&mut self, pid: i32) {
        self.owners.remove(&pid);
    }

    pub(super) fn add_launcher(&mut self, owner: OwnerId, report: Arc<Report>) {
        self.launchers.push((owner, report));
    }

    pub(super) fn remove_launcher(&mut self, owner: OwnerId) {
        self.launchers.retain(|(other, _)| *other != owner);
    }
}
