//! What the kernel tells about processes under `/proc`, as far as launching and stopping need it.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{self, Read},
    os::{fd::OwnedFd, unix::fs::FileExt},
};

use super::sys::{self, Then, Waited, Whom};
use crate::backend::{MARK, PARENTS};

/// A process for certain: numbers are used again, but not within one tick of the kernel's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) pid: i32,
    /// When it started, in ticks since boot.
    pub(super) start: u64,
}

/// The few fields of `/proc/<pid>/stat` that place a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    pub(super) start: u64,
    /// Whether it is a zombie: all that is left is what its parent has to fetch.
    pub(super) ended: bool,
    /// Whether it is a thread of the kernel's.
    pub(super) kernel: bool,
}

impl Stat {
    /// Reads those of a process.
    ///
    /// # Errors
    /// When there is none of this number, see [`is_gone`], or the kernel would not say: see [`is_shortage`].
    pub(super) fn read(pid: i32) -> io::Result<Self> {
        let mut buffer = [0; 1024]; // 52 numbers and a name of at most 64 bytes: some 400 bytes in practice.
        let length = File::open(format!("/proc/{pid}/stat")).and_then(|mut file| file.read(&mut buffer))?;
        buffer.get(..length).and_then(Self::parse).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn parse(line: &[u8]) -> Option<Self> {
        const PF_KTHREAD: u64 = 0x0020_0000;
        let mut fields = fields(line)?;
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        let flags: u64 = fields.nth(2)?.parse().ok()?; // The 9th.
        let threads: u32 = fields.nth(10)?.parse().ok()?; // The 20th.
        let start = fields.nth(1)?.parse().ok()?; // The 22nd.
        // The first thread may have ended before the others.
        let ended = matches!(state, "Z" | "X") && threads <= 1;
        Some(Self { parent, group, session, start, ended, kernel: flags & PF_KTHREAD != 0 })
    }
}

/// Whether an error means that there is no such process.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}

/// Whether an error means that it may be different when somebody has closed a file or freed memory.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}

/// Reads the marks that a process was launched with: its own, and those of the processes around a nested gafferd.
///
/// May block: the kernel reads the environment from the process's own memory.
///
/// # Errors
/// When it cannot be read: another user's process, or one that is gone. `UnexpectedEof` if it is just executing a
/// program, and so has no environment for a moment.
pub(super) fn marks(pid: i32) -> io::Result<Vec<Vec<u8>>> {
    let read = || fs::read(format!("/proc/{pid}/environ"));
    let mut environ = read()?;
    if environ.is_empty() {
        // Empty for good, or new memory whose environment is not yet in place: the kernel sets the start of the code
        // after that.
        let stat = fs::read(format!("/proc/{pid}/stat"))?;
        if start_of_code(&stat).is_none_or(|address| address == 0) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        environ = read()?; // It may have been put in place between the two.
    }
    let value = |name: &str| {
        let mut entries = environ.split(|&byte| byte == 0);
        entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    };
    let parents = value(PARENTS).into_iter().flat_map(|marks| marks.split(|&byte| byte == b' '));
    Ok(value(MARK).into_iter().chain(parents).map(<[u8]>::to_vec).collect())
}

fn start_of_code(stat: &[u8]) -> Option<u64> {
    fields(stat)?.nth(23)?.parse().ok() // The 26th.
}

/// The fields of a line of `/proc/<pid>/stat` from the third on: state, ppid, pgrp, session, ...
fn fields(line: &[u8]) -> Option<std::str::SplitAsciiWhitespace<'_>> {
    // The name stands in parentheses, and may hold any byte: also blanks and parentheses.
    let name_end = line.iter().rposition(|&byte| byte == b')')?;
    Some(std::str::from_utf8(line.get(name_end + 1..)?).ok()?.split_ascii_whitespace())
}

/// Lists the children that the kernel gave to this program because their own parents are gone, and perhaps others.
#[derive(Debug)]
pub(super) struct Adopted {
    /// The kernel's list of the main thread's children: orphans go to the first thread of the subreaper, while what we
    /// launch belongs to the launcher's thread. Missing on kernels without `CONFIG_PROC_CHILDREN`.
    list: Option<File>,
}

impl Adopted {
    pub(super) fn open() -> Self {
        let main = std::process::id();
        Self { list: File::open(format!("/proc/self/task/{main}/children")).ok() }
    }

    /// Whether there certainly are none, by one cheap look at the kernel's list.
    pub(super) fn is_empty(&self) -> bool {
        self.list.as_ref().is_some_and(|list| matches!(list.read_at(&mut [0], 0), Ok(0)))
    }

    /// Lists them, except those that `skip` picks. With the kernel's list, one read; else a look at who is a child.
    ///
    /// Complete for those that had been orphaned before the call and whose number was not given out during it.
    pub(super) fn list(&self, skip: impl FnMut(&i32) -> bool) -> io::Result<Vec<i32>> {
        let mut skip = skip;
        match &self.list {
            Some(list) => {
                let mut pids = numbers(&read_from_start(list)?);
                pids.retain(|pid| !skip(pid));
                Ok(pids)
            }
            None => {
                // No need to open a file for each: waiting for a process tells whether it is a child.
                let mut pids = all()?;
                let child = |pid: &i32| matches!(sys::wait(Whom::Pid(*pid), Then::Keep), Ok(waited) if waited != Waited::NotOurs);
                pids.retain(|pid| !skip(pid) && child(pid));
                Ok(pids)
            }
        }
    }
}

/// Reads one of the kernel's small generated files from its start, without opening it again.
fn read_from_start(file: &File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match file.read_at(&mut chunk, content.len() as u64)? {
            0 => return Ok(content),
            length => content.extend_from_slice(chunk.get(..length).unwrap_or_default()),
        }
    }
}

fn numbers(text: &[u8]) -> Vec<i32> {
    text.split(|byte| byte.is_ascii_whitespace())
        .filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok())
        .collect()
}

/// The numbers of all processes that we may see.
pub(super) fn all() -> io::Result<Vec<i32>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// Who descends from whom, at one moment.
pub(super) enum Forest {
    /// The kernel lists the children of each thread: only what is asked for is looked at.
    Listed,
    /// It does not: all processes, by their parent.
    Scanned(HashMap<i32, Vec<Identity>>),
}

impl Forest {
    /// Looks around, as the kernel at hand makes it necessary.
    pub(super) fn look() -> Self {
        if fs::exists("/proc/thread-self/children").unwrap_or(false) {
            return Self::Listed;
        }
        let mut children: HashMap<i32, Vec<Identity>> = HashMap::new();
        for pid in all().unwrap_or_default() {
            if let Ok(stat) = Stat::read(pid) {
                children.entry(stat.parent).or_default().push(Identity { pid, start: stat.start });
            }
        }
        Self::Scanned(children)
    }

    /// All descendants of a process, parents before their children.
    pub(super) fn descendants(&self, root: i32) -> Vec<Identity> {
        let mut found: Vec<Identity> = Vec::new();
        let mut seen = HashSet::from([root]);
        let mut parent = root;
        let mut next = 0;
        loop {
            for child in self.children(parent) {
                if seen.insert(child.pid) {
                    found.push(child);
                }
            }
            let Some(&Identity { pid, .. }) = found.get(next) else { return found };
            parent = pid;
            next += 1;
        }
    }

    fn children(&self, parent: i32) -> Vec<Identity> {
        match self {
            Self::Scanned(children) => children.get(&parent).cloned().unwrap_or_default(),
            Self::Listed => {
                let threads = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
                let lists = threads.filter_map(|thread| fs::read(thread.path().join("children")).ok());
                // A number that meanwhile means a child of somebody else is left out.
                let identity =
                    |pid| Stat::read(pid).ok().filter(|stat| stat.parent == parent).map(|stat| (pid, stat.start));
                let pids = lists.flat_map(|list| numbers(&list)).filter_map(identity);
                pids.map(|(pid, start)| Identity { pid, start }).collect()
            }
        }
    }
}

/// Sends a signal to a process, if it still is the one that was meant. Answers a descriptor that means it.
pub(super) fn signal(process: Identity, signal: i32) -> io::Result<OwnedFd> {
    let pidfd = sys::pidfd_open(process.pid)?;
    // Asked for after the descriptor was opened: if it is the same now, the descriptor means the same.
    if Stat::read(process.pid)?.start != process.start {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    sys::pidfd_send_signal(&pidfd, signal)?;
    Ok(pidfd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_blanks_does_not_confuse_the_fields() {
        let line = b"42 (a) b (c)) S 7 41 40 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 2 3\n";
        let stat = Stat { parent: 7, group: 41, session: 40, start: 98765, ended: false, kernel: false };
        assert_eq!(Stat::parse(line), Some(stat));
        for broken in [&b""[..], b"42 (a", b"42 (a) S", b"42 (a) S x 41 40"] {
            assert_eq!(Stat::parse(broken), None);
        }
    }

    #[test]
    fn zombies_and_threads_of_the_kernel_are_told_apart() {
        let parse = |state: &str, flags: u32, threads: u32| {
            Stat::parse(
                format!("42 (a) {state} 7 41 40 0 -1 {flags} 1 0 0 0 0 0 0 0 20 0 {threads} 0 98765 1").as_bytes(),
            )
        };
        for (state, flags, threads, ended, kernel) in [
            ("R", 4_194_304, 1, false, false),
            ("Z", 4_194_308, 1, true, false),
            ("Z", 4_194_308, 3, false, false),
            ("X", 0, 0, true, false),
            ("I", 69_238_880, 1, false, true),
        ] {
            let stat = parse(state, flags, threads).unwrap();
            assert_eq!((stat.ended, stat.kernel), (ended, kernel), "{state} {flags} {threads}");
        }
    }

    #[test]
    fn our_own_fields_are_read() {
        let stat = Stat::read(std::process::id() as i32).unwrap();
        assert_eq!(stat.parent, nix::unistd::getppid().as_raw());
        assert_eq!(stat.group, nix::unistd::getpgrp().as_raw());
        assert!(stat.start > 0);
    }

    #[test]
    fn numbers_of_a_children_file_are_read() {
        assert_eq!(numbers(b"12 345 6 "), [12, 345, 6]);
        assert!(numbers(b"").is_empty());
    }

    #[test]
    fn descendants_come_with_their_parents_first() {
        let at = |pid| Identity { pid, start: 1 };
        let forest = Forest::Scanned(HashMap::from([
            (1, vec![at(2), at(9)]),
            (2, vec![at(3), at(4)]),
            (4, vec![at(5)]),
            (9, vec![at(1)]), // Numbers used again during the look may even make a circle.
        ]));
        assert_eq!(forest.descendants(1).iter().map(|found| found.pid).collect::<Vec<_>>(), [2, 9, 3, 4, 5]);
        assert_eq!(forest.descendants(5), []);
    }

    #[test]
    fn orphans_are_found_with_and_without_the_kernels_list() {
        crate::os::become_subreaper().unwrap();
        let listed = Adopted::open();
        assert!(listed.list.is_some(), "this kernel has no list");
        for adopted in [listed, Adopted { list: None }] {
            #[expect(clippy::disallowed_methods, reason = "an orphan, not a job")]
            let mut command = std::process::Command::new("/bin/sh");
            let script = "setsid sleep 1000 > /dev/null 2>&1 & echo $!";
            let output = command.args(["-c", script]).output().unwrap(); // The shell is gone, so it is ours.
            let orphan: i32 = std::str::from_utf8(&output.stdout).unwrap().trim().parse().unwrap();
            let found = adopted.list(|_| false).unwrap();
            let skipped = adopted.list(|pid| *pid == orphan).unwrap();
            let empty = adopted.is_empty();
            sys::killpg(orphan, libc::SIGKILL)
                .or_else(|_| sys::pidfd_send_signal(sys::pidfd_open(orphan)?, 9))
                .unwrap();
            sys::wait_for_end(Whom::Pid(orphan), Then::Reap).unwrap();
            assert!(found.contains(&orphan), "{adopted:?}");
            assert!(!skipped.contains(&orphan), "{adopted:?}");
            assert!(!empty, "{adopted:?}");
            assert!(!adopted.list(|_| false).unwrap().contains(&orphan), "{adopted:?}");
        }
    }

    #[test]
    fn a_signal_reaches_only_the_process_that_was_meant() {
        let pid = std::process::id() as i32;
        let start = Stat::read(pid).unwrap().start;
        assert!(signal(Identity { pid, start }, 0).is_ok());
        assert_eq!(signal(Identity { pid, start: start + 1 }, 0).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    }
}
