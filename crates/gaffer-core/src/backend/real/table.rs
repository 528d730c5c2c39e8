//! The processes of a backend, while anything of them lives.

use std::{
    collections::HashMap,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio::{io::unix::AsyncFd, sync::Notify};

use crate::names::{OsPid, ProcessId};

/// One launched process: the leader of its group.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: ProcessId,
    pub(super) os_pid: OsPid,
    pub(super) pidfd: AsyncFd<OwnedFd>,
    pub(super) asked: Asked,
}

/// What was asked for and not yet done. Asking twice is asking once, so two bits are all the queue there can be.
#[derive(Debug, Default)]
pub(super) struct Asked {
    bits: AtomicU8,
    notify: Notify,
}

impl Asked {
    /// SIGTERM to the group, or to what is left.
    pub(super) const TERMINATE: u8 = 1;
    /// SIGKILL to everything, until nothing is left.
    pub(super) const KILL: u8 = 2;

    pub(super) fn ask(&self, what: u8) {
        self.bits.fetch_or(what, Ordering::AcqRel);
        self.notify.notify_one();
    }

    /// Waits until something is asked for, and takes it. Cancel safe: nothing is taken unless this returns.
    pub(super) async fn next(&self) -> u8 {
        loop {
            match self.bits.swap(0, Ordering::AcqRel) {
                0 => self.notify.notified().await,
                bits => return bits,
            }
        }
    }
}

/// All processes of a backend, by everything that leads to one.
#[derive(Debug, Default)]
pub(super) struct Table(Mutex<Index>);

#[derive(Debug, Default)]
pub(super) struct Index {
    by_pid: HashMap<ProcessId, Arc<Process>>,
    by_os_pid: HashMap<i32, ProcessId>,
    marks: HashMap<Vec<u8>, ProcessId>,
}

impl Table {
    /// Locks the table, for a moment: nobody waits for anything while holding it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    /// Makes a mark known. Before the launch, as a child may have orphans before we even know its number.
    pub(super) fn insert_mark(&mut self, mark: Vec<u8>, pid: ProcessId) {
        self.marks.insert(mark, pid);
    }

    pub(super) fn remove_mark(&mut self, mark: &[u8]) {
        self.marks.remove(mark);
    }

    pub(super) fn insert(&mut self, process: Arc<Process>) {
        self.by_os_pid.insert(process.os_pid.as_raw(), process.pid);
        self.by_pid.insert(process.pid, process);
    }

    pub(super) fn remove(&mut self, process: &Process, mark: Option<&[u8]>) {
        self.by_os_pid.remove(&process.os_pid.as_raw());
        self.by_pid.remove(&process.pid);
        if let Some(mark) = mark {
            self.remove_mark(mark);
        }
    }

    pub(super) fn get(&self, pid: ProcessId) -> Option<&Arc<Process>> {
        self.by_pid.get(&pid)
    }

    /// Whose group, or session, has this number. It stays so while the leader is not reaped.
    pub(super) fn led_by(&self, os_pid: i32) -> Option<ProcessId> {
        self.by_os_pid.get(&os_pid).copied()
    }

    pub(super) fn marked(&self, mark: &[u8]) -> Option<ProcessId> {
        self.marks.get(mark).copied()
    }
}
