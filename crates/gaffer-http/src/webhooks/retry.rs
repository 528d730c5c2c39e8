//! When to try again: after what answer, and after what time.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// How long to go on, and how patiently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Before the first attempt that is made again. It doubles from one to the next; of each, jitter takes away up to half.
    pub first: Duration,
    /// The longest that is waited, also where the receiver asks for more.
    pub longest: Duration,
    /// An event is given up when so many attempts have failed.
    pub attempts: u32,
    /// An event is given up when it has waited for so long.
    pub age: Duration,
}

impl Default for RetryPolicy {
    /// From 0.5 s to a minute, 12 times at most, for at most an hour.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(60),
            attempts: 12,
            age: Duration::from_secs(60 * 60),
        }
    }
}

impl RetryPolicy {
    /// How long to wait after so many failures. The receiver may have asked for a time; `dice`, from 0 to 1, spreads those who fail
    /// together.
    pub(super) fn pause(&self, failures: u32, asked: Option<Duration>, dice: f64) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = self.first.saturating_mul(doubled).min(self.longest);
        let spread = pause.mul_f64(1.0 - dice.clamp(0.0, 1.0) / 2.0);
        asked.map_or(spread, |asked| spread.max(asked.min(self.longest)))
    }
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The receiver has it.
    Delivered,
    /// It may take it later; perhaps it says when.
    Retry(Option<Duration>),
    /// It will never take it.
    GiveUp,
}

impl Verdict {
    /// Of a status, and of what `Retry-After` says, if it is there.
    pub(super) fn of(status: u16, retry_after: Option<&str>, now: SystemTime) -> Self {
        match status {
            200..=299 => Self::Delivered,
            408 | 429 | 500..=599 => Self::Retry(retry_after.and_then(|text| asked_for(text, now))),
            // Among them redirects: to follow them would be to post to whom nobody has named.
            _ => Self::GiveUp,
        }
    }
}

/// Seconds, or a date.
fn asked_for(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).ok(),
    }
}

/// So many failures in a row, whatever of, and the receiver is taken to be down.
const DOWN: u32 = 4;

/// How a receiver fares. One that is down is asked by one attempt at a time, with pauses between them: so what a dead hook costs
/// does not depend on how many jobs there are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health {
    failures: u32,
    rest: Option<Instant>,
}

impl Health {
    /// The receiver has answered; perhaps not as one would like, but it is there.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// It was not reached, or is in trouble. `dice` as in [`RetryPolicy::pause`].
    pub(super) fn failed(&mut self, now: Instant, policy: &RetryPolicy, asked: Option<Duration>, dice: f64) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= DOWN {
            self.rest = Some(now + policy.pause(self.failures - DOWN + 1, asked, dice));
        }
    }

    /// Whether one more attempt may be made, beside so many that are under way.
    pub(super) fn permits(&self, now: Instant, under_way: usize, most: usize) -> bool {
        let most = if self.failures >= DOWN { 1 } else { most };
        under_way < most && self.rest.is_none_or(|rest| rest <= now)
    }

    /// Until when none may be made.
    pub(super) fn rest(&self) -> Option<Instant> {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_longest() {
        let policy = RetryPolicy::default();
        let pauses = [1, 2, 3, 7, 8, 40, u32::MAX].map(|failures| policy.pause(failures, None, 0.0).as_secs_f64());
        assert_eq!(pauses, [0.5, 1.0, 2.0, 32.0, 60.0, 60.0, 60.0]);
        assert_eq!(policy.pause(2, None, 1.0).as_secs_f64(), 0.5);
        assert_eq!(policy.pause(0, None, 0.0).as_secs_f64(), 0.5);
    }

    #[test]
    fn what_the_receiver_asks_for_is_heeded_within_bounds() {
        let policy = RetryPolicy::default();
        let pause = |asked| policy.pause(1, Some(Duration::from_secs(asked)), 0.5).as_secs_f64();
        assert_eq!([pause(0), pause(30), pause(86_400)], [0.375, 30.0, 60.0]);
    }

    #[test]
    fn an_answer_means_done_again_or_never() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // As in the example of RFC 9110.
        let of = |status, retry_after| Verdict::of(status, retry_after, now);
        for status in [200, 201, 204, 299] {
            assert_eq!(of(status, None), Verdict::Delivered, "{status}");
        }
        for status in [408, 429, 500, 502, 503, 599] {
            assert_eq!(of(status, None), Verdict::Retry(None), "{status}");
        }
        for status in [301, 302, 307, 400, 401, 403, 404, 410, 422] {
            assert_eq!(of(status, Some("9")), Verdict::GiveUp, "{status}");
        }
        assert_eq!(of(429, Some(" 120 ")), Verdict::Retry(Some(120 * SECOND)));
        assert_eq!(of(503, Some("Sun, 06 Nov 1994 08:49:47 GMT")), Verdict::Retry(Some(10 * SECOND)));
        for nonsense in ["soon", "-1", "", "Sun, 06 Nov 1994 08:49:27 GMT", "99999999999999999999999"] {
            assert_eq!(of(503, Some(nonsense)), Verdict::Retry(None), "{nonsense}");
        }
    }

    #[test]
    fn a_receiver_that_is_down_is_asked_once_at_a_time() {
        let (now, policy) = (Instant::now(), RetryPolicy::default());
        let mut health = Health::default();
        for _ in 1..DOWN {
            health.failed(now, &policy, None, 0.0);
            assert!(health.permits(now, 3, 4) && !health.permits(now, 4, 4));
        }
        health.failed(now, &policy, None, 0.0);
        assert_eq!(health.rest(), Some(now + policy.first));
        assert!(!health.permits(now, 0, 4));
        assert!(health.permits(now + policy.first, 0, 4) && !health.permits(now + policy.first, 1, 4));
        health.failed(now + policy.first, &policy, None, 0.0);
        assert_eq!(health.rest(), Some(now + policy.first + 2 * policy.first));
        health.answered();
        assert!(health.permits(now, 3, 4));
    }

    proptest! {
        #[test]
        fn a_pause_is_never_longer_than_the_longest(failures in any::<u32>(), asked in prop::option::of(any::<u64>()), dice in any::<f64>()) {
            let policy = RetryPolicy::default();
            let pause = policy.pause(failures, asked.map(Duration::from_secs), if dice.is_nan() { 0.0 } else { dice });
            prop_assert!(pause <= policy.longest && pause >= policy.first / 2);
        }
    }
}
