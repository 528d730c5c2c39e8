//! When a process that ended unasked comes back: at once, after a back-off, after a rest, or never.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::config::Flapping;

/// A run shorter than this is a fast exit.
pub(super) const FAST: Duration = Duration::from_secs(1);
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// Counts fast exits in a row, so that a broken command cannot burn the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    fast_exits: u32,
}

impl Backoff {
    /// Takes in a run that ended after `lived` and gives the time to wait: none after the first fast exit, then
    /// 100 ms, doubling to 10 s. A run of at least 1 s starts over.
    pub(super) fn after_run(&mut self, lived: Duration) -> Duration {
        if lived >= FAST {
            self.fast_exits = 0;
            return Duration::ZERO;
        }
        self.fast_exits = self.fast_exits.saturating_add(1);
        match self.fast_exits.checked_sub(2) {
            None => Duration::ZERO,
            Some(doublings) => FIRST_DELAY.saturating_mul(2_u32.saturating_pow(doublings.min(16))).min(LONGEST_DELAY),
        }
    }
}

/// What the flapping rule says of an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Carry on.
    Fine,
    /// Too many exits: rest, then try again.
    Rest,
    /// Too many exits after too many retries.
    GiveUp,
}

/// Takes in one unasked exit of a job with a flapping rule.
///
/// `exits` holds the times of the job's earlier ones, `retries` how often in a row it has been tried again. A run that
/// outlived the window clears the first; the caller clears the second once [`proves_itself`].
pub(super) fn judge(
    rule: &Flapping,
    exits: &mut VecDeque<Instant>,
    retries: &mut u32,
    lived: Duration,
    now: Instant,
) -> Verdict {
    if lived > rule.window {
        exits.clear();
    }
    exits.push_back(now);
    while exits.front().is_some_and(|first| now.duration_since(*first) > rule.window) {
        exits.pop_front();
    }
    if exits.len() < rule.attempts.get() as usize {
        return Verdict::Fine;
    }
    exits.clear();
    if *retries < rule.max_retry {
        *retries += 1;
        Verdict::Rest
    } else {
        Verdict::GiveUp
    }
}

/// Whether a process shows that the last retry has worked: it was born after it and has lived for the window.
pub(super) fn proves_itself(rule: &Flapping, born: Instant, last_retry: Option<Instant>, now: Instant) -> bool {
    last_retry.is_none_or(|retry| born >= retry) && now.duration_since(born) >= rule.window
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_back_off_doubles_from_100_ms_to_10_s_and_a_run_of_a_second_resets_it() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..11).map(|_| backoff.after_run(Duration::from_millis(999)).as_millis()).collect();
        assert_eq!(waits, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
        assert_eq!(backoff.after_run(FAST), Duration::ZERO);
        assert_eq!(backoff.after_run(Duration::ZERO), Duration::ZERO);
        assert_eq!(backoff.after_run(Duration::ZERO), FIRST_DELAY);
    }

    #[test]
    fn a_job_rests_after_its_attempts_and_is_given_up_after_its_retries() {
        let rule = Flapping { max_retry: 2, ..Flapping::default() };
        let (mut exits, mut retries) = (VecDeque::new(), 0);
        // The test invents a start of time; only differences count.
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        let start = Instant::now();
        let mut verdicts = Vec::new();
        for n in 0..6 {
            let now = start + Duration::from_millis(n * 100);
            verdicts.push(judge(&rule, &mut exits, &mut retries, Duration::from_millis(50), now));
        }
        use Verdict::{Fine, GiveUp, Rest};
        assert_eq!(verdicts, [Fine, Rest, Fine, Rest, Fine, GiveUp]);
    }

    #[test]
    fn exits_further_apart_than_the_window_are_not_flapping() {
        let rule = Flapping::default();
        let (mut exits, mut retries) = (VecDeque::new(), 0);
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        let start = Instant::now();
        for n in 0..5 {
            let now = start + Duration::from_millis(n * 1001);
            assert_eq!(judge(&rule, &mut exits, &mut retries, Duration::from_millis(900), now), Verdict::Fine);
        }
    }
}
