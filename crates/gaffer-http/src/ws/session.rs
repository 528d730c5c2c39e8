//! One session, both ways.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::Sink;
use gaffer_core::api::MAX_MESSAGE;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Sleep, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{
            Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{Data as Kind, OpCode},
            },
        },
    },
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    Close, Data, Deaf, Outgoing, Pulse, Receiver,
    farewell::{Ending, part},
    intake::Intake,
    keep_alive::{Beat, KeepAlive},
};

/// What a session may cost, and how it is kept alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most bytes of one message of the peer. What we say in more goes in pieces of so many. Default: 1 MiB.
    pub max_message: usize,
    /// After how long a silence the peer is asked for a sign of life; if it gives none it is dropped. Never for `None`. Default: 30 s.
    pub keep_alive: Option<Duration>,
    /// How long it may take to give one; and how long it may leave unread what we answer, so that we do not read on. Default, for `None`:
    /// as long as `keep_alive`, but 10 s at least and 30 s at most, and for ever.
    pub patience: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_message: MAX_MESSAGE, keep_alive: Some(Duration::from_secs(30)), patience: None }
    }
}

/// What is spoken on a websocket.
#[derive(Debug)]
pub struct Session<S, R> {
    /// What is said. It is asked for more only when the peer has room, and the session ends with it.
    pub source: S,
    /// Who hears the peer.
    pub receiver: R,
    /// Limits and times.
    pub options: Options,
}

impl Session<futures_util::stream::Iter<std::array::IntoIter<Outgoing, 2>>, Deaf> {
    /// A session that says one thing and ends.
    pub fn refusal(why: Data, close: Close) -> Self {
        let source = futures_util::stream::iter([Outgoing::Data(why), Outgoing::Close(close)]);
        Self { source, receiver: Deaf, options: Options::default() }
    }
}

/// What is read at once. Each session holds so much all the time, so not more than small messages need.
const READ_BUFFER: usize = 8 * 1024;

/// Room for pongs beside a message.
const PONGS: usize = 64 * 1024;

/// Time for the receiver to answer what it was given, when the source has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Time for the receiver to take what the peer had sent, when the peer is gone.
const LAST_MESSAGES: Duration = Duration::from_secs(5);

impl<S: Stream<Item = Outgoing> + Unpin, R: Receiver> Session<S, R> {
    /// Speaks until the end. `kept` is dropped last, when nothing that came on the connection takes memory any more.
    pub(super) async fn run<Io, K>(self, io: Io, kept: K, closing: CancellationToken)
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let limit = self.options.max_message;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(limit + PONGS)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        let pulse = self.receiver.pulse();
        let mut pump = Pump {
            socket: WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await,
            limit,
            source: Ok(self.source),
            rest: Bytes::new(),
            said: 0,
            intake: Intake::new(self.receiver),
            outbox: VecDeque::new(),
            keep_alive: KeepAlive::new(self.options.keep_alive, self.options.patience),
            pulse,
        };
        let ending = tokio::select! {
            biased;
            () = closing.cancelled() => Ending::Ours(Close::GOING_AWAY),
            ending = poll_fn(|cx| pump.poll(cx)) => ending,
        };
        debug!(?ending, "a websocket session ends");
        let Pump { socket, source, said, intake, outbox, .. } = pump;
        drop((source, outbox)); // At once, whatever the peer still does.
        let intake = (!matches!(ending, Ending::Ours(_))).then_some(intake);
        part(socket, ending, said, &closing).await;
        if let Some(mut intake) = intake {
            let rest = async {
                while !intake.is_idle() {
                    drop(poll_fn(|cx| intake.poll(cx)).await);
                }
            };
            tokio::select! {
                () = closing.cancelled() => {}
                _ = timeout(LAST_MESSAGES, rest) => {}
            }
        }
        drop(kept);
    }
}

struct Pump<Io, S, R> {
    socket: WebSocketStream<Io>,
    limit: usize,
    /// Once it has ended: until when the receiver may still answer.
    source: Result<S, Pin<Box<Sleep>>>,
    /// What is still to be sent of a large message.
    rest: Bytes,
    /// Bytes that were sent, in messages.
    said: usize,
    intake: Intake<R>,
    /// Answers of the receiver that are not sent yet; those to one message.
    outbox: VecDeque<Outgoing>,
    keep_alive: KeepAlive,
    /// By which others ask for signs of life.
    pulse: Option<Arc<Pulse>>,
}

impl<Io, S, R> Pump<Io, S, R>
where
    Io: AsyncRead + AsyncWrite + Unpin,
    S: Stream<Item = Outgoing> + Unpin,
    R: Receiver,
{
    /// Resolves at the end. Each turn takes one step in each direction, so that none of them starves the others.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        loop {
            // What there is to say at the beginning, such as a refusal, is said before a ping is answered.
            let mut steps = [self.poll_receiver(cx).map(Ok), self.poll_write(cx), self.poll_read(cx)];
            if steps.iter().all(Poll::is_pending) {
                steps[0] = self.poll_keep_alive(cx);
                if steps[0].is_pending() {
                    return Poll::Pending;
                }
            }
            for step in steps {
                if let Poll::Ready(Err(ending)) = step {
                    return Poll::Ready(ending);
                }
            }
        }
    }

    /// Has the receiver take a message, when its last answers are on their way.
    fn poll_receiver(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.outbox.is_empty() {
            return Poll::Pending;
        }
        self.outbox.extend(ready!(self.intake.poll(cx)));
        Poll::Ready(())
    }

    /// Reads a message, if there is room for one.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        if !self.intake.has_room() {
            return Poll::Pending; // The receiver wakes us.
        }
        let message = ready!(Pin::new(&mut self.socket).poll_next(cx));
        self.keep_alive.heard();
        if let Some(pulse) = &self.pulse {
            pulse.heard();
        }
        let data = match message {
            Some(Ok(Message::Text(text))) => Data::Text(text),
            Some(Ok(Message::Binary(bytes))) => Data::Binary(bytes),
            // A ping is answered by the next read or write.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => return Poll::Ready(Ok(())),
            Some(Ok(Message::Close(_))) => return Poll::Ready(Err(Ending::Theirs)),
            Some(Err(error)) => return Poll::Ready(Err(self.ending_of(&error))),
            None => return Poll::Ready(Err(Ending::Lost)),
        };
        self.intake.push(data);
        Poll::Ready(Ok(()))
    }

    /// Sends a message, once all before it is out of our hands.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        if let Err(error) = ready!(Pin::new(&mut self.socket).poll_flush(cx)) {
            return Poll::Ready(Err(self.ending_of(&error)));
        }
        if !self.rest.is_empty() {
            return Poll::Ready(self.send_piece(Kind::Continue));
        }
        let next = match self.outbox.pop_front() {
            Some(answer) => answer,
            None => ready!(self.poll_source(cx)),
        };
        Poll::Ready(match next {
            Outgoing::Data(data) if data.len() > self.limit => {
                let kind = if matches!(data, Data::Text(_)) { Kind::Text } else { Kind::Binary };
                self.rest = data.into_bytes();
                self.send_piece(kind)
            }
            Outgoing::Data(data) => self.send(data),
            Outgoing::Close(close) => Err(Ending::Ours(close)),
        })
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Outgoing> {
        if let Ok(source) = &mut self.source {
            if let Some(outgoing) = ready!(Pin::new(source).poll_next(cx)) {
                return Poll::Ready(outgoing);
            }
            self.source = Err(Box::pin(sleep(LAST_ANSWERS)));
        }
        if let Err(time) = &mut self.source
            && !self.intake.is_idle()
        {
            ready!(time.as_mut().poll(cx));
        }
        Poll::Ready(Outgoing::Close(Close::NORMAL))
    }

    fn poll_keep_alive(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        let stalled = !self.intake.has_room();
        let is_asked = self.pulse.as_ref().is_some_and(|pulse| pulse.poll_asked(cx).is_ready());
        let beat = if is_asked { Beat::Ping } else { ready!(self.keep_alive.poll(cx, stalled)) };
        Poll::Ready(match beat {
            Beat::Dead => Err(Ending::Lost),
            Beat::Ping => match Pin::new(&mut self.socket).poll_flush(cx) {
                Poll::Ready(_) => self.send(Message::Ping(Bytes::new())),
                Poll::Pending => Ok(()), // What waits to be sent does as well.
            },
        })
    }

    /// Hands as much of a large message to the socket as may wait there.
    fn send_piece(&mut self, kind: Kind) -> Result<(), Ending> {
        let piece = self.rest.split_to(self.rest.len().min(self.limit.max(1)));
        let is_last = self.rest.is_empty();
        self.send(Message::Frame(Frame::message(piece, OpCode::Data(kind), is_last)))
    }

    /// Hands a message to the socket, which must have been flushed.
    fn send(&mut self, message: impl Into<Message>) -> Result<(), Ending> {
        let message = message.into();
        self.said = self.said.saturating_add(message.len());
        Pin::new(&mut self.socket).start_send(message).map_err(|error| self.ending_of(&error))
    }

    fn ending_of(&self, error: &Error) -> Ending {
        match error {
            Error::Capacity(_) => Ending::Violation(Close::too_large(self.limit)),
            Error::Utf8(_) => Ending::Violation(Close::NOT_UTF8),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ending::Lost,
            Error::Protocol(_) => Ending::Violation(Close::PROTOCOL),
            Error::WriteBufferFull(_) => Ending::Ours(Close::INTERNAL),
            Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Io(_)
            | Error::Tls(_)
            | Error::AttackAttempt
            | Error::Url(_)
            | Error::Http(_)
            | Error::HttpFormat(_) => Ending::Lost,
        }
    }
}

#[cfg(test)]
mod tests;
