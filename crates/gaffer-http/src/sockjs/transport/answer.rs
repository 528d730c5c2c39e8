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

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::Arc};

    use axum::http::Extensions;

    use super::*;
    use crate::sockjs::conversation::Conversation;

    const LIMITS: Limits = Limits { bytes: 4096, heartbeat: Duration::from_secs(25) };

    fn answer(conversation: &Arc<Conversation>, format: Format, limits: Limits) -> Answer {
        Answer::new(format, conversation.sit(false), limits)
    }

    async fn next(answer: &mut Answer) -> Option<String> {
        let chunk = poll_fn(|cx| answer.poll_chunk(cx));
        let chunk = tokio::time::timeout(Duration::from_secs(3600), chunk).await.expect("a chunk, or the end")?;
        Some(String::from_utf8(chunk.to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_is_broken_by_heartbeats() {
        let conversation = Conversation::new(Extensions::new());
        let begun = Instant::now();
        let mut answer = answer(&conversation, Format::Events, LIMITS);
        assert_eq!(next(&mut answer).await.as_deref(), Some("\r\n"));
        assert_eq!(next(&mut answer).await.as_deref(), Some("data: o\r\n\r\n"));
        for seconds in [25, 50] {
            assert_eq!(next(&mut answer).await.as_deref(), Some("data: h\r\n\r\n"));
            assert_eq!(begun.elapsed().as_secs(), seconds);
        }
        tokio::time::advance(Duration::from_secs(20)).await;
        conversation.push("x".into()).unwrap();
        assert_eq!(next(&mut answer).await.as_deref(), Some("data: a[\"x\"]\r\n\r\n"));
        assert_eq!(next(&mut answer).await.as_deref(), Some("data: h\r\n\r\n"));
        assert_eq!(begun.elapsed().as_secs(), 95, "the silence begins with the last frame");
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_ends_with_its_heartbeat_and_the_session_does_not() {
        let conversation = Conversation::new(Extensions::new());
        for (seconds, expected) in [(0, "o\n"), (25, "h\n"), (25, "h\n")] {
            let begun = Instant::now();
            let mut answer = answer(&conversation, Format::Lines { streaming: false }, LIMITS);
            assert_eq!(next(&mut answer).await.as_deref(), Some(expected));
            assert_eq!(begun.elapsed().as_secs(), seconds);
            assert_eq!(next(&mut answer).await, None);
        }
        assert!(matches!(conversation.sit(false), Place::Free(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_gives_its_place_up_with_the_last_chunk_and_not_after_it() {
        let conversation = Conversation::new(Extensions::new());
        let limits = Limits { bytes: 4, ..LIMITS };
        let mut answer = answer(&conversation, Format::Lines { streaming: true }, limits);
        assert_eq!(next(&mut answer).await.map(|prelude| prelude.len()), Some(2049));
        assert_eq!(next(&mut answer).await.as_deref(), Some("o\n"));
        assert!(matches!(conversation.sit(false), Place::Taken));
        assert_eq!(next(&mut answer).await.as_deref(), Some("h\n"), "what is sent in a silence counts, too");
        assert!(matches!(conversation.sit(false), Place::Free(_)));
        assert_eq!(next(&mut answer).await, None);
        assert_eq!(next(&mut answer).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_more_than_one_answer_is_left_for_the_next() {
        let conversation = Conversation::new(Extensions::new());
        let messages = ["a", "b", "c"].map(|text| text.repeat(100));
        for message in &messages {
            conversation.push(message.as_str().into()).unwrap();
        }
        for (number, message) in messages.iter().enumerate() {
            let limits = Limits { bytes: 100, ..LIMITS };
            let mut answer = answer(&conversation, Format::Events, limits);
            assert_eq!(next(&mut answer).await.as_deref(), Some("\r\n"));
            if number == 0 {
                assert_eq!(next(&mut answer).await.as_deref(), Some("data: o\r\n\r\n"));
            }
            assert_eq!(next(&mut answer).await, Some(format!("data: a[\"{message}\"]\r\n\r\n")));
            assert_eq!(next(&mut answer).await, None);
        }
    }
}
