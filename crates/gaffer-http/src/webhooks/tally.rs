//! What has become of a hook's events, for who asks and for the log.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use gaffer_core::api::webhooks::WebhookInfo;
use tokio::time::Instant;

/// The counters of a hook. Whenever they are looked at, each event that it was told is in one of them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    figures: Mutex<Figures>,
}

#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) retried: u64,
    pub(super) dropped: u64,
    pub(super) waiting: u64,
    pub(super) last_error: Option<String>,
    pub(super) last_status: Option<u16>,
    pub(super) last_success: Option<SystemTime>,
}

impl Tally {
    /// Changes some of them at once. Nothing is done while they are held but to count.
    pub(super) fn change(&self, change: impl FnOnce(&mut Figures)) {
        change(&mut self.lock());
    }

    /// Writes them down.
    pub(super) fn tell(&self, info: &mut WebhookInfo) {
        let figures = self.lock();
        info.delivered = figures.delivered;
        info.failed = figures.failed;
        info.retried = figures.retried;
        info.dropped = figures.dropped;
        info.waiting = figures.waiting;
        info.last_error.clone_from(&figures.last_error);
        info.last_status = figures.last_status;
        info.last_success = figures.last_success.map(|time| {
            // To the millisecond, as the times of events are.
            time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as f64 / 1000.0
        });
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that may go on for long, and is told when it begins and when it is over; but not more often than once a minute, however
/// it comes and goes.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    last_told: Option<Instant>,
    is_told: bool,
}

impl Trouble {
    const PAUSE: Duration = Duration::from_secs(60);

    /// It is so. Answers whether that is to be told.
    pub(super) fn is_news(&mut self, now: Instant) -> bool {
        let is_early = self.last_told.is_some_and(|told| now.saturating_duration_since(told) < Self::PAUSE);
        if self.is_told || is_early {
            return false;
        }
        self.is_told = true;
        self.last_told = Some(now);
        true
    }

    /// It is so no more. Answers whether that is to be told.
    pub(super) fn is_over(&mut self) -> bool {
        std::mem::take(&mut self.is_told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_when_it_begins_and_when_it_is_over() {
        let now = Instant::now();
        let mut trouble = Trouble::default();
        assert!(!trouble.is_over());
        assert!(trouble.is_news(now) && !trouble.is_news(now));
        assert!(!trouble.is_news(now + 2 * Trouble::PAUSE), "it goes on");
        assert!(trouble.is_over() && !trouble.is_over());
    }

    #[test]
    fn what_comes_and_goes_is_told_once_a_minute() {
        let now = Instant::now();
        let mut trouble = Trouble::default();
        assert!(trouble.is_news(now) && trouble.is_over());
        assert!(!trouble.is_news(now + Trouble::PAUSE / 2) && !trouble.is_over());
        assert!(trouble.is_news(now + Trouble::PAUSE) && trouble.is_over());
    }
}
