//! How often may be guessed.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Slows down who fails to log in as a user from a place. From another place the user may still come in.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    failures: HashMap<(String, String), Failure>,
}

#[derive(Clone, Copy, Debug)]
struct Failure {
    count: u32,
    last: Instant,
}

/// Failures that cost nothing.
const FREE: u32 = 5;

/// The longest pause after a failure, and how long one counts.
const LONGEST: Duration = Duration::from_secs(60);
const FORGOTTEN: Duration = Duration::from_secs(600);

/// So many are remembered; then the oldest are forgotten.
const MOST: usize = 10_000;

impl Throttle {
    /// Whether a guess may be made; if not, how long to wait.
    pub(crate) fn ask(&self, now: Instant, user: &str, place: &str) -> Result<(), Duration> {
        let failure = self.failures.get(&(user.to_owned(), place.to_owned()));
        let Some(Failure { count, last }) = failure else { return Ok(()) };
        let Some(beyond) = count.checked_sub(FREE) else { return Ok(()) };
        let pause = Duration::from_secs(1 << beyond.min(6)).min(LONGEST);
        let passed = now.saturating_duration_since(*last);
        match pause.checked_sub(passed).filter(|left| !left.is_zero()) {
            Some(wait) => Err(wait),
            None => Ok(()),
        }
    }

    /// A guess is being made. It counts as wrong until it is [`right`](Self::right): many at once are as many.
    pub(crate) fn guess(&mut self, now: Instant, user: &str, place: &str) {
        let who = (user.to_owned(), place.to_owned());
        if self.failures.len() >= MOST && !self.failures.contains_key(&who) {
            self.make_room(now);
        }
        let failure = self.failures.entry(who).or_insert(Failure { count: 0, last: now });
        if now.saturating_duration_since(failure.last) > FORGOTTEN {
            failure.count = 0;
        }
        failure.count = failure.count.saturating_add(1);
        failure.last = now;
    }

    /// It was right.
    pub(crate) fn right(&mut self, user: &str, place: &str) {
        self.failures.remove(&(user.to_owned(), place.to_owned()));
    }

    fn make_room(&mut self, now: Instant) {
        self.failures.retain(|_, failure| now.saturating_duration_since(failure.last) <= FORGOTTEN);
        if self.failures.len() >= MOST {
            let mut times: Vec<Instant> = self.failures.values().map(|failure| failure.last).collect();
            let (_, &mut middle, _) = times.select_nth_unstable(MOST / 2);
            self.failures.retain(|_, failure| failure.last > middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_failure_beyond_the_free_ones_doubles_the_pause_up_to_a_minute() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        (1..FREE).for_each(|_| throttle.guess(now, "bob", "here"));
        assert_eq!(throttle.ask(now, "bob", "here"), Ok(()));
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            throttle.guess(now, "bob", "here");
            assert_eq!(throttle.ask(now, "bob", "here"), Err(SECOND * pause));
            assert_eq!(throttle.ask(now + SECOND * pause, "bob", "here"), Ok(()));
        }
        assert_eq!(throttle.ask(now, "bob", "there"), Ok(()), "from elsewhere he may");
        assert_eq!(throttle.ask(now, "ann", "here"), Ok(()));
        throttle.right("bob", "here");
        assert_eq!(throttle.ask(now, "bob", "here"), Ok(()));
    }

    #[test]
    fn failures_are_forgotten_in_time() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        (0..FREE + 9).for_each(|_| throttle.guess(now, "bob", "here"));
        let later = now + FORGOTTEN + SECOND;
        throttle.guess(later, "bob", "here");
        assert_eq!(throttle.ask(later, "bob", "here"), Ok(()));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..2 * MOST as u32 {
            throttle.guess(now + Duration::from_millis(number.into()), &format!("user{number}"), "here");
        }
        assert!(throttle.failures.len() <= MOST);
        assert!(throttle.failures.contains_key(&(format!("user{}", 2 * MOST - 1), "here".to_owned())));
    }
}
