//! Numbers of processes: gaffer's own and the kernel's.

use std::{fmt, num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Serialize};

/// Gaffer's own number for one process: from 1, never reused while the node lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessId(u64);

impl ProcessId {
    /// Wraps a number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The bare number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Reads one as clients write it: digits alone, of a number from 1. `None` for anything else, also what
    /// [`from_str`](FromStr::from_str) takes beside that: a plus sign, zeros in front.
    pub fn read(text: &str) -> Option<Self> {
        let is_number = text.starts_with(|first| matches!(first, '1'..='9'));
        if is_number { text.parse().ok() } else { None }
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ProcessId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The kernel's number of a process. The kernel reuses it, so it is never a map key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OsPid(NonZeroU32);

impl OsPid {
    /// Wraps a number as the kernel gives it; `None` for zero and negative numbers, which name no process.
    pub fn new(number: i32) -> Option<Self> {
        u32::try_from(number).ok().and_then(NonZeroU32::new).map(Self)
    }

    /// The number as `kill(2)` and its kin take it.
    pub fn as_raw(self) -> i32 {
        self.0.get() as i32 // Lossless: `new`, the only way in, takes positive `i32`s.
    }
}

impl fmt::Display for OsPid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
