//! Making a child, and what it does between its birth and the program.
//!
//! std's `Command` cannot be used: it hands signal masks and ignored signals down, knows nothing of descriptors from 3
//! on, limits or `setsid`, and any code of ours in the child makes it fork, which costs milliseconds once the parent has
//! grown. So the child is made here, like `posix_spawn` makes one: it borrows our memory (`CLONE_VM`) while we wait
//! (`CLONE_VFORK`), runs on a stack of its own, and comes with a pidfd (`CLONE_PIDFD`), so that there is no moment at
//! which its number could mean somebody else.
//!
//! A child that takes on other credentials gets a copy of our memory instead: the kernel would otherwise take the
//! change of rights as one of the memory's (which becomes undumpable), and a process of another user could for a moment
//! reach into ours.
//!
//! The parent is resumed when the child has executed its program or has exited, so a shared page is all that is needed to
//! report why it could not.

#![expect(unsafe_code, reason = "clone(2), and code that runs in the child")]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    io,
    os::fd::{AsFd, FromRawFd, OwnedFd, RawFd},
    ptr::{self, NonNull},
    sync::atomic::{AtomicI32, Ordering},
};

use super::sys::{self, Then, Whom};
use crate::{backend::SpawnStage, os::Limit};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the credential calls below are the 16-bit ones on 32-bit machines");

/// Enough for the few frames of the child; no signal handler can run on it.
const STACK_SIZE: usize = 64 * 1024;
/// At least a page on every machine; below the stack, and not to be touched.
const GUARD_SIZE: usize = 64 * 1024;

/// Whose rights a child takes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) uid: libc::uid_t,
    pub(super) gid: libc::gid_t,
    /// Supplementary groups.
    pub(super) groups: Vec<libc::gid_t>,
}

/// Everything that the child needs, worked out beforehand: it may not allocate, nor take a lock.
pub(super) struct Order<'a> {
    /// Files to try, in this order. Relative ones are taken from `cwd`.
    pub(super) programs: &'a [CString],
    pub(super) argv: &'a [CString],
    /// `NAME=value` entries.
    pub(super) env: &'a [CString],
    pub(super) cwd: Option<&'a CStr>,
    pub(super) credentials: Option<&'a Credentials>,
    /// Whether to lead a session, not only a group.
    pub(super) session: bool,
    /// Whether descriptor 0 is to be the controlling terminal of its session.
    pub(super) terminal: bool,
    /// What becomes 0, 1, 2 and so on. The child changes its own copy.
    pub(super) descriptors: Vec<RawFd>,
    /// The limit of open descriptors to go back to.
    pub(super) nofile: Option<Limit>,
}

/// A step that failed, and the kernel's error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) stage: SpawnStage,
    pub(super) errno: i32,
}

/// What a child tells: memory that stays shared also with one that got a copy of everything else.
pub(super) struct Report(NonNull<Cells>);

#[repr(C)]
struct Cells {
    /// The child's own number while a launch is under way, else 0.
    pid: AtomicI32,
    /// Index into [`STAGES`], plus 1; 0 if nothing failed.
    stage: AtomicI32,
    errno: AtomicI32,
}

/// As they come in the child. The child reports a place in this list, as a number is all that fits the shared page.
const STAGES: [SpawnStage; 10] = [
    SpawnStage::Session,
    SpawnStage::Group,
    SpawnStage::Groups,
    SpawnStage::Gid,
    SpawnStage::Uid,
    SpawnStage::Cwd,
    SpawnStage::Descriptors,
    SpawnStage::Terminal,
    SpawnStage::Limits,
    SpawnStage::Exec,
];
const SESSION: i32 = 1;
const GROUP: i32 = 2;
const GROUPS: i32 = 3;
const GID: i32 = 4;
const UID: i32 = 5;
const CWD: i32 = 6;
const DESCRIPTORS: i32 = 7;
const TERMINAL: i32 = 8;
const LIMITS: i32 = 9;
const EXEC: i32 = 10;

// SAFETY: the page holds nothing but atomics, and lives as long as the value.
unsafe impl Send for Report {}
// SAFETY: as above.
unsafe impl Sync for Report {}

impl Report {
    pub(super) fn new() -> io::Result<Self> {
        let page = map(size_of::<Cells>(), libc::MAP_SHARED)?; // Zeroed by the kernel, and so a value of `Cells`.
        Ok(Self(page.cast()))
    }

    fn cells(&self) -> &Cells {
        // SAFETY: mapped, aligned to a page and initialised in `new`; unmapped only on drop.
        unsafe { self.0.as_ref() }
    }

    /// The number of the child that is being launched, from its first steps until [`clear`](Self::clear); else 0.
    pub(super) fn launching(&self) -> i32 {
        self.cells().pid.load(Ordering::Acquire)
    }

    /// Ends the time in which [`launching`](Self::launching) names the child.
    pub(super) fn clear(&self) {
        self.cells().pid.store(0, Ordering::Release);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this size; nobody can hold a reference any more.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<Cells>()) };
    }
}

/// The stack on which children run, one at a time, until they have executed their program.
pub(super) struct Stack(NonNull<c_void>);

// SAFETY: plain memory that the value owns; `spawn` takes it by exclusive reference.
unsafe impl Send for Stack {}

impl Stack {
    pub(super) fn new() -> io::Result<Self> {
        let stack = Self(map(GUARD_SIZE + STACK_SIZE, libc::MAP_PRIVATE | libc::MAP_STACK)?);
        // SAFETY: the lower part of the mapping that has just been made. Stacks grow down, and end there.
        if unsafe { libc::mprotect(stack.0.as_ptr(), GUARD_SIZE, libc::PROT_NONE) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(stack)
    }

    fn top(&mut self) -> *mut c_void {
        // SAFETY: one past the end of the mapping, which is aligned to a page, as every ABI wants it or stricter.
        unsafe { self.0.as_ptr().byte_add(GUARD_SIZE + STACK_SIZE) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this size. No child runs on it: `spawn` returns only once it has left it.
        unsafe { libc::munmap(self.0.as_ptr(), GUARD_SIZE + STACK_SIZE) };
    }
}

fn map(size: usize, flags: c_int) -> io::Result<NonNull<c_void>> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new anonymous mapping at a place of the kernel's choice touches no memory in use.
    let memory = unsafe { libc::mmap(ptr::null_mut(), size, access, flags | libc::MAP_ANONYMOUS, -1, 0) };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(memory).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))
}

/// Launches a program. Returns once it runs, with the child's number and a pidfd; a child that failed is reaped.
///
/// To be called from a thread in which all signals are blocked: the child inherits that, and a handler of ours that ran in
/// the child would run in our memory. [`Report::launching`] names the child, also on success, until the caller clears it.
pub(super) fn spawn(order: Order<'_>, stack: &mut Stack, report: &Report) -> Result<(i32, OwnedFd), Failure> {
    let argv = pointers(order.argv);
    let env = pointers(order.env);
    // What execvp(3) does with a script without a first line that names its interpreter: `/bin/sh FILE ARGUMENTS`.
    let mut sh_argv = vec![SHELL.as_ptr(), ptr::null()];
    sh_argv.extend(argv.iter().skip(1));
    let mut setup = Setup { order, argv: &argv, env: &env, sh_argv: &mut sh_argv, report: report.cells() };

    report.cells().stage.store(0, Ordering::Relaxed);
    report.clear();
    let memory = if setup.order.credentials.is_some() { 0 } else { libc::CLONE_VM };
    let flags = memory | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let mut pidfd: c_int = -1;
    // SAFETY: the stack is exclusively ours and large enough; `setup` and `pidfd` outlive the call, which returns only
    // once the child has left our memory (CLONE_VFORK). The child upholds the rest, see `Setup::run`.
    let pid = unsafe { libc::clone(run_child, stack.top(), flags, (&raw mut setup).cast(), &raw mut pidfd) };
    if pid < 0 {
        return Err(Failure { stage: SpawnStage::Fork, errno: last_errno() });
    }
    if pidfd < 0 {
        // A kernel, or a sandbox, that does not know CLONE_PIDFD. By now it is a program, or has failed.
        let _gone_or_killed = sys::killpg(pid, libc::SIGKILL);
        let _nothing_more_to_learn = sys::wait_for_end(Whom::Pid(pid), Then::Reap);
        report.clear();
        return Err(Failure { stage: SpawnStage::Fork, errno: libc::ENOSYS });
    }
    // SAFETY: CLONE_PIDFD stored a new descriptor here, which nobody else knows of.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };

    let stage = report.cells().stage.load(Ordering::Acquire);
    match usize::try_from(stage - 1).ok().and_then(|stage| STAGES.get(stage)) {
        None => Ok((pid, pidfd)),
        Some(&stage) => {
            let errno = report.cells().errno.load(Ordering::Acquire);
            let _nothing_more_to_learn = sys::wait_for_end(Whom::Pidfd(pidfd.as_fd()), Then::Reap);
            report.clear();
            Err(Failure { stage, errno })
        }
    }
}

/// How many signals the kernel has.
const SIGNALS: usize = 64;
const SHELL: &CStr = c"/bin/sh";

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

fn last_errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

struct Setup<'a> {
    order: Order<'a>,
    argv: &'a [*const c_char],
    env: &'a [*const c_char],
    /// `/bin/sh`, room for the file, then the arguments.
    sh_argv: &'a mut [*const c_char],
    report: &'a Cells,
}

extern "C" fn run_child(setup: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes a pointer to its own `Setup`, which it does not touch until we are gone from its memory.
    let setup = unsafe { &mut *setup.cast::<Setup<'_>>() };
    // SAFETY: we are in the child.
    let (stage, errno) = unsafe { setup.run() };
    setup.report.errno.store(errno, Ordering::Release);
    setup.report.stage.store(stage, Ordering::Release);
    // SAFETY: ends this process without running anything of the parent's.
    unsafe { libc::_exit(127) }
}

/// Returns from [`Setup::run`] with the current error number if a call failed.
macro_rules! check {
    ($stage:expr, $call:expr) => {
        if $call < 0 {
            return ($stage, *libc::__errno_location());
        }
    };
}

impl Setup<'_> {
    /// Becomes the program. Comes back only with the step that failed and its error number.
    ///
    /// # Safety
    /// Only for the child. It may share our memory, while another of our threads holds any lock: so nothing here
    /// allocates, locks, panics or calls what is not async-signal-safe. Rights and limits are changed by bare system
    /// calls, as the C library's functions would change those of all "its" threads by signalling them.
    unsafe fn run(&mut self) -> (i32, i32) {
        // SAFETY: system calls with integers and with pointers that `spawn` keeps alive, all NUL- and null-terminated.
        unsafe {
            // Before it leaves our process group, so that no look at our children takes it for an orphan.
            self.report.pid.store(libc::syscall(libc::SYS_getpid) as i32, Ordering::Release);

            if self.order.session {
                check!(SESSION, libc::setsid()); // Makes a new group too.
            } else {
                check!(GROUP, libc::setpgid(0, 0));
            }

            // In this order, as the first two need the rights that the last gives up.
            if let Some(credentials) = self.order.credentials {
                let groups = &credentials.groups;
                check!(GROUPS, libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()));
                let gid = credentials.gid;
                check!(GID, libc::syscall(libc::SYS_setresgid, gid, gid, gid));
                let uid = credentials.uid;
                check!(UID, libc::syscall(libc::SYS_setresuid, uid, uid, uid));
            }

            // With the new rights: the user may be unable to reach a folder that we can, or the other way round (NFS).
            if let Some(cwd) = self.order.cwd {
                check!(CWD, libc::chdir(cwd.as_ptr()));
            }

            // First out of the way with sources among the targets, or a dup2 would overwrite them before their turn.
            let count = self.order.descriptors.len() as c_int;
            for source in &mut self.order.descriptors {
                if *source < count {
                    let moved = libc::fcntl(*source, libc::F_DUPFD_CLOEXEC, count);
                    check!(DESCRIPTORS, moved);
                    *source = moved;
                }
            }
            for (target, &source) in (0..).zip(&self.order.descriptors) {
                check!(DESCRIPTORS, libc::dup2(source, target)); // The copy is not close-on-exec.
            }
            if self.order.terminal {
                // Never taken from another session: it is new, and nobody else has it.
                check!(TERMINAL, libc::ioctl(0, libc::TIOCSCTTY, 0));
            }
            // All that is ours is close-on-exec already; this is for what other code in the program opened carelessly.
            // An old kernel may not know the call or the flag.
            libc::syscall(libc::SYS_close_range, count, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);

            // After the descriptors, whose sources may lie above the lower limit.
            if let Some(limit) = self.order.nofile {
                let limit = libc::rlimit { rlim_cur: limit.soft, rlim_max: limit.hard };
                let old = ptr::null_mut::<libc::rlimit>();
                check!(LIMITS, libc::syscall(libc::SYS_prlimit64, 0, libc::RLIMIT_NOFILE, &raw const limit, old));
            }

            // Handlers would go at the exec, but ignored signals would stay ignored; and no handler of ours may run
            // between here and there, so all dispositions go before the mask. By bare system calls: the C library keeps
            // two signals to itself, and would leave those ignored if we were started so. KILL and STOP refuse.
            let default = [0usize; 8]; // Longer than the kernel's structure; all zeroes is SIG_DFL without flags.
            let mut signal = 1;
            while signal <= SIGNALS {
                libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), ptr::null_mut::<c_void>(), SIGNALS / 8);
                signal += 1;
            }
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());

            (EXEC, self.exec())
        }
    }

    /// Executes the first program that lets itself be executed, as execvp(3) does; comes back with the error number.
    ///
    /// # Safety
    /// As [`run`](Self::run).
    unsafe fn exec(&mut self) -> i32 {
        let mut result = libc::ENOENT;
        for program in self.order.programs {
            // SAFETY: as in `run`.
            let errno = unsafe {
                libc::execve(program.as_ptr(), self.argv.as_ptr(), self.env.as_ptr());
                *libc::__errno_location()
            };
            match errno {
                libc::ENOEXEC => {
                    if let Some(file) = self.sh_argv.get_mut(1) {
                        *file = program.as_ptr();
                    }
                    // SAFETY: as in `run`.
                    return unsafe {
                        libc::execve(SHELL.as_ptr(), self.sh_argv.as_ptr(), self.env.as_ptr());
                        *libc::__errno_location()
                    };
                }
                // Another folder may hold one that works; "permission denied" is the more telling answer if none does.
                libc::EACCES => result = libc::EACCES,
                libc::ENOENT | libc::ENOTDIR if result != libc::EACCES => result = errno,
                libc::ENOENT | libc::ENOTDIR => {}
                _ => return errno,
            }
        }
        result
    }
}
