//! Sessions over websockets: framed as those of other transports, or bare.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    sockjs::{
        conversation::{Conversation, Seat},
        frame::Frame,
        payload::{self, Malformed},
    },
    ws::{Close, Data, Outgoing, Receiver},
};

/// Messages that go into one frame, in bytes: beyond, more frames cost nothing that could be seen.
const FRAME: usize = 32 * 1024;

/// What a session says, in frames.
pub(crate) struct Framed {
    seat: Seat,
    pause: Duration,
    /// Only once there was a silence.
    heartbeat: Option<Pin<Box<Sleep>>>,
    /// After the frame that says so.
    closing: Option<Close>,
}

impl Framed {
    pub(crate) fn new(seat: Seat, heartbeat: Duration) -> Self {
        Self { seat, pause: heartbeat, heartbeat: None, closing: None }
    }
}

impl Stream for Framed {
    type Item = Outgoing;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        if let Some(close) = self.closing.take() {
            return Poll::Ready(Some(Outgoing::Close(close)));
        }
        let frame = match self.seat.poll_frame(cx, FRAME) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let pause = self.pause;
                ready!(self.heartbeat.get_or_insert_with(|| Box::pin(sleep(pause))).as_mut().poll(cx));
                Frame::Heartbeat
            }
        };
        let next = Instant::now() + self.pause;
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.as_mut().reset(next);
        }
        if let Frame::Close(close) = &frame {
            self.closing = Some(close.clone());
        }
        Poll::Ready(Some(Outgoing::Data(Data::text(frame.encode()))))
    }
}

/// What a session says, bare.
pub(crate) struct Raw {
    seat: Seat,
}

impl Raw {
    pub(crate) fn new(seat: Seat) -> Self {
        Self { seat }
    }
}

impl Stream for Raw {
    type Item = Outgoing;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        loop {
            return Poll::Ready(Some(match ready!(self.seat.poll_frame(cx, 0)) {
                // Bare sessions have neither: websockets have their own.
                Frame::Open | Frame::Heartbeat => continue,
                // One by one, as not more than a byte was asked for.
                Frame::Messages(mut messages) => match messages.pop() {
                    Some(message) => Outgoing::Data(Data::Text(message)),
                    None => continue,
                },
                Frame::Close(close) => Outgoing::Close(close),
            }));
        }
    }
}

/// The client's side of a session over a websocket. Its end is the end of what the client says.
struct Intake {
    conversation: Arc<Conversation>,
}

impl Intake {
    async fn offer(&self, messages: Vec<String>) -> Vec<Outgoing> {
        // If the session is over, the source says so.
        let _over = self.conversation.offer(messages).await;
        Vec::new()
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.conversation.hang_up();
    }
}

/// Hears frames of messages.
pub(crate) struct FramedIntake(Intake);

impl FramedIntake {
    pub(crate) fn new(conversation: Arc<Conversation>) -> Self {
        Self(Intake { conversation })
    }
}

impl Receiver for FramedIntake {
    async fn receive(&mut self, message: Data) -> Vec<Outgoing> {
        match payload::read(&message.into_bytes()) {
            Ok(messages) => self.0.offer(messages).await,
            Err(Malformed::Empty) => Vec::new(),
            Err(Malformed::Broken) => {
                vec![Outgoing::Close(Close { code: 1007, reason: "Broken framing.".into() })]
            }
        }
    }
}

/// Hears bare messages.
pub(crate) struct RawIntake(Intake);

impl RawIntake {
    pub(crate) fn new(conversation: Arc<Conversation>) -> Self {
        Self(Intake { conversation })
    }
}

impl Receiver for RawIntake {
    async fn receive(&mut self, message: Data) -> Vec<Outgoing> {
        let text = match message {
            Data::Text(text) => text.as_str().to_owned(),
            Data::Binary(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        };
        self.0.offer(vec![text]).await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tokio::time::timeout;

    use axum::http::Extensions;

    use super::*;
    use crate::sockjs::conversation::Place;

    const PAUSE: Duration = Duration::from_secs(25);

    fn seat(conversation: &Arc<Conversation>) -> Seat {
        let Place::Free(seat) = conversation.sit(true) else { panic!("the place is not free") };
        seat
    }

    fn text(text: &str) -> Option<Outgoing> {
        Some(Outgoing::Data(Data::text(text)))
    }

    fn go_away() -> Close {
        Close { code: 3000, reason: "Go away!".into() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_is_broken_by_heartbeats() {
        let conversation = Conversation::new(Extensions::new());
        let begun = Instant::now();
        let mut framed = Framed::new(seat(&conversation), PAUSE);
        assert_eq!(framed.next().await, text("o"));
        for seconds in [25, 50] {
            assert_eq!(framed.next().await, text("h"));
            assert_eq!(begun.elapsed().as_secs(), seconds);
        }
        tokio::time::advance(Duration::from_secs(20)).await;
        conversation.push("x".into()).unwrap();
        assert_eq!(framed.next().await, text("a[\"x\"]"));
        assert_eq!(framed.next().await, text("h"));
        assert_eq!(begun.elapsed().as_secs(), 95, "the silence begins with the last frame");
        conversation.close(go_away());
        assert_eq!(framed.next().await, text("c[3000,\"Go away!\"]"));
        assert_eq!(framed.next().await, Some(Outgoing::Close(go_away())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_bare_session_is_silent_when_there_is_nothing_to_say() {
        let conversation = Conversation::new(Extensions::new());
        let mut raw = Raw::new(seat(&conversation));
        let hours = timeout(Duration::from_secs(36_000), raw.next()).await;
        assert!(hours.is_err(), "{hours:?}");
        for message in ["a", "", "b"] {
            conversation.push(message.into()).unwrap();
        }
        for message in ["a", "", "b"] {
            assert_eq!(raw.next().await, text(message), "one by one");
        }
        conversation.close(go_away());
        assert_eq!(raw.next().await, Some(Outgoing::Close(go_away())));
    }
}
