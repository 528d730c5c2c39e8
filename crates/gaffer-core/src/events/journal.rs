//! Events told to those who subscribed, and the last of them kept for those who come late.
//!
//! An event is kept once, however many topics it has. The notifications of its topics are made anew when somebody asks for
//! them, with the ids that live subscribers saw. So keeping costs the publisher one allocation an event, and nothing is
//! written as JSON that nobody reads.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::SystemTime,
};

use futures_core::Stream;
use tokio::task::coop;

use super::{Delivery, Detail, Emitter, Event, Notification, Pattern, Subscription, Topic, queue::Aftermath};
use crate::sync::lock;

/// The most bytes of names and reasons that are kept. A usual event has a few dozen; reasons may be long.
const MAX_TEXT: usize = 1024 * 1024;

/// Where a subscription to events begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventStart {
    /// With what happens from now on.
    Now,
    /// With the last so many notifications that are still kept.
    Last(usize),
    /// With what followed the notification of this id, as far as it is still kept.
    After(u64),
}

pub(crate) struct Journal {
    /// Under `spawn` and `proc.web.spawn`.
    events: Emitter<Arc<Notification>>,
    /// Under `7.spawn`: kept apart, so that a subscriber to everything does not see an event once more.
    process_events: Emitter<Arc<Notification>>,
    /// Held while an event is kept and told, and while somebody looks back and subscribes: so that between the past and what is
    /// live nothing is missing, and nothing is in both.
    past: Mutex<Past>,
}

struct Past {
    /// Oldest first; ids grow.
    entries: VecDeque<Entry>,
    /// The most entries that are kept.
    capacity: usize,
    /// Bytes of text in them.
    text: usize,
    last_id: u64,
    /// The last ids that were forgotten: of the topics of kinds and jobs, and of those of processes.
    forgotten: [u64; 2],
}

/// An event, and the id of the notification under its first topic.
#[derive(Clone)]
struct Entry {
    first_id: u64,
    time: SystemTime,
    event: Arc<Event>,
}

/// The topics of an event, in the order in which they are told and numbered.
#[derive(Clone, Copy)]
enum Place {
    Kind,
    Job,
    /// Only of an event that concerns a process.
    Process,
}

impl Place {
    const ALL: [Self; 3] = [Self::Kind, Self::Job, Self::Process];
}

impl Entry {
    fn id(&self, place: Place) -> u64 {
        self.first_id + place as u64
    }

    fn last_id(&self) -> u64 {
        self.id(if self.event.process.is_some() { Place::Process } else { Place::Job })
    }

    /// `None` if the event has no such topic.
    fn notification(&self, place: Place) -> Option<Arc<Notification>> {
        let event = &self.event;
        let topic = match place {
            Place::Kind => Topic::Kind(event.kind),
            Place::Job => Topic::Job(event.job.clone(), event.kind),
            Place::Process => Topic::Process(event.process?.pid, event.kind),
        };
        Some(Arc::new(Notification::new(self.id(place), self.time, topic, Arc::clone(event))))
    }

    /// Whether the pattern selects this topic of the event: what the emitters do by segments.
    fn is_wanted(&self, place: Place, pattern: &Pattern) -> bool {
        let is_kind = |kind: &Option<_>| kind.is_none_or(|kind| kind == self.event.kind);
        match (place, pattern) {
            (Place::Kind | Place::Job, Pattern::All) | (Place::Job, Pattern::Jobs) => true,
            (Place::Kind, Pattern::Kind(kind)) => *kind == self.event.kind,
            (Place::Job, Pattern::Session(session)) => session == self.event.job.session(),
            (Place::Job, Pattern::Job(job, kind)) => *job == self.event.job && is_kind(kind),
            (Place::Process, Pattern::Process(pid, kind)) => {
                self.event.process.is_some_and(|process| process.pid == *pid) && is_kind(kind)
            }
            _ => false, // A topic of another family than the pattern's.
        }
    }

    fn text(&self) -> usize {
        let reason = match &self.event.detail {
            Detail::Reason(reason) => reason.len(),
            Detail::None | Detail::Spawn { .. } | Detail::Exit { .. } => 0,
        };
        self.event.job.session().as_str().len() + self.event.job.name().len() + reason
    }
}

impl Past {
    fn keep(&mut self, event: Event, time: SystemTime) -> Entry {
        let entry = Entry { first_id: self.last_id + 1, time, event: Arc::new(event) };
        self.last_id = entry.last_id();
        self.text += entry.text();
        while self.entries.len() >= self.capacity || self.text > MAX_TEXT {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.text -= oldest.text();
            let [of_jobs, of_processes] = &mut self.forgotten;
            *of_jobs = oldest.id(Place::Job);
            if oldest.event.process.is_some() {
                *of_processes = oldest.id(Place::Process);
            }
        }
        self.entries.push_back(entry.clone());
        entry
    }

    /// The id before that of the last `count` notifications which a pattern selects, or before all that are kept.
    fn before_last(&self, count: usize, pattern: &Pattern) -> u64 {
        let Some(skipped) = count.checked_sub(1) else { return self.last_id };
        let mut wanted = self.entries.iter().rev().flat_map(|entry| {
            let places = Place::ALL.into_iter().rev().filter(|place| entry.is_wanted(*place, pattern));
            places.map(|place| entry.id(place))
        });
        wanted.nth(skipped).map_or_else(|| self.last_forgotten(pattern), |id| id - 1)
    }

    /// Those with a topic behind `id` that a pattern selects.
    fn after(&self, id: u64, pattern: &Pattern) -> Vec<Entry> {
        let first = self.entries.partition_point(|entry| entry.last_id() <= id);
        let wanted = |entry: &&Entry| Place::ALL.into_iter().any(|place| entry.is_wanted(place, pattern));
        self.entries.range(first..).filter(wanted).cloned().collect()
    }

    /// The last id that was forgotten among those that a pattern may select; 0 if none was.
    fn last_forgotten(&self, pattern: &Pattern) -> u64 {
        let [of_jobs, of_processes] = self.forgotten;
        if matches!(pattern, Pattern::Process(..)) { of_processes } else { of_jobs }
    }
}

impl Journal {
    /// Makes a journal that keeps the last `capacity` events; each pattern's subscribers have at most `queue` notifications
    /// waiting.
    pub(crate) fn new(queue: usize, capacity: usize) -> Self {
        let past = Past { entries: VecDeque::new(), capacity, text: 0, last_id: 0, forgotten: [0; 2] };
        Self { events: Emitter::new(queue), process_events: Emitter::new(queue), past: Mutex::new(past) }
    }

    /// Keeps an event that happened at `time`, and tells it under each of its topics. Never waits.
    pub(crate) fn publish(&self, event: Event, time: SystemTime) {
        let mut aftermath = Aftermath::default(); // Before the lock, so that it is done after it.
        let mut past = lock(&self.past);
        let entry = past.keep(event, time);
        let Event { kind, job, process, .. } = &*entry.event;
        let mut tell = |emitter: &Emitter<_>, segments: &[&str], place| {
            if emitter.has_subscriber(segments)
                && let Some(notification) = entry.notification(place)
            {
                emitter.publish_into(segments, &notification, &mut aftermath);
            }
        };
        tell(&self.events, &[kind.as_str()], Place::Kind);
        tell(&self.events, &["proc", job.session().as_str(), job.name(), kind.as_str()], Place::Job);
        if let Some(process) = process
            && self.process_events.subscriptions() > 0
        {
            let pid = process.pid.to_string();
            tell(&self.process_events, &[&pid, kind.as_str()], Place::Process);
        }
    }

    /// Subscribes to what comes from now on.
    pub(crate) fn subscribe(&self, pattern: &Pattern) -> Subscription<Arc<Notification>> {
        self.emitter(pattern).subscribe(&pattern.segments())
    }

    /// Subscribes to the first notification only.
    pub(crate) fn subscribe_once(&self, pattern: &Pattern) -> Subscription<Arc<Notification>> {
        self.emitter(pattern).subscribe_once(&pattern.segments())
    }

    /// Subscribes to what has happened since `start`, and to what comes.
    pub(crate) fn subscribe_from(&self, pattern: &Pattern, start: EventStart) -> EventSubscription {
        let past = lock(&self.past);
        let live = self.subscribe(pattern);
        let after = match start {
            EventStart::Now => past.last_id,
            EventStart::Last(count) => past.before_last(count, pattern),
            EventStart::After(id) => id.min(past.last_id),
        };
        let has_gap = after < past.last_forgotten(pattern);
        let entries = past.after(after, pattern);
        drop(past);
        let pattern = pattern.clone();
        let wanted = move |entry: &Entry, place| entry.id(place) > after && entry.is_wanted(place, &pattern);
        let replay = entries.into_iter().flat_map(move |entry| {
            Place::ALL.map(|place| if wanted(&entry, place) { entry.notification(place) } else { None })
        });
        EventSubscription { after, has_gap, replay: Some(Box::new(replay.flatten())), live: Some(live) }
    }

    /// How many subscriptions are open.
    pub(crate) fn subscriptions(&self) -> usize {
        self.events.subscriptions() + self.process_events.subscriptions()
    }

    /// Ends all subscriptions once they have read what is queued.
    pub(crate) fn close(&self) {
        self.events.close();
        self.process_events.close();
    }

    fn emitter(&self, pattern: &Pattern) -> &Emitter<Arc<Notification>> {
        match pattern {
            Pattern::Process(..) => &self.process_events,
            Pattern::All | Pattern::Kind(_) | Pattern::Jobs | Pattern::Session(_) | Pattern::Job(..) => &self.events,
        }
    }
}

/// Receives events, those of the past first; dropping it ends the subscription.
///
/// What it has to tell of the past is fixed when it is made, and costs some bytes an event until it was read. It is a
/// [`Stream`] as well.
pub struct EventSubscription {
    after: u64,
    has_gap: bool,
    /// `None` once all of it was read.
    replay: Option<Box<Replay>>,
    /// `None` if it tells of the past alone.
    live: Option<Subscription<Arc<Notification>>>,
}

type Replay = dyn Iterator<Item = Arc<Notification>> + Send + Sync;

impl EventSubscription {
    /// The id that it begins after: a subscription [after](EventStart::After) it tells the same again, as far as it is still kept.
    pub fn after(&self) -> u64 {
        self.after
    }

    /// The same without what comes: it ends when all was read that was kept as it was made.
    #[must_use]
    pub fn kept_only(self) -> Self {
        Self { live: None, ..self }
    }

    /// Whether it still has something to tell of the past, which it holds until then.
    pub fn looks_back(&self) -> bool {
        self.replay.is_some()
    }

    /// Whether something that followed the id of [`EventStart::After`] is not kept any more.
    pub fn has_gap(&self) -> bool {
        self.has_gap
    }

    /// The next notification; `None` once all was read and nothing comes: the manager has stopped, or only what is kept was
    /// asked for.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if this is dropped before it resolves.
    pub async fn recv(&mut self) -> Option<Delivery<Arc<Notification>>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery<Arc<Notification>>>> {
        if self.replay.is_some() {
            let budget = ready!(coop::poll_proceed(cx));
            if let Some(past) = self.past() {
                budget.made_progress();
                return Poll::Ready(Some(past));
            }
        }
        self.live.as_mut().map_or(Poll::Ready(None), |live| live.poll_recv(cx))
    }

    /// What is there now, if anything.
    pub fn try_recv(&mut self) -> Option<Delivery<Arc<Notification>>> {
        self.past().or_else(|| self.live.as_mut()?.try_recv())
    }

    fn past(&mut self) -> Option<Delivery<Arc<Notification>>> {
        let next = self.replay.as_mut()?.next();
        if next.is_none() {
            self.replay = None;
        }
        next.map(Delivery::Item)
    }
}

impl Stream for EventSubscription {
    type Item = Delivery<Arc<Notification>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx)
    }
}

impl fmt::Debug for EventSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSubscription").field("has_gap", &self.has_gap).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
