//! The thread that launches all processes of a backend, one after the other.
//!
//! A launch blocks its thread until the program is executed, which may mean reading it from a slow disk; and looking a user
//! up may mean asking another machine. One thread for the whole life of the backend, as what the kernel ties to the
//! launching *thread* (whose list a child is on, the signal that a child may get at its parent's death) must not end with a
//! thread of a pool.

use std::{
    collections::HashSet,
    ffi::{CString, OsStr},
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use tokio::{
    io::{Interest, unix::AsyncFd},
    runtime::Handle,
    sync::mpsc as async_mpsc,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    child::{self, Failure, Order, Report, Stack},
    leaders::{OwnerId, leaders},
    lookup,
    procfs::Adopted,
    readers::Readers,
    stdio::{Launched, Null, Stdio},
    survivor,
    sys::{self, Then, Whom},
    table::{Asked, Process, Table},
    tree::Ask,
    watch::Watch,
};
use crate::{
    backend::{Fact, FactSender, LaunchPlan, MARK, SpawnError, SpawnStage, Survivor},
    names::{OsPid, ProcessId},
    os,
    streams::ProcessIo,
};

/// Launches that have not begun, and so can be taken back.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<HashSet<ProcessId>>);

impl Pending {
    pub(super) fn insert(&self, pid: ProcessId) {
        self.lock().insert(pid);
    }

    /// Begins a launch, or takes it back: says whether it was still there to be had. Only one of the two gets it.
    pub(super) fn take(&self, pid: ProcessId) -> bool {
        self.lock().remove(&pid)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<ProcessId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Launches processes and sets their watches up.
pub(super) struct Launcher {
    pub(super) owner: OwnerId,
    pub(super) table: Arc<Table>,
    pub(super) pending: Arc<Pending>,
    pub(super) facts: FactSender,
    pub(super) adopted: Arc<Adopted>,
    pub(super) nursery: async_mpsc::Sender<Ask>,
    pub(super) runtime: Handle,
    pub(super) tasks: TaskTracker,
    pub(super) end: CancellationToken,
    pub(super) null: Null,
    pub(super) stack: Stack,
    pub(super) report: Arc<Report>,
}

impl Launcher {
    /// Launches what comes in until the backend is dropped.
    pub(super) fn run(mut self, plans: &mpsc::Receiver<Arc<LaunchPlan>>) {
        // So that no handler of ours runs in a child that still has our memory.
        sys::block_all_signals();
        leaders().add_launcher(self.owner, Arc::clone(&self.report));
        let runtime = self.runtime.clone();
        let _context = runtime.enter();
        while let Ok(plan) = plans.recv() {
            if self.end.is_cancelled() {
                break; // What was queued before is still in the channel.
            }
            let pid = plan.pid;
            if let Some(survivor) = &plan.survivor {
                self.take_back(pid, survivor.clone());
                continue;
            }
            if !self.pending.take(pid) {
                continue; // Called off, and answered.
            }
            match self.launch(plan) {
                Ok((io, watch, readers)) => {
                    let os_pid = watch.process.os_pid;
                    // Before the tasks are there that may tell of its end.
                    if !self.tell(Fact::Spawned { pid, os_pid, io }) {
                        end_unwatched(os_pid.as_raw()); // Nobody would ever stop it.
                        continue;
                    }
                    for reader in readers {
                        self.tasks.spawn(reader);
                    }
                    let end = self.end.clone();
                    self.tasks.spawn(async move {
                        let _backend_was_dropped = end.run_until_cancelled_owned(watch.run()).await;
                    });
                }
                Err(error) => {
                    self.tell(Fact::SpawnFailed { pid, error });
                }
            }
        }
        leaders().remove_launcher(self.owner);
    }

    /// Waits until the manager has room. Says whether it took the fact: not if it, or the backend, is ending.
    fn tell(&self, fact: Fact) -> bool {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                sent = self.facts.send(fact) => sent.is_ok(),
                () = self.end.cancelled() => false,
            }
        })
    }

    fn launch(
        &mut self,
        plan: Arc<LaunchPlan>,
    ) -> Result<(ProcessIo, Watch, Vec<impl Future<Output = ()> + Send + 'static>), SpawnError> {
        let credentials = lookup::credentials(plan.uid.as_ref(), plan.gid.as_ref())?;
        let programs = lookup::programs(&plan, credentials.is_some())?;
        let argv = plan.argv.iter().map(|word| lookup::c_string(word.into()));
        let argv: Vec<CString> = argv.collect::<Result<_, _>>()?;
        let env = plan.env.iter().map(|(name, value)| {
            let mut entry = name.clone();
            entry.push("=");
            entry.push(value);
            lookup::c_string(entry)
        });
        let env: Vec<CString> = env.collect::<Result<_, _>>()?;
        let cwd = plan.cwd.as_ref().map(|cwd| lookup::c_string(cwd.into())).transpose()?;
        let stage = if plan.terminal.is_some() { SpawnStage::Terminal } else { SpawnStage::Pipes };
        let stdio = Stdio::new(&plan, &self.null).map_err(|error| failed(stage, &error))?;

        let mark = plan.env.get(OsStr::new(MARK)).map(|mark| mark.as_bytes().to_vec());
        if let Some(mark) = &mark {
            self.table.lock().insert_mark(mark.clone(), plan.pid);
        }
        let order = Order {
            programs: &programs,
            argv: &argv,
            env: &env,
            cwd: cwd.as_deref(),
            credentials: credentials.as_ref(),
            session: plan.detach || plan.terminal.is_some(),
            terminal: plan.terminal.is_some(),
            descriptors: stdio.descriptors(),
            nofile: os::original_nofile_limit(),
        };
        let spawned = match child::spawn(order, &mut self.stack, &self.report) {
            Ok((os_pid, pidfd)) => self.adopt(plan.pid, os_pid, pidfd),
            Err(failure) => Err(cause(&plan, &programs, failure)),
        };
        let process = match spawned {
            Ok(process) => process,
            Err(error) => {
                if let Some(mark) = &mark {
                    self.table.lock().remove_mark(mark);
                }
                return Err(error);
            }
        };
        let Launched { io, taps, terminals } = stdio.launched();
        let (readers, tasks) = Readers::new(taps, terminals, &self.end);
        let (table, adopted) = (Arc::clone(&self.table), Arc::clone(&self.adopted));
        let (nursery, facts) = (self.nursery.clone(), self.facts.clone());
        Ok((io, Watch::new(process, mark, readers, table, adopted, nursery, facts), tasks))
    }

    /// Watches a process that is there already, if it still is.
    fn take_back(&self, pid: ProcessId, survivor: Survivor) {
        let process = survivor.root.os_pid().and_then(|os_pid| {
            let pidfd = held(&survivor)?;
            Some(Arc::new(Process { pid, os_pid, pidfd, asked: Asked::default() }))
        });
        let Some(process) = process else {
            self.tell(Fact::SpawnFailed { pid, error: SpawnError::Gone });
            return;
        };
        let os_pid = process.os_pid;
        leaders().insert(os_pid.as_raw(), self.owner);
        {
            let mut table = self.table.lock();
            table.insert_mark(survivor.mark.clone().into_bytes(), pid);
            table.insert(Arc::clone(&process));
        }
        let watch = survivor::Watch::new(process, survivor, Arc::clone(&self.table), self.facts.clone());
        if self.tell(Fact::Spawned { pid, os_pid, io: ProcessIo::default() }) {
            let end = self.end.clone();
            self.tasks.spawn(async move {
                let _backend_was_dropped = end.run_until_cancelled_owned(watch.run()).await;
            });
        }
    }

    /// Takes a child that runs into the table.
    fn adopt(&self, pid: ProcessId, raw: i32, pidfd: OwnedFd) -> Result<Arc<Process>, SpawnError> {
        leaders().insert(raw, self.owner);
        self.report.clear(); // Only now, or for a moment it would look like an orphan.
        let process = OsPid::new(raw).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH)).and_then(|os_pid| {
            let pidfd = sys::watch(pidfd, Interest::READABLE)?;
            Ok(Arc::new(Process { pid, os_pid, pidfd, asked: Asked::default() }))
        });
        match process {
            Ok(process) => {
                self.table.lock().insert(Arc::clone(&process));
                Ok(process)
            }
            Err(error) => {
                end_unwatched(raw); // It runs, but cannot be watched (no memory in the kernel): it must not stay.
                Err(failed(SpawnStage::Fork, &error))
            }
        }
    }
}

/// How often a survivor is tried to be got hold of while the kernel is short of something, and the pause between.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// A descriptor of a survivor, if it lives.
fn held(survivor: &Survivor) -> Option<AsyncFd<OwnedFd>> {
    let os_pid = survivor.root.os_pid()?;
    for _ in 0..TRIES {
        let opened = sys::pidfd_open(os_pid.as_raw());
        // Only now it is certain that the number means that one, and will.
        if !survivor.root.lives() {
            return None;
        }
        match opened.and_then(|pidfd| sys::watch(pidfd, Interest::READABLE)) {
            Ok(pidfd) => return Some(pidfd),
            Err(error) => {
                tracing::warn!(%os_pid, %error, "cannot get hold of a process that is to be taken back: trying on")
            }
        }
        thread::sleep(PAUSE);
    }
    None
}

/// Ends a launched child that nothing watches, with its group. Reaps it, as nobody else would: it is not on the main
/// thread's list, where orphans are looked for.
fn end_unwatched(child: i32) {
    let _has_ended = sys::killpg(child, libc::SIGKILL);
    let _nothing_more_to_learn = sys::wait_for_end(Whom::Pid(child), Then::Keep);
    // In one step for all who look at the list: as long as it is there it is no orphan, then its number is free.
    let mut leaders = leaders();
    let _ended = sys::wait(Whom::Pid(child), Then::Reap);
    leaders.remove(child);
}

fn cause(plan: &LaunchPlan, programs: &[CString], Failure { stage, errno }: Failure) -> SpawnError {
    if stage == SpawnStage::Exec {
        return lookup::exec_error(plan, programs, errno);
    }
    match &plan.cwd {
        Some(cwd) if stage == SpawnStage::Cwd => SpawnError::BadCwd { cwd: cwd.clone(), errno },
        _ => SpawnError::Os { stage, errno },
    }
}

fn failed(stage: SpawnStage, error: &io::Error) -> SpawnError {
    SpawnError::Os { stage, errno: error.raw_os_error().unwrap_or(libc::EIO) }
}
