//! Publish and subscribe over topics.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use tokio::task::coop;

use super::{
    queue::{Aftermath, Queue, Reader},
    trie::{NodeNumber, Trie},
};
use crate::sync::lock;

/// What a subscription yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery<T> {
    /// One item.
    Item(T),
    /// So many items were lost, the oldest first, because this subscriber was slow.
    Lagged(u64),
}

/// Publish and subscribe over topics of segments. Cheap to clone; all clones are one emitter.
///
/// A pattern is a prefix of whole segments: `["proc", "web"]` receives what is published under `["proc", "web", "exit"]`,
/// the empty pattern receives everything, and `["proc", "we"]` nothing of the kind. What one thread publishes after another arrives
/// in that order, and all subscribers see one order.
///
/// Publishing never waits. A subscriber that is more than `max_size` items behind loses the oldest and is
/// told how many. Items are cloned, so let `T` be something like an [`Arc`]; its `Clone` must not call the emitter.
///
/// The emitter ends when it is [closed](Self::close), or when its last clone is dropped.
///
/// ```
/// use gaffer_core::events::{Delivery, Emitter};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let emitter = Emitter::new(Emitter::<&str>::DEFAULT_MAX_SIZE);
/// let mut of_web = emitter.subscribe(&["proc", "web"]);
/// emitter.publish(&["proc", "web", "spawn"], &"web was launched");
/// emitter.publish(&["proc", "db", "spawn"], &"db was launched");
/// emitter.close();
///
/// assert_eq!(of_web.recv().await, Some(Delivery::Item("web was launched")));
/// assert_eq!(of_web.recv().await, None);
/// # }
/// ```
pub struct Emitter<T> {
    hub: Arc<Hub<T>>,
}

struct Hub<T> {
    /// How many subscriptions can still receive something: publishers look here first, without a lock.
    subscribers: AtomicUsize,
    max_size: usize,
    /// One lock for all topics, held while an item is handed to all its queues: so all subscribers see one order.
    topics: Mutex<Topics<T>>,
}

struct Topics<T> {
    trie: Trie<Pattern<T>>,
    /// Numbers the subscriptions to one item.
    next_once: u64,
    closed: bool,
}

/// Who subscribed to one pattern.
struct Pattern<T> {
    /// Of all that receive more than one item. It is there as long as somebody reads it.
    queue: Option<Arc<Queue<T>>>,
    /// Those that receive one item, each with a queue of its own.
    once: Vec<(u64, Arc<Queue<T>>)>,
}

impl<T> Default for Pattern<T> {
    fn default() -> Self {
        Self { queue: None, once: Vec::new() }
    }
}

impl<T> Pattern<T> {
    fn is_vacant(&self) -> bool {
        self.queue.is_none() && self.once.is_empty()
    }
}

impl<T> Clone for Emitter<T> {
    fn clone(&self) -> Self {
        Self { hub: Arc::clone(&self.hub) }
    }
}

impl<T> fmt::Debug for Emitter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subscribers = self.hub.subscribers.load(Ordering::Relaxed);
        f.debug_struct("Emitter").field("subscribers", &subscribers).finish_non_exhaustive()
    }
}

impl<T: Clone + Send + 'static> Emitter<T> {
    /// Default bound of a subscriber's queue: the manual's `max_size`.
    pub const DEFAULT_MAX_SIZE: usize = 10_000;

    /// Makes an emitter; each subscriber's queue holds at most `max_size` items, and at least one.
    ///
    /// Memory is taken as items are queued. Subscribers of one pattern share a queue, so each pattern that is subscribed
    /// to holds at most `max_size` items.
    pub fn new(max_size: usize) -> Self {
        let topics = Topics { trie: Trie::new(), next_once: 0, closed: false };
        Self { hub: Arc::new(Hub { subscribers: AtomicUsize::new(0), max_size, topics: Mutex::new(topics) }) }
    }

    /// How many subscriptions can still receive something.
    pub fn subscriptions(&self) -> usize {
        self.hub.subscribers.load(Ordering::Relaxed)
    }

    /// Whether anyone would receive something published under `topic`. Costs next to nothing while there are no
    /// subscribers at all, so that publishers need not build what nobody wants.
    pub fn has_subscriber(&self, topic: &[&str]) -> bool {
        self.hub.subscribers.load(Ordering::Relaxed) > 0
            && lock(&self.hub.topics).trie.any(topic, |pattern| !pattern.is_vacant())
    }

    /// Publishes: queues a clone of the item for every pattern that the topic begins with. Never waits.
    pub fn publish(&self, topic: &[&str], item: &T) {
        self.publish_into(topic, item, &mut Aftermath::default());
    }

    /// As [`publish`](Self::publish), for a caller that holds a lock: what is to be woken and dropped is left to it.
    pub(super) fn publish_into(&self, topic: &[&str], item: &T, aftermath: &mut Aftermath<T>) {
        // Relaxed, here and below: what makes a subscription happen before this call makes its count visible, too. One that
        // is being made meanwhile may miss the item. All else is behind the lock.
        if self.hub.subscribers.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut topics = lock(&self.hub.topics);
        let mut emptied = None;
        topics.trie.visit(topic, |node, pattern| {
            if let Some(queue) = &pattern.queue {
                queue.push(item, aftermath);
            }
            if !pattern.once.is_empty() {
                self.hub.subscribers.fetch_sub(pattern.once.len(), Ordering::Relaxed);
                for (_, queue) in pattern.once.drain(..) {
                    queue.push(item, aftermath);
                    queue.close(aftermath);
                }
                emptied = Some(node);
            }
        });
        // Of several, only the deepest can be without children, and from there pruning goes upwards.
        if let Some(node) = emptied {
            topics.trie.prune(node, Pattern::is_vacant);
        }
    }

    /// Subscribes to all topics that begin with these segments; none = everything.
    pub fn subscribe<S: AsRef<str>>(&self, pattern: &[S]) -> Subscription<T> {
        let mut topics = lock(&self.hub.topics);
        if topics.closed {
            return Subscription::ended();
        }
        let node = topics.trie.insert(pattern);
        let queue = topics.trie.value_mut(node).queue.get_or_insert_with(|| Queue::new(self.hub.max_size));
        let reader = queue.reader();
        self.hub.subscribers.fetch_add(1, Ordering::Relaxed);
        Subscription { reader, place: Some(Place { hub: Arc::downgrade(&self.hub), node, once: None }) }
    }

    /// Subscribes to one item: the first one published under these segments. Then the subscription ends.
    pub fn subscribe_once<S: AsRef<str>>(&self, pattern: &[S]) -> Subscription<T> {
        let mut topics = lock(&self.hub.topics);
        if topics.closed {
            return Subscription::ended();
        }
        let queue = Queue::new(1);
        let reader = queue.reader();
        let node = topics.trie.insert(pattern);
        let once = topics.next_once;
        topics.next_once += 1;
        topics.trie.value_mut(node).once.push((once, queue));
        self.hub.subscribers.fetch_add(1, Ordering::Relaxed);
        Subscription { reader, place: Some(Place { hub: Arc::downgrade(&self.hub), node, once: Some(once) }) }
    }

    /// Ends all subscriptions once they have read what is queued. Nothing can be published or subscribed to any more.
    pub fn close(&self) {
        self.hub.close();
    }
}

impl<T> Hub<T> {
    fn close(&self) {
        let mut aftermath = Aftermath::default();
        let mut topics = lock(&self.topics);
        topics.closed = true;
        for pattern in topics.trie.values_mut() {
            let once = pattern.once.drain(..).map(|(_, queue)| queue);
            pattern.queue.take().into_iter().chain(once).for_each(|queue| queue.close(&mut aftermath));
        }
        topics.trie = Trie::new();
        self.subscribers.store(0, Ordering::Relaxed);
    }

    /// Takes a subscription out of the trie.
    fn unsubscribe(&self, reader: &mut Reader<T>, place: &Place<T>, aftermath: &mut Aftermath<T>) {
        let mut topics = lock(&self.topics);
        let readers = reader.leave(aftermath);
        if topics.closed {
            return;
        }
        if let Some(number) = place.once {
            // If its item was published, it is not there any more, and its node may by now be another one.
            let Some(pattern) = topics.trie.get_mut(place.node) else { return };
            let Ok(index) = pattern.once.binary_search_by_key(&number, |&(number, _)| number) else { return };
            pattern.once.remove(index);
        } else if readers == 0 {
            topics.trie.value_mut(place.node).queue = None;
        }
        self.subscribers.fetch_sub(1, Ordering::Relaxed);
        topics.trie.prune(place.node, Pattern::is_vacant);
    }
}

impl<T> Drop for Hub<T> {
    fn drop(&mut self) {
        self.close(); // Nobody is left who could publish.
    }
}

/// Receives items; dropping it ends the subscription.
///
/// It is a [`Stream`] as well.
pub struct Subscription<T> {
    reader: Reader<T>,
    /// Where it is to be taken out; none if the emitter was closed already.
    place: Option<Place<T>>,
}

struct Place<T> {
    /// Weak, so that subscriptions do not keep alive what they wait for.
    hub: Weak<Hub<T>>,
    node: NodeNumber,
    /// The number of a subscription to one item.
    once: Option<u64>,
}

impl<T> Subscription<T> {
    /// A subscription to an emitter that was closed.
    fn ended() -> Self
    where
        T: Clone,
    {
        let queue = Queue::new(1);
        let reader = queue.reader();
        queue.close(&mut Aftermath::default());
        Self { reader, place: None }
    }

    /// The next item; `None` once the emitter is closed and all was read, or after the item of a
    /// [`subscribe_once`](Emitter::subscribe_once).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if this is dropped before it resolves.
    pub async fn recv(&mut self) -> Option<Delivery<T>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery<T>>> {
        // A subscriber for whom there is always something must still let the other tasks of its thread run.
        let budget = ready!(coop::poll_proceed(cx));
        let delivery = ready!(self.reader.poll_read(cx));
        budget.made_progress();
        Poll::Ready(delivery)
    }

    /// What is queued now, if anything.
    pub fn try_recv(&mut self) -> Option<Delivery<T>> {
        self.reader.read()
    }
}

impl<T> Stream for Subscription<T> {
    type Item = Delivery<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery<T>>> {
        self.poll_recv(cx)
    }
}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        let mut aftermath = Aftermath::default();
        match self.place.as_ref().and_then(|place| Some((place.hub.upgrade()?, place))) {
            Some((hub, place)) => hub.unsubscribe(&mut self.reader, place, &mut aftermath),
            None => {
                self.reader.leave(&mut aftermath);
            }
        }
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let once = self.place.as_ref().is_some_and(|place| place.once.is_some());
        f.debug_struct("Subscription").field("once", &once).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
