//! To what a connection is subscribed, and who listens.

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry as Place},
    sync::Arc,
};

use gaffer_core::{
    api::channel::{EventData, Failure, Request, Subscribe, SubscriptionStart, Topic},
    events::Pattern,
    stats::Target,
};
use tokio::sync::oneshot;

use super::{
    item::ControlItem,
    mailbox::{Entry, Loss, Mailbox},
};
use crate::{Cause, Client, Error, Refusal};

/// One who wants to be subscribed.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) topic: Topic,
    /// So much of the past comes first.
    pub(super) history: usize,
    pub(super) mailbox: Arc<Mailbox>,
    /// Is told once it is subscribed, or why not.
    pub(super) opened: oneshot::Sender<Result<(), Error>>,
}

/// To what a connection is subscribed. Each topic is subscribed to once on the wire, however many listen.
///
/// Of a topic at most one message is not answered: so what comes back can be told apart though it names nothing but the topic.
#[derive(Debug)]
pub(super) struct Topics {
    client: Client,
    /// The call that opens the connection, for messages.
    what: String,
    /// By their names on the wire.
    known: BTreeMap<String, Known>,
    is_connected: bool,
    /// What is to be sent: at most one message a topic.
    outbox: VecDeque<Request>,
}

#[derive(Debug)]
struct Known {
    topic: Topic,
    phase: Phase,
    /// What was told to the node, or will be: so much of the past.
    history: usize,
    /// Where it is, once it was subscribed to.
    place: Option<SubscriptionStart>,
    listeners: Vec<Listener>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is no connection.
    Off,
    /// The node was asked, and has not answered.
    Asked,
    On,
    /// It is taken back, and the node has not answered.
    Left,
}

#[derive(Debug)]
struct Listener {
    mailbox: Arc<Mailbox>,
    /// Who waits to be subscribed.
    opened: Option<oneshot::Sender<Result<(), Error>>>,
}

impl Listener {
    fn open(&mut self) {
        if let Some(opened) = self.opened.take() {
            // Who gave up does not hear it, and is swept away.
            let _given_up = opened.send(Ok(()));
        }
    }

    /// Ends it, be it open or not.
    fn end(mut self, how: Result<(), Error>) {
        match self.opened.take() {
            Some(opened) => {
                self.mailbox.end(Ok(()));
                let _given_up = opened.send(how);
            }
            None => self.mailbox.end(how),
        }
    }
}

/// Whether a topic is about one process, with which it ends.
fn is_of_process(topic: &Topic) -> bool {
    match topic {
        Topic::Process(_)
        | Topic::Events(Pattern::Process(..))
        | Topic::Stats(Target::Process(_))
        | Topic::Stream { .. } => true,
        Topic::Events(_) | Topic::Job(_) | Topic::Stats(_) => false,
    }
}

/// Whether a topic can be gone on with where it was.
fn has_ids(topic: &Topic) -> bool {
    !matches!(topic, Topic::Stats(_))
}

/// What a client calls its wish, in messages.
pub(super) fn call(topic: &str) -> String {
    format!("SUB {topic}")
}

impl Known {
    /// Asks for it: from where it was, if it was subscribed to.
    fn ask(&mut self, name: &str) -> Request {
        self.phase = Phase::Asked;
        let mut subscribe = Subscribe { topic: name.to_owned(), ..Subscribe::default() };
        match &self.place {
            Some(place) => {
                subscribe.after = place.after.clone();
                subscribe.run = place.run.clone().filter(|_| is_of_process(&self.topic));
            }
            None => subscribe.history = Some(self.history).filter(|history| *history > 0),
        }
        Request::Subscribe(subscribe)
    }

    /// Takes it back. Who comes from now on asks for it anew.
    fn leave(&mut self, name: &str) -> Request {
        (self.phase, self.place, self.history) = (Phase::Left, None, 0);
        Request::Unsubscribe { topic: name.to_owned() }
    }

    fn tell(&self, len: usize, entry: impl Fn() -> Entry) {
        for listener in self.listeners.iter().filter(|listener| listener.opened.is_none()) {
            listener.mailbox.push(entry(), len);
        }
    }

    fn end(&mut self, how: &Result<(), Error>) {
        for listener in self.listeners.drain(..) {
            listener.end(how.clone());
        }
    }
}

impl Topics {
    /// For a connection that is there.
    pub(super) fn new(client: &Client, what: String) -> Self {
        Self { client: client.clone(), what, known: BTreeMap::new(), is_connected: true, outbox: VecDeque::new() }
    }

    /// Whether nobody listens.
    pub(super) fn is_deserted(&self) -> bool {
        self.known.values().all(|known| known.listeners.is_empty())
    }

    /// The message that is to be sent next.
    pub(super) fn pop(&mut self) -> Option<Request> {
        self.outbox.pop_front()
    }

    /// One more listens.
    pub(super) fn add(&mut self, newcomer: Newcomer) {
        let Newcomer { topic, history, mailbox, opened } = newcomer;
        if mailbox.is_closed() {
            return;
        }
        let mut listener = Listener { mailbox, opened: Some(opened) };
        let name = topic.to_string();
        let known = self.known.entry(name.clone()).or_insert_with(|| Known {
            topic,
            phase: Phase::Off,
            history: 0,
            place: None,
            listeners: Vec::new(),
        });
        known.history = known.history.max(history);
        match known.phase {
            Phase::On => listener.open(),
            Phase::Off if self.is_connected => self.outbox.push_back(known.ask(&name)),
            // Its turn comes with the answer, or with the connection.
            Phase::Off | Phase::Asked | Phase::Left => {}
        }
        known.listeners.push(listener);
    }

    /// Forgets those who listen no more, and takes back what nobody listens to.
    pub(super) fn sweep(&mut self) {
        let outbox = &mut self.outbox;
        self.known.retain(|name, known| {
            known.listeners.retain(|listener| !listener.mailbox.is_closed());
            if known.listeners.is_empty() && known.phase == Phase::On {
                outbox.push_back(known.leave(name));
            }
            // An answer that is still to come is waited for.
            !known.listeners.is_empty() || known.phase != Phase::Off
        });
    }

    /// A message was answered with yes.
    pub(super) fn agreed(&mut self, name: &str, start: SubscriptionStart) {
        let Some(known) = self.known.get_mut(name) else { return };
        match known.phase {
            Phase::Asked if known.listeners.is_empty() => self.outbox.push_back(known.leave(name)),
            Phase::Asked => {
                known.phase = Phase::On;
                if let Some(before) = known.place.replace(start.clone()) {
                    let same_run = start.run.is_some() && start.run == before.run;
                    if !same_run && is_of_process(&known.topic) {
                        // Its process went with the node; what has its pid now is another one.
                        known.end(&Ok(()));
                        self.outbox.push_back(known.leave(name));
                        return;
                    }
                    known.tell(0, || Entry::Reconnected { same_run });
                    if start.gap || (has_ids(&known.topic) && (before.after.is_none() || start.after.is_none())) {
                        known.tell(0, || Entry::Lost(Loss::UNKNOWN));
                    }
                }
                known.listeners.iter_mut().for_each(Listener::open);
            }
            Phase::Left if known.listeners.is_empty() => drop(self.known.remove(name)),
            Phase::Left => self.outbox.push_back(known.ask(name)),
            // Nobody has asked.
            Phase::On | Phase::Off => {}
        }
    }

    /// A message was answered with no.
    ///
    /// # Errors
    /// When the node is not well: then another connection may help those who were subscribed before.
    pub(super) fn refused(&mut self, name: &str, failure: Failure) -> Result<(), Error> {
        let Some(known) = self.known.get_mut(name) else { return Ok(()) };
        match known.phase {
            Phase::Asked => {
                let refusal = Refusal { status: failure.errno, error: failure.error, reason: failure.reason };
                let error = Error::from(refusal);
                if known.place.is_some() && error.may_pass() {
                    return Err(error);
                }
                let is_over = known.place.is_some() && is_of_process(&known.topic) && error.is_not_found();
                for listener in known.listeners.drain(..) {
                    let is_open = listener.opened.is_none();
                    listener.end(if is_over && is_open { Ok(()) } else { Err(error.clone()) });
                }
                self.known.remove(name);
            }
            Phase::Left => self.agreed(name, SubscriptionStart::default()),
            Phase::On | Phase::Off => {}
        }
        Ok(())
    }

    /// Nothing more comes of a topic.
    pub(super) fn ended(&mut self, name: &str) {
        if let Place::Occupied(known) = self.known.entry(name.to_owned())
            && known.get().phase == Phase::On
        {
            known.remove().end(&Ok(()));
        }
    }

    /// The node has left out so much.
    pub(super) fn lagged(&mut self, name: &str, lost: u64) {
        if let Some(known) = self.known.get(name).filter(|known| known.phase == Phase::On) {
            known.tell(0, || Entry::Lost(Loss::of(lost)));
        }
    }

    /// Something about a topic, in a message of so many bytes.
    pub(super) fn event(&mut self, id: Option<String>, data: EventData, len: usize) {
        let name = data.topic.clone();
        // What is still under way of a topic that was taken back is for nobody.
        let Some(known) = self.known.get_mut(&name).filter(|known| known.phase == Phase::On) else { return };
        if let (Some(place), Some(id)) = (&mut known.place, id) {
            place.after = Some(id);
        }
        match ControlItem::read(&known.topic, data) {
            Ok(item) => known.tell(len, || Entry::Item(item.clone())),
            Err(error) => {
                known.end(&Err(self.client.protocol(&call(&name), error.to_string())));
                self.outbox.push_back(known.leave(&name));
            }
        }
    }

    /// The connection is lost. It cannot be gone on with where the node has not said in which run it is: then nobody knows whether a pid
    /// is still that of the same process.
    pub(super) fn lost(&mut self, error: &Error) {
        self.is_connected = false;
        self.outbox.clear();
        self.known.retain(|_, known| {
            known.phase = Phase::Off;
            let is_resumable = known.place.as_ref().is_none_or(|place| place.run.is_some());
            if !is_resumable && is_of_process(&known.topic) {
                known.end(&Err(error.clone()));
            }
            !known.listeners.is_empty()
        });
        self.tell_loss(error);
    }

    /// Tells everybody why there is no connection.
    pub(super) fn tell_loss(&self, error: &Error) {
        for known in self.known.values() {
            known.tell(0, || Entry::Disconnected(error.clone()));
        }
    }

    /// The connection is there again.
    pub(super) fn reconnected(&mut self) {
        self.sweep();
        self.is_connected = true;
        let asked = self.known.iter_mut().map(|(name, known)| known.ask(name));
        self.outbox.extend(asked);
    }

    /// There will be no connection again.
    pub(super) fn fail(&mut self, error: &Error) {
        for (_, mut known) in std::mem::take(&mut self.known) {
            known.end(&Err(error.clone()));
        }
    }
}

impl Drop for Topics {
    /// Its task is gone, with its runtime perhaps: who listens in another one is not to wait for ever.
    fn drop(&mut self) {
        self.fail(&self.client.interrupted(&self.what, Cause::Closed));
    }
}

#[cfg(test)]
mod tests;
