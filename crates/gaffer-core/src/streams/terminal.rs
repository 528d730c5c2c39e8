//! The pseudo-terminal of a process.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Arc, Weak},
};

use tokio::io::unix::AsyncFd;

use crate::os;

/// How many characters a terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// In a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

impl Default for TerminalSize {
    /// What terminals have had for ever.
    fn default() -> Self {
        Self { columns: 80, rows: 24 }
    }
}

/// The terminal of a process, as far as it is not read or written: see [`ProcessIo`](super::ProcessIo) for that. Cheap to clone; it
/// does not keep the terminal open.
#[derive(Clone, Debug)]
pub struct Terminal {
    /// Our ends, that of stdin and stdout first.
    ends: Vec<Weak<AsyncFd<OwnedFd>>>,
}

impl Terminal {
    pub(crate) fn new(ends: &[Arc<AsyncFd<OwnedFd>>]) -> Self {
        Self { ends: ends.iter().map(Arc::downgrade).collect() }
    }

    /// Tells the process that its terminal has another size now: it gets SIGWINCH, if the size is not the one that it has. Does
    /// nothing once the process is gone.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn resize(&self, size: TerminalSize) -> io::Result<()> {
        // The first one's change sends the signal, so it comes last: then stderr has the size already.
        for end in self.ends.iter().rev().filter_map(Weak::upgrade) {
            os::set_terminal_size(end.get_ref(), size.columns, size.rows)?;
        }
        Ok(())
    }
}
