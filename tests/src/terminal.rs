//! A terminal that programs believe a person sits at.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize},
};

/// The end of a terminal at which the person sits. What programs write is read as they write it: the kernel makes no two
/// characters of a line break.
#[derive(Debug)]
pub(crate) struct Screen(File);

/// Makes a terminal of so many columns: its screen, and the end for programs, which must be closed here once they have it.
pub(crate) fn terminal(columns: u16) -> (Screen, OwnedFd) {
    // Closed on exec from the beginning, as other tests start programs at the same time.
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap();
    let end =
        rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let mut settings = tcgetattr(&end).unwrap();
    settings.make_raw();
    tcsetattr(&end, OptionalActions::Now, &settings).unwrap();
    tcsetwinsize(&end, Winsize { ws_row: 25, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    (Screen(screen.into()), end)
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
