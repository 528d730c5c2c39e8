//! Locking and waking, as the queues of this crate share them.
//!
//! A waker is code of somebody else: waking or dropping one may run a whole task, which may drop a subscription and
//! come back here for the same lock. So everything that [`Waiters`] takes out is handed to the caller, who wakes or drops
//! it once the lock is free.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
};

/// Locks, also after a holder has panicked: every critical section here leaves its state fit for use at each step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who waits at a queue: one seat per subscriber, each with a value of the queue's and at most one waker.
#[derive(Debug)]
pub(crate) struct Waiters<V> {
    seats: Vec<Seat<V>>,
    /// Seats that nobody has.
    free: Vec<usize>,
    /// Seats with a waker, so that a wake-up costs only those who sleep.
    asleep: Vec<usize>,
}

#[derive(Debug)]
struct Seat<V> {
    taken: bool,
    value: V,
    waker: Option<Waker>,
}

/// The number of a seat in [`Waiters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeatNumber(usize);

impl<V> Default for Waiters<V> {
    fn default() -> Self {
        Self { seats: Vec::new(), free: Vec::new(), asleep: Vec::new() }
    }
}

impl<V> Waiters<V> {
    /// How many seats are taken.
    pub(crate) fn len(&self) -> usize {
        self.seats.len() - self.free.len()
    }

    /// Takes a seat.
    pub(crate) fn sit(&mut self, value: V) -> SeatNumber {
        let seat = Seat { taken: true, value, waker: None };
        match self.free.pop() {
            Some(number) => {
                self.seats[number] = seat;
                SeatNumber(number)
            }
            None => {
                self.seats.push(seat);
                SeatNumber(self.seats.len() - 1)
            }
        }
    }

    /// Gives the seat back. The waker is to be dropped outside the lock.
    pub(crate) fn leave(&mut self, SeatNumber(number): SeatNumber) -> Option<Waker> {
        let seat = &mut self.seats[number];
        seat.taken = false;
        let waker = seat.waker.take();
        if waker.is_some() {
            self.asleep.retain(|&asleep| asleep != number);
        }
        self.free.push(number);
        waker
    }

    /// Remembers whom to wake. What this returns is to be dropped outside the lock.
    pub(crate) fn sleep(&mut self, SeatNumber(number): SeatNumber, waker: &Waker) -> Option<Waker> {
        let seat = &mut self.seats[number];
        match &seat.waker {
            Some(old) if old.will_wake(waker) => return None,
            Some(_) => {}
            None => self.asleep.push(number),
        }
        seat.waker.replace(waker.clone())
    }

    /// Takes the wakers of all who sleep, to be woken outside the lock. Allocates only if there are any.
    pub(crate) fn rouse(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        self.rouse_into(&mut wakers);
        wakers
    }

    /// As [`rouse`](Self::rouse), for who gathers the sleepers of several queues.
    pub(crate) fn rouse_into(&mut self, wakers: &mut Vec<Waker>) {
        let seats = &mut self.seats;
        wakers.extend(self.asleep.drain(..).filter_map(|number| seats[number].waker.take()));
    }

    /// The value at a seat.
    pub(crate) fn value(&self, SeatNumber(number): SeatNumber) -> &V {
        &self.seats[number].value
    }

    /// The value at a seat.
    pub(crate) fn value_mut(&mut self, SeatNumber(number): SeatNumber) -> &mut V {
        &mut self.seats[number].value
    }

    /// The values at all taken seats.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.seats.iter().filter(|seat| seat.taken).map(|seat| &seat.value)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_seat_holds_one_waker_however_often_its_owner_falls_asleep() {
        let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let mut waiters = Waiters::default();
        let seat = waiters.sit(());
        assert!(waiters.sleep(seat, &first.clone().into()).is_none());
        assert!(waiters.sleep(seat, &first.clone().into()).is_none());
        assert!(waiters.sleep(seat, &second.clone().into()).is_some());
        waiters.rouse().into_iter().for_each(Waker::wake);
        assert!(waiters.rouse().is_empty());
        assert_eq!((first.0.load(Ordering::Relaxed), second.0.load(Ordering::Relaxed)), (0, 1));
    }

    #[test]
    fn a_seat_that_was_left_is_given_away_again_without_the_old_sleeper() {
        let old = Arc::new(Count::default());
        let mut waiters = Waiters::default();
        for _ in 0..10 {
            let seat = waiters.sit(1);
            waiters.sleep(seat, &old.clone().into());
            waiters.leave(seat);
        }
        assert_eq!((waiters.len(), waiters.seats.len(), waiters.asleep.len()), (0, 1, 0));
        waiters.sit(2);
        assert!(waiters.rouse().is_empty());
        assert_eq!(waiters.values().collect::<Vec<_>>(), [&2]);
    }
}
