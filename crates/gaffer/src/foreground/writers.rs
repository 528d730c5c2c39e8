//! Where lines go: stdout and stderr, as the thread of the console writes to them.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, BorrowedFd},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

/// A descriptor of its own, past the lock and the buffer of the standard library's: the console writes whole lines, and while it
/// waits for a reader that stalls the program must still be able to end.
pub(super) struct Direct(File);

impl Direct {
    /// Stdout. Its errors are the writer's.
    pub(super) fn stdout() -> io::Result<Self> {
        Self::new(io::stdout().as_fd())
    }

    fn new(stream: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self(stream.try_clone_to_owned()?.into()))
    }
}

impl Write for Direct {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(text) {
                // Others have the same pipe or terminal open, and have set it so: wait, as it would itself.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => until_writable(self.0.as_fd())?,
                outcome => return outcome,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn until_writable(stream: BorrowedFd<'_>) -> io::Result<()> {
    match poll(&mut [PollFd::new(stream, PollFlags::POLLOUT)], PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether a line can be written there at once.
pub(super) fn is_writable(stream: impl AsFd) -> bool {
    let mut asked = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
    poll(&mut asked, PollTimeout::ZERO) == Ok(1)
}

/// Stderr, as long as somebody reads it: what is written then is lost, as it is where a process writes by itself.
pub(super) struct Stderr {
    /// Until the first error.
    stream: Option<Direct>,
}

impl Stderr {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { stream: Some(Direct::new(io::stderr().as_fd())?) })
    }
}

impl Write for Stderr {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        match self.stream.as_mut().map(|stream| stream.write(text)) {
            Some(Ok(written)) => Ok(written),
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Some(Err(_)) => {
                self.stream = None;
                Ok(text.len())
            }
            None => Ok(text.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        os::{fd::OwnedFd, unix::net::UnixStream},
        thread,
    };

    use super::*;

    fn direct(stream: UnixStream) -> Direct {
        Direct(File::from(OwnedFd::from(stream)))
    }

    #[test]
    fn a_stream_that_does_not_block_is_waited_for() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        // More than any socket takes at once.
        let text = vec![b'x'; 8 << 20];
        let reader = thread::spawn(move || {
            let mut read = Vec::new();
            theirs.read_to_end(&mut read).unwrap();
            read.len()
        });
        direct(ours).write_all(&text).unwrap();
        assert_eq!(reader.join().unwrap(), text.len());
    }

    #[test]
    fn who_stops_reading_stdout_is_told_of_and_who_stops_reading_stderr_is_not() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let error = direct(ours.try_clone().unwrap()).write_all(b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        let mut stderr = Stderr { stream: Some(direct(ours)) };
        stderr.write_all(b"x").unwrap();
        stderr.write_all(b"x").unwrap();
    }
}
