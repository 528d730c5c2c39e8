//! Signals that a run in the foreground heeds.

use std::{fs, future::poll_fn, io, process, task::Poll};

use gaffer_core::names::Signal;
use nix::sys::signal::{SigSet, Signal as Raw};
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caught {
    /// To end.
    End(Signal),
    /// To hand it to every process.
    Forward(Signal),
    /// To look how large the terminal is now.
    Resize,
}

/// Those that a run is ended by or hands on.
const MEANT: [Raw; 6] = [Raw::SIGTERM, Raw::SIGINT, Raw::SIGQUIT, Raw::SIGHUP, Raw::SIGUSR1, Raw::SIGUSR2];

/// Has signals wait that come before there is somebody to heed them: the kernel has none end the first process of a container by
/// itself, and so they would be lost. To be called first of all, in the first thread: others inherit it.
pub(crate) fn keep_early_ones() {
    if process::id() == 1 {
        // If it is refused, an early one is lost.
        let _refused: nix::Result<()> = SigSet::from_iter(MEANT).thread_block();
    }
}

/// Lets those through that have waited, and all that come. To be called in the first thread, once they are caught or another
/// program takes this one's place.
pub(crate) fn let_early_ones_through() {
    if process::id() == 1 {
        // What could be blocked can be let through.
        let _refused: nix::Result<()> = SigSet::from_iter(MEANT).thread_unblock();
    }
}

/// Signals that were caught and not heeded yet.
pub(super) struct Signals {
    listeners: Vec<(Caught, Listener)>,
}

impl Signals {
    /// Catches the signals from now on, also those whose default a process with the number 1 does not have.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn install() -> io::Result<Self> {
        let mut meant = vec![Caught::End(Signal::INT), Caught::End(Signal::TERM), Caught::End(Signal::QUIT)];
        // Who starts it with `nohup` wants it to outlive the terminal.
        if !is_ignored(Signal::HUP) {
            meant.push(Caught::End(Signal::HUP));
        }
        meant.extend([Caught::Forward(Signal::USR1), Caught::Forward(Signal::USR2), Caught::Resize]);
        let listen = |caught| {
            let kind = match caught {
                Caught::End(signal) | Caught::Forward(signal) => SignalKind::from_raw(signal.as_raw()),
                Caught::Resize => SignalKind::window_change(),
            };
            Ok((caught, signal(kind)?))
        };
        Ok(Self { listeners: meant.into_iter().map(listen).collect::<io::Result<_>>()? })
    }

    /// The next one; those that ask for the end first. Cancel safe.
    pub(super) async fn next(&mut self) -> Caught {
        poll_fn(|context| {
            for (caught, listener) in &mut self.listeners {
                if listener.poll_recv(context) == Poll::Ready(Some(())) {
                    return Poll::Ready(*caught);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Whether whoever started this program has it ignore this signal.
fn is_ignored(signal: Signal) -> bool {
    // Without /proc nothing is known, and the usual is done.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    ignored & (1 << (signal.as_raw() - 1)) != 0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn each_is_caught_as_what_it_asks_for() {
        use nix::sys::signal::{Signal as Raised, raise};
        let mut signals = Signals::install().unwrap();
        for (raised, caught) in [
            (Raised::SIGUSR2, Caught::Forward(Signal::USR2)),
            (Raised::SIGWINCH, Caught::Resize),
            (Raised::SIGQUIT, Caught::End(Signal::QUIT)),
        ] {
            raise(raised).unwrap();
            let next = timeout(Duration::from_secs(30), signals.next()).await;
            assert_eq!(next.expect("it was raised"), caught);
        }
    }

    #[test]
    fn what_is_ignored_is_known() {
        assert!(is_ignored(Signal::new(nix::libc::SIGPIPE).unwrap()), "Rust programs ignore it");
        assert!(!is_ignored(Signal::TERM));
    }
}
