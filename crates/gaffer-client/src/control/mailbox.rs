//! What waits for one who is subscribed.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use gaffer_core::api::channel::Topic;
use tokio::sync::Notify;

use super::item::ControlItem;
use crate::{Error, Told};

/// The most bytes that wait, by their size on the wire: as much as a node keeps of an output. One message always has room.
const MOST: usize = 1024 * 1024;

/// What is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Loss {
    /// So much is known to be: events, samples, or bytes of output.
    count: u64,
    /// Whether there may be more.
    unknown: bool,
}

impl Loss {
    /// So much.
    pub(super) fn of(count: u64) -> Self {
        Self { count, unknown: false }
    }

    /// Nobody knows how much.
    pub(super) const UNKNOWN: Self = Self { count: 0, unknown: true };

    fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.unknown |= other.unknown;
    }

    /// In words.
    fn words(self, unit: &str) -> String {
        match self {
            Self { count, unknown: false } => format!("{count} {unit} lost"),
            Self { count: 0, unknown: true } => {
                format!("{unit} may have been lost: what came while there was no connection is not all kept")
            }
            Self { count, unknown: true } => format!("at least {count} {unit} lost"),
        }
    }
}

/// What waits.
#[derive(Debug)]
pub(super) enum Entry {
    /// What the topic tells.
    Item(ControlItem),
    /// Something is missing here.
    Lost(Loss),
    /// The connection is lost, or cannot be made again.
    Disconnected(Error),
    /// It is there again.
    Reconnected {
        /// Whether the node has run on.
        same_run: bool,
    },
}

impl Entry {
    fn told(self, unit: &str) -> Told<ControlItem> {
        match self {
            Self::Item(item) => Told::Item(item),
            Self::Lost(loss) => Told::Lost(loss.words(unit)),
            Self::Disconnected(error) => Told::Disconnected(error),
            Self::Reconnected { same_run } => Told::Reconnected { same_run },
        }
    }
}

/// What waits for one who is subscribed. It is bounded: beyond, the oldest is given up and told as lost, so that who is slow holds up
/// neither the connection nor the others on it.
#[derive(Debug)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    /// Rung when nobody reads it any more.
    bell: Arc<Notify>,
    /// What is lost, in words.
    unit: &'static str,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<(Entry, usize)>,
    /// What the entries cost.
    bytes: usize,
    given_up: GivenUp,
    /// How it ends once all is told.
    end: Option<Result<(), Error>>,
    is_closed: bool,
    reader: Option<Waker>,
}

/// What was given up before the first entry.
#[derive(Debug, Default)]
struct GivenUp {
    loss: Option<Loss>,
    /// Whether the node was started anew meanwhile, which must not be missed: pids are others since.
    another_run: bool,
}

impl Mailbox {
    pub(super) fn new(topic: &Topic, bell: Arc<Notify>) -> Self {
        let unit = match topic {
            Topic::Events(_) | Topic::Job(_) | Topic::Process(_) => "events",
            Topic::Stats(_) => "samples",
            Topic::Stream { .. } => "bytes of output",
        };
        Self { state: Mutex::default(), bell, unit }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves its state fit for use at each step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something in, which has so many bytes on the wire.
    pub(super) fn push(&self, entry: Entry, len: usize) {
        self.change(|state| {
            if !state.is_closed && state.end.is_none() {
                let cost = len + size_of::<(Entry, usize)>();
                state.entries.push_back((entry, cost));
                state.bytes += cost;
                state.give_up();
            }
        });
    }

    /// Nothing more comes.
    pub(super) fn end(&self, how: Result<(), Error>) {
        self.change(|state| {
            state.end.get_or_insert(how);
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let reader = state.reader.take();
        drop(state);
        // A waker is code of somebody else, which may come back here.
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Nobody reads it any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        let given_up = std::mem::replace(&mut *state, State { is_closed: true, ..State::default() });
        drop(state);
        drop(given_up);
        self.bell.notify_one();
    }

    /// Whether nobody reads it any more.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// What is next.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Told<ControlItem>, Error>>> {
        let mut state = self.lock();
        if let Some(entry) = state.pop() {
            return Poll::Ready(Some(Ok(entry.told(self.unit))));
        }
        match &mut state.end {
            Some(end) => match std::mem::replace(end, Ok(())) {
                Ok(()) => Poll::Ready(None),
                Err(error) => Poll::Ready(Some(Err(error))),
            },
            None => {
                let former = state.reader.replace(cx.waker().clone());
                drop(state);
                drop(former);
                Poll::Pending
            }
        }
    }
}

impl State {
    /// Gives up the oldest, down to the bound.
    fn give_up(&mut self) {
        while self.bytes > MOST
            && self.entries.len() > 1
            && let Some((oldest, cost)) = self.entries.pop_front()
        {
            self.bytes -= cost;
            let loss = match oldest {
                Entry::Item(item) => Loss::of(item.count()),
                Entry::Lost(loss) => loss,
                Entry::Disconnected(_) => continue,
                Entry::Reconnected { same_run } => {
                    self.given_up.another_run |= !same_run;
                    continue;
                }
            };
            self.given_up.loss.get_or_insert_default().add(loss);
        }
    }

    fn pop(&mut self) -> Option<Entry> {
        if let Some(loss) = self.given_up.loss.take() {
            return Some(Entry::Lost(loss));
        }
        if std::mem::take(&mut self.given_up.another_run) {
            return Some(Entry::Reconnected { same_run: false });
        }
        let (entry, cost) = self.entries.pop_front()?;
        self.bytes -= cost;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use proptest::prelude::*;

    use super::*;
    use crate::{Cause, Client, Endpoint, control::StreamText};

    fn mailbox(topic: &str) -> Mailbox {
        Mailbox::new(&topic.parse().unwrap(), Arc::default())
    }

    fn text(number: usize, len: usize) -> Entry {
        let text = format!("{number} ") + &"x".repeat(len);
        let (pid, label) = (gaffer_core::ProcessId::new(7), "out".parse().unwrap());
        Entry::Item(ControlItem::Output(StreamText { job: None, pid, label, text }))
    }

    fn next(mailbox: &Mailbox) -> Option<String> {
        match mailbox.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(Told::Item(ControlItem::Output(output))))) => {
                Some(output.text.trim_end_matches('x').to_owned())
            }
            Poll::Ready(Some(Ok(told))) => Some(format!("{told:?}")),
            Poll::Ready(Some(Err(error))) => Some(error.to_string()),
            Poll::Ready(None) => Some("end".to_owned()),
            Poll::Pending => None,
        }
    }

    #[test]
    fn who_is_slow_loses_the_oldest_and_is_told_so_first() {
        let mailbox = mailbox("STREAM:7");
        mailbox.push(Entry::Lost(Loss::of(5)), 0);
        for number in 0..5 {
            mailbox.push(text(number, 300_000), 300_000);
        }
        assert_eq!(next(&mailbox).unwrap(), format!("Lost(\"{} bytes of output lost\")", 5 + 2 * 300_002));
        assert_eq!(
            [next(&mailbox), next(&mailbox), next(&mailbox), next(&mailbox)],
            [Some("2 ".to_owned()), Some("3 ".to_owned()), Some("4 ".to_owned()), None]
        );
        assert_eq!(mailbox.lock().bytes, 0);
    }

    #[test]
    fn that_the_node_was_started_anew_is_told_though_its_place_is_given_up() {
        let mailbox = mailbox("EVENTS");
        mailbox.push(Entry::Lost(Loss::UNKNOWN), 0);
        mailbox.push(Entry::Reconnected { same_run: false }, 0);
        mailbox.push(Entry::Reconnected { same_run: true }, 0);
        mailbox.push(text(1, 0), 2 * MOST);
        assert!(next(&mailbox).unwrap().contains("events may have been lost"));
        assert_eq!(next(&mailbox).as_deref(), Some("Reconnected { same_run: false }"));
        assert_eq!(next(&mailbox).as_deref(), Some("1 "), "what is too large alone has room all the same");
        assert_eq!(next(&mailbox), None);
    }

    #[test]
    fn an_end_comes_after_what_waits_and_nothing_comes_after_it() {
        let mailbox = mailbox("STATS");
        let client = Client::new(&Endpoint::default()).unwrap();
        mailbox.push(text(1, 0), 0);
        mailbox.end(Err(client.interrupted("x", Cause::Closed)));
        mailbox.end(Ok(()));
        mailbox.push(text(2, 0), 0);
        assert_eq!(next(&mailbox).as_deref(), Some("1 "));
        assert!(next(&mailbox).unwrap().ends_with("the node closed the connection"));
        assert_eq!([next(&mailbox), next(&mailbox)].map(Option::unwrap), ["end", "end"]);
    }

    #[test]
    fn what_nobody_reads_any_more_keeps_nothing() {
        let mailbox = mailbox("STATS");
        mailbox.push(text(1, 0), 0);
        mailbox.close();
        mailbox.push(text(2, 0), 0);
        assert!(mailbox.is_closed() && mailbox.lock().entries.is_empty());
    }

    proptest! {
        #[test]
        fn what_is_told_and_what_is_lost_is_all_there_was(
            steps in prop::collection::vec(prop_oneof![Just(None), (0..600_000usize).prop_map(Some)], 0..60),
        ) {
            let mailbox = mailbox("STREAM:7");
            let (mut pushed, mut told) = (0, 0);
            let mut take = || {
                match mailbox.poll_next(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(Some(Ok(Told::Item(item)))) => told += item.count(),
                    Poll::Ready(Some(Ok(Told::Lost(words)))) => {
                        told += words.split(' ').next().unwrap().parse::<u64>().unwrap();
                    }
                    Poll::Ready(_) | Poll::Pending => return false,
                }
                true
            };
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Some(len) => {
                        let entry = text(number, len);
                        if let Entry::Item(item) = &entry {
                            pushed += item.count();
                        }
                        mailbox.push(entry, len);
                        prop_assert!(mailbox.lock().bytes <= MOST);
                    }
                    None => drop(take()),
                }
            }
            while take() {}
            prop_assert_eq!(told, pushed);
        }
    }
}
