//! What the websockets of processes have in common: how they are opened, and what is at their two ends.

use std::{
    collections::VecDeque,
    pin::Pin,
    str::FromStr,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use futures_util::FutureExt;
use gaffer_core::{
    Manager, ManagerError, ProcessId,
    access::Right,
    events::{EventKind, Notification, Pattern, Subscription},
    streams::{Chunk, OutputSubscription, Start, Stdin},
};

use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Api, ApiError,
    access::{
        Caller, Guarded, Object, Visitor, audit,
        socket::{self, Opening, Speech},
    },
};
pub(super) use crate::front::{BadUpgrade, Websocket};
use crate::{
    feed::{FeedOptions, FeedQuery},
    ws::{Close, Data, Options, Outgoing, Receiver, Session, Utf8Bytes},
};

/// A request for the streams of a process that reads, and becomes a session.
pub(super) trait Asks: Send + 'static {
    type Source: Stream<Item = Outgoing> + Send + Unpin + 'static;
    type Receiver: Receiver;

    /// The process, and which ways are wanted.
    fn wants(&self) -> (ProcessId, Mode);

    /// Limits and times of the session.
    fn options(&self) -> Options;

    /// Begins it, for who may.
    fn open(
        self,
        manager: Manager,
    ) -> impl Future<Output = Result<Session<Self::Source, Self::Receiver>, ApiError>> + Send;
}

/// Begins a session for a caller, if it may.
async fn open<A: Asks>(asks: A, guarded: Guarded, caller: Caller) -> Result<Session<A::Source, A::Receiver>, ApiError> {
    let (pid, mode) = asks.wants();
    let right = if mode.write { Right::Write } else { Right::Read };
    let manager = guarded.open(&caller, right, &Object::Process(pid)).await?;
    asks.open(manager).await
}

impl Websocket {
    /// Grants the websocket, and speaks on it what was asked for: at once, or after a key as the first message.
    pub(super) async fn admit<A: Asks>(self, visitor: Visitor, asks: A, api: &Api, form: Speech) -> Response {
        let say = form.say;
        let peer = self.peer().unwrap_or_default();
        match visitor {
            Visitor::Known(caller) => match open(asks, api.manager.clone(), caller.clone()).await {
                Ok(session) => match caller {
                    Caller::Everybody => self.speak(session, &api.lifetime),
                    Caller::Key(_) => self.speak(socket::kept(session, caller, say), &api.lifetime),
                },
                Err(error) => {
                    audit::refused_message(&peer, Some(&caller), "a websocket", &error);
                    self.refuse(&error, say(&error), api)
                }
            },
            Visitor::Nobody => {
                let (guarded, options) = (api.manager.clone(), asks.options());
                let opening: Opening<A::Source, A::Receiver> =
                    Box::new(move |caller| open(asks, guarded, caller).boxed());
                self.speak(socket::after_key(api.doorkeeper.clone(), options, opening, form, peer), &api.lifetime)
            }
            Visitor::Refused(error) => error.into_response(),
        }
    }

    /// Grants the websocket, says on it what is wrong, and closes it. Browsers do not tell pages the body of an answer that
    /// refuses a websocket.
    pub(super) fn refuse(self, error: &ApiError, message: Data, api: &Api) -> Response {
        self.speak(Session::refusal(message, close(error)), &api.lifetime)
    }
}

/// How a websocket is closed on account of an error: 4000 and the status, as in 4404, and the code as the reason.
pub(super) fn close(error: &ApiError) -> Close {
    Close { code: 4000 + error.status().as_u16(), reason: error.code().into() }
}

/// An error as the text of a message.
pub(super) fn error_text(error: &ApiError) -> Utf8Bytes {
    // Serialising strings and a number does not fail.
    serde_json::to_string(&error.body()).unwrap_or_default().into()
}

/// Which ways a websocket is to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode {
    pub(super) read: bool,
    pub(super) write: bool,
}

impl Mode {
    /// What a client is told that said it would only read, and writes.
    pub(super) const ONLY_READS: &str = "this websocket was opened with `mode=read`; open it without, to write";
}

impl Default for Mode {
    fn default() -> Self {
        Self { read: true, write: true }
    }
}

impl FromStr for Mode {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        match text {
            "1" | "read" => Ok(Self { read: true, write: false }),
            "2" | "write" => Ok(Self { read: false, write: true }),
            "3" | "both" => Ok(Self::default()),
            _ => Err(ApiError::bad_value(format!("`mode` must be read (1), write (2) or both (3), but is `{text}`"))),
        }
    }
}

/// What a client says of a websocket in its query, as far as all of them take it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WishQuery {
    /// `read` (or 1), `write` (2) or `both` (3). Default: both.
    mode: Option<String>,
    /// So many of the last lines that the process wrote are sent first, as far as they are kept. Default: 0.
    #[param(value_type = Option<u32>, maximum = 100_000)]
    history: Option<String>,
    /// Seconds after which a silent client is pinged, and dropped if it does not answer; `true` is 60, 0 or `false` never.
    /// Default: 30 on a channel, else never.
    heartbeat: Option<String>,
}

impl WishQuery {
    /// Reads it; `heartbeat` is for who says nothing of it.
    pub(super) fn read(self, heartbeat: Option<Duration>) -> Result<Wish, ApiError> {
        let feed = FeedQuery { feed: None, heartbeat: self.heartbeat, history: self.history, follow: None };
        let mode = self.mode.as_deref().map_or(Ok(Mode::default()), str::parse);
        Ok(Wish { feed: feed.options(heartbeat)?, mode: mode? })
    }
}

/// What a client wants of a websocket.
pub(super) struct Wish {
    pub(super) mode: Mode,
    pub(super) feed: FeedOptions,
}

/// The streams that a websocket joins to its two ways.
pub(super) struct Ends {
    pub(super) output: Option<OutputSubscription>,
    pub(super) input: Option<Stdin>,
    exit: Exit,
}

impl Ends {
    /// Finds the streams of a process. Without a label they are its first output and its input; with that of an output, this
    /// and its input; with that of an extra pipe, both ways of the pipe.
    ///
    /// # Errors
    /// The process or the stream is not there, or has not the ways that are wanted.
    pub(super) async fn find(
        manager: &Manager,
        pid: ProcessId,
        label: Option<&str>,
        wish: &Wish,
    ) -> Result<Self, ManagerError> {
        let exit = Exit::of(manager, pid).await?;
        let io = manager.streams(pid).await?;
        let custom = label.and_then(|label| io.custom.iter().find(|pipe| pipe.output.label().as_str() == label));
        let output = match label {
            Some(label) => Some(io.output(label).ok_or_else(|| ManagerError::UnknownStream {
                pid,
                label: label.to_owned(),
                known: io.labels().map(ToString::to_string).collect(),
            })?),
            None if wish.mode.read => Some(io.outputs.first().ok_or(ManagerError::NotRedirected(pid))?),
            None => None,
        };
        let input = match custom {
            Some(pipe) => Some(&pipe.input),
            None if wish.mode.write => Some(io.stdin.as_ref().ok_or(ManagerError::NoStdin(pid))?),
            None => None,
        };
        let start = if wish.feed.history == 0 { Start::Now } else { Start::Lines(wish.feed.history) };
        Ok(Self {
            output: output.filter(|_| wish.mode.read).map(|output| output.subscribe(start)),
            input: input.filter(|_| wish.mode.write).cloned(),
            exit,
        })
    }

    /// Splits them into what is said and where to write.
    pub(super) fn split<F: Form>(self, form: F) -> (ProcessOutput<F>, Option<Stdin>) {
        let Self { output, input, exit } = self;
        // Who only reads has nothing to wait for after the last output.
        let exit = input.is_some().then_some(exit);
        (ProcessOutput { output, exit, form, messages: VecDeque::new() }, input)
    }
}

/// The end of a process.
pub(super) struct Exit {
    /// `None` once it is over.
    events: Option<Subscription<Arc<Notification>>>,
}

impl Exit {
    /// That of a process that is known still.
    pub(super) async fn of(manager: &Manager, pid: ProcessId) -> Result<Self, ManagerError> {
        // Subscribed before it is looked at, so that an exit in between is not missed.
        let events = manager.subscribe(&Pattern::Process(pid, Some(EventKind::Exit)));
        let process = manager.process(pid).await?;
        Ok(Self { events: process.active.then_some(events) })
    }

    /// Resolves when it is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(events) = &mut self.events {
            // The event, or the end of the manager, and with it of all events.
            let _exit = ready!(events.poll_recv(cx));
            self.events = None;
        }
        Poll::Ready(())
    }
}

/// The form in which a websocket tells what a process writes.
pub(super) trait Form: Unpin + Send + 'static {
    /// Adds the messages of a chunk.
    fn chunk(&mut self, chunk: Chunk, messages: &mut VecDeque<Data>);

    /// Adds what was held back, as nothing more comes.
    fn finish(&mut self, messages: &mut VecDeque<Data>);
}

/// What a process writes, as a source of a session. It ends with the output, or if the session writes with the process.
pub(super) struct ProcessOutput<F> {
    output: Option<OutputSubscription>,
    exit: Option<Exit>,
    form: F,
    /// Those of the last chunk that are not sent yet.
    messages: VecDeque<Data>,
}

impl<F: Form> Stream for ProcessOutput<F> {
    type Item = Outgoing;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        let Self { output, exit, form, messages } = self.get_mut();
        loop {
            if let Some(message) = messages.pop_front() {
                return Poll::Ready(Some(Outgoing::Data(message)));
            }
            if let Some(subscription) = output {
                match ready!(subscription.poll_recv(cx)) {
                    Some(chunk) => form.chunk(chunk, messages),
                    None => {
                        *output = None;
                        form.finish(messages);
                    }
                }
            } else {
                if let Some(exit) = exit {
                    ready!(exit.poll(cx));
                }
                return Poll::Ready(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_a_word_or_the_number_of_the_original() {
        for (text, read, write) in [
            ("1", true, false),
            ("read", true, false),
            ("2", false, true),
            ("write", false, true),
            ("3", true, true),
            ("both", true, true),
        ] {
            assert_eq!(text.parse(), Ok(Mode { read, write }));
        }
        for text in ["", "0", "4", "r", "READ", "-1"] {
            assert_eq!(text.parse::<Mode>().unwrap_err().code(), "bad_value", "{text}");
        }
    }
}
