//! One labelled output of a process: its recent bytes, and those who read them.
//!
//! The bytes are kept once, in one [`Ring`], and each subscription is a position in it. So a further reader costs a wake-up
//! and no copy, and memory is bounded per output, however many read it and however slowly:
//!
//! | kept | how much | for |
//! | --- | --- | --- |
//! | always | the last [`Output::HISTORY`] bytes, if so many were written | who comes late |
//! | while a subscription has not read it | up to [`Output::MAX`] bytes | who is slow; beyond, the oldest goes and they are told |
//! | while the sink has not read it | all: the writer waits from [`Output::SINK_BACKLOG`] on | who must not lose any |
//! | while a sink is expected | all, as if it stood at the first byte | who will attach one, and must not lose any |
//!
//! To each of these comes at most one chunk more, as whole chunks are dropped.

use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::{sync::Notify, task::coop};

use super::ring::Ring;
use crate::{
    names::StreamLabel,
    sync::{SeatNumber, Waiters, lock},
};

/// What a subscription to an output yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// Bytes, as the process wrote them. Never empty. Several writes may come as one chunk.
    Data(Bytes),
    /// So many bytes were lost, the oldest first, because this reader was slow.
    Lagged(u64),
}

/// Where a new subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what is written from now on.
    Now,
    /// With everything that is still kept.
    Oldest,
    /// With the last so many lines that are still kept. What follows the last line feed counts as a line.
    Lines(usize),
}

/// One labelled output of a process.
///
/// Whoever reads the pipe pushes into it. It ends when it is closed, or when the last [`Arc`] of it is dropped:
/// subscriptions read what is left and get `None`.
///
/// ```
/// use bytes::Bytes;
/// use gaffer_core::streams::{Chunk, Output, Start};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let output = Output::new("stdout".parse()?);
/// output.push(Bytes::from("listening\nserved /\nserved /about\n"));
/// output.close();
///
/// let mut last_line = output.subscribe(Start::Lines(1));
/// assert_eq!(last_line.recv().await, Some(Chunk::Data(Bytes::from("served /about\n"))));
/// assert_eq!(last_line.recv().await, None);
/// # Ok(())
/// # }
/// ```
pub struct Output {
    label: StreamLabel,
    shared: Arc<Shared>,
}

/// Apart from [`Output`], so that a subscription does not keep alive what it waits for.
struct Shared {
    state: Mutex<State>,
    /// Tells writers that wait for the sink.
    room: Notify,
}

#[derive(Default)]
struct State {
    ring: Ring,
    readers: Waiters<Reader>,
    sink: Sink,
    /// No lossy reader is behind this position. Positions only grow, so an old value stays true and only a reader that comes
    /// must lower it; it is found anew when it stands in the way.
    all_beyond: u64,
    /// Losses that readers were told or took with them; those to come are computed when asked for.
    lost: u64,
    closed: bool,
}

#[derive(Clone, Copy)]
struct Reader {
    position: u64,
    lossless: bool,
}

/// For whom everything is kept.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Sink {
    #[default]
    Nobody,
    /// One that is still to come, and will begin with the first byte.
    Expected,
    Attached(SeatNumber),
}

impl Output {
    /// So many of the last bytes are kept for late readers: a few screens of log, and as much as a pipe holds.
    pub const HISTORY: u64 = 64 * 1024;

    /// The most that is kept for slow readers. It rides out a stall of some 10 ms at 100 MB/s, or of minutes at the
    /// rate of usual logs, and a thousand outputs with a reader that hangs take no more than 1 GiB.
    pub const MAX: u64 = 1024 * 1024;

    /// From so many unread bytes on, a sink makes the writer wait. A few times what a pipe holds, so that the sink
    /// can take large strides, and well below [`MAX`](Self::MAX), so that nobody else loses data on its account.
    pub const SINK_BACKLOG: u64 = 256 * 1024;

    /// A larger push is cut into copies of this size: dropped are whole chunks, and part of an allocation keeps all of it
    /// alive. Pipes hold 64 KiB, so that who reads one as it comes never pays for a copy.
    const MAX_CHUNK: usize = 64 * 1024;

    /// Makes an empty output.
    pub fn new(label: StreamLabel) -> Arc<Self> {
        Self::with(label, Sink::Nobody)
    }

    /// Makes an empty output that waits for its sink: until [`attach_sink`](Self::attach_sink) was called it keeps everything,
    /// also after [`close`](Self::close), and makes its writer wait as if the sink was there and had read nothing yet.
    ///
    /// Who made it so has to attach one. Who then finds that nobody wants the bytes drops it at once, which lets the
    /// writer go on.
    pub fn expecting_sink(label: StreamLabel) -> Arc<Self> {
        Self::with(label, Sink::Expected)
    }

    fn with(label: StreamLabel, sink: Sink) -> Arc<Self> {
        let state = Mutex::new(State { sink, ..State::default() });
        Arc::new(Self { label, shared: Arc::new(Shared { state, room: Notify::new() }) })
    }

    /// The label.
    pub fn label(&self) -> &StreamLabel {
        &self.label
    }

    /// Appends what the process wrote. Never waits; after [`close`](Self::close) it does nothing.
    ///
    /// More than 1 KiB at once is kept without a copy. If `data` is a slice of a larger buffer, that buffer stays
    /// allocated as long as the slice is kept, so fill buffers before handing them over, or split what was filled off.
    pub fn push(&self, data: Bytes) {
        let mut state = lock(&self.shared.state);
        if state.closed || data.is_empty() {
            return;
        }
        if data.len() <= Self::MAX_CHUNK {
            state.push(data);
        } else {
            for part in data.chunks(Self::MAX_CHUNK) {
                state.push(Bytes::copy_from_slice(part));
            }
        }
        let sleepers = state.readers.rouse();
        drop(state);
        sleepers.into_iter().for_each(Waker::wake);
    }

    /// Resolves once a lossless sink, if there is one or one is expected, has room, or once the output is closed.
    ///
    /// Whoever pushes waits for this before each push; then the sink has at most [`SINK_BACKLOG`](Self::SINK_BACKLOG)
    /// bytes and one push to read.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if this is dropped.
    pub async fn writable(&self) {
        loop {
            if lock(&self.shared.state).has_room() {
                return;
            }
            // In line first, then look again: room that is made in between is not missed.
            let mut room = pin!(self.shared.room.notified());
            room.as_mut().enable();
            if lock(&self.shared.state).has_room() {
                return;
            }
            room.await;
        }
    }

    /// Nothing more will come. Subscriptions read the rest and end; later ones get what is kept.
    pub fn close(&self) {
        let mut state = lock(&self.shared.state);
        state.closed = true;
        let sleepers = state.readers.rouse();
        drop(state);
        sleepers.into_iter().for_each(Waker::wake);
        self.shared.room.notify_waiters();
    }

    /// Whether nothing more will come.
    pub fn is_closed(&self) -> bool {
        lock(&self.shared.state).closed
    }

    /// Bytes written since the beginning.
    pub fn total(&self) -> u64 {
        lock(&self.shared.state).ring.tail()
    }

    /// Bytes that slow subscribers lost, summed over all of them, from the moment of the loss.
    pub fn lost(&self) -> u64 {
        let state = lock(&self.shared.state);
        let head = state.ring.head();
        state.lost + state.readers.values().map(|reader| head.saturating_sub(reader.position)).sum::<u64>()
    }

    /// Subscribes. A subscriber that falls behind loses the oldest bytes, and is told how many.
    pub fn subscribe(self: &Arc<Self>, start: Start) -> OutputSubscription {
        let mut state = lock(&self.shared.state);
        let position = match start {
            Start::Now => state.ring.tail(),
            Start::Oldest => state.ring.head(),
            Start::Lines(lines) => state.ring.start_of_lines(lines),
        };
        self.enter(&mut state, Reader { position, lossless: false })
    }

    /// Subscribes to what follows the first `position` bytes ever written, so that a reader can go on where it broke off
    /// (see [`OutputSubscription::position`]). What is not kept any more is told as a first [`Chunk::Lagged`]; a position
    /// that was not reached yet counts as now.
    pub fn subscribe_from(self: &Arc<Self>, position: u64) -> OutputSubscription {
        let mut state = lock(&self.shared.state);
        let position = position.min(state.ring.tail());
        self.enter(&mut state, Reader { position, lossless: false })
    }

    /// Subscribes without loss, beginning with the oldest bytes kept; `None` if the output has a sink already.
    ///
    /// As long as the sink has [`SINK_BACKLOG`](Self::SINK_BACKLOG) bytes or more to read, [`writable`](Self::writable)
    /// waits, and with it the pipe and in the end the process. Dropping the sink releases them. The first sink of an output
    /// that was [expecting](Self::expecting_sink) it begins with the first byte ever written.
    pub fn attach_sink(self: &Arc<Self>) -> Option<OutputSubscription> {
        let mut state = lock(&self.shared.state);
        if matches!(state.sink, Sink::Attached(_)) {
            return None;
        }
        let position = state.ring.head();
        let subscription = self.enter(&mut state, Reader { position, lossless: true });
        state.sink = Sink::Attached(subscription.seat);
        Some(subscription)
    }

    /// Whether a sink is still to come, and everything is kept for it.
    pub fn expects_sink(&self) -> bool {
        lock(&self.shared.state).sink == Sink::Expected
    }

    fn enter(&self, state: &mut State, reader: Reader) -> OutputSubscription {
        if !reader.lossless {
            state.all_beyond = state.all_beyond.min(reader.position);
        }
        OutputSubscription { shared: Arc::clone(&self.shared), seat: state.readers.sit(reader) }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.close(); // A writer that fails must not leave its readers waiting for ever.
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("label", &self.label).finish_non_exhaustive()
    }
}

impl State {
    fn push(&mut self, data: Bytes) {
        self.ring.push(data);
        self.trim();
    }

    /// Drops what need not be kept any more.
    fn trim(&mut self) {
        while let Some(front) = self.ring.front_len() {
            let kept = self.ring.len();
            let end = self.ring.head() + front;
            let sink_wants_it = self.sink_position().is_some_and(|position| position < end);
            if kept - front < Output::HISTORY || sink_wants_it {
                return;
            }
            if kept <= Output::MAX && !self.all_have_read(end) {
                return;
            }
            self.ring.drop_front();
        }
    }

    /// Whether no lossy reader still wants something before this position.
    fn all_have_read(&mut self, end: u64) -> bool {
        if self.all_beyond < end {
            let lossy = self.readers.values().filter(|reader| !reader.lossless);
            self.all_beyond = lossy.map(|reader| reader.position).min().unwrap_or(self.ring.tail());
        }
        self.all_beyond >= end
    }

    fn has_room(&self) -> bool {
        let backlog = self.sink_position().map_or(0, |position| self.ring.tail() - position);
        self.closed || backlog < Output::SINK_BACKLOG
    }

    /// What the sink has read, if there is one or one is to come.
    fn sink_position(&self) -> Option<u64> {
        match self.sink {
            Sink::Nobody => None,
            Sink::Expected => Some(0),
            Sink::Attached(seat) => Some(self.readers.value(seat).position),
        }
    }

    /// What is there for a reader, and whether taking it has made room for the writer.
    fn read(&mut self, seat: SeatNumber) -> (Option<Chunk>, bool) {
        let shared = self.readers.len() > 1;
        let (head, tail) = (self.ring.head(), self.ring.tail());
        let reader = self.readers.value_mut(seat);
        let Reader { position: before, lossless } = *reader;
        let chunk = if before < head {
            reader.position = head;
            self.lost += head - before;
            Chunk::Lagged(head - before)
        } else if before < tail {
            let data = self.ring.read(before, shared);
            reader.position += data.len() as u64;
            Chunk::Data(data)
        } else {
            return (None, false);
        };
        // Only who was behind all others can have freed the oldest chunk.
        if lossless || before <= self.all_beyond {
            self.trim();
        }
        (Some(chunk), lossless && tail - before >= Output::SINK_BACKLOG && self.has_room())
    }
}

/// Reads an output; dropping it ends the subscription.
///
/// It is a [`Stream`] as well.
pub struct OutputSubscription {
    shared: Arc<Shared>,
    seat: SeatNumber,
}

impl OutputSubscription {
    /// The next chunk; `None` once the output is closed and all was read.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if this is dropped before it resolves.
    pub async fn recv(&mut self) -> Option<Chunk> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Chunk>> {
        // A reader for whom there is always something must still let the other tasks of its thread run.
        let budget = ready!(coop::poll_proceed(cx));
        let mut state = lock(&self.shared.state);
        let (chunk, made_room) = state.read(self.seat);
        if chunk.is_none() && !state.closed {
            let old = state.readers.sleep(self.seat, cx.waker());
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        drop(state);
        if made_room {
            self.shared.room.notify_waiters();
        }
        budget.made_progress();
        Poll::Ready(chunk)
    }

    /// What is there now, if anything.
    pub fn try_recv(&mut self) -> Option<Chunk> {
        let (chunk, made_room) = lock(&self.shared.state).read(self.seat);
        if made_room {
            self.shared.room.notify_waiters();
        }
        chunk
    }

    /// How many bytes were written before the next one that this subscription gets.
    pub fn position(&self) -> u64 {
        lock(&self.shared.state).readers.value(self.seat).position
    }
}

impl Stream for OutputSubscription {
    type Item = Chunk;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Chunk>> {
        self.poll_recv(cx)
    }
}

impl Drop for OutputSubscription {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        let position = state.readers.value(self.seat).position;
        state.lost += state.ring.head().saturating_sub(position);
        let waker = state.readers.leave(self.seat);
        let was_sink = state.sink == Sink::Attached(self.seat);
        if was_sink {
            state.sink = Sink::Nobody;
        }
        state.trim();
        drop(state);
        drop(waker);
        if was_sink {
            self.shared.room.notify_waiters();
        }
    }
}

impl fmt::Debug for OutputSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputSubscription").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
