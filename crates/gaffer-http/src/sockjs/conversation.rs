//! What a session's service and its transports share: messages on their way, and how it stands.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::http::Extensions;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::frame::Frame;
use crate::ws::{Close, Utf8Bytes};

/// From so many waiting bytes on, whoever says more waits: in each direction. Enough to keep a connection busy between two turns, and
/// little beside the largest message.
const ROOM: usize = 64 * 1024;

/// A queue that has grown beyond room for so many messages gives its memory back when it is empty.
const KEPT: usize = 256;

/// What a message costs beside its bytes.
const OVERHEAD: usize = 32;

/// The client is gone, or the session was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session is over")]
pub struct SessionOver;

/// A session, seen from between its two ends.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    state: Mutex<State>,
    /// Tells transports that there is room for what clients say.
    room: Notify,
    /// Tells that a receiver has come or gone.
    seats: Notify,
    /// What is known of the request that began it.
    extensions: Extensions,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the client was told that the session is there.
    opened: bool,
    to_client: Waiting<Utf8Bytes>,
    to_service: Waiting<String>,
    /// Once it is over: how.
    closed: Option<Close>,
    /// Nothing more comes of the client.
    hung_up: bool,
    /// Whether somebody receives for the client.
    taken: bool,
    /// Since when nobody has.
    free_since: Option<Instant>,
    /// Who waits: the service for a message, for room; a transport for a frame.
    receiving: Option<Waker>,
    sending: Option<Waker>,
    carrying: Option<Waker>,
}

/// Messages that wait, and what they cost.
#[derive(Debug)]
struct Waiting<T> {
    messages: VecDeque<T>,
    cost: usize,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { messages: VecDeque::new(), cost: 0 }
    }
}

impl<T: AsRef<str>> Waiting<T> {
    fn push(&mut self, message: T) {
        self.cost += message.as_ref().len() + OVERHEAD;
        self.messages.push_back(message);
    }

    fn pop(&mut self) -> Option<T> {
        let message = self.messages.pop_front()?;
        self.cost -= message.as_ref().len() + OVERHEAD;
        if self.messages.is_empty() && self.messages.capacity() > KEPT {
            self.messages = VecDeque::new();
        }
        Some(message)
    }

    fn has_room(&self) -> bool {
        self.cost < ROOM
    }
}

/// A waker that is to be woken when the lock is free.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Conversation {
    pub(super) fn new(extensions: Extensions) -> Arc<Self> {
        let state = State { free_since: Some(Instant::now()), ..State::default() };
        Arc::new(Self { state: Mutex::new(state), extensions, ..Self::default() })
    }

    pub(super) fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic, and each change is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // What the service does.

    pub(super) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<String>> {
        let mut state = self.state();
        if let Some(message) = state.to_service.pop() {
            let has_room = state.to_service.has_room();
            drop(state);
            if has_room {
                self.room.notify_waiters();
            }
            return Poll::Ready(Some(message));
        }
        if state.hung_up {
            return Poll::Ready(None);
        }
        let old = state.receiving.replace(cx.waker().clone());
        drop(state);
        drop(old);
        Poll::Pending
    }

    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), SessionOver>> {
        let mut state = self.state();
        if state.closed.is_some() {
            return Poll::Ready(Err(SessionOver));
        }
        if state.to_client.has_room() {
            return Poll::Ready(Ok(()));
        }
        let old = state.sending.replace(cx.waker().clone());
        drop(state);
        drop(old);
        Poll::Pending
    }

    pub(super) fn push(&self, message: Utf8Bytes) -> Result<(), SessionOver> {
        let mut state = self.state();
        if state.closed.is_some() {
            return Err(SessionOver);
        }
        state.to_client.push(message);
        let carrying = state.carrying.take();
        drop(state);
        wake(carrying);
        Ok(())
    }

    /// Ends it from the service's side: the client still gets what was sent. Only the first end counts.
    pub(super) fn close(&self, close: Close) {
        let mut state = self.state();
        state.closed.get_or_insert(close);
        self.end(state, true);
    }

    /// Ends it because the client is gone; nothing is there for it any more. With `hung_up` nothing more of it comes either.
    fn lose(&self, hung_up: bool) {
        let mut state = self.state();
        state.to_client = Waiting::default();
        state.closed.get_or_insert(Close { code: 1002, reason: "Connection interrupted".into() });
        self.end(state, hung_up);
    }

    fn end(&self, mut state: MutexGuard<'_, State>, hung_up: bool) {
        state.hung_up |= hung_up;
        let wakers = [state.receiving.take(), state.sending.take(), state.carrying.take()];
        drop(state);
        wakers.into_iter().for_each(wake);
        self.room.notify_waiters();
    }

    // What transports do.

    /// Hands messages of the client on, once there is room for them: all of them, or none if the session is over.
    pub(super) async fn offer(&self, messages: Vec<String>) -> Result<(), SessionOver> {
        loop {
            // In line first, then look: room that is made in between is not missed.
            let mut room = pin!(self.room.notified());
            room.as_mut().enable();
            {
                let mut state = self.state();
                if state.hung_up {
                    return Err(SessionOver);
                }
                if state.to_service.has_room() {
                    messages.into_iter().for_each(|message| state.to_service.push(message));
                    let receiving = state.receiving.take();
                    drop(state);
                    wake(receiving);
                    return Ok(());
                }
            }
            room.await;
        }
    }

    /// Nothing more comes of the client; what came before is still received.
    pub(super) fn hang_up(&self) {
        let mut state = self.state();
        state.hung_up = true;
        let receiving = state.receiving.take();
        drop(state);
        wake(receiving);
        self.room.notify_waiters();
    }

    /// Takes the place of who receives for the client.
    ///
    /// `carries_both` says that what the client says comes the same way: then who loses the place does not know yet whether it has
    /// said all, and tells it by [`hang_up`](Self::hang_up).
    pub(super) fn sit(self: &Arc<Self>, carries_both: bool) -> Place {
        let mut state = self.state();
        if let Some(close) = state.closed.clone()
            && state.to_client.messages.is_empty()
            && state.opened
        {
            return Place::Over(close);
        }
        if state.taken {
            return Place::Taken;
        }
        state.taken = true;
        state.free_since = None;
        drop(state);
        self.seats.notify_waiters();
        Place::Free(Seat { conversation: Arc::clone(self), carries_both, given_up: false })
    }

    /// Resolves when nobody receives for the client.
    pub(super) async fn vacated(&self) {
        loop {
            let mut seats = pin!(self.seats.notified());
            seats.as_mut().enable();
            if !self.state().taken {
                return;
            }
            seats.await;
        }
    }

    /// Resolves when nobody has received for so long.
    pub(super) async fn lapsed(&self, delay: Duration) {
        loop {
            let mut seats = pin!(self.seats.notified());
            seats.as_mut().enable();
            let free_since = self.state().free_since;
            match free_since {
                None => seats.await,
                Some(since) => tokio::select! {
                    () = seats => {}
                    () = sleep_until(since + delay) => return,
                },
            }
        }
    }

    /// Ends it because the client has not come back.
    pub(super) fn expire(&self) {
        self.lose(true);
    }
}

/// What somebody finds who wants to receive for a client.
pub(super) enum Place {
    /// The place.
    Free(Seat),
    /// Another connection of the client has it.
    Taken,
    /// The end of the session.
    Over(Close),
}

/// The place of who receives for a client. Whoever drops it without [giving it up](Self::give_up) has lost the client.
#[derive(Debug)]
pub(super) struct Seat {
    conversation: Arc<Conversation>,
    carries_both: bool,
    given_up: bool,
}

impl Seat {
    /// What the client is to be told next: messages up to about so many bytes, and at least one. After a close there is nothing more.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<Frame> {
        let mut state = self.conversation.state();
        if !state.opened {
            state.opened = true;
            return Poll::Ready(Frame::Open);
        }
        let mut messages = Vec::new();
        let mut bytes = 0;
        while (messages.is_empty() || bytes < most)
            && let Some(message) = state.to_client.pop()
        {
            bytes += message.len();
            messages.push(message);
        }
        if !messages.is_empty() {
            let sending = if state.to_client.has_room() { state.sending.take() } else { None };
            drop(state);
            wake(sending);
            return Poll::Ready(Frame::Messages(messages));
        }
        if let Some(close) = state.closed.clone() {
            return Poll::Ready(Frame::Close(close));
        }
        let old = state.carrying.replace(cx.waker().clone());
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// Leaves it in good order: the client comes back for more.
    pub(super) fn give_up(mut self) {
        self.given_up = true;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.conversation.state();
        state.taken = false;
        state.free_since = Some(Instant::now());
        let carrying = state.carrying.take();
        drop(state);
        drop(carrying); // Our own.
        self.conversation.seats.notify_waiters();
        if !self.given_up {
            self.conversation.lose(!self.carries_both);
        }
    }
}

#[cfg(test)]
mod tests;
