//! A terminal that programs believe a person sits at.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::OwnedFd,
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize},
};

/// The end of a terminal at which the person sits. What programs write is read as they write it: the kernel makes no two
/// characters of a line break.
#[derive(Debug)]
pub(crate) struct Screen(File);

/// What keys such as Ctrl-C are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Characters like others.
    Plain,
    /// Signals to whom the terminal belongs to.
    Signals,
}

/// Makes a terminal of so many columns: its screen, and the end for programs, which must be closed here once they have it.
pub(crate) fn terminal(columns: u16, keys: Keys) -> (Screen, OwnedFd) {
    // Closed on exec from the beginning, as other tests start programs at the same time.
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap();
    let end =
        rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let mut settings = tcgetattr(&end).unwrap();
    settings.make_raw();
    settings.local_modes.set(LocalModes::ISIG, keys == Keys::Signals);
    tcsetattr(&end, OptionalActions::Now, &settings).unwrap();
    let screen = Screen(screen.into());
    screen.resize(columns, 25);
    (screen, end)
}

impl Screen {
    pub(crate) fn try_clone(&self) -> Self {
        Self(self.0.try_clone().unwrap())
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        tcsetwinsize(&self.0, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    }

    pub(crate) fn type_in(&self, keys: &str) {
        (&self.0).write_all(keys.as_bytes()).unwrap();
    }
}

impl Read for Screen {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            // No program has it open any more.
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => Ok(0),
            outcome => outcome,
        }
    }
}
