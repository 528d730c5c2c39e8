use std::{collections::VecDeque, sync::atomic::AtomicU64, task::Waker, thread};

use proptest::prelude::*;

use super::*;

fn emitter(max_size: usize) -> Emitter<u64> {
    Emitter::new(max_size)
}

/// All that is queued.
fn drain<T>(subscription: &mut Subscription<T>) -> Vec<Delivery<T>> {
    std::iter::from_fn(|| subscription.try_recv()).collect()
}

fn items(numbers: impl IntoIterator<Item = u64>) -> Vec<Delivery<u64>> {
    numbers.into_iter().map(Delivery::Item).collect()
}

fn is_ended<T>(subscription: &mut Subscription<T>) -> bool {
    matches!(subscription.poll_recv(&mut Context::from_waker(Waker::noop())), Poll::Ready(None))
}

fn nodes<T>(emitter: &Emitter<T>) -> usize {
    lock(&emitter.hub.topics).trie.len()
}

#[test]
fn a_pattern_receives_what_begins_with_its_whole_segments() {
    let emitter = emitter(10);
    let patterns: [&[&str]; 6] =
        [&[], &["proc"], &["proc", "web"], &["proc", "web", "exit"], &["proc", "we"], &["exit"]];
    let mut subscriptions = patterns.map(|pattern| emitter.subscribe(pattern));
    emitter.publish(&["proc", "web", "exit"], &1);
    emitter.publish(&["proc", "web", "spawn"], &2);
    emitter.publish(&["exit"], &3);
    emitter.publish(&[], &4);
    let received = subscriptions.each_mut().map(drain);
    assert_eq!(received, [items([1, 2, 3, 4]), items([1, 2]), items([1, 2]), items([1]), items([]), items([3])]);
}

#[test]
fn each_subscription_receives_an_item_once_also_two_of_one_pattern() {
    let emitter = emitter(10);
    let mut first = emitter.subscribe(&["a"]);
    emitter.publish(&["a", "b"], &1);
    let mut second = emitter.subscribe(&["a"]);
    emitter.publish(&["a", "b"], &2);
    assert_eq!((drain(&mut first), drain(&mut second)), (items([1, 2]), items([2])));
}

#[test]
fn a_slow_subscriber_loses_the_oldest_and_a_fast_one_of_the_same_pattern_nothing() {
    let emitter = emitter(3);
    let mut slow = emitter.subscribe::<&str>(&[]);
    let mut fast = emitter.subscribe::<&str>(&[]);
    for number in 0..10 {
        emitter.publish(&["x"], &number);
        assert_eq!(drain(&mut fast), items([number]));
    }
    assert_eq!(slow.try_recv(), Some(Delivery::Lagged(7)));
    emitter.publish(&["x"], &10);
    assert_eq!(drain(&mut slow), [vec![Delivery::Lagged(1)], items([8, 9, 10])].concat());
}

#[test]
fn a_queue_of_size_zero_holds_one_item() {
    let emitter = emitter(0);
    let mut subscription = emitter.subscribe::<&str>(&[]);
    emitter.publish(&[], &1);
    emitter.publish(&[], &2);
    assert_eq!(drain(&mut subscription), [Delivery::Lagged(1), Delivery::Item(2)]);
}

#[tokio::test]
async fn a_subscription_to_one_item_ends_after_it() {
    let emitter = emitter(10);
    let mut once = emitter.subscribe_once(&["a"]);
    emitter.publish(&["b"], &0);
    assert!(emitter.has_subscriber(&["a", "b"]));
    emitter.publish(&["a", "b"], &1);
    emitter.publish(&["a", "b"], &2);
    assert!(!emitter.has_subscriber(&["a", "b"]));
    assert_eq!(nodes(&emitter), 0);
    assert_eq!(once.recv().await, Some(Delivery::Item(1)));
    assert_eq!(once.recv().await, None);
}

#[test]
fn what_was_dropped_leaves_nothing_behind() {
    let emitter = emitter(10);
    let kept = emitter.subscribe(&["a"]);
    for number in 0..100 {
        let pattern = ["a".to_owned(), number.to_string(), "c".to_owned()];
        let (one, two, once) =
            (emitter.subscribe(&pattern), emitter.subscribe(&pattern), emitter.subscribe_once(&pattern));
        assert_eq!(nodes(&emitter), 3);
        drop((one, once));
        assert_eq!(nodes(&emitter), 3);
        drop(two);
        assert_eq!(nodes(&emitter), 1);
    }
    drop(kept);
    assert_eq!(nodes(&emitter), 0);
    assert!(!emitter.has_subscriber(&["a"]));
    assert_eq!(emitter.hub.subscribers.load(Ordering::Relaxed), 0);
}

#[test]
fn a_late_drop_of_a_subscription_to_one_item_spares_whoever_came_after_it() {
    let emitter = emitter(10);
    let once = emitter.subscribe_once(&["a"]);
    emitter.publish(&["a"], &1);
    let mut next = emitter.subscribe_once(&["b"]); // Takes the node that the first one had.
    drop(once);
    emitter.publish(&["b"], &2);
    assert_eq!(drain(&mut next), items([2]));
}

#[tokio::test]
async fn closing_ends_subscriptions_after_what_is_queued() {
    let emitter = emitter(10);
    let mut old = emitter.subscribe::<&str>(&[]);
    let mut once = emitter.subscribe_once::<&str>(&["a"]);
    emitter.publish(&["b"], &1);
    emitter.close();
    emitter.close();
    emitter.publish(&["b"], &2);
    let mut new = emitter.subscribe::<&str>(&[]);
    let mut new_once = emitter.subscribe_once::<&str>(&[]);
    assert_eq!(old.recv().await, Some(Delivery::Item(1)));
    for subscription in [&mut old, &mut once, &mut new, &mut new_once] {
        assert_eq!(subscription.recv().await, None);
    }
    assert!(!emitter.has_subscriber(&["b"]));
}

#[tokio::test]
async fn subscriptions_end_when_nobody_is_left_to_publish() {
    let emitter = emitter(10);
    let mut subscription = emitter.subscribe::<&str>(&[]);
    let waiting = tokio::spawn(async move { (subscription.recv().await, subscription.recv().await) });
    let clone = emitter.clone();
    drop(emitter);
    tokio::task::yield_now().await;
    clone.publish(&[], &1);
    drop(clone);
    assert_eq!(waiting.await.unwrap(), (Some(Delivery::Item(1)), None));
}

#[tokio::test]
async fn a_receive_that_is_given_up_loses_nothing() {
    let emitter = emitter(10);
    let mut subscription = emitter.subscribe::<&str>(&[]);
    for number in 0..100 {
        tokio::select! {
            biased;
            _ = subscription.recv() => unreachable!("nothing was published"),
            () = std::future::ready(()) => {}
        }
        emitter.publish(&[], &number);
        assert_eq!(subscription.recv().await, Some(Delivery::Item(number)));
    }
}

#[tokio::test]
async fn a_subscriber_that_is_never_out_of_items_lets_others_run() {
    let emitter = emitter(100_000);
    let mut subscription = emitter.subscribe::<&str>(&[]);
    (0..100_000).for_each(|number| emitter.publish(&[], &number));
    let busy = tokio::spawn(async move {
        while let Some(Delivery::Item(number)) = subscription.recv().await {
            if number == 99_999 {
                return;
            }
        }
    });
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert!(!busy.is_finished());
    busy.await.unwrap();
}

#[test]
fn a_burst_gives_its_memory_back() {
    let emitter = Emitter::new(10_000);
    let mut subscription = emitter.subscribe::<&str>(&[]);
    let mut other = emitter.subscribe::<&str>(&[]);
    let item = Arc::new(());
    (0..20_000).for_each(|_| emitter.publish(&[], &item));
    assert_eq!(Arc::strong_count(&item), 10_001);
    assert_eq!(drain(&mut subscription).len(), 10_001);
    assert_eq!(Arc::strong_count(&item), 10_001);
    other.try_recv();
    other.try_recv();
    drop(other);
    assert_eq!(Arc::strong_count(&item), 1);
    assert_eq!(subscription.reader.allocated(), 0);
}

/// An item that drops a subscription of the emitter it goes through.
#[derive(Clone)]
struct Holder {
    _held: Option<Arc<Subscription<Holder>>>,
}

#[test]
fn items_may_hold_subscriptions_of_the_same_emitter() {
    let emitter = Emitter::new(1);
    let mut subscription = emitter.subscribe::<&str>(&[]);
    for _ in 0..3 {
        emitter.publish(&[], &Holder { _held: Some(Arc::new(emitter.subscribe(&["a"]))) });
    }
    while subscription.try_recv().is_some() {}
    emitter.publish(&[], &Holder { _held: Some(Arc::new(emitter.subscribe(&["a"]))) });
    drop(subscription);
    assert_eq!(nodes(&emitter), 0);
}

#[test]
fn no_wake_up_is_lost_between_threads() {
    const ITEMS: u64 = 20_000;
    const READERS: usize = 8;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let emitter = Emitter::new(100);
    let order = Arc::new(AtomicU64::new(0));
    let readers = (0..READERS).map(|index| {
        let mut subscription = emitter.subscribe(&["a", "b"][..index % 3]);
        runtime.spawn(async move {
            let (mut seen, mut lost, mut last) = (0, 0, None);
            while let Some(delivery) = subscription.recv().await {
                match delivery {
                    Delivery::Item(number) => {
                        assert!(last < Some(number), "{number} after {last:?}");
                        (seen, last) = (seen + 1, Some(number));
                    }
                    Delivery::Lagged(count) => lost += count,
                }
            }
            seen + lost
        })
    });
    let readers = readers.collect::<Vec<_>>();
    // Two publishers that agree on an order, by a lock of their own.
    let turn = Arc::new(Mutex::new(()));
    let publishers = [0, 1].map(|_| {
        let (emitter, order, turn) = (emitter.clone(), Arc::clone(&order), Arc::clone(&turn));
        thread::spawn(move || {
            for _ in 0..ITEMS / 2 {
                let _turn = turn.lock().unwrap();
                emitter.publish(&["a", "b", "c"], &order.fetch_add(1, Ordering::Relaxed));
            }
        })
    });
    // Meanwhile others come and go.
    for _ in 0..1000 {
        drop((emitter.subscribe(&["a"]), emitter.subscribe_once(&["a", "b"])));
    }
    publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
    drop(emitter);
    for reader in readers {
        assert_eq!(runtime.block_on(reader).unwrap(), ITEMS);
    }
}

/// The naive emitter: a list of subscribers, each with its own queue.
struct Model {
    max_size: usize,
    closed: bool,
    subscribers: Vec<ModelSubscriber>,
}

struct ModelSubscriber {
    pattern: Vec<&'static str>,
    once: bool,
    ended: bool,
    lost: u64,
    queue: VecDeque<u64>,
}

impl Model {
    fn publish(&mut self, topic: &[&'static str], item: u64) {
        for subscriber in &mut self.subscribers {
            if subscriber.ended || !topic.starts_with(&subscriber.pattern) {
                continue;
            }
            subscriber.queue.push_back(item);
            subscriber.ended = subscriber.once;
            if subscriber.queue.len() > self.max_size {
                subscriber.queue.pop_front();
                subscriber.lost += 1;
            }
        }
    }

    fn wants(&self, topic: &[&'static str]) -> bool {
        self.subscribers.iter().any(|subscriber| !subscriber.ended && topic.starts_with(&subscriber.pattern))
    }
}

impl ModelSubscriber {
    fn try_recv(&mut self) -> Option<Delivery<u64>> {
        match std::mem::take(&mut self.lost) {
            0 => self.queue.pop_front().map(Delivery::Item),
            lost => Some(Delivery::Lagged(lost)),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Publish(Vec<&'static str>),
    Subscribe(Vec<&'static str>, bool),
    Receive(prop::sample::Index),
    Drop(prop::sample::Index),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let path = || prop::collection::vec(prop::sample::select(&["a", "b", "ab"][..]), 0..4);
    prop_oneof![
        400 => path().prop_map(Step::Publish),
        100 => (path(), prop::bool::weighted(0.3)).prop_map(|(path, once)| Step::Subscribe(path, once)),
        400 => any::<prop::sample::Index>().prop_map(Step::Receive),
        80 => any::<prop::sample::Index>().prop_map(Step::Drop),
        1 => Just(Step::Close),
    ]
}

proptest! {
    #![proptest_config(crate::test_scale::cases(200))]

    #[test]
    fn any_history_agrees_with_a_list_of_queues(
        max_size in 1..6_usize,
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let emitter = emitter(max_size);
        let mut model = Model { max_size, closed: false, subscribers: Vec::new() };
        let mut subscriptions: Vec<Subscription<u64>> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Publish(topic) => {
                    prop_assert_eq!(emitter.has_subscriber(&topic), model.wants(&topic));
                    emitter.publish(&topic, &(number as u64));
                    model.publish(&topic, number as u64);
                }
                Step::Subscribe(pattern, once) => {
                    let subscription =
                        if once { emitter.subscribe_once(&pattern) } else { emitter.subscribe(&pattern) };
                    subscriptions.push(subscription);
                    let (ended, queue) = (model.closed, VecDeque::new());
                    model.subscribers.push(ModelSubscriber { pattern, once, ended, lost: 0, queue });
                }
                Step::Receive(index) if !subscriptions.is_empty() => {
                    let index = index.index(subscriptions.len());
                    let expected = model.subscribers[index].try_recv();
                    if expected.is_none() {
                        prop_assert_eq!(is_ended(&mut subscriptions[index]), model.subscribers[index].ended);
                    }
                    prop_assert_eq!(subscriptions[index].try_recv(), expected);
                }
                Step::Drop(index) if !subscriptions.is_empty() => {
                    let index = index.index(subscriptions.len());
                    subscriptions.swap_remove(index);
                    model.subscribers.swap_remove(index);
                }
                Step::Receive(_) | Step::Drop(_) => {}
                Step::Close => {
                    emitter.close();
                    model.closed = true;
                    model.subscribers.iter_mut().for_each(|subscriber| subscriber.ended = true);
                }
            }
        }
        for (subscription, subscriber) in subscriptions.iter_mut().zip(&mut model.subscribers) {
            let expected = std::iter::from_fn(|| subscriber.try_recv()).collect::<Vec<_>>();
            prop_assert_eq!(drain(subscription), expected);
        }
        drop(subscriptions);
        prop_assert_eq!(nodes(&emitter), 0);
        prop_assert_eq!(emitter.hub.subscribers.load(Ordering::Relaxed), 0);
    }
}
