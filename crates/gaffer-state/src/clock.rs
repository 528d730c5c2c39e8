//! What time it is.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The time of day, in seconds since the epoch: keys outlive the machine's run, and so their ends are of it.
#[derive(Clone, Default)]
pub(crate) struct Clock {
    /// What it says instead, in tests.
    set: Option<Arc<std::sync::atomic::AtomicU64>>,
}

impl Clock {
    pub(crate) fn now(&self) -> u64 {
        match &self.set {
            Some(set) => set.load(std::sync::atomic::Ordering::SeqCst),
            None => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs(),
        }
    }

    /// One that stands still, and is put forward by hand.
    #[cfg(test)]
    pub(crate) fn standing(set: Arc<std::sync::atomic::AtomicU64>) -> Self {
        Self { set: Some(set) }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}
