//! Signals by number or name.

use std::{fmt, str::FromStr};

use nix::sys::signal::Signal as Named;

/// Text or a number that is no signal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a signal; give a number from 1 to 64 or a name such as HUP or SIGHUP")]
pub struct InvalidSignal(pub String);

/// A signal: a number from 1 to 64, real-time ones included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(i32);

impl Signal {
    /// Asks a process to end: the first step of every stop.
    pub const TERM: Self = Self(libc::SIGTERM);
    /// Ends a process that cannot refuse.
    pub const KILL: Self = Self(libc::SIGKILL);
    /// A person interrupts: Ctrl-C.
    pub const INT: Self = Self(libc::SIGINT);
    /// A person interrupts, and wants to know where it stands: `Ctrl-\`.
    pub const QUIT: Self = Self(libc::SIGQUIT);
    /// The terminal is gone.
    pub const HUP: Self = Self(libc::SIGHUP);
    /// Means what a program wants it to mean.
    pub const USR1: Self = Self(libc::SIGUSR1);
    /// Means what a program wants it to mean.
    pub const USR2: Self = Self(libc::SIGUSR2);

    /// Wraps a number.
    ///
    /// # Errors
    /// When it is not from 1 to 64.
    pub fn new(number: i32) -> Result<Self, InvalidSignal> {
        if (1..=64).contains(&number) { Ok(Self(number)) } else { Err(InvalidSignal(number.to_string())) }
    }

    /// The number as `kill(2)` takes it.
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}

impl FromStr for Signal {
    type Err = InvalidSignal;

    /// Takes `15`, `TERM`, `sigterm`, and `Signals.SIGTERM`, which the old client sends from newer Pythons.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidSignal(text.to_owned());
        if let Ok(number) = text.parse::<i32>() {
            return Self::new(number).map_err(|_| invalid());
        }
        let upper = text.trim().to_ascii_uppercase();
        let bare = upper.strip_prefix("SIGNALS.").unwrap_or(&upper);
        let bare = bare.strip_prefix("SIG").unwrap_or(bare);
        Named::from_str(&format!("SIG{bare}")).map(|signal| Self(signal as i32)).map_err(|_| invalid())
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Named::try_from(self.0) {
            Ok(named) => f.write_str(named.as_str()),
            Err(_) => write!(f, "signal {}", self.0), // Real-time signals have no fixed names.
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_in_any_spelling_are_the_same_signal() {
        for text in ["15", "TERM", "term", "SIGTERM", "sigterm", "Signals.SIGTERM"] {
            assert_eq!(text.parse(), Ok(Signal::TERM), "{text}");
        }
        assert_eq!("40".parse::<Signal>().unwrap().to_string(), "signal 40");
        for text in ["0", "65", "-9", "", "SIG", "NOPE"] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
    }
}
