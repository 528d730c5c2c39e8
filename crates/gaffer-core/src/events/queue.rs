//! The items published under one pattern, and those who read them.
//!
//! All subscribers of a pattern share one queue, each with its own position. An item is stored once and counts those who
//! have not read it: the last one takes it out. So publishing costs the same for one subscriber and for a thousand, save for
//! waking those who sleep, and the bound holds for each of them: the oldest item only goes when somebody is more
//! than the whole capacity behind, and only those who had not read it lose it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use super::Delivery;
use crate::sync::{SeatNumber, Waiters, lock};

/// A queue that is empty gives its memory back if it had grown beyond this many items.
const KEPT_CAPACITY: usize = 256;

#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    /// How far a reader may be behind, in items.
    capacity: usize,
    /// `T::clone`, so that reading asks nothing of `T`.
    clone: fn(&T) -> T,
}

#[derive(Debug)]
struct State<T> {
    /// Allocated as it fills.
    items: VecDeque<Queued<T>>,
    /// How many items have left at the front.
    head: u64,
    readers: Waiters<()>,
    closed: bool,
}

#[derive(Debug)]
struct Queued<T> {
    item: T,
    /// Never 0. A reader that has not read an item has not read those after it either, so counts never fall along the queue.
    unread_by: usize,
}

/// What a call leaves to be done when all locks are free: to wake, and to drop, may run anybody's code. It is done when
/// this is dropped, so make it before locking; then it is also done if a `clone` panics.
#[derive(Debug)]
pub(super) struct Aftermath<T> {
    wakers: Vec<Waker>,
    /// To be dropped late.
    garbage: Vec<T>,
    /// Of a reader that has left: to be dropped late, not woken.
    sleeper: Option<Waker>,
}

impl<T> Default for Aftermath<T> {
    fn default() -> Self {
        Self { wakers: Vec::new(), garbage: Vec::new(), sleeper: None }
    }
}

impl<T> Drop for Aftermath<T> {
    fn drop(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

impl<T> Queue<T> {
    /// Makes a queue that holds at most `capacity` items, and at least one.
    pub(super) fn new(capacity: usize) -> Arc<Self>
    where
        T: Clone,
    {
        let state = State { items: VecDeque::new(), head: 0, readers: Waiters::default(), closed: false };
        Arc::new(Self { state: Mutex::new(state), capacity: capacity.max(1), clone: T::clone })
    }

    /// Appends for all present readers; the oldest item makes room if need be.
    pub(super) fn push(&self, item: &T, aftermath: &mut Aftermath<T>) {
        let mut state = lock(&self.state);
        let unread_by = state.readers.len();
        if unread_by == 0 || state.closed {
            return;
        }
        if state.items.len() == self.capacity
            && let Some(oldest) = state.items.pop_front()
        {
            state.head += 1;
            aftermath.garbage.push(oldest.item);
        }
        state.items.push_back(Queued { item: (self.clone)(item), unread_by });
        state.readers.rouse_into(&mut aftermath.wakers);
    }

    /// Nothing more will come.
    pub(super) fn close(&self, aftermath: &mut Aftermath<T>) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.readers.rouse_into(&mut aftermath.wakers);
    }

    /// Begins to read, with what comes from now on.
    pub(super) fn reader(self: &Arc<Self>) -> Reader<T> {
        let mut state = lock(&self.state);
        let next = state.head + state.items.len() as u64;
        Reader { seat: state.readers.sit(()), next, queue: Arc::clone(self) }
    }
}

impl<T> State<T> {
    fn read(&mut self, next: &mut u64, clone: fn(&T) -> T) -> Option<Delivery<T>> {
        if *next < self.head {
            let lost = self.head - *next;
            *next = self.head;
            return Some(Delivery::Lagged(lost));
        }
        let queued = self.items.get_mut((*next - self.head) as usize)?;
        *next += 1;
        if queued.unread_by > 1 {
            queued.unread_by -= 1;
            return Some(Delivery::Item(clone(&queued.item)));
        }
        // All others have read it, hence those before it too, and so has this one: it is at the front.
        let queued = self.items.pop_front()?;
        self.head += 1;
        self.shrink();
        Some(Delivery::Item(queued.item))
    }

    /// Takes out what nobody wants any more.
    fn pop_read(&mut self, dropped: &mut Vec<T>) {
        while let Some(queued) = self.items.pop_front_if(|queued| queued.unread_by == 0) {
            self.head += 1;
            dropped.push(queued.item);
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        if self.items.is_empty() && self.items.capacity() > KEPT_CAPACITY {
            self.items = VecDeque::new();
        }
    }
}

/// One reader's position in a queue. It must [`leave`](Self::leave) when it is done.
#[derive(Debug)]
pub(super) struct Reader<T> {
    queue: Arc<Queue<T>>,
    seat: SeatNumber,
    /// The number of the next item to read.
    next: u64,
}

impl<T> Reader<T> {
    /// What is there now.
    pub(super) fn read(&mut self) -> Option<Delivery<T>> {
        lock(&self.queue.state).read(&mut self.next, self.queue.clone)
    }

    /// What is there now, or comes; `Ready(None)` once the queue is closed and all was read.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery<T>>> {
        let mut state = lock(&self.queue.state);
        let delivery = state.read(&mut self.next, self.queue.clone);
        if delivery.is_some() || state.closed {
            return Poll::Ready(delivery);
        }
        let old = state.readers.sleep(self.seat, cx.waker());
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// Gives up what was not read. Returns how many readers are left.
    pub(super) fn leave(&mut self, aftermath: &mut Aftermath<T>) -> usize {
        let mut state = lock(&self.queue.state);
        let read = self.next.saturating_sub(state.head) as usize;
        for queued in state.items.iter_mut().skip(read) {
            queued.unread_by -= 1;
        }
        state.pop_read(&mut aftermath.garbage);
        aftermath.sleeper = state.readers.leave(self.seat);
        state.readers.len()
    }

    /// How many items the queue has memory for.
    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        lock(&self.queue.state).items.capacity()
    }
}
