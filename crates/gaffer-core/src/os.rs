//! What concerns the program as a whole: inherited descriptors, the descriptor limit, orphans, going into the background, its end. And a call on terminals
//! that streams and the real backend share.
//!
//! But for the last, these calls change the state of the whole program, so a library never makes them by itself: `gafferd` makes them
//! first thing in `main`. (The real backend makes the one that it cannot work without, [`become_subreaper`].)

#![expect(
    unsafe_code,
    reason = "system calls on descriptors that nothing in the program owns, a signal's disposition, and forks"
)]

mod activated;
mod background;
mod host;

use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    sync::OnceLock,
};

use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::resource::{Resource, getrlimit, setrlimit},
};

pub use self::{
    activated::{ActivatedDescriptor, take_activated_descriptors},
    background::{Background, Readiness, go_into_background},
    host::host_name,
};
use crate::names::Signal;

/// A limit as the kernel keeps it: what counts, and how far it may be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The one that counts.
    pub soft: u64,
    /// How far the program itself may raise it.
    pub hard: u64,
}

/// The descriptor limit that the program was started with.
static ORIGINAL_NOFILE: OnceLock<Limit> = OnceLock::new();

/// Raises the limit of open descriptors as far as allowed, and remembers what it was: launched processes get that back.
///
/// A supervisor holds several descriptors for each process. A child must not inherit the raised limit: programs that use
/// `select(2)`, or that close all descriptors up to the limit at their start, suffer from a large one.
///
/// Returns the limit that holds now.
///
/// # Errors
/// When the kernel refuses.
pub fn raise_nofile_limit() -> io::Result<Limit> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ORIGINAL_NOFILE.get_or_init(|| Limit { soft, hard });
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(Limit { soft: hard, hard })
}

/// The descriptor limit before [`raise_nofile_limit`]; `None` if that was never called.
pub fn original_nofile_limit() -> Option<Limit> {
    ORIGINAL_NOFILE.get().copied()
}

/// Marks every descriptor from 3 on close-on-exec, so that nothing that the program inherited reaches its children.
///
/// Rust opens everything close-on-exec by itself; what leaks is what a careless parent left open. Descriptors that are
/// handed over on purpose (socket activation) keep working in this program.
///
/// # Errors
/// When neither `close_range(2)` nor `/proc/self/fd` is at hand.
pub fn mark_inherited_descriptors_cloexec() -> io::Result<()> {
    // SAFETY: close_range takes three integers; with CLOEXEC it closes nothing, so no descriptor becomes invalid.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 {
        return Ok(());
    }
    // Before Linux 5.11, or refused by a filter of system calls.
    for entry in fs::read_dir("/proc/self/fd")? {
        let Some(fd) = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()) else { continue };
        if fd < 3 {
            continue;
        }
        // SAFETY: the borrow lasts for two fcntl calls, which cope with a descriptor that was closed meanwhile (EBADF).
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        if let Ok(flags) = fcntl(fd, FcntlArg::F_GETFD) {
            let _gone_meanwhile = fcntl(fd, FcntlArg::F_SETFD(FdFlag::from_bits_retain(flags) | FdFlag::FD_CLOEXEC));
        }
    }
    Ok(())
}

/// Ends this program as a signal ends one that does not handle it, so that whoever waits for it sees what it died of. For who had to
/// do something before.
#[expect(clippy::exit, reason = "nothing is left to be done, nor anybody to do it")]
pub fn die_of(signal: Signal) -> ! {
    // SAFETY: the default disposition runs no code of this program.
    unsafe { libc::signal(signal.as_raw(), libc::SIG_DFL) };
    // SAFETY: raise takes an integer.
    unsafe { libc::raise(signal.as_raw()) };
    std::process::exit(128 + signal.as_raw()) // One that is ignored, or blocked.
}

/// Makes this program the parent of its orphaned descendants (a *child subreaper*), so that none gets out of sight.
///
/// From then on the program must reap them too; the real backend does that.
///
/// # Errors
/// When the kernel refuses.
pub fn become_subreaper() -> io::Result<()> {
    Ok(nix::sys::prctl::set_child_subreaper(true)?)
}

/// Sets the size of a pseudo-terminal, by either end. The foreground group of its session gets SIGWINCH if it is another one.
pub(crate) fn set_terminal_size(terminal: impl AsFd, columns: u16, rows: u16) -> io::Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel reads a `winsize` from a pointer that is valid during the call.
    let set = unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
