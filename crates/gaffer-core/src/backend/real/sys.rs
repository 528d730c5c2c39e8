//! Thin safe coats over the system calls that neither std nor nix offers in the form needed here.

#![expect(unsafe_code, reason = "raw system calls: pidfd, waitid, signal masks")]

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

use tokio::io::{Interest, unix::AsyncFd};

use crate::backend::ExitStatus;

/// Which children a wait is about.
#[derive(Clone, Copy)]
pub(super) enum Whom<'a> {
    /// Any child of this program.
    Any,
    /// The child with this number.
    Pid(i32),
    /// The process behind a descriptor.
    Pidfd(BorrowedFd<'a>),
}

/// What a wait saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// It is no child of ours, or was reaped.
    NotOurs,
    /// A child, but none that has ended.
    Running,
    /// This one has ended.
    Ended(i32, ExitStatus),
}

/// What to do with a child that has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Leave it as it is: a zombie keeps its number, and its group's, from being used again.
    Keep,
    /// Reap it.
    Reap,
}

/// Looks whether a child has ended; never blocks.
pub(super) fn wait(whom: Whom<'_>, then: Then) -> io::Result<Waited> {
    let keep = if then == Then::Keep { libc::WNOWAIT } else { 0 };
    waitid(whom, libc::WEXITED | libc::WNOHANG | keep)
}

/// Waits until the child has ended. Blocks: only for a child that is known to be ending.
pub(super) fn wait_for_end(whom: Whom<'_>, then: Then) -> io::Result<Waited> {
    let keep = if then == Then::Keep { libc::WNOWAIT } else { 0 };
    waitid(whom, libc::WEXITED | keep)
}

fn waitid(whom: Whom<'_>, options: i32) -> io::Result<Waited> {
    let (kind, id) = match whom {
        Whom::Any => (libc::P_ALL, 0),
        Whom::Pid(pid) => (libc::P_PID, pid as libc::id_t),
        Whom::Pidfd(fd) => (libc::P_PIDFD, fd.as_raw_fd() as libc::id_t),
    };
    loop {
        // SAFETY: siginfo_t is plain data for which all zeroes is a value; the kernel leaves it so if nothing ended.
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        // SAFETY: `info` is valid for writing, and the other arguments are integers.
        if unsafe { libc::waitid(kind, id, &mut info, options) } == 0 {
            // SAFETY: waitid filled in the fields of a SIGCHLD, or left zeroes.
            let (pid, value) = unsafe { (info.si_pid(), info.si_status()) };
            return Ok(match (pid, info.si_code) {
                (0, _) => Waited::Running,
                (pid, libc::CLD_EXITED) => Waited::Ended(pid, ExitStatus::Code(value)),
                (pid, _) => Waited::Ended(pid, ExitStatus::Signal(value)), // CLD_KILLED or CLD_DUMPED.
            });
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::ECHILD) => return Ok(Waited::NotOurs),
            _ => return Err(error),
        }
    }
}

/// Opens a descriptor that means this very process, however often its number is used again later.
pub(super) fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers. The kernel sets close-on-exec.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0u32) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Lets the runtime wait until a descriptor is ready; one of a process gets readable at its end. To be called within the
/// runtime.
pub(super) fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is one and the same open descriptor as long as it lives, and the `AsyncFd` owns it.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}

/// Sends a signal to the process behind a descriptor.
pub(super) fn pidfd_send_signal(process: impl AsFd, signal: i32) -> io::Result<()> {
    let fd = process.as_fd().as_raw_fd();
    // SAFETY: integers and a null pointer, which stands for "as kill(2) does".
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, ptr::null::<libc::siginfo_t>(), 0u32) };
    if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends a signal to a process group. The caller knows that the number is still that group's.
pub(super) fn killpg(group: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes two integers. A group of 0 or 1 would mean "ours" or "all": the caller's number is a child's.
    if unsafe { libc::kill(-group, signal) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Blocks every signal in the calling thread.
pub(super) fn block_all_signals() {
    // SAFETY: the set is initialised by sigfillset before it is used; a null old set is allowed.
    unsafe {
        let mut all: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, ptr::null_mut());
    }
}
