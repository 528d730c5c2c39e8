//! What waits to be delivered: one lane a job, so that the events of a job arrive in their order while those of others need not
//! wait for them.
//!
//! Knows no clock and no network. Times come in; parcels go out and come back.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};

use tokio::time::Instant;

/// Something on its way to the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parcel<L, T> {
    /// Counts what was pushed, from 1.
    pub(super) number: u64,
    pub(super) lane: L,
    pub(super) item: T,
    /// When it was pushed.
    pub(super) born: Instant,
    /// How often it was tried, and failed.
    pub(super) failures: u32,
}

/// The queue of one hook.
#[derive(Debug)]
pub(super) struct Lanes<L, T> {
    /// Most parcels, those under way included.
    capacity: usize,
    last_number: u64,
    /// Those that are not under way, oldest first.
    waiting: BTreeMap<u64, Parcel<L, T>>,
    /// Those that are under way.
    under_way: usize,
    /// Only lanes that have something.
    lanes: HashMap<L, Lane>,
    /// The first of each lane that has nothing under way, and may go.
    ready: BTreeSet<u64>,
    /// The same, of lanes that have to rest until then.
    resting: BTreeSet<(Instant, u64)>,
}

#[derive(Debug, Default)]
struct Lane {
    /// Numbers of what waits in it.
    numbers: VecDeque<u64>,
    is_under_way: bool,
    /// Until when its first one has to rest.
    rest: Option<Instant>,
}

impl<L: Clone + Eq + Hash, T> Lanes<L, T> {
    /// One for so many parcels.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            last_number: 0,
            waiting: BTreeMap::new(),
            under_way: 0,
            lanes: HashMap::new(),
            ready: BTreeSet::new(),
            resting: BTreeSet::new(),
        }
    }

    /// How many there are, those under way included.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.under_way
    }

    /// Puts something behind all else of its lane. If there are too many, the oldest that is not under way is dropped: that is
    /// answered, and so is the new one, if all others are under way.
    pub(super) fn push(&mut self, now: Instant, lane: L, item: T) -> Option<Parcel<L, T>> {
        self.last_number += 1;
        let number = self.last_number;
        let parcel = Parcel { number, lane, item, born: now, failures: 0 };
        let mut dropped = None;
        if self.len() >= self.capacity {
            let Some(oldest) = self.waiting.keys().next().copied() else { return Some(parcel) };
            dropped = self.remove(oldest);
        }
        let line = self.lanes.entry(parcel.lane.clone()).or_default();
        line.numbers.push_back(number);
        if line.numbers.len() == 1 && !line.is_under_way {
            self.ready.insert(number);
        }
        self.waiting.insert(number, parcel);
        dropped
    }

    /// The oldest parcel that may go now. Its lane waits until it is [delivered or given up](Self::done), or
    /// [comes back](Self::put_back).
    pub(super) fn take(&mut self, now: Instant) -> Option<Parcel<L, T>> {
        while let Some((until, number)) = self.resting.first().copied().filter(|(until, _)| *until <= now) {
            self.resting.remove(&(until, number));
            self.ready.insert(number);
        }
        let parcel = self.waiting.remove(&self.ready.pop_first()?)?;
        if let Some(line) = self.lanes.get_mut(&parcel.lane) {
            line.numbers.pop_front();
            line.is_under_way = true;
            line.rest = None;
        }
        self.under_way += 1;
        Some(parcel)
    }

    /// When the next one that rests may go; `None` if none rests, or one may go already.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let resting = self.resting.first().map(|(until, _)| *until);
        resting.filter(|_| self.ready.is_empty())
    }

    /// Whether one may go at once.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// A parcel was delivered, or given up: the next of its lane may go.
    pub(super) fn done(&mut self, lane: &L) {
        self.under_way = self.under_way.saturating_sub(1);
        let Some(line) = self.lanes.get_mut(lane) else { return };
        line.is_under_way = false;
        match line.numbers.front() {
            Some(next) => drop(self.ready.insert(*next)),
            None => drop(self.lanes.remove(lane)),
        }
    }

    /// A parcel was not delivered, and is to be tried again, before all else of its lane, when its time has come.
    pub(super) fn put_back(&mut self, parcel: Parcel<L, T>, until: Instant) {
        self.under_way = self.under_way.saturating_sub(1);
        let line = self.lanes.entry(parcel.lane.clone()).or_default();
        line.is_under_way = false;
        line.rest = Some(until);
        line.numbers.push_front(parcel.number);
        self.resting.insert((until, parcel.number));
        self.waiting.insert(parcel.number, parcel);
    }

    /// Takes out the oldest that is not under way, if it has waited for so long.
    pub(super) fn expired(&mut self, now: Instant, age: Duration) -> Option<Parcel<L, T>> {
        let (number, oldest) = self.waiting.first_key_value()?;
        let is_too_old = now.saturating_duration_since(oldest.born) >= age;
        is_too_old.then_some(*number).and_then(|number| self.remove(number))
    }

    /// When the oldest that is not under way was pushed.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, parcel)| parcel.born)
    }

    /// Takes out the oldest that is not under way, which has this number. What is behind it in its lane need not rest on its account.
    fn remove(&mut self, number: u64) -> Option<Parcel<L, T>> {
        let parcel = self.waiting.remove(&number)?;
        let Some(line) = self.lanes.get_mut(&parcel.lane) else { return Some(parcel) };
        // The oldest of all is the first of its lane.
        if line.numbers.front() == Some(&number) {
            line.numbers.pop_front();
        }
        if !line.is_under_way {
            self.ready.remove(&number);
            if let Some(until) = line.rest.take() {
                self.resting.remove(&(until, number));
            }
            if let Some(next) = line.numbers.front() {
                self.ready.insert(*next);
            }
        }
        if line.numbers.is_empty() && !line.is_under_way {
            self.lanes.remove(&parcel.lane);
        }
        Some(parcel)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn numbers<L, T>(parcel: Option<Parcel<L, T>>) -> Option<u64> {
        parcel.map(|parcel| parcel.number)
    }

    #[test]
    fn a_lane_waits_for_its_first_and_others_do_not() {
        let now = Instant::now();
        let mut lanes = Lanes::new(10);
        for lane in ["a", "a", "b"] {
            assert_eq!(lanes.push(now, lane, ()), None);
        }
        let first = lanes.take(now).unwrap();
        assert_eq!((first.number, numbers(lanes.take(now)), numbers(lanes.take(now))), (1, Some(3), None));
        lanes.put_back(first, now + SECOND);
        assert_eq!((lanes.take(now), lanes.next_due(), lanes.len()), (None, Some(now + SECOND), 3));
        let again = lanes.take(now + SECOND).unwrap();
        assert_eq!(again.number, 1);
        lanes.done(&again.lane);
        assert_eq!(numbers(lanes.take(now)), Some(2));
        lanes.done(&"a");
        lanes.done(&"b");
        assert_eq!((lanes.len(), lanes.next_due(), lanes.lanes.len()), (0, None, 0));
    }

    #[test]
    fn the_oldest_that_is_not_under_way_makes_room() {
        let now = Instant::now();
        let mut lanes = Lanes::new(3);
        for lane in ["a", "a", "b"] {
            lanes.push(now, lane, ());
        }
        let first = lanes.take(now).unwrap();
        assert_eq!(numbers(lanes.push(now, "c", ())), Some(2));
        lanes.put_back(first, now + SECOND);
        assert_eq!(numbers(lanes.push(now, "a", ())), Some(1), "one that rests is dropped as well");
        assert_eq!([lanes.take(now), lanes.take(now), lanes.take(now)].map(numbers), [Some(3), Some(4), Some(5)]);
        assert_eq!(numbers(lanes.push(now, "d", ())), Some(6), "all others are under way");
        assert_eq!(lanes.len(), 3);
    }

    #[test]
    fn what_is_too_old_is_taken_out_oldest_first() {
        let now = Instant::now();
        let mut lanes = Lanes::new(10);
        lanes.push(now, "a", ());
        lanes.push(now, "a", ());
        lanes.push(now + SECOND, "b", ());
        let first = lanes.take(now).unwrap();
        assert_eq!(lanes.expired(now, SECOND), None);
        assert_eq!(numbers(lanes.expired(now + SECOND, SECOND)), Some(2));
        assert_eq!(lanes.expired(now + SECOND, SECOND), None, "the first is under way");
        lanes.put_back(first, now + 9 * SECOND);
        assert_eq!(lanes.oldest(), Some(now));
        assert_eq!(numbers(lanes.expired(now + SECOND, SECOND)), Some(1));
        assert_eq!((lanes.len(), lanes.next_due()), (1, None));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(u8),
        Take,
        Done(usize),
        PutBack(usize, u64),
        Expire(u64),
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..4_u8).prop_map(Step::Push),
            4 => Just(Step::Take),
            2 => any::<usize>().prop_map(Step::Done),
            2 => (any::<usize>(), 0..5_u64).prop_map(|(which, rest)| Step::PutBack(which, rest)),
            1 => (0..20_u64).prop_map(Step::Expire),
            2 => (0..4_u64).prop_map(Step::Pass),
        ]
    }

    proptest! {
        /// Whatever happens: each lane goes in order and one at a time, nothing is lost or doubled, what may go goes, and bounds hold.
        #[test]
        fn each_lane_keeps_its_order_and_every_parcel_comes_to_one_end(
            capacity in 1..8_usize,
            steps in prop::collection::vec(step(), 0..120),
        ) {
            let mut now = Instant::now();
            let mut lanes = Lanes::new(capacity);
            let mut under_way: Vec<Parcel<u8, ()>> = Vec::new();
            let mut open: BTreeMap<u64, u8> = BTreeMap::new();
            let mut last_ended: HashMap<u8, u64> = HashMap::new();
            let mut pushed = 0;
            for step in steps {
                match step {
                    Step::Push(lane) => {
                        pushed += 1;
                        open.insert(pushed, lane);
                        if let Some(dropped) = lanes.push(now, lane, ()) {
                            prop_assert!(under_way.iter().all(|parcel| parcel.number != dropped.number));
                            let oldest = open.keys().find(|number| under_way.iter().all(|parcel| parcel.number != **number));
                            prop_assert_eq!(oldest, Some(&dropped.number));
                            open.remove(&dropped.number);
                        }
                    }
                    Step::Take => {
                        let (has_ready, due) = (lanes.has_ready(), lanes.next_due());
                        let taken = lanes.take(now);
                        prop_assert_eq!(taken.is_some(), has_ready || due.is_some_and(|due| due <= now));
                        if let Some(parcel) = taken {
                            prop_assert!(under_way.iter().all(|other| other.lane != parcel.lane), "one at a time");
                            let first = open.iter().find(|(_, lane)| **lane == parcel.lane).map(|(number, _)| *number);
                            prop_assert_eq!(first, Some(parcel.number), "in order");
                            under_way.push(parcel);
                        }
                    }
                    Step::Done(which) if !under_way.is_empty() => {
                        let parcel = under_way.swap_remove(which % under_way.len());
                        lanes.done(&parcel.lane);
                        open.remove(&parcel.number);
                        let last = last_ended.insert(parcel.lane, parcel.number);
                        prop_assert!(last.is_none_or(|last| last < parcel.number));
                    }
                    Step::PutBack(which, rest) if !under_way.is_empty() => {
                        let mut parcel = under_way.swap_remove(which % under_way.len());
                        parcel.failures += 1;
                        lanes.put_back(parcel, now + Duration::from_secs(rest));
                    }
                    Step::Expire(age) => {
                        while let Some(parcel) = lanes.expired(now, Duration::from_secs(age)) {
                            prop_assert!(open.remove(&parcel.number).is_some());
                        }
                    }
                    Step::Pass(time) => now += Duration::from_secs(time),
                    Step::Done(_) | Step::PutBack(..) => {}
                }
                prop_assert_eq!(lanes.len(), open.len());
                prop_assert!(lanes.len() <= capacity);
                // A lane with something to go has its first in exactly one of the two sets.
                let free: Vec<u8> = (0..4).filter(|lane| under_way.iter().all(|parcel| parcel.lane != *lane)).collect();
                let waiting = free.iter().filter(|lane| open.values().any(|other| other == *lane)).count();
                prop_assert_eq!(lanes.ready.len() + lanes.resting.len(), waiting);
            }
        }
    }
}
