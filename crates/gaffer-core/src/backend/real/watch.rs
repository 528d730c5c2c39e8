//! The life of one launched process, from its launch until nothing of it is left.

use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

use tokio::sync::{mpsc, oneshot};

use super::{
    leaders::leaders,
    procfs::Adopted,
    readers::Readers,
    sys::{self, Then, Waited, Whom},
    table::{Asked, Process, Table},
    tree::{Ask, Remains},
};
use crate::backend::{ExitStatus, Fact, FactSender};

/// What stands for the status of a process that somebody else has reaped.
const UNKNOWN_STATUS: ExitStatus = ExitStatus::Code(255);

/// Watches one process.
pub(super) struct Watch {
    pub(super) process: Arc<Process>,
    /// The mark that it was launched with.
    mark: Option<Vec<u8>>,
    readers: Readers,
    table: Arc<Table>,
    adopted: Arc<Adopted>,
    nursery: mpsc::Sender<Ask>,
    facts: FactSender,
    /// Whether the process is out of all lists.
    forgotten: bool,
}

impl Watch {
    pub(super) fn new(
        process: Arc<Process>,
        mark: Option<Vec<u8>>,
        readers: Readers,
        table: Arc<Table>,
        adopted: Arc<Adopted>,
        nursery: mpsc::Sender<Ask>,
        facts: FactSender,
    ) -> Self {
        Self { process, mark, readers, table, adopted, nursery, facts, forgotten: false }
    }

    /// Runs until nothing of the process is left.
    pub(super) async fn run(mut self) {
        let pid = self.process.pid;
        let (mut terminated, mut killing) = (false, false);
        let status = loop {
            tokio::select! {
                status = self.ended() => break status,
                asked = self.process.asked.next() => {
                    if asked & Asked::TERMINATE != 0 && !killing {
                        terminated = true;
                        self.ask(Ask::Terminate(Arc::clone(&self.process))).await;
                    }
                    if asked & Asked::KILL != 0 {
                        killing = true;
                        self.ask(Ask::Kill(Arc::clone(&self.process))).await;
                    }
                }
            }
        };
        let Some(status) = status else { return };

        let drained = self.readers.drain().await;
        // The common end of a process, and the way to its replacement: without orphans there are no descendants, and no
        // need to have them looked for. After a signal to the tree its notes about it have to go, too.
        if !terminated && !killing && self.adopted.is_empty() {
            self.readers.finish(drained).await;
            self.reap();
            self.tell(Fact::Exited { pid, status, tree_alive: false }).await;
            return;
        }
        let (answer, remains) = oneshot::channel();
        self.ask(Ask::Ended { process: Arc::clone(&self.process), terminated, killing, answer }).await;
        // An error: the backend is ending.
        match remains.await {
            Err(_) => {}
            Ok(Remains::Nothing) => {
                self.readers.finish(drained).await;
                self.reap();
                self.tell(Fact::Exited { pid, status, tree_alive: false }).await;
            }
            Ok(Remains::Alive(gone)) => {
                self.tell(Fact::Exited { pid, status, tree_alive: true }).await;
                self.until(gone).await;
                self.readers.finish(drained).await;
                self.reap();
                self.tell(Fact::TreeGone { pid }).await;
            }
        }
    }

    /// Waits for the end of the process, and leaves it unreaped; `None` if the runtime is ending.
    async fn ended(&self) -> Option<ExitStatus> {
        loop {
            let mut ready = self.process.pidfd.readable().await.ok()?;
            match sys::wait(Whom::Pidfd(self.pidfd()), Then::Keep) {
                Ok(Waited::Ended(_, status)) => return Some(status),
                // Somebody traces it, and is the first to be told. We are when that lets go of it.
                Ok(Waited::Running) => ready.clear_ready(),
                Ok(Waited::NotOurs) => {
                    tracing::error!(pid = %self.process.pid, "somebody else has reaped a process: its exit status is lost");
                    return Some(UNKNOWN_STATUS);
                }
                Err(error) => {
                    tracing::error!(pid = %self.process.pid, %error, "cannot wait for a process");
                    return Some(UNKNOWN_STATUS);
                }
            }
        }
    }

    /// Hands requests on until the tree is gone.
    async fn until(&self, mut gone: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                _ = &mut gone => return,
                asked = self.process.asked.next() => {
                    if asked & Asked::TERMINATE != 0 {
                        self.ask(Ask::Terminate(Arc::clone(&self.process))).await;
                    }
                    if asked & Asked::KILL != 0 {
                        self.ask(Ask::Kill(Arc::clone(&self.process))).await;
                    }
                }
            }
        }
    }

    fn reap(&mut self) {
        self.forget();
        let _status_is_known = sys::wait(Whom::Pidfd(self.pidfd()), Then::Reap);
    }

    /// Takes the process out of all lists: before it is reaped, as after that its number may be another launch's.
    fn forget(&mut self) {
        if !self.forgotten {
            self.forgotten = true;
            leaders().remove(self.process.os_pid.as_raw());
            self.table.lock().remove(&self.process, self.mark.as_deref());
        }
    }

    async fn ask(&self, ask: Ask) {
        let _backend_is_ending = self.nursery.send(ask).await;
    }

    async fn tell(&mut self, fact: Fact) {
        let _manager_is_gone = self.facts.send(fact).await;
    }

    fn pidfd(&self) -> BorrowedFd<'_> {
        self.process.pidfd.get_ref().as_fd()
    }
}

impl Drop for Watch {
    /// A watch that is dropped halfway, as the backend is, leaves its process to whoever looks after orphans next.
    fn drop(&mut self) {
        self.forget();
    }
}
