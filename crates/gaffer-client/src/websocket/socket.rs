//! A websocket of a node: what it takes to open one, to keep it alive, and to know why it ends.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::Sink;
use reqwest::{StatusCode, Upgraded, header};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error as WireError, Message,
        error::ProtocolError,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use gaffer_core::api::{
    MAX_MESSAGE,
    channel::Reply,
    frame::{Frame, Kind},
};

use crate::{Cause, Client, Error, Refusal, transport::Call};

/// What is written at once. Well below the largest message, so that a head has its place; a node reads on while it writes the
/// last one.
pub(crate) const PIECE: usize = 256 * 1024;

/// The most that is taken while it is opened.
const MOST_EARLY: usize = 1024 * 1024;

/// The silence after which a node is asked for a sign of life, and again after as long a one.
const SILENCE: Duration = Duration::from_secs(30);

/// How many such questions there are. The connection counts as lost when the last one went unanswered for as long.
const QUESTIONS: u32 = 2;

/// How long a node may take to close its side.
const FAREWELL: Duration = Duration::from_secs(10);

/// What a node says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Text(Bytes),
    Binary(Bytes),
}

impl Said {
    fn len(&self) -> usize {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// How a websocket ended. Can be told again, unlike the errors that it becomes.
#[derive(Debug)]
enum End {
    /// The process has ended, and all is told.
    Normal,
    /// The node has closed it for this reason.
    Refused(Refusal),
    /// The node is stopping, or the connection is cut.
    Closed,
    /// The node gave no sign of life.
    Silence,
    /// What the system says.
    Io(io::ErrorKind, String),
    /// What the node says is none of the protocol.
    Protocol(String),
}

/// A websocket.
#[derive(Debug)]
pub(crate) struct Socket {
    client: Client,
    what: String,
    stream: WebSocketStream<Upgraded>,
    /// The last words of text: if the node closes it for a reason of its own, they are the reason.
    last_text: Bytes,
    /// What came while it was opened.
    early: VecDeque<Said>,
    /// Whether a part of what was handed to the stream may not be sent yet.
    unsent: bool,
    end: Option<End>,
    heard: Instant,
    /// Questions since then.
    asked: u32,
    next_question: Pin<Box<Sleep>>,
    /// After how long a silence it is asked.
    silence: Duration,
    /// Whether the answer to a question has come since this was set to false.
    ponged: bool,
}

impl Socket {
    /// Opens it. Once this returns, the node has not refused it: it answers no ping before it has told why it does.
    pub(crate) async fn open(call: Call) -> Result<Self, Error> {
        Self::open_for(call, MAX_MESSAGE).await
    }

    /// As [`open`](Self::open), for messages of at most so many bytes.
    pub(crate) async fn open_for(call: Call, largest: usize) -> Result<Self, Error> {
        let (client, what) = (call.client().clone(), call.what().to_owned());
        let key = generate_key();
        let answer = call.with(|request| {
            request
                .header(header::CONNECTION, "Upgrade")
                .header(header::UPGRADE, "websocket")
                .header(header::SEC_WEBSOCKET_VERSION, "13")
                .header(header::SEC_WEBSOCKET_KEY, &key)
        });
        let answer = answer.open().await?;
        let accept = answer.headers().get(header::SEC_WEBSOCKET_ACCEPT);
        let is_granted = answer.status() == StatusCode::SWITCHING_PROTOCOLS
            && accept.is_some_and(|accept| *accept == derive_accept_key(key.as_bytes()));
        if !is_granted {
            return Err(client.protocol(&what, "it grants no websocket".to_owned()));
        }
        let upgraded = answer.upgrade().await;
        let upgraded = upgraded.map_err(|error| client.interrupted(&what, Cause::Transport(Arc::new(error))))?;
        let config = WebSocketConfig::default().max_message_size(Some(largest)).max_frame_size(Some(largest));
        let mut socket = Self {
            stream: WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await,
            client,
            what,
            last_text: Bytes::new(),
            early: VecDeque::new(),
            unsent: false,
            end: None,
            heard: Instant::now(),
            asked: 0,
            next_question: Box::pin(sleep(SILENCE)),
            silence: SILENCE,
            ponged: false,
        };
        let patience = socket.client.inner.answer_timeout;
        match timeout(patience, socket.greet()).await {
            Ok(greeted) => greeted.map(|()| socket),
            Err(_) => Err(socket.client.interrupted(&socket.what, Cause::Timeout(patience))),
        }
    }

    /// Asks after shorter silences than usual.
    pub(crate) fn asking_after(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self.next_question.as_mut().reset(Instant::now() + silence);
        self
    }

    /// Waits until the node shows that it has not refused it.
    async fn greet(&mut self) -> Result<(), Error> {
        let (mut early, mut room) = (VecDeque::new(), MOST_EARLY);
        self.send(Message::Ping(Bytes::new()), |said| early.push_back(said)).await?;
        poll_fn(|cx| {
            // A refusal comes before the pong, and the close that makes it one may come behind it.
            while (!self.ponged || refusal(&self.last_text).is_some()) && self.end.is_none() && room > 0 {
                match self.poll_read(cx) {
                    Poll::Ready(Some(said)) => {
                        room = room.saturating_sub(said.len() + size_of::<Said>());
                        early.push_back(said);
                    }
                    Poll::Ready(None) => break,
                    // The pong may have come, and nothing behind it.
                    Poll::Pending if self.ponged && refusal(&self.last_text).is_none() => break,
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(())
        })
        .await;
        self.early = early;
        match &self.end {
            // A process that has just ended was there.
            Some(End::Normal) | None => Ok(()),
            Some(_) => self.over(),
        }
    }

    /// What comes next; `None` once the process has ended.
    ///
    /// Nothing is lost if it is dropped before it resolves.
    pub(crate) async fn recv(&mut self) -> Result<Option<Said>, Error> {
        let said = poll_fn(|cx| self.poll_recv(cx)).await;
        if said.is_none() {
            self.over()?;
        }
        Ok(said)
    }

    /// Sends a message. What comes meanwhile is read, as otherwise a node that is gone could not be told from one that waits for its
    /// process; `keep` gets it.
    ///
    /// If it is dropped before it resolves, the message was sent, or is sent by what is called next, or is not sent at all.
    pub(crate) async fn send(&mut self, message: Message, mut keep: impl FnMut(Said)) -> Result<(), Error> {
        let mut message = Some(message);
        poll_fn(|cx| {
            while self.poll_send(cx, &mut message).is_pending() {
                match ready!(self.poll_recv(cx)) {
                    Some(said) => keep(said),
                    None => break,
                }
            }
            Poll::Ready(())
        })
        .await;
        if self.end.is_some() { Err(self.gone()) } else { Ok(()) }
    }

    /// Closes it, and waits for the node to do so as well. What comes meanwhile is for nobody.
    pub(crate) async fn close(mut self) -> Result<(), Error> {
        let farewell = async {
            if self.end.is_none() {
                let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                // If it cannot be sent, reading says why.
                drop(self.send(Message::Close(Some(normal)), drop).await);
            }
            while poll_fn(|cx| self.poll_read(cx)).await.is_some() {}
        };
        if timeout(FAREWELL, farewell).await.is_err() {
            return Err(self.client.interrupted(&self.what, Cause::Timeout(FAREWELL)));
        }
        self.over()
    }

    /// A message that the node should not have sent.
    pub(crate) fn protocol(&self, problem: String) -> Error {
        self.client.protocol(&self.what, problem)
    }

    /// A loss of the connection that it does not notice by itself.
    pub(crate) fn interrupted(&self, cause: Cause) -> Error {
        self.client.interrupted(&self.what, cause)
    }

    /// An error of one who still wants something of a websocket that is over.
    pub(crate) fn gone(&self) -> Error {
        self.over().err().unwrap_or_else(|| self.client.interrupted(&self.what, Cause::Closed))
    }

    /// How it ended.
    fn over(&self) -> Result<(), Error> {
        let interrupted = |cause| Err(self.client.interrupted(&self.what, cause));
        match &self.end {
            Some(End::Normal) | None => Ok(()),
            Some(End::Refused(refusal)) => Err(refusal.clone().into()),
            Some(End::Closed) => interrupted(Cause::Closed),
            Some(End::Silence) => interrupted(Cause::Silence(self.silence * (QUESTIONS + 1))),
            Some(End::Io(kind, text)) => interrupted(Cause::Transport(Arc::new(io::Error::new(*kind, text.clone())))),
            Some(End::Protocol(text)) => Err(self.protocol(text.clone())),
        }
    }

    /// Hands a message to the connection, and sees it out.
    fn poll_send(&mut self, cx: &mut Context<'_>, message: &mut Option<Message>) -> Poll<()> {
        let mut sent =
            ready!(if message.is_some() { Pin::new(&mut self.stream).poll_ready(cx) } else { Poll::Ready(Ok(())) });
        if sent.is_ok()
            && let Some(message) = message.take()
        {
            self.unsent = true;
            sent = Pin::new(&mut self.stream).start_send(message);
        }
        if sent.is_ok() {
            sent = ready!(self.poll_flush(cx));
        }
        if let Err(error) = sent {
            self.broken(&error);
        }
        Poll::Ready(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        let sent = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.unsent = false;
        Poll::Ready(sent)
    }

    /// What comes next, or came already; `None` at the end.
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Said>> {
        match self.early.pop_front() {
            Some(said) => Poll::Ready(Some(said)),
            None => self.poll_read(cx),
        }
    }

    /// What comes next; `None` at the end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Said>> {
        if self.unsent {
            // The rest of what was being sent when that was given up. If it cannot be sent, reading says why.
            let _either_way = self.poll_flush(cx);
        }
        while self.end.is_none() {
            let Poll::Ready(message) = Pin::new(&mut self.stream).poll_next(cx) else {
                ready!(self.poll_silence(cx));
                continue;
            };
            self.heard = Instant::now();
            self.asked = 0;
            match message {
                Some(Ok(Message::Text(text))) => {
                    self.last_text = text.into();
                    return Poll::Ready(Some(Said::Text(self.last_text.clone())));
                }
                Some(Ok(Message::Binary(bytes))) => return Poll::Ready(Some(Said::Binary(bytes))),
                Some(Ok(Message::Pong(_))) => self.ponged = true,
                // A ping is answered by the next read or write.
                Some(Ok(Message::Ping(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(why))) => {
                    self.end = Some(end_of(why, &self.last_text));
                    // The answer to it; a node that is in no hurry for that does not need it.
                    let _either_way = Pin::new(&mut self.stream).poll_flush(cx);
                }
                Some(Err(error)) => self.broken(&error),
                None => self.end = Some(End::Closed),
            }
        }
        Poll::Ready(None)
    }

    /// Asks a silent node for a sign of life. Resolves when it gave none.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.next_question.as_mut().poll(cx));
            // The clock is not set again at each sign of life: that would cost more than to look when it strikes.
            let silent_until = self.heard + self.silence;
            if self.asked == 0 && silent_until > Instant::now() {
                self.next_question.as_mut().reset(silent_until);
                continue;
            }
            if self.asked >= QUESTIONS {
                self.end = Some(End::Silence);
                return Poll::Ready(());
            }
            self.asked += 1;
            self.next_question.as_mut().reset(Instant::now() + self.silence);
            // If there is no room for a ping, what waits to be sent does as well.
            if let Poll::Ready(Ok(())) = Pin::new(&mut self.stream).poll_ready(cx) {
                self.unsent = true;
                let asked = Pin::new(&mut self.stream).start_send(Message::Ping(Bytes::new()));
                let _either_way = asked.map(|()| self.poll_flush(cx));
            }
        }
    }

    fn broken(&mut self, error: &WireError) {
        let end = match error {
            WireError::ConnectionClosed
            | WireError::AlreadyClosed
            | WireError::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing) => {
                End::Closed
            }
            WireError::Io(error) => End::Io(error.kind(), error.to_string()),
            WireError::Protocol(_)
            | WireError::Capacity(_)
            | WireError::Utf8(_)
            | WireError::WriteBufferFull(_)
            | WireError::Tls(_)
            | WireError::AttackAttempt
            | WireError::Url(_)
            | WireError::Http(_)
            | WireError::HttpFormat(_) => End::Protocol(error.to_string()),
        };
        self.end.get_or_insert(end);
    }
}

/// What a text refuses: an error, bare or in a frame of the channel. What a process says is none.
fn refusal(text: &[u8]) -> Option<Refusal> {
    match Frame::read(text) {
        Ok(Frame { kind: Some(Kind::Error), id: Frame::OF_CHANNEL, body }) => Refusal::read(body, None),
        Ok(_) => None,
        Err(_) => Refusal::read(text, None),
    }
}

/// What a text refuses because of the key, on the channel for everything.
fn refusal_of_key(text: &[u8]) -> Option<Refusal> {
    match serde_json::from_slice(text) {
        Ok(Reply::Invalid { data }) => Refusal::of_channel(&data),
        Ok(_) | Err(_) => None,
    }
}

/// What a node means by a close code. Those from 4000 on are a status; then the last words are the error, bare or in a frame.
fn end_of(why: Option<CloseFrame>, last_words: &[u8]) -> End {
    let Some(CloseFrame { code, reason }) = why else { return End::Closed };
    match u16::from(code) {
        1000 => End::Normal,
        1001 => End::Closed,
        number @ 4400..=4599 => {
            let unsaid = || Refusal {
                status: number - 4000,
                error: reason.to_string(),
                reason: format!("the node has closed the websocket: {reason}"),
            };
            End::Refused(refusal(last_words).or_else(|| refusal_of_key(last_words)).unwrap_or_else(unsaid))
        }
        number => End::Protocol(format!("it closes the websocket with {number} {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(code: u16, reason: &'static str, last_words: &str) -> String {
        format!("{:?}", end_of(Some(CloseFrame { code: code.into(), reason: reason.into() }), last_words.as_bytes()))
    }

    #[test]
    fn a_close_code_says_how_it_ended() {
        assert_eq!(end(1000, "", ""), "Normal");
        assert_eq!(end(1001, "", ""), "Closed");
        assert_eq!(end(1009, "too large", ""), "Protocol(\"it closes the websocket with 1009 too large\")");
        assert_eq!(format!("{:?}", end_of(None, b"")), "Closed");
        let error = r#"{"errno":404,"error":"not_found","reason":"no process has the pid 9"}"#;
        let refused = r#"Refused(Refusal { status: 404, error: "not_found", reason: "no process has the pid 9" })"#;
        assert_eq!(end(4404, "not_found", error), refused);
        assert_eq!(end(4404, "not_found", &format!("V1 error gaffer_error\0{error}")), refused);
        assert!(end(4403, "EPERM", "bye").contains(r#"status: 403, error: "EPERM""#));
        let no_key =
            r#"{"event":"gaffer:error","data":{"error":"AUTH_REQUIRED","reason":"the key has expired","errno":401}}"#;
        let refused = r#"Refused(Refusal { status: 401, error: "unauthorized", reason: "the key has expired" })"#;
        assert_eq!(end(4401, "unauthorized", no_key), refused);
    }
}
