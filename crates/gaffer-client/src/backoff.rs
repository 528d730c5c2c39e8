//! How long to wait before the next attempt to connect.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// Pauses that grow while nothing helps: they double from 100 ms to 5 s, or less. Reads no clock and throws no dice.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    /// What the node wishes for.
    least: Duration,
    most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: Self::FIRST, least: Duration::ZERO, most: Self::MOST }
    }
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    /// The longest pause. A connection that outlives it was a good one.
    pub(crate) const MOST: Duration = Duration::from_secs(5);

    /// Never longer than this, if it is less than [`MOST`](Self::MOST).
    pub(crate) fn at_most(&mut self, most: Duration) {
        self.most = most.min(Self::MOST);
    }

    /// A connection is lost that held so long. After a good one the next pause is short.
    pub(crate) fn lost(&mut self, held: Duration) {
        if held >= self.most {
            self.next = Self::FIRST;
        }
    }

    /// The node wishes for pauses of at least so long.
    pub(crate) fn at_least(&mut self, least: Duration) {
        self.least = least.min(Self::MOST);
    }

    /// The pause before the next attempt. `dice`, from 0 to 1, spreads those who lost their connections together: it takes away
    /// up to half.
    pub(crate) fn pause(&mut self, dice: f64) -> Duration {
        let pause = self.next.max(self.least).min(self.most);
        self.next = (self.next * 2).min(self.most);
        pause.mul_f64(1.0 - dice.clamp(0.0, 1.0) / 2.0)
    }
}

/// Attempts to have a connection, one after the other, and what was told of their failures: the same reason is not told again and again.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    pub(crate) backoff: Backoff,
    told: String,
}

impl Attempts {
    /// One has failed; `held` says for how long it was a connection, if it was one. Answers whether that is news.
    pub(crate) fn failed(&mut self, held: Option<Duration>, reason: String) -> bool {
        if let Some(held) = held {
            self.backoff.lost(held);
        }
        let is_news = held.is_some() || reason != self.told;
        self.told = reason;
        is_news
    }
}

/// From 0 to 1. Good enough to spread clients; the standard library has nothing better.
pub(crate) fn dice() -> f64 {
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pauses(backoff: &mut Backoff, dice: f64) -> Vec<u128> {
        (0..8).map(|_| backoff.pause(dice).as_millis()).collect()
    }

    #[test]
    fn pauses_double_from_100_ms_to_5_s() {
        let mut backoff = Backoff::default();
        assert_eq!(pauses(&mut backoff, 0.0), [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        backoff.lost(Duration::from_millis(4999));
        assert_eq!(backoff.pause(1.0).as_millis(), 2500);
        backoff.lost(Duration::from_secs(5));
        assert_eq!(pauses(&mut backoff, 1.0)[..3], [50, 100, 200]);
    }

    #[test]
    fn who_is_in_a_hurry_waits_less() {
        let mut backoff = Backoff::default();
        backoff.at_most(Duration::from_millis(300));
        assert_eq!(pauses(&mut backoff, 0.0)[..4], [100, 200, 300, 300]);
        backoff.lost(Duration::from_millis(300));
        assert_eq!(backoff.pause(0.0).as_millis(), 100);
        backoff.at_most(Duration::from_millis(50));
        assert_eq!(pauses(&mut backoff, 0.0)[..2], [50, 50]);
        backoff.at_most(Duration::from_secs(3600));
        assert_eq!(pauses(&mut backoff, 0.0)[7], 5000);
    }

    #[test]
    fn the_node_may_wish_for_longer_pauses_within_reason() {
        let mut backoff = Backoff::default();
        backoff.at_least(Duration::from_secs(1));
        assert_eq!(pauses(&mut backoff, 0.0)[3..6], [1000, 1600, 3200]);
        backoff.at_least(Duration::from_secs(3600));
        assert_eq!(backoff.pause(0.0).as_secs(), 5);
    }

    #[test]
    fn the_same_failure_is_news_once_or_of_a_connection_that_was_one() {
        let mut attempts = Attempts::default();
        let mut failed =
            |held: Option<u64>, reason: &str| attempts.failed(held.map(Duration::from_secs), reason.to_owned());
        assert_eq!([failed(None, "a"), failed(None, "a"), failed(None, "b")], [true, false, true]);
        assert_eq!([failed(Some(1), "b"), failed(None, "b")], [true, false]);
    }

    proptest! {
        #[test]
        fn no_pause_is_too_short_or_too_long(dice in prop::collection::vec(any::<f64>(), 1..40)) {
            let mut backoff = Backoff::default();
            for dice in dice {
                let pause = backoff.pause(dice);
                prop_assert!((Duration::from_millis(50)..=Duration::from_secs(5)).contains(&pause), "{pause:?}");
            }
        }
    }
}
