//! The backend that launches real processes.
//!
//! ```text
//! launch ──► launcher (thread) ──► child: clone, set-up, exec
//!                │ for each process
//!                ├──► watch (task): the leader's pidfd ──► Exited, TreeGone
//!                └──► reader (task) for each output
//! SIGCHLD ──► tree (one task): orphans, by the request of a watch or when one dies
//! ```
//!
//! Nothing here polls: a backend whose processes are silent makes no system call at all.

mod child;
mod launcher;
mod leaders;
mod leftovers;
mod lookup;
mod procfs;
mod readers;
mod stdio;
mod survivor;
mod sys;
mod table;
mod terminal;
mod tree;
mod watch;

use std::{
    fmt, io,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    signal::unix::{SignalKind, signal},
    sync::mpsc as async_mpsc,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::leftovers::{Descendants, Root, end_descendants, end_leftovers};
use self::{
    child::{Report, Stack},
    launcher::{Launcher, Pending},
    leaders::OwnerId,
    procfs::Adopted,
    stdio::Null,
    table::{Asked, Table},
    tree::Nursery,
};
use super::{Backend, Fact, FactSender, LaunchPlan, SpawnError};
use crate::{
    names::{ProcessId, Signal},
    os,
};

/// Requests that wait for the task that looks after orphans; the tasks that ask wait when it is full.
const NURSERY_QUEUE: usize = 256;

/// How long the end of the backend waits for a launch that is under way: the program may be on a dead file server.
const LAUNCHER_TIME: Duration = Duration::from_secs(1);

/// Launches and watches processes on this machine.
///
/// Start it once in a program: orphans are a matter of the whole program. Several at once do work (tests have them), as
/// long as the marks of their processes differ. Other code in the program may launch children too, if it waits for each by
/// itself and leaves them in the program's process group.
///
/// On drop, processes are left as they are; their outputs are no longer read, except what those that have ended left behind, and
/// terminals are hung up. Launches that have not begun are not carried out;
/// one that is under way is waited for, up to a second.
pub struct RealBackend {
    /// Unbounded, yet bounded: the supervisor asks once for each process that it wants and does not yet have.
    launches: mpsc::Sender<Arc<LaunchPlan>>,
    pending: Arc<Pending>,
    table: Arc<Table>,
    facts: FactSender,
    runtime: Handle,
    tasks: TaskTracker,
    end: CancellationToken,
    /// Ends with the launcher.
    launcher: mpsc::Receiver<()>,
}

impl RealBackend {
    /// Starts the launcher, and makes this program the parent of its orphaned descendants.
    ///
    /// Must be called within a tokio runtime whose I/O and time drivers are enabled. Processes get the limit of open
    /// descriptors back that [`os::raise_nofile_limit`] found, if that was called before.
    ///
    /// # Errors
    /// When the kernel refuses what every launch needs.
    pub fn start(facts: FactSender) -> io::Result<Self> {
        os::become_subreaper()?;
        let child_died = signal(SignalKind::child())?;
        let runtime = Handle::current();
        let tasks = TaskTracker::new();
        let end = CancellationToken::new();
        let table = Arc::new(Table::default());
        let owner = OwnerId::new();
        let adopted = Arc::new(Adopted::open());

        let (nursery, asks) = async_mpsc::channel(NURSERY_QUEUE);
        let looking = end.clone().run_until_cancelled_owned(
            Nursery::new(owner, Arc::clone(&table), Arc::clone(&adopted)).run(asks, child_died),
        );
        tasks.spawn_on(async move { looking.await.unwrap_or_default() }, &runtime);

        let pending = Arc::new(Pending::default());
        let launcher = Launcher {
            owner,
            pending: Arc::clone(&pending),
            table: Arc::clone(&table),
            facts: facts.clone(),
            adopted,
            nursery,
            runtime: runtime.clone(),
            tasks: tasks.clone(),
            end: end.clone(),
            null: Null::open()?,
            stack: Stack::new()?,
            report: Arc::new(Report::new()?),
        };
        let (launches, plans) = mpsc::channel();
        let (running, ended) = mpsc::channel();
        thread::Builder::new().name("gaffer-launcher".into()).spawn(move || {
            let _running = running;
            launcher.run(&plans);
        })?;
        Ok(Self { launches, pending, table, facts, runtime, tasks, end, launcher: ended })
    }

    fn ask(&self, pid: ProcessId, what: u8) {
        if let Some(process) = self.table.lock().get(pid) {
            process.asked.ask(what);
        }
    }

    /// Answers a launch that is not carried out.
    fn refuse(&self, pid: ProcessId, error: SpawnError) {
        let facts = self.facts.clone();
        self.tasks.spawn_on(async move { drop(facts.send(Fact::SpawnFailed { pid, error }).await) }, &self.runtime);
    }
}

impl Backend for RealBackend {
    fn launch(&mut self, plan: Arc<LaunchPlan>) {
        let (pid, is_there) = (plan.pid, plan.survivor.is_some());
        // What is there already cannot be called off: it would be forgotten, and live on.
        if !is_there {
            self.pending.insert(pid);
        }
        if self.launches.send(plan).is_err() && (is_there || self.pending.take(pid)) {
            self.refuse(pid, SpawnError::LauncherGone);
        }
    }

    fn cancel(&mut self, pid: ProcessId) {
        // At once: the launcher may be busy with another for long.
        if self.pending.take(pid) {
            self.refuse(pid, SpawnError::Cancelled);
        }
    }

    fn signal(&mut self, pid: ProcessId, signal: Signal) {
        if let Some(process) = self.table.lock().get(pid)
            && let Err(error) = sys::pidfd_send_signal(process.pidfd.get_ref(), signal.as_raw())
            && error.raw_os_error() != Some(libc::ESRCH)
        {
            tracing::warn!(%pid, %signal, %error, "cannot signal a process");
        }
    }

    fn terminate(&mut self, pid: ProcessId) {
        self.ask(pid, Asked::TERMINATE);
    }

    fn kill(&mut self, pid: ProcessId) {
        self.ask(pid, Asked::KILL);
    }
}

impl Drop for RealBackend {
    fn drop(&mut self) {
        self.end.cancel();
        // It waits for the next launch: end that too.
        self.launches = mpsc::channel().0;
        // Else the program could end in the middle of a launch, and leave a process that nobody knows of.
        if self.launcher.recv_timeout(LAUNCHER_TIME) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("a launch is still under way: its process may be left behind");
        }
    }
}

impl fmt::Debug for RealBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealBackend").finish_non_exhaustive()
    }
}
