//! What to do when a connection could not be accepted.

use std::{io, time::Duration};

/// How to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The one connection was at fault: accept the next.
    Continue,
    /// The machine was at fault: wait first. `first` says that it was well before, so that it is logged once.
    Wait { pause: Duration, first: bool },
}

/// Keeps an accept loop from spinning when the machine is out of something, usually descriptors.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    pause: Option<Duration>,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_secs(1);

    /// A connection was accepted. Answers whether trouble is over with that.
    pub(super) fn accepted(&mut self) -> bool {
        self.pause.take().is_some()
    }

    /// Accepting failed.
    pub(super) fn failed(&mut self, error: &io::Error) -> Next {
        // accept(2): errors that the new connection already had are reported here, and mean "try the next one".
        let of_the_peer = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::Interrupted
                | io::ErrorKind::NetworkDown
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::TimedOut
        );
        if of_the_peer {
            return Next::Continue;
        }
        let first = self.pause.is_none();
        let pause = self.pause.map_or(Self::FIRST, |pause| (pause * 2).min(Self::LONGEST));
        self.pause = Some(pause);
        Next::Wait { pause, first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMFILE: i32 = 24;
    const ECONNABORTED: i32 = 103;

    #[test]
    fn running_out_of_descriptors_waits_longer_each_time_and_is_told_once() {
        let mut backoff = Backoff::default();
        let mut fail = || backoff.failed(&io::Error::from_raw_os_error(EMFILE));
        let pauses: Vec<Next> = (0..9).map(|_| fail()).collect();
        assert_eq!(pauses[0], Next::Wait { pause: Duration::from_millis(10), first: true });
        assert_eq!(pauses[1], Next::Wait { pause: Duration::from_millis(20), first: false });
        assert_eq!(pauses[8], Next::Wait { pause: Duration::from_secs(1), first: false });
        assert!(backoff.accepted());
        assert!(!backoff.accepted());
    }

    #[test]
    fn a_connection_that_was_reset_in_the_queue_costs_no_wait() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.failed(&io::Error::from_raw_os_error(ECONNABORTED)), Next::Continue);
    }
}
