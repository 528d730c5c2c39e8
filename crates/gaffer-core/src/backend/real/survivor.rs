//! The life of a process that another run of the node launched, from its being taken back until nothing of it is left.
//!
//! It is no child of this program: nobody tells how it ends, and its orphans go to somebody else. So what belongs to it is found by its mark,
//! its session and its descendants, by a look at all processes. That costs more than for a child, and is done only when it is to
//! be stopped, or has ended.

use std::{io, os::fd::AsFd, sync::Arc, time::Duration};

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::sleep,
};

use super::{
    leaders::leaders,
    leftovers::{self, Hunt},
    sys::{self, Then, Waited, Whom},
    table::{Asked, Process, Table},
};
use crate::backend::{ExitStatus, Fact, FactSender, Survivor};

/// What stands for the status of a process whose parent somebody else was.
const UNKNOWN_STATUS: ExitStatus = ExitStatus::Code(255);
/// The pause between two looks for those that are to end, and have not.
const PAUSE: Duration = Duration::from_millis(200);

/// Watches one survivor.
pub(super) struct Watch {
    pub(super) process: Arc<Process>,
    survivor: Survivor,
    table: Arc<Table>,
    facts: FactSender,
}

impl Watch {
    /// Takes in a process that is in the table, with its mark.
    pub(super) fn new(process: Arc<Process>, survivor: Survivor, table: Arc<Table>, facts: FactSender) -> Self {
        Self { process, survivor, table, facts }
    }

    /// Runs until nothing of it is left.
    pub(super) async fn run(self) {
        let pid = self.process.pid;
        let Some(status) = self.alive().await else { return };
        let survivor = self.survivor.clone();
        let left = spawn_blocking(move || leftovers::is_left(&survivor)).await;
        // What cannot be seen may be there.
        let tree_alive = !matches!(left, Ok(Ok(false)));
        if !tree_alive {
            self.forget();
        }
        self.tell(Fact::Exited { pid, status, tree_alive }).await;
        if tree_alive {
            self.remains().await;
            self.forget();
            self.tell(Fact::TreeGone { pid }).await;
        }
    }

    /// Does what is asked for until the process ends; `None` if the runtime is ending.
    async fn alive(&self) -> Option<ExitStatus> {
        loop {
            tokio::select! {
                ready = self.process.pidfd.readable() => {
                    let mut ready = ready.ok()?;
                    match sys::wait(Whom::Pidfd(self.process.pidfd.get_ref().as_fd()), Then::Reap) {
                        // It had become our child: we are what looks after orphans here.
                        Ok(Waited::Ended(_, status)) => return Some(status),
                        Ok(Waited::Running) => ready.clear_ready(),
                        Ok(Waited::NotOurs) | Err(_) => return Some(UNKNOWN_STATUS),
                    }
                }
                asked = self.process.asked.next() => drop(self.obey(asked)),
            }
        }
    }

    /// Does what is asked for until nothing is left.
    async fn remains(&self) {
        // What was asked of them before may be about to be done.
        let mut ending = self.look();
        loop {
            tokio::select! {
                asked = self.process.asked.next() => ending = self.obey(asked),
                over = &mut ending => {
                    if matches!(over, Ok(Ok(true))) {
                        return;
                    }
                    sleep(PAUSE).await;
                    ending = self.look();
                }
            }
        }
    }

    /// Says whether nothing is left.
    fn look(&self) -> JoinHandle<io::Result<bool>> {
        let survivor = self.survivor.clone();
        spawn_blocking(move || leftovers::is_left(&survivor).map(|left| !left))
    }

    /// Ends the tree, or asks it to end. The answer says whether nothing is left.
    fn obey(&self, asked: u8) -> JoinHandle<io::Result<bool>> {
        let survivor = self.survivor.clone();
        let kills = asked & Asked::KILL != 0;
        spawn_blocking(move || {
            let hunt = Hunt::of(&survivor)?;
            if kills { Ok(hunt.end_all(Duration::ZERO)?.is_empty()) } else { hunt.ask_to_end() }
        })
    }

    fn forget(&self) {
        leaders().remove(self.process.os_pid.as_raw());
        self.table.lock().remove(&self.process, Some(self.survivor.mark.as_bytes()));
    }

    async fn tell(&self, fact: Fact) {
        let _manager_is_gone = self.facts.send(fact).await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.forget();
    }
}
