//! An answer of HTTP that carries frames to a client.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep};

use super::Format;
use crate::{
    sockjs::{
        conversation::{Place, Seat},
        frame::Frame,
    },
    ws::Close,
};

/// How long an answer goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// It ends once it has so many bytes, its beginning aside; one that does not stream, with its first frame.
    pub(crate) bytes: usize,
    /// The silence after which it has a heartbeat.
    pub(crate) heartbeat: Duration,
}

/// The body of an answer.
pub(crate) struct Answer {
    format: Format,
    source: Source,
    prelude: Option<Bytes>,
    limits: Limits,
    written: usize,
    /// Only once there was a silence.
    heartbeat: Option<Pin<Box<Sleep>>>,
}

enum Source {
    /// What the session has to say.
    Seat(Seat),
    /// One frame.
    Last(Close),
    /// Nothing more.
    Ended,
}

impl Answer {
    pub(crate) fn new(format: Format, place: Place, limits: Limits) -> Self {
        let source = match place {
            Place::Free(seat) => Source::Seat(seat),
            Place::Taken => Source::Last(Close { code: 2010, reason: "Another connection still open".into() }),
            Place::Over(close) => Source::Last(close),
        };
        let prelude = format.prelude();
        Self { format, source, prelude, limits, written: 0, heartbeat: None }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(prelude) = self.prelude.take() {
            return Poll::Ready(Some(prelude));
        }
        let frame = match &mut self.source {
            Source::Ended => return Poll::Ready(None),
            Source::Last(close) => Frame::Close(close.clone()),
            Source::Seat(seat) => match seat.poll_frame(cx, self.limits.bytes.saturating_sub(self.written).max(1)) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    let pause = self.limits.heartbeat;
                    ready!(self.heartbeat.get_or_insert_with(|| Box::pin(sleep(pause))).as_mut().poll(cx));
                    Frame::Heartbeat
                }
            },
        };
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.as_mut().reset(Instant::now() + self.limits.heartbeat);
        }
        let chunk = self.format.write(&frame);
        self.written += chunk.len();
        let is_last = matches!(frame, Frame::Close(_)) || !self.format.is_streaming();
        if is_last || self.written >= self.limits.bytes {
            // Before the client can have it, and come back.
            if let Source::Seat(seat) = std::mem::replace(&mut self.source, Source::Ended) {
                seat.give_up();
            }
        }
        Poll::Ready(Some(chunk))
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        let chunk = ready!(self.get_mut().poll_chunk(cx));
        Poll::Ready(chunk.map(|chunk| Ok(http_body::Frame::data(chunk))))
    }
}
