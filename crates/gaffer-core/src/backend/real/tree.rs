//! What becomes of the descendants of a process: finding them, ending them, reaping them.
//!
//! When a process dies, the kernel gives its living children to the nearest subreaper among its ancestors: to us. So all
//! that survives the leader of a tree hangs below children of ours that we did not launch, and one look at those tells
//! whether anything of it lives. There is no need to look at all processes, and none to look at all unless a child of ours
//! died: the kernel says so with SIGCHLD, for orphans too.
//!
//! One task of a backend does the looking. Many processes that end at once are served by one look.

use std::{
    collections::{HashMap, HashSet},
    io, mem,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use nix::unistd::{Pid, getpgid, getpgrp};
use tokio::{
    signal::unix::Signal as SignalStream,
    sync::{mpsc, oneshot},
    task::{JoinSet, spawn_blocking, yield_now},
    time::{sleep, timeout},
};

use super::{
    leaders::{OwnerId, leaders},
    procfs::{self, Adopted, Forest, Identity, Stat},
    sys::{self, Then, Waited, Whom},
    table::{Index, Process, Table},
};
use crate::names::ProcessId;

/// How often in a row the list of orphans is read if orphans that had ended were found in it.
const PASSES: usize = 4;
/// The pause between looks when two in a row could not be complete.
const PAUSE: Duration = Duration::from_millis(10);
/// How many looks that could not be complete delay the answer about a tree, which then is "something is left".
const PATIENCE: u32 = 64;
/// How often an orphan that is just executing a program is looked at again before it counts as a stranger.
const TRIES: u32 = 500;
/// How long reading an orphan's environment may take. The kernel reads it from the process's memory, which may be out on a
/// dead file server.
const MARK_TIME: Duration = Duration::from_secs(1);

/// A request to the task. Requests about one process keep their order.
pub(super) enum Ask {
    /// The leader has ended and is not reaped: what is left of its tree?
    Ended {
        process: Arc<Process>,
        /// Whether its group has had SIGTERM.
        terminated: bool,
        /// Whether everything that is found is to be killed.
        killing: bool,
        answer: oneshot::Sender<Remains>,
    },
    /// SIGTERM to the group; after the leader's end to what is left and has not had it.
    Terminate(Arc<Process>),
    /// SIGKILL to the group and all descendants; after the leader's end also to whatever is found later.
    Kill(Arc<Process>),
}

/// What is left of a tree.
pub(super) enum Remains {
    /// Nothing.
    Nothing,
    /// Something; the receiver ends when that is gone.
    Alive(oneshot::Receiver<()>),
}

/// Looks after all orphans of this program.
pub(super) struct Nursery {
    owner: OwnerId,
    table: Arc<Table>,
    adopted: Arc<Adopted>,
    orphans: HashMap<i32, Orphan>,
    waiting: HashMap<ProcessId, Waiting>,
    /// Who was seen below whom when a signal was sent: their parents are then the first to die, and with them may go all
    /// that says whose they are.
    claims: HashMap<Identity, ProcessId>,
    /// How many of the last looks in a row left something open that somebody waits for.
    open: u32,
    /// Whether it is told already that the kernel is short of something, until it is over.
    complained: bool,
}

/// A child of ours that we did not launch.
struct Orphan {
    /// Held so that its number cannot mean anybody else here.
    pidfd: Arc<OwnedFd>,
    start: u64,
    kin: Kin,
    tries: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kin {
    /// Not yet found out.
    Unknown,
    /// A descendant of this process.
    Of(ProcessId),
    /// A descendant of nobody that we know: to be reaped when it ends.
    Stranger,
    /// A child that other code in this program launched, and waits for.
    Foreign,
}

/// A process whose leader has ended.
struct Waiting {
    process: Arc<Process>,
    group_terminated: bool,
    /// Who has had SIGTERM.
    terminated: HashSet<Identity>,
    terminate: bool,
    /// Whether it was asked to end: then so is whoever is found later.
    stopping: bool,
    killing: bool,
    /// Whether its group has had SIGKILL since.
    group_killed: bool,
    /// Who has had SIGKILL.
    killed: HashSet<Identity>,
    /// How many looks there were.
    looks: u32,
    answer: Option<oneshot::Sender<Remains>>,
    /// Dropped when nothing is left.
    gone: Option<oneshot::Sender<()>>,
}

/// A signal to a tree.
struct Sweep {
    pid: ProcessId,
    /// Its leader, if that has not ended.
    leader: Option<i32>,
    /// Its group, whose leader is not reaped, if that is to have the signal too.
    group: Option<i32>,
    /// Its orphans.
    roots: Vec<Root>,
    signal: i32,
    /// Who is left out, having had the signal.
    had: HashSet<Identity>,
    /// A group that has had it,
    group_had: Option<i32>,
    /// and who was in the tree when it did: others were launched since.
    known: HashSet<Identity>,
    /// Everybody in the tree, once it is carried out.
    found: Vec<Identity>,
    /// What kept the signal from somebody, if it may be different later.
    shortage: Option<io::Error>,
}

/// An orphan whose ancestor is known.
#[derive(Clone)]
struct Root {
    identity: Identity,
    pidfd: Arc<OwnedFd>,
}

impl Nursery {
    pub(super) fn new(owner: OwnerId, table: Arc<Table>, adopted: Arc<Adopted>) -> Self {
        let (orphans, waiting, claims) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { owner, table, adopted, orphans, waiting, claims, open: 0, complained: false }
    }

    /// Runs until nobody can ask any more.
    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Ask>, mut child_died: SignalStream) {
        let mut batch = Vec::new();
        loop {
            let again = self.open > 0;
            // Once more at once; then the cause is one that takes its time.
            if self.open != 1 {
                tokio::select! {
                    ask = asks.recv() => match ask {
                        Some(ask) => batch.push(ask),
                        None => return,
                    },
                    died = child_died.recv() => if died.is_none() { return },
                    () = sleep(PAUSE), if again => {}
                }
            }
            // What ended at the same moment is about to ask too.
            yield_now().await;
            while let Ok(ask) = asks.try_recv() {
                batch.push(ask);
            }
            if again || !batch.is_empty() || self.worth_a_look() {
                self.look(mem::take(&mut batch)).await;
            }
        }
    }

    /// Whether a child of ours that ended may be an orphan.
    fn worth_a_look(&self) -> bool {
        match sys::wait(Whom::Any, Then::Keep) {
            // A process of ours has just ended: it is going to ask, and then we look. Unless it has asked already, or was never
            // in the table, as its launch failed: then what the signal meant may be another's death.
            Ok(Waited::Ended(pid, _)) if leaders().owner(pid) == Some(self.owner) => {
                let known = self.table.lock().led_by(pid);
                known.is_none_or(|pid| self.waiting.contains_key(&pid))
            }
            Ok(Waited::Ended(..)) => true,
            Ok(Waited::NotOurs | Waited::Running) | Err(_) => false,
        }
    }

    async fn look(&mut self, batch: Vec<Ask>) {
        let mut early = Vec::new();
        for ask in batch {
            match ask {
                Ask::Ended { process, terminated, killing, answer } => {
                    let waiting = Waiting::new(process, terminated, killing, answer);
                    self.waiting.insert(waiting.process.pid, waiting);
                }
                Ask::Terminate(process) => match self.waiting.get_mut(&process.pid) {
                    Some(waiting) => (waiting.terminate, waiting.stopping) = (true, true),
                    None => early.push((process, libc::SIGTERM)),
                },
                Ask::Kill(process) => match self.waiting.get_mut(&process.pid) {
                    Some(waiting) => waiting.killing = true,
                    None => early.push((process, libc::SIGKILL)),
                },
            }
        }

        let mut complete = self.survey();
        if self.waiting.is_empty() && early.is_empty() {
            self.open = 0;
            self.complained &= !complete;
            return;
        }
        complete &= self.attribute().await;
        let mut families: HashMap<ProcessId, Vec<Root>> = HashMap::new();
        for (&pid, orphan) in &self.orphans {
            if let Kin::Of(process) = orphan.kin {
                let identity = Identity { pid, start: orphan.start };
                families.entry(process).or_default().push(Root { identity, pidfd: Arc::clone(&orphan.pidfd) });
            }
        }
        let signalled = self.sweep(&families, &early, complete).await;

        self.waiting.retain(|pid, waiting| {
            let known = families.contains_key(pid);
            let alive = known || !complete;
            waiting.looks += 1;
            // Rather than a wrong answer a late one; but a storm of dying orphans must not hold the answer up for ever.
            if (known || complete || waiting.looks > PATIENCE)
                && let Some(answer) = waiting.answer.take()
            {
                let remains = if alive { Remains::Alive(waiting.watch()) } else { Remains::Nothing };
                let _backend_is_ending = answer.send(remains);
            }
            alive
        });
        let table = Arc::clone(&self.table);
        self.claims.retain(|_, pid| self.waiting.contains_key(pid) || table.lock().get(*pid).is_some());
        let done = (complete && signalled) || self.waiting.is_empty();
        self.open = if done { 0 } else { self.open.saturating_add(1) };
        self.complained &= !done;
    }

    /// Tells of a shortage, once until it is over.
    fn complain(&mut self, error: &io::Error) {
        if !mem::replace(&mut self.complained, true) {
            tracing::error!(%error, "cannot look after orphaned processes: will be tried again");
        }
    }

    /// Brings the orphans up to date and reaps those that have ended. Says whether no descendant can have been missed.
    fn survey(&mut self) -> bool {
        // An orphan that ended during a look may have left children to us that this look did not see any more.
        for _ in 0..PASSES {
            let listed = self.adopted.list(|pid| leaders().owner(*pid).is_some());
            let listed = match listed {
                Ok(listed) => listed,
                Err(error) if procfs::is_gone(&error) => {
                    tracing::error!(%error, "cannot list orphaned processes; is /proc mounted?");
                    return true;
                }
                Err(error) => {
                    self.complain(&error);
                    return false;
                }
            };
            let mut before = mem::take(&mut self.orphans);
            let (mut ended, mut unclear) = (false, None);
            for pid in listed {
                match before.remove(&pid).map_or_else(|| Orphan::meet(pid), Orphan::check) {
                    Met::Alive(orphan) => drop(self.orphans.insert(pid, orphan)),
                    Met::Ended => ended = true,
                    Met::Unclear(error) => unclear = Some(error),
                }
            }
            if !ended {
                if let Some(error) = &unclear {
                    self.complain(error);
                }
                return unclear.is_none();
            }
        }
        false
    }

    /// Finds out whose descendants the new orphans are. Says whether it could.
    async fn attribute(&mut self) -> bool {
        let mut unmarked = JoinSet::new();
        let mut complete = true;
        let mut shortage = None;
        for (&pid, orphan) in self.orphans.iter_mut().filter(|(_, orphan)| orphan.kin == Kin::Unknown) {
            let stat = match Stat::read(pid) {
                Ok(stat) => stat,
                // Also if it is gone, reaped by another backend: its children are ours since, and not on this look's list.
                Err(error) => {
                    complete = false;
                    shortage = Some(error).filter(procfs::is_shortage).or(shortage);
                    continue;
                }
            };
            let claimed = self.claims.get(&Identity { pid, start: orphan.start }).copied();
            let led = |index: &Index| index.led_by(stat.group).or_else(|| index.led_by(stat.session));
            match claimed.or_else(|| led(&self.table.lock())) {
                Some(process) => orphan.kin = Kin::Of(process),
                None => {
                    unmarked.spawn(async move {
                        (pid, timeout(MARK_TIME, spawn_blocking(move || procfs::marks(pid))).await)
                    });
                }
            }
        }
        while let Some(read) = unmarked.join_next().await {
            let Ok((pid, mark)) = read else {
                complete = false;
                continue;
            };
            let Some(orphan) = self.orphans.get_mut(&pid) else { continue };
            orphan.kin = match mark {
                Ok(Ok(Ok(marks))) => {
                    let table = self.table.lock();
                    marks.iter().find_map(|mark| table.marked(mark)).map_or(Kin::Stranger, Kin::Of)
                }
                Ok(Ok(Err(error))) if procfs::is_shortage(&error) => {
                    shortage = Some(error);
                    complete = false;
                    Kin::Unknown
                }
                Ok(Ok(Err(error))) if error.kind() != io::ErrorKind::PermissionDenied && orphan.tries < TRIES => {
                    orphan.tries += 1; // Executing a program, ending, or gone, reaped by another backend.
                    complete = false;
                    Kin::Unknown
                }
                Err(_) => {
                    tracing::warn!(
                        os_pid = pid,
                        "an orphaned process does not let its environment be read: left alone"
                    );
                    Kin::Stranger
                }
                Ok(_) => Kin::Stranger,
            };
        }
        if let Some(error) = &shortage {
            self.complain(error);
        }
        complete
    }

    /// Sends what is due to the trees; `early` is for those whose leader has not ended. If the families are not
    /// `complete`, SIGTERM stays due to those of whom is not yet known whose they are. Says whether all could be reached.
    async fn sweep(
        &mut self,
        families: &HashMap<ProcessId, Vec<Root>>,
        early: &[(Arc<Process>, i32)],
        complete: bool,
    ) -> bool {
        let family = |pid: ProcessId| families.get(&pid).cloned().unwrap_or_default();
        let mut sweeps: Vec<Sweep> = Vec::new();
        for (process, signal) in early {
            let leader = Some(process.os_pid.as_raw());
            sweeps.push(Sweep { leader, ..Sweep::new(process.pid, family(process.pid), *signal) });
        }
        for waiting in self.waiting.values_mut() {
            let (pid, roots) = (waiting.process.pid, family(waiting.process.pid));
            let group = waiting.process.os_pid.as_raw(); // Still its number, as the leader is not reaped.
            let unasked = |root: &Root| !waiting.terminated.contains(&root.identity);
            let terminate = waiting.terminate || (waiting.stopping && roots.iter().any(unasked));
            waiting.terminate &= !complete;
            let killed = |root: &Root| waiting.killed.contains(&root.identity);
            if waiting.killing && !(roots.iter().all(killed) && (complete || waiting.group_killed)) {
                waiting.group_killed = true;
                // Each orphan once: what it forked before it died is an orphan of its own when it is dead.
                let had = mem::take(&mut waiting.killed);
                sweeps.push(Sweep { group: Some(group), had, ..Sweep::new(pid, roots, libc::SIGKILL) });
            } else if terminate && !waiting.killing && !(roots.is_empty() && (complete || waiting.group_terminated)) {
                let had = mem::take(&mut waiting.terminated);
                // The group at once, as this takes no look at its members.
                let new = !mem::replace(&mut waiting.group_terminated, true);
                let group_due = new.then_some(group);
                let known = self.claims.iter().filter(|(_, of)| **of == pid).map(|(&process, _)| process).collect();
                sweeps.push(Sweep {
                    group: group_due,
                    had,
                    group_had: Some(group),
                    known,
                    ..Sweep::new(pid, roots, libc::SIGTERM)
                });
            }
        }
        if sweeps.is_empty() {
            return true;
        }
        // Off the workers, as on some kernels it means a look at all processes; one for all that is to be done.
        let swept = spawn_blocking(move || {
            let forest = Forest::look();
            sweeps.iter_mut().for_each(|sweep| sweep.carry_out(&forest));
            sweeps
        });
        let mut shortage = None;
        for sweep in swept.await.unwrap_or_default() {
            let short = sweep.shortage.is_some();
            shortage = sweep.shortage.or(shortage);
            self.claims.extend(sweep.found.into_iter().map(|process| (process, sweep.pid)));
            if let Some(waiting) = self.waiting.get_mut(&sweep.pid) {
                let had = if sweep.signal == libc::SIGKILL { &mut waiting.killed } else { &mut waiting.terminated };
                had.extend(sweep.had);
                waiting.terminate |= sweep.signal == libc::SIGTERM && short;
            }
        }
        if let Some(error) = &shortage {
            self.complain(error);
        }
        shortage.is_none()
    }
}

/// What a look at a child found.
enum Met {
    Alive(Orphan),
    /// It has ended and is reaped, or is no orphan.
    Ended,
    /// The kernel would not say: next time perhaps.
    Unclear(io::Error),
}

impl Orphan {
    /// Takes in one that was not known.
    fn meet(pid: i32) -> Met {
        let pidfd = match sys::pidfd_open(pid) {
            Ok(pidfd) => pidfd,
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Met::Ended,
            Err(_) if reap_without_descriptor(pid) => return Met::Ended,
            Err(error) => return Met::Unclear(error),
        };
        let (stat, group) = match (Stat::read(pid), getpgid(Some(Pid::from_raw(pid)))) {
            (Ok(stat), Ok(group)) => (stat, group),
            (_, Err(_)) => return Met::Ended,
            (Err(error), _) if procfs::is_gone(&error) || reap_without_descriptor(pid) => return Met::Ended,
            (Err(error), _) => return Met::Unclear(error),
        };
        // What other code of this program launches is in its process group (unless it takes care not to be), and an
        // orphan is not: each process that we launch leads a group, out of which its descendants do not come to ours.
        let kin = if group == getpgrp() { Kin::Foreign } else { Kin::Unknown };
        // A launch may have begun after the list was read.
        if leaders().owner(pid).is_some() {
            return Met::Ended;
        }
        Self { pidfd: Arc::new(pidfd), start: stat.start, kin, tries: 0 }.check()
    }

    /// Reaps it if it has ended.
    fn check(self) -> Met {
        let then = if self.kin == Kin::Foreign { Then::Keep } else { Then::Reap };
        match sys::wait(Whom::Pidfd(self.pidfd.as_fd()), then) {
            Ok(Waited::NotOurs) => Met::Ended,
            Ok(Waited::Ended(..)) if then == Then::Reap => Met::Ended,
            Ok(_) => Met::Alive(self),
            Err(error) => Met::Unclear(error),
        }
    }
}

/// Reaps an orphan that has ended, when there is no descriptor to be had that would mean it. Says whether it did.
fn reap_without_descriptor(pid: i32) -> bool {
    let leaders = leaders(); // Held until the end: no launch gets this number in between.
    let foreign = getpgid(Some(Pid::from_raw(pid))) == Ok(getpgrp());
    let ended = || matches!(sys::wait(Whom::Pid(pid), Then::Reap), Ok(Waited::Ended(..)));
    leaders.owner(pid).is_none() && !foreign && ended()
}

impl Waiting {
    fn new(process: Arc<Process>, group_terminated: bool, killing: bool, answer: oneshot::Sender<Remains>) -> Self {
        let (terminated, killed) = (HashSet::new(), HashSet::new());
        let answer = Some(answer);
        Self {
            process,
            group_terminated,
            terminated,
            terminate: false,
            stopping: false,
            killing,
            group_killed: false,
            killed,
            looks: 0,
            answer,
            gone: None,
        }
    }

    fn watch(&mut self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.gone = Some(sender);
        receiver
    }
}

impl Sweep {
    fn new(pid: ProcessId, roots: Vec<Root>, signal: i32) -> Self {
        let (leader, group, group_had) = (None, None, None);
        let (had, known) = (HashSet::new(), HashSet::new());
        Self { pid, leader, group, roots, signal, had, group_had, known, found: Vec::new(), shortage: None }
    }

    fn carry_out(&mut self, forest: &Forest) {
        // Found before the leader gets the signal: its death makes its children orphans.
        let below_leader = self.leader.map(|leader| forest.descendants(leader)).unwrap_or_default();
        let below = self.roots.iter().flat_map(|root| forest.descendants(root.identity.pid));
        self.found = self.roots.iter().map(|root| root.identity).chain(below).chain(below_leader).collect();
        if let Some(group) = self.leader.or(self.group) {
            // Not reaped, so the number is its group's. An error: the group is empty, or not ours to signal.
            for signal in self.signals() {
                let _nothing_to_do = sys::killpg(group, signal);
            }
        }
        // SIGTERM to a living leader's group is all: it is the leader's business to end the others.
        let everybody = self.leader.is_none() || self.signal == libc::SIGKILL;
        for &process in self.found.iter().filter(|_| everybody) {
            if !self.had.insert(process) {
                continue;
            }
            match self.signal(process) {
                Ok(()) => {}
                Err(error) if procfs::is_gone(&error) => {}
                Err(error) if procfs::is_shortage(&error) => {
                    self.had.remove(&process);
                    self.shortage = Some(error);
                }
                Err(error) => {
                    tracing::warn!(os_pid = process.pid, %error, "cannot signal a descendant of process {}", self.pid);
                }
            }
        }
    }

    /// Sends the signal to one of the tree, unless it has had it with the group.
    fn signal(&self, process: Identity) -> io::Result<()> {
        if let Some(group) = self.group_had
            && (self.group.is_some() || self.known.contains(&process))
            && Stat::read(process.pid)?.group == group
        {
            return Ok(());
        }
        let root = self.roots.iter().find(|root| root.identity == process);
        self.signals().try_for_each(|signal| match root {
            Some(root) => sys::pidfd_send_signal(&*root.pidfd, signal),
            None => procfs::signal(process, signal).map(drop),
        })
    }

    /// What is sent: who is stopped cannot obey, unless it is killed.
    fn signals(&self) -> impl Iterator<Item = i32> {
        let after = (self.signal == libc::SIGTERM).then_some(libc::SIGCONT);
        std::iter::once(self.signal).chain(after)
    }
}
