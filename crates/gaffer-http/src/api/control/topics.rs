//! To what a client is subscribed.

use std::{
    collections::{HashMap, hash_map::Entry},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use futures_util::{
    StreamExt,
    stream::{AbortHandle, Abortable, SelectAll},
};

use super::source::{Said, Source};

/// The most that one client subscribes to at once: more than there is on a page, and few enough that each costs what it likes.
pub(super) const MOST: usize = 256;

/// What a client is subscribed to, and what that has to say.
#[derive(Default)]
pub(super) struct Topics {
    open: HashMap<Arc<str>, Open>,
    sources: SelectAll<Named>,
}

struct Open {
    /// How often the client has subscribed.
    count: usize,
    end: AbortHandle,
}

/// A source, and the topic as the client wrote it.
struct Named {
    topic: Arc<str>,
    source: Abortable<Source>,
}

impl Stream for Named {
    type Item = (Arc<str>, Said);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let said = ready!(self.source.poll_next_unpin(cx));
        Poll::Ready(said.map(|said| (Arc::clone(&self.topic), said)))
    }
}

impl Topics {
    /// Subscribes once more to a topic that is subscribed to. Answers whether it is.
    pub(super) fn again(&mut self, topic: &str) -> bool {
        let open = self.open.get_mut(topic);
        let is_open = open.is_some();
        if let Some(open) = open {
            open.count += 1;
        }
        is_open
    }

    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= MOST
    }

    pub(super) fn add(&mut self, topic: &str, source: Source) {
        let topic: Arc<str> = topic.into();
        let (end, registration) = AbortHandle::new_pair();
        self.sources.push(Named { topic: Arc::clone(&topic), source: Abortable::new(source, registration) });
        self.open.insert(topic, Open { count: 1, end });
    }

    /// Takes one subscription back; with the last one nothing more is said of the topic. One that was never made is none.
    pub(super) fn remove(&mut self, topic: &str) {
        if let Entry::Occupied(mut open) = self.open.entry(topic.into()) {
            open.get_mut().count -= 1;
            if open.get().count == 0 {
                open.remove().end.abort();
            }
        }
    }

    /// What comes next of any topic. Pending for as long as there is none.
    pub(super) fn poll_said(&mut self, cx: &mut Context<'_>) -> Poll<(Arc<str>, Said)> {
        match self.sources.poll_next_unpin(cx) {
            Poll::Ready(Some((topic, said))) => {
                if let Said::Ended = said {
                    self.open.remove(&topic);
                }
                Poll::Ready((topic, said))
            }
            // Who adds one asks again.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}
