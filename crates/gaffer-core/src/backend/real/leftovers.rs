//! What a supervisor has left behind.
//!
//! Of one that was killed nobody knows any more who was launched: what tells is the mark that each process carries in its
//! environment. One that is at its end itself is the parent of all that is left. Either way all processes of the machine are
//! looked at, again and again until one look finds nobody.
//!
//! Before anything is sent to them they are stopped, all of them, until nobody new is found: what is stopped cannot fork, and is still
//! the parent of its children. So SIGTERM reaches exactly those who are there at one moment, and not what one of them
//! launches to put things in order; and nobody can outrun SIGKILL.

use std::{
    collections::{HashMap, HashSet},
    fmt, io, mem,
    os::fd::{AsFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{
    procfs::{self, Forest, Identity, Stat},
    sys::{self, Then, Waited, Whom},
};
use crate::{backend::Survivor, names::OsPid};

/// How often the list of processes is read at most during one look, while processes come and go.
const LISTS: u32 = 200;
/// How many looks are taken at most to stop everybody.
const FREEZES: u32 = 50;
/// How often everybody is killed.
const ROUNDS: u32 = 200;
/// In how many rounds in a row nobody new must be found until those that do not die are given up.
const HOPELESS: u32 = 5;
/// How long a round waits for those that were killed.
const DYING_TIME: Duration = Duration::from_secs(1);
/// The pause before the next look when there is nothing else to wait for.
const PAUSE: Duration = Duration::from_millis(1);
/// How many descriptors are held to wait for ends: well below the usual limit, which leftovers without bound must not exhaust.
const HELD: usize = 256;

/// Ends these processes and every one that carries the mark of this node (see [`MARK`](crate::backend::MARK)), with its descendants,
/// its group and its session: SIGTERM, after `grace` SIGKILL, and again for what was launched meanwhile. Blocks until nothing is left, or nothing
/// more can be done; answers what could not be ended.
///
/// For who outlives the node: a guardian, or the node's next run. It must not be called while the node lives. This program
/// itself, those that it descends from and process 1 are left alone, whatever they carry; and so is what carries one of the marks that are
/// to be `spared`.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn end_leftovers(
    node: &str,
    roots: &HashSet<Root>,
    spared: &HashSet<String>,
    grace: Duration,
) -> io::Result<Vec<OsPid>> {
    Hunt::new(Quarry::Node { node, roots, spared })?.end_all(grace)
}

/// Whether anything of a survivor is left, itself or what belongs to it.
pub(super) fn is_left(survivor: &Survivor) -> io::Result<bool> {
    let mut hunt = Hunt::of(survivor)?;
    hunt.look(None)?;
    Ok(!hunt.known.is_empty())
}

/// A process that this program has launched, told apart from a later one with its number. As text it can be handed to who
/// outlives the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Root(Identity);

impl Root {
    /// The child with this number; `None` if there is none.
    pub fn of(os_pid: OsPid) -> Option<Self> {
        let pid = os_pid.as_raw();
        // If it is gone, the number may be somebody else's.
        let stat = Stat::read(pid).ok().filter(|stat| stat.parent == own_pid())?;
        Some(Self(Identity { pid, start: stat.start }))
    }

    /// This program itself.
    pub fn own() -> Option<Self> {
        let pid = own_pid();
        Stat::read(pid).ok().map(|stat| Self(Identity { pid, start: stat.start }))
    }

    /// Whether it has not ended: what is but not reaped lives no more.
    pub fn lives(self) -> bool {
        Stat::read(self.0.pid).is_ok_and(|stat| stat.start == self.0.start && !stat.ended)
    }

    /// The kernel's number.
    pub fn os_pid(self) -> Option<OsPid> {
        OsPid::new(self.0.pid)
    }

    /// Reads what was written.
    pub fn parse(text: &str) -> Option<Self> {
        let (pid, start) = text.split_once(' ')?;
        let pid: OsPid = OsPid::new(pid.parse().ok()?)?;
        Some(Self(Identity { pid: pid.as_raw(), start: start.parse().ok()? }))
    }

    /// Whether it has not ended, or is not reaped.
    pub fn is_there(self) -> bool {
        Stat::read(self.0.pid).is_ok_and(|stat| stat.start == self.0.start)
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.pid, self.0.start)
    }
}

/// Processes that descend from this program.
#[derive(Clone, Debug, Default)]
pub struct Descendants(HashSet<Identity>);

impl Descendants {
    /// Those that are there now.
    pub fn now() -> Self {
        Self(Forest::look().descendants(own_pid()).into_iter().collect())
    }
}

/// Ends every descendant of this program, whatever it carries, with its group and its session: as [`end_leftovers`] does, and
/// reaps them. `except` are those that are none of its business, as they were there before it began.
///
/// For who is a subreaper, at its end: it must not be called while a backend lives. A second call with less patience may
/// be made while the first one waits: then both are soon over.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn end_descendants(except: &Descendants, grace: Duration) -> io::Result<Vec<OsPid>> {
    if is_childless() {
        return Ok(Vec::new());
    }
    Hunt::new(Quarry::Descendants(except))?.end_all(grace)
}

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap_or_default()
}

/// Whether nobody descends from this program, if it is a subreaper.
fn is_childless() -> bool {
    matches!(sys::wait(Whom::Any, Then::Keep), Ok(Waited::NotOurs))
}

/// Who is searched for.
#[derive(Clone, Copy)]
enum Quarry<'a> {
    /// What carries the mark of this node, and these, but for what carries a mark that is spared.
    Node { node: &'a str, roots: &'a HashSet<Root>, spared: &'a HashSet<String> },
    /// This one, what carries its mark, and who is in its session.
    Survivor(&'a Survivor),
    /// The children of this program, but for these.
    Descendants(&'a Descendants),
}

/// The search for what is left.
pub(super) struct Hunt<'a> {
    quarry: Quarry<'a>,
    /// Who is never touched, nor anybody on their account.
    protected: HashSet<i32>,
    /// Who descends from this program: launched by it, though it may itself descend from a survivor.
    own: HashSet<Identity>,
    /// Who was found and had not ended at the last look. Parents may be gone by now, and with them what tells whose these are.
    known: HashMap<Identity, Had>,
    /// Zombies that were zombies before.
    zombies: HashSet<Identity>,
    /// Who had no environment during a whole look: stuck in its end, and not about to execute a program.
    blank: HashSet<Identity>,
}

/// What was sent to a process.
#[derive(Clone, Copy, Debug, Default)]
struct Had {
    stop: bool,
    term: bool,
    kill: bool,
    /// It was refused: another user's, perhaps.
    denied: bool,
}

/// The signals that are sent.
#[derive(Clone, Copy, Debug)]
enum Sign {
    Stop,
    Term,
    Continue,
    Kill,
}

impl<'a> Hunt<'a> {
    /// For what belongs to a survivor.
    pub(super) fn of(survivor: &'a Survivor) -> io::Result<Self> {
        Self::new(Quarry::Survivor(survivor))
    }

    /// Sends SIGTERM to everybody, and waits for nobody. Says whether there was nobody.
    pub(super) fn ask_to_end(mut self) -> io::Result<bool> {
        self.look(None)?;
        self.freeze();
        self.send_to_all(Sign::Term);
        self.send_to_all(Sign::Continue);
        Ok(self.known.is_empty())
    }

    fn new(quarry: Quarry<'a>) -> io::Result<Self> {
        let mut protected = HashSet::from([1]);
        let mut pid = own_pid();
        // The parent of the first process that we may see is 0.
        while pid > 0 && protected.insert(pid) {
            pid = match Stat::read(pid) {
                Ok(stat) => stat.parent,
                Err(error) if procfs::is_gone(&error) && protected.len() > 2 => break, // It ended just now.
                Err(error) => return Err(error),
            };
        }
        Ok(Self {
            quarry,
            protected,
            own: HashSet::new(),
            known: HashMap::new(),
            zombies: HashSet::new(),
            blank: HashSet::new(),
        })
    }

    /// Goes on until nothing is left, or nothing more can be done; answers what could not be ended.
    pub(super) fn end_all(mut self, grace: Duration) -> io::Result<Vec<OsPid>> {
        self.look(None)?;
        if !self.terminate(grace) {
            self.kill();
        }
        Ok(self.known.into_keys().filter_map(|process| OsPid::new(process.pid)).collect())
    }

    /// Asks everybody to end, and waits. Says whether nobody is left.
    fn terminate(&mut self, grace: Duration) -> bool {
        // A grace beyond all clocks is one without end.
        let deadline = now().checked_add(grace);
        while !self.known.is_empty() {
            self.freeze();
            let ending = self.send_to_all(Sign::Term);
            // Also who was stopped by somebody else: nobody can obey otherwise.
            self.send_to_all(Sign::Continue);
            if deadline.is_some_and(|deadline| now() >= deadline) || self.known.values().all(|had| had.denied) {
                return false;
            }
            wait_for_ends(ending, deadline);
            // An error: no descriptor is free just now, and everybody counts as being there.
            let _again_after_a_while = self.look(None);
        }
        true
    }

    /// Kills until nobody is left, or nobody who would die.
    fn kill(&mut self) {
        let mut hopeless = 0;
        for _ in 0..ROUNDS {
            self.freeze();
            let settled = self.known.values().all(|had| had.denied || had.kill);
            hopeless = if settled { hopeless + 1 } else { 0 };
            let dying = self.send_to_all(Sign::Kill);
            wait_for_ends(dying, now().checked_add(DYING_TIME));
            let _again_in_the_next_round = self.look(None);
            if hopeless >= HOPELESS || self.known.values().all(|had| had.denied) {
                return;
            }
        }
    }

    /// Stops everybody, until a look finds nobody who was not stopped before it.
    fn freeze(&mut self) {
        for _ in 0..FREEZES {
            let stopped = self.known.iter().filter(|(_, had)| had.stop || had.denied);
            let stopped: HashSet<Identity> = stopped.map(|(process, _)| *process).collect();
            let looked = self.look(Some(Sign::Stop));
            if looked.is_ok() && self.known.keys().all(|process| stopped.contains(process)) {
                return;
            }
            self.send_to_all(Sign::Stop);
        }
    }

    /// Sends a signal to everybody who has not had it, parents before their children: a supervisor should know that it is to end
    /// before it sees its children do so. Answers descriptors of those who have had it, though not of all if they are many.
    fn send_to_all(&mut self, sign: Sign) -> Vec<OwnedFd> {
        let mut held = Vec::new();
        let mut all: Vec<(Identity, &mut Had)> = self.known.iter_mut().map(|(&process, had)| (process, had)).collect();
        all.sort_unstable_by_key(|(process, _)| (process.start, process.pid));
        for (process, had) in all {
            if had.denied {
                continue;
            }
            if let Some(pidfd) = had.send(process, sign)
                && held.len() < HELD
            {
                held.push(pidfd);
            }
        }
        held
    }

    /// Looks at all processes, and brings those that are known up to date. `at_once` is sent to those with the mark, and
    /// to those who were known, as soon as they are seen: before they fork again.
    ///
    /// # Errors
    /// When the list cannot be read or the kernel is short of something: then everybody counts as being still there.
    fn look(&mut self, at_once: Option<Sign>) -> io::Result<()> {
        if let Quarry::Survivor(survivor) = self.quarry {
            // What this program launches carries the mark too, if it was itself started from within the survivor.
            let is_within = procfs::marks(own_pid())?.iter().any(|mark| mark == survivor.mark.as_bytes());
            self.own = if is_within { Descendants::now().0 } else { HashSet::new() };
        }
        let mut crowd = Crowd::default();
        let mut found = Vec::new();
        let mut zombies = HashSet::new();
        let mut seen = self.protected.clone();
        let mut blank = HashSet::new();
        for _ in 0..LISTS {
            let mut pids = procfs::all()?;
            pids.retain(|pid| !seen.contains(pid));
            pids.sort_unstable_by(|one, other| other.cmp(one)); // The newest first, as these are the first to be gone.
            // Who ends after the list was read may have forked after that, too: then it is read again, until nobody does.
            // What is new by then is little, and takes less and less time.
            let mut complete = true;
            blank.clear();
            for pid in pids {
                let stat = match Stat::read(pid) {
                    Ok(stat) => stat,
                    Err(error) if procfs::is_shortage(&error) => return Err(error),
                    Err(_) => {
                        complete = false;
                        continue;
                    }
                };
                let process = Identity { pid, start: stat.start };
                if self.is_excepted(process) {
                    continue;
                }
                if stat.ended {
                    self.reap(process, stat);
                    complete &= self.zombies.contains(&process);
                    zombies.insert(process);
                } else if self.known.contains_key(&process) {
                    found.push(process);
                } else if !stat.kernel {
                    match self.is_meant(process, stat) {
                        Ok(true) => found.push(process),
                        Ok(false) => {}
                        Err(error) if procfs::is_shortage(&error) => return Err(error),
                        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                        Err(_) if self.blank.contains(&process) => {}
                        Err(_) => {
                            complete = false;
                            blank.insert(process); // Gone, or just executing a program.
                            continue;
                        }
                    }
                }
                if let Some(sign) = at_once.filter(|_| found.last() == Some(&process)) {
                    let had = self.known.entry(process).or_default();
                    had.send(process, sign);
                }
                seen.insert(pid);
                crowd.add(process, stat);
            }
            if complete {
                break;
            }
            if !blank.is_empty() {
                thread::sleep(PAUSE);
            }
        }
        self.blank.extend(blank);
        // Who has ended by now may still lead a group.
        let ended = zombies.iter().copied().filter(|process| self.known.contains_key(process));
        let kin = crowd.with_kin(found.into_iter().chain(ended).collect());
        let mut before = mem::take(&mut self.known);
        let alive = kin.into_iter().filter(|process| !zombies.contains(process));
        self.known = alive.map(|process| (process, before.remove(&process).unwrap_or_default())).collect();
        self.zombies = zombies;
        Ok(())
    }

    fn is_excepted(&self, process: Identity) -> bool {
        match self.quarry {
            Quarry::Descendants(except) => except.0.contains(&process),
            Quarry::Survivor(_) => self.own.contains(&process),
            Quarry::Node { .. } => false,
        }
    }

    /// Whether one that was not known is among those who are searched for, by itself.
    fn is_meant(&self, process: Identity, stat: Stat) -> io::Result<bool> {
        match self.quarry {
            Quarry::Descendants(_) => Ok(stat.parent == own_pid()),
            Quarry::Node { roots, .. } if roots.contains(&Root(process)) => Ok(true),
            Quarry::Node { node, spared, .. } => {
                let marks = procfs::marks(process.pid)?;
                let is_spared = |mark: &Vec<u8>| std::str::from_utf8(mark).is_ok_and(|mark| spared.contains(mark));
                Ok(marks.iter().any(|mark| is_of(node, mark)) && !marks.iter().any(is_spared))
            }
            Quarry::Survivor(survivor) if stat.session == survivor.root.0.pid && !is_another(survivor.root) => Ok(true),
            Quarry::Survivor(survivor) => {
                Ok(procfs::marks(process.pid)?.iter().any(|mark| mark == survivor.mark.as_bytes()))
            }
        }
    }

    /// Reaps one that has ended, if that is up to this program and nobody else in it.
    fn reap(&self, process: Identity, stat: Stat) {
        if matches!(self.quarry, Quarry::Descendants(_)) && stat.parent == own_pid() {
            let _another_hunt_was_faster = sys::wait(Whom::Pid(process.pid), Then::Reap);
        }
    }
}

/// Whether a number means somebody else by now. As long as that is not so, who is in the session of that number is in this one's.
fn is_another(root: Root) -> bool {
    Stat::read(root.0.pid).is_ok_and(|stat| stat.start != root.0.start)
}

/// Whether a mark is of this node: `<node>:<pid>`.
fn is_of(node: &str, mark: &[u8]) -> bool {
    let number = mark.strip_prefix(node.as_bytes()).and_then(|rest| rest.strip_prefix(b":"));
    number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

impl Had {
    /// Sends a signal, if it has not been sent already. Answers a descriptor of the process if it is there.
    fn send(&mut self, process: Identity, sign: Sign) -> Option<OwnedFd> {
        let (number, had) = match sign {
            Sign::Stop => (libc::SIGSTOP, self.stop),
            Sign::Term => (libc::SIGTERM, self.term),
            Sign::Continue => (libc::SIGCONT, false),
            Sign::Kill => (libc::SIGKILL, self.kill),
        };
        // Signal 0 only asks whether it is there.
        match procfs::signal(process, if had { 0 } else { number }) {
            Ok(pidfd) => {
                match sign {
                    Sign::Stop => self.stop = true,
                    Sign::Term => self.term = true,
                    Sign::Continue => self.stop = false,
                    Sign::Kill => self.kill = true,
                }
                Some(pidfd)
            }
            Err(error) => {
                // Others: it is gone, or no descriptor is free just now.
                self.denied |= error.raw_os_error() == Some(libc::EPERM);
                None
            }
        }
    }
}

/// All processes of one look.
#[derive(Default)]
struct Crowd {
    children: HashMap<i32, Vec<Identity>>,
    groups: HashMap<i32, Vec<Identity>>,
    sessions: HashMap<i32, Vec<Identity>>,
}

impl Crowd {
    fn add(&mut self, process: Identity, stat: Stat) {
        self.children.entry(stat.parent).or_default().push(process);
        self.groups.entry(stat.group).or_default().push(process);
        self.sessions.entry(stat.session).or_default().push(process);
    }

    /// These, their descendants, and everybody in the groups and sessions that any of all these leads.
    fn with_kin(&self, roots: Vec<Identity>) -> HashSet<Identity> {
        let mut kin: HashSet<Identity> = roots.iter().copied().collect();
        let mut queue = roots;
        while let Some(Identity { pid, start }) = queue.pop() {
            // A number that meanwhile is another's: children are not older than their parents.
            let children = self.children.get(&pid).into_iter().flatten().filter(|child| child.start >= start);
            let led = [&self.groups, &self.sessions].into_iter().filter_map(|led| led.get(&pid)).flatten();
            for &process in children.chain(led) {
                if kin.insert(process) {
                    queue.push(process);
                }
            }
        }
        kin
    }
}

/// Waits until all these have ended, at most until the deadline. If there are none it is for want of descriptors, or they have
/// ended: then for a moment.
fn wait_for_ends(mut processes: Vec<OwnedFd>, deadline: Option<Instant>) {
    if processes.is_empty() {
        thread::sleep(PAUSE);
    }
    while !processes.is_empty() {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(now()));
        if left == Some(Duration::ZERO) {
            return;
        }
        // Rounded up, or it would spin in the last millisecond; cut to what the call takes, as it is called again.
        let millis = |left: Duration| u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX);
        let timeout = left.map_or(PollTimeout::NONE, |left| millis(left).into());
        let mut waiting: Vec<PollFd<'_>> =
            processes.iter().map(|pidfd| PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)).collect();
        if let Err(error) = poll(&mut waiting, timeout)
            && error != nix::errno::Errno::EINTR
        {
            thread::sleep(PAUSE);
            return;
        }
        let ended: Vec<bool> = waiting.iter().map(|waiting| waiting.any().unwrap_or(true)).collect();
        let mut ended = ended.into_iter();
        processes.retain(|_| !ended.next().unwrap_or(false));
    }
}

#[expect(clippy::disallowed_methods, reason = "a deadline against the machine, not a decision of the supervisor")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_of_a_node_only_if_all_of_it_fits() {
        for (mark, ours) in [
            ("node-1:1", true),
            ("node-1:4711", true),
            ("node-1:", false),
            ("node-1", false),
            ("node-1:x", false),
            ("node-1:1x", false),
            ("node-11:1", false),
            ("anode-1:1", false),
            ("node:1", false),
            ("", false),
        ] {
            assert_eq!(is_of("node-1", mark.as_bytes()), ours, "{mark}");
        }
    }

    #[test]
    fn this_program_and_those_above_are_protected() {
        let (roots, spared) = (HashSet::new(), HashSet::new());
        let hunt = Hunt::new(Quarry::Node { node: "node", roots: &roots, spared: &spared }).unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert!([1, own, nix::unistd::getppid().as_raw()].iter().all(|pid| hunt.protected.contains(pid)));
    }

    #[test]
    fn kin_are_descendants_and_those_in_groups_and_sessions_of_their_own() {
        let process = |pid| Identity { pid, start: 10 };
        let stat = |parent, group, session| Stat { parent, group, session, start: 10, ended: false, kernel: false };
        let mut crowd = Crowd::default();
        for (pid, stat) in [
            (100, stat(50, 50, 50)),    // The first, in a group that it does not lead.
            (101, stat(100, 101, 50)),  // Its child, with a group of its own,
            (102, stat(1, 101, 50)),    // in which is an orphan
            (103, stat(102, 103, 103)), // whose child leads a session
            (104, stat(1, 104, 103)),   // with another orphan.
            (50, stat(1, 50, 50)),
            (51, stat(50, 50, 50)),
            (105, stat(1, 1, 1)),
        ] {
            crowd.add(process(pid), stat);
        }
        let older = Identity { pid: 106, start: 9 };
        crowd.add(older, stat(100, 50, 50));
        let mut kin: Vec<i32> = crowd.with_kin(vec![process(100)]).into_iter().map(|found| found.pid).collect();
        kin.sort_unstable();
        assert_eq!(kin, [100, 101, 102, 103, 104]);
    }
}
