//! How often may be guessed.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

/// Slows down who fails to log in: one user from one place soon, one place for all users later. From another place the user may still
/// come in, so that nobody can be shut out by somebody else.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    of_user: Failures<(String, String)>,
    of_place: Failures<String>,
}

/// Failures that cost nothing.
const FREE_OF_USER: u32 = 5;
const FREE_OF_PLACE: u32 = 20;

/// The longest pause after a failure, and how long one counts.
const LONGEST: Duration = Duration::from_secs(60);
const FORGOTTEN: Duration = Duration::from_secs(600);

/// So many are remembered; then the oldest are forgotten.
const MOST: usize = 10_000;

impl Throttle {
    /// Whether a guess may be made; if not, how long to wait.
    pub(crate) fn ask(&self, now: Instant, user: &str, place: &str) -> Result<(), Duration> {
        let of_user = self.of_user.wait(now, &(user.to_owned(), place.to_owned()), FREE_OF_USER);
        let of_place = self.of_place.wait(now, &place.to_owned(), FREE_OF_PLACE);
        match of_user.max(of_place) {
            Some(wait) => Err(wait),
            None => Ok(()),
        }
    }

    /// A guess is being made. It counts as wrong until it is [`right`](Self::right): many at once are as many.
    pub(crate) fn guess(&mut self, now: Instant, user: &str, place: &str) {
        self.of_user.count(now, (user.to_owned(), place.to_owned()));
        self.of_place.count(now, place.to_owned());
    }

    /// It was right.
    pub(crate) fn right(&mut self, user: &str, place: &str) {
        self.of_user.forget(&(user.to_owned(), place.to_owned()));
        self.of_place.take_back(&place.to_owned());
    }
}

#[derive(Debug)]
struct Failures<K>(HashMap<K, Failure>);

#[derive(Clone, Copy, Debug)]
struct Failure {
    count: u32,
    last: Instant,
}

impl<K> Default for Failures<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Clone> Failures<K> {
    fn wait(&self, now: Instant, who: &K, free: u32) -> Option<Duration> {
        let Failure { count, last } = *self.0.get(who)?;
        let beyond = count.checked_sub(free)?;
        let pause = Duration::from_secs(1 << beyond.min(6)).min(LONGEST);
        let passed = now.saturating_duration_since(last);
        pause.checked_sub(passed).filter(|left| !left.is_zero())
    }

    fn count(&mut self, now: Instant, who: K) {
        if self.0.len() >= MOST && !self.0.contains_key(&who) {
            self.make_room(now);
        }
        let failure = self.0.entry(who).or_insert(Failure { count: 0, last: now });
        if now.saturating_duration_since(failure.last) > FORGOTTEN {
            failure.count = 0;
        }
        failure.count = failure.count.saturating_add(1);
        failure.last = now;
    }

    fn make_room(&mut self, now: Instant) {
        self.0.retain(|_, failure| now.saturating_duration_since(failure.last) <= FORGOTTEN);
        if self.0.len() >= MOST {
            let mut times: Vec<Instant> = self.0.values().map(|failure| failure.last).collect();
            let (_, &mut middle, _) = times.select_nth_unstable(MOST / 2);
            self.0.retain(|_, failure| failure.last > middle);
        }
    }

    fn forget(&mut self, who: &K) {
        self.0.remove(who);
    }

    fn take_back(&mut self, who: &K) {
        if let Some(failure) = self.0.get_mut(who) {
            failure.count = failure.count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn guesses(throttle: &mut Throttle, now: Instant, user: &str, place: &str, count: u32) {
        (0..count).for_each(|_| throttle.guess(now, user, place));
    }

    #[test]
    fn each_failure_beyond_the_free_ones_doubles_the_pause_up_to_a_minute() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        guesses(&mut throttle, now, "bob", "here", FREE_OF_USER - 1);
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
    fn one_place_that_tries_many_users_is_slowed_down_and_forgotten_in_time() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..FREE_OF_PLACE {
            assert_eq!(throttle.ask(now, "x", "here"), Ok(()));
            throttle.guess(now, &format!("user{number}"), "here");
        }
        assert_eq!(throttle.ask(now, "x", "here"), Err(SECOND));
        let later = now + FORGOTTEN + SECOND;
        throttle.guess(later, "x", "here");
        assert_eq!(throttle.ask(later, "x", "here"), Ok(()));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..2 * MOST as u32 {
            throttle.guess(now + Duration::from_millis(number.into()), &format!("user{number}"), "here");
        }
        assert!(throttle.of_user.0.len() <= MOST);
        assert!(throttle.of_user.0.contains_key(&(format!("user{}", 2 * MOST - 1), "here".to_owned())));
    }
}
