//! Random histories of subscriptions on connections that break, against a node that is a few lines.

use std::{
    collections::BTreeMap,
    task::{Context, Poll, Waker},
};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Endpoint, Told};

/// The topics that are subscribed to. Each tells everything that happens; the last is of a process.
const TOPICS: [&str; 3] = ["EVENTS", "JOB:shop.a", "PROCESS:7"];

#[derive(Clone, Debug)]
enum Step {
    /// Somebody subscribes to one of the topics.
    Open(usize),
    /// One of those who listen goes.
    Close(usize),
    /// Something happens on the node.
    Happen,
    /// The next message is sent.
    Send,
    /// The node takes in what was sent.
    Answer,
    /// The next message of the node comes.
    Hear,
    /// The connection breaks, or is made again.
    Turn,
    /// The node is started anew, if there is no connection.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..TOPICS.len()).prop_map(Step::Open),
        2 => (0..100usize).prop_map(Step::Close),
        4 => Just(Step::Happen),
        4 => Just(Step::Send),
        4 => Just(Step::Answer),
        6 => Just(Step::Hear),
        1 => Just(Step::Turn),
        1 => Just(Step::Restart),
    ]
}

/// What a node says of a topic.
enum Said {
    Agreed(SubscriptionStart),
    Refused(u16),
    Event(String),
}

/// A node that keeps all that happened in its run, and tells it.
#[derive(Default)]
struct Node {
    run: u32,
    happened: u32,
    subscribed: BTreeMap<String, ()>,
    heard: VecDeque<Request>,
    said: VecDeque<(String, Said)>,
}

impl Node {
    fn id(&self, number: u32) -> String {
        format!("r{}-{number}", self.run)
    }

    fn happen(&mut self) {
        self.happened += 1;
        let id = self.id(self.happened);
        for topic in self.subscribed.keys() {
            self.said.push_back((topic.clone(), Said::Event(id.clone())));
        }
    }

    fn answer(&mut self) {
        let run = format!("r{}", self.run);
        match self.heard.pop_front() {
            Some(Request::Subscribe(Subscribe { topic, after, run: of_run, .. })) => {
                if of_run.is_some_and(|of_run| of_run != run) {
                    self.said.push_back((topic, Said::Refused(404)));
                    return;
                }
                assert!(!self.subscribed.contains_key(&topic), "{topic} is asked for twice");
                let place = after
                    .map(|after| after.rsplit_once('-').map(|(run, number)| (run.to_owned(), number.parse().unwrap())));
                let (from, gap) = match place.flatten() {
                    None => (self.happened, false),
                    Some((of_run, number)) if of_run == run => (number, false),
                    Some(_) => (0, true),
                };
                let start = SubscriptionStart { run: Some(run), after: Some(self.id(from)), gap };
                self.said.push_back((topic.clone(), Said::Agreed(start)));
                for number in from + 1..=self.happened {
                    self.said.push_back((topic.clone(), Said::Event(self.id(number))));
                }
                self.subscribed.insert(topic, ());
            }
            Some(Request::Unsubscribe { topic }) => {
                self.subscribed.remove(&topic);
                self.said.push_back((topic, Said::Agreed(SubscriptionStart::default())));
            }
            Some(other) => panic!("nobody says {other:?}"),
            None => {}
        }
    }

    fn lose(&mut self) {
        self.subscribed.clear();
        self.heard.clear();
        self.said.clear();
    }

    fn restart(&mut self) {
        self.run += 1;
        self.happened = 0;
    }
}

/// One who listens, and what was told.
struct Ear {
    topic: &'static str,
    mailbox: Arc<Mailbox>,
    opened: oneshot::Receiver<Result<(), Error>>,
    /// The runs and numbers of events.
    seen: Vec<(u32, u32)>,
    has_ended: bool,
}

impl Ear {
    fn listen(&mut self) {
        while let Poll::Ready(told) = self.mailbox.poll_next(&mut Context::from_waker(Waker::noop())) {
            match told {
                Some(Ok(Told::Item(ControlItem::Event(event)))) => {
                    let (run, number) = event.name.name().strip_prefix('r').unwrap().split_once('-').unwrap();
                    self.seen.push((run.parse().unwrap(), number.parse().unwrap()));
                }
                Some(Ok(Told::Lost(_) | Told::Disconnected(_) | Told::Reconnected { .. })) => {}
                Some(other) => panic!("{other:?}"),
                None => {
                    self.has_ended = true;
                    return;
                }
            }
        }
    }
}

struct World {
    client: Client,
    topics: Topics,
    node: Node,
    ears: Vec<Ear>,
}

impl World {
    fn new() -> Self {
        let client = Client::new(&Endpoint::default()).unwrap();
        Self { topics: Topics::new(&client, "x".to_owned()), client, node: Node::default(), ears: Vec::new() }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Open(number) => {
                let topic: Topic = TOPICS[*number].parse().unwrap();
                let mailbox = Arc::new(Mailbox::new(&topic, Arc::default()));
                let (sender, opened) = oneshot::channel();
                self.topics.add(Newcomer { topic, history: 0, mailbox: Arc::clone(&mailbox), opened: sender });
                self.ears.push(Ear { topic: TOPICS[*number], mailbox, opened, seen: Vec::new(), has_ended: false });
            }
            Step::Close(number) => {
                if !self.ears.is_empty() {
                    let ear = self.ears.swap_remove(number % self.ears.len());
                    ear.mailbox.close();
                    self.topics.sweep();
                }
            }
            Step::Happen => self.node.happen(),
            Step::Send => self.node.heard.extend(self.topics.pop()),
            Step::Answer => self.node.answer(),
            Step::Hear => self.hear(),
            Step::Turn if self.topics.is_connected => {
                self.node.lose();
                self.topics.lost(&self.client.interrupted("x", Cause::Closed));
            }
            Step::Turn => self.topics.reconnected(),
            Step::Restart if self.topics.is_connected => {}
            Step::Restart => self.node.restart(),
        }
    }

    fn hear(&mut self) {
        match self.node.said.pop_front() {
            Some((topic, Said::Agreed(start))) => self.topics.agreed(&topic, start),
            Some((topic, Said::Refused(errno))) => {
                let failure = Failure { errno, error: "not_found".to_owned(), reason: "no".to_owned() };
                self.topics.refused(&topic, failure).unwrap();
            }
            Some((topic, Said::Event(id))) => {
                let fields = json!({"name": id}).as_object().unwrap().clone();
                self.topics.event(Some(id), EventData { event: "spawn".to_owned(), topic, fields }, 100);
            }
            None => {}
        }
    }

    /// Goes on until nothing is under way.
    fn settle(&mut self) {
        if !self.topics.is_connected {
            self.step(&Step::Turn);
        }
        for _ in 0..1000 {
            for step in [Step::Send, Step::Answer, Step::Hear] {
                self.step(&step);
            }
        }
        assert!(self.node.said.is_empty() && self.node.heard.is_empty() && self.topics.outbox.is_empty());
    }

    fn check(mut self) {
        self.settle();
        // Whoever listens hears of this.
        self.node.happen();
        self.settle();
        self.ears.iter_mut().for_each(Ear::listen);
        for ear in &mut self.ears {
            if ear.has_ended {
                assert_eq!(ear.topic, "PROCESS:7", "only what is of a process ends");
            } else {
                assert!(matches!(ear.opened.try_recv(), Ok(Ok(()))), "{} is not subscribed", ear.topic);
                assert_eq!(ear.seen.last(), Some(&(self.node.run, self.node.happened)), "{}", ear.topic);
            }
            for pair in ear.seen.windows(2) {
                let [(run, number), (next_run, next)] = [pair[0], pair[1]];
                let follows = if run == next_run { next == number + 1 } else { next_run > run && next == 1 };
                assert!(follows, "{}: {:?}", ear.topic, ear.seen);
                assert!(run == next_run || ear.topic != "PROCESS:7", "another process: {:?}", ear.seen);
            }
        }
        let mut wanted: Vec<_> =
            self.ears.iter().filter(|ear| !ear.has_ended).map(|ear| ear.topic.to_owned()).collect();
        wanted.sort();
        wanted.dedup();
        assert_eq!(self.node.subscribed.into_keys().collect::<Vec<_>>(), wanted, "what nobody wants is taken back");
        for ear in self.ears {
            ear.mailbox.close();
        }
        self.topics.sweep();
        assert!(self.topics.is_deserted());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn whatever_happens_nothing_is_missed_or_told_twice(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.check();
    }
}
