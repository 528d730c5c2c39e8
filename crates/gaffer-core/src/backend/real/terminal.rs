//! Pseudo-terminals: two ends, of which the child gets the one that looks like a terminal, and we read and write the other.

#![expect(unsafe_code, reason = "an ioctl that returns a descriptor")]

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use nix::{
    fcntl::OFlag,
    pty::{grantpt, posix_openpt, unlockpt},
    sys::termios::{
        _POSIX_VDISABLE, LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices::VEOF, tcgetattr, tcsetattr,
    },
};
use tokio::io::{AsyncWrite, Interest, unix::AsyncFd};

use super::sys;
use crate::{os, streams::TerminalSize};

/// Our end of a terminal. It does not block.
pub(super) type End = AsyncFd<OwnedFd>;

/// Both ends of a terminal.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) ours: Arc<End>,
    pub(super) theirs: OwnedFd,
}

impl Pair {
    /// Makes a terminal that passes on what is written as it is, without carriage returns before line feeds, and does not
    /// show what is typed. `writable`: whether we want to type. To be called within the runtime.
    pub(super) fn open(size: TerminalSize, writable: bool) -> io::Result<Self> {
        let ours = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let theirs = peer(&ours)?;
        let mut settings = tcgetattr(&theirs)?;
        settings.output_flags.remove(OutputFlags::OPOST);
        settings.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHONL);
        tcsetattr(&theirs, SetArg::TCSANOW, &settings)?;
        os::set_terminal_size(&ours, size.columns, size.rows)?;
        let interest = if writable { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        Ok(Self { ours: Arc::new(sys::watch(ours.into(), interest)?), theirs })
    }
}

/// Opens the child's end. Not by its name, which may mean another terminal, or nothing, where `/dev/pts` is mounted anew.
fn peer(ours: impl AsFd) -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    // SAFETY: this ioctl takes an integer.
    let fd = unsafe { libc::ioctl(ours.as_fd().as_raw_fd(), libc::TIOCGPTPEER, flags.bits()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The way into a process through its terminal. Unlike a pipe it cannot be closed while it is read: what says "end of file" is
/// a character, to which the terminal answers the process's read.
#[derive(Debug)]
pub(super) struct Keyboard {
    end: Arc<End>,
    /// Whether what was typed last is no line break.
    within_line: bool,
    /// What is still to be typed to say that nothing more will come, once it has begun.
    farewell: Option<Vec<u8>>,
}

impl Keyboard {
    pub(super) fn new(end: Arc<End>) -> Self {
        Self { end, within_line: false, farewell: None }
    }

    /// What tells a process that reads lines that there are no more; nothing for one that has asked for bare characters.
    fn end_of_file(&self) -> Vec<u8> {
        // Of either end the kernel tells the settings of the child's.
        let Ok(settings) = tcgetattr(self.end.get_ref()) else { return Vec::new() };
        let character = settings.control_chars[VEOF as usize];
        if !settings.local_flags.contains(LocalFlags::ICANON) || character == _POSIX_VDISABLE {
            return Vec::new();
        }
        // Within a line the first one only hands over what there is of it.
        vec![character; if self.within_line { 2 } else { 1 }]
    }

    fn poll_type(&self, cx: &mut Context<'_>, text: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.end.poll_write_ready(cx))?;
            match ready.try_io(|end| Ok(nix::unistd::write(end.get_ref(), text)?)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                // It was hung up. (That nobody has the other end open any more is no error: it may be opened again.)
                Ok(Err(error)) if error.raw_os_error() == Some(libc::EIO) => {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                Ok(typed) => return Poll::Ready(typed),
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for Keyboard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, text: &[u8]) -> Poll<io::Result<usize>> {
        let typed = ready!(self.poll_type(cx, text))?;
        if let Some(last) = text.get(..typed).and_then(<[u8]>::last) {
            self.within_line = !matches!(last, b'\n' | b'\r');
        }
        Poll::Ready(Ok(typed))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut farewell = mem::take(&mut self.farewell).unwrap_or_else(|| self.end_of_file());
        let outcome = loop {
            if farewell.is_empty() {
                break Poll::Ready(Ok(()));
            }
            match self.poll_type(cx, &farewell) {
                Poll::Ready(Ok(typed)) => drop(farewell.drain(..typed)),
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.farewell = Some(farewell);
        outcome
    }
}
