//! Websockets of callers: a key may come as the first message, where a browser can set no header; and it may be revoked in the middle.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::{Stream, future::BoxFuture};
use tokio::{
    sync::oneshot,
    time::{Sleep, sleep},
};

use super::{Caller, Doorkeeper, caller::unauthorized};
use crate::{
    api::{ApiError, access::audit, websocket},
    ws::{Data, Options, Outgoing, Receiver, Session},
};

/// Time for a key to come.
pub(in crate::api) const PATIENCE: Duration = Duration::from_secs(10);

/// The longest first message that is looked at: a key, and what is around it.
pub(in crate::api) const MAX_AUTH: usize = 1024;

/// What precedes a key.
const AUTH: &[u8] = b"AUTH:";

/// The key that a message shows, alone or as the body of a frame.
pub(in crate::api) fn key_in(message: &[u8]) -> Option<&str> {
    if message.len() > MAX_AUTH {
        return None;
    }
    let body = match message.iter().position(|byte| *byte == 0) {
        Some(at) if message.starts_with(b"V1 ") => &message[at + 1..],
        _ => message,
    };
    std::str::from_utf8(body.strip_prefix(AUTH)?).ok().map(str::trim)
}

/// How an error is said: the text of a message, in the form of the websocket's others.
pub(in crate::api) type Say = fn(&ApiError) -> Data;

/// What a websocket says of keys.
#[derive(Clone, Copy)]
pub(in crate::api) struct Speech {
    pub(in crate::api) say: Say,
    /// The answer to a message that shows a good one.
    pub(in crate::api) acknowledge: fn(&[u8]) -> Vec<Outgoing>,
}

/// A session that ends when its caller's key is good no more.
pub(in crate::api) fn kept<S, R>(session: Session<S, R>, caller: Caller, say: Say) -> Session<Kept<S>, Watched<R>> {
    let Session { source, receiver, options } = session;
    let gone = caller.clone().gone();
    Session { source: Kept { source, gone, say, is_over: false }, receiver: Watched { receiver, caller }, options }
}

/// Says what the source says, until the key is gone.
pub(in crate::api) struct Kept<S> {
    source: S,
    gone: BoxFuture<'static, ()>,
    say: Say,
    is_over: bool,
}

impl<S: Stream<Item = Outgoing> + Unpin> Stream for Kept<S> {
    type Item = Outgoing;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        if self.is_over {
            return Poll::Ready(Some(Outgoing::Close(websocket::close(&Caller::gone_error()))));
        }
        if self.gone.as_mut().poll(cx).is_ready() {
            self.is_over = true;
            return Poll::Ready(Some(Outgoing::Data((self.say)(&Caller::gone_error()))));
        }
        Pin::new(&mut self.source).poll_next(cx)
    }
}

/// Receives, as long as the key is good: who does not read what is said to it must not write on.
pub(in crate::api) struct Watched<R> {
    receiver: R,
    caller: Caller,
}

impl<R: Receiver> Receiver for Watched<R> {
    async fn receive(&mut self, message: Data) -> Vec<Outgoing> {
        if self.caller.is_gone() {
            return vec![Outgoing::Close(websocket::close(&Caller::gone_error()))];
        }
        self.receiver.receive(message).await
    }
}

/// What becomes of a session once its caller is known.
pub(in crate::api) type Opening<S, R> =
    Box<dyn FnOnce(Caller) -> BoxFuture<'static, Result<Session<S, R>, ApiError>> + Send>;

/// A session that begins with a key.
pub(in crate::api) fn after_key<S, R>(
    doorkeeper: Doorkeeper,
    options: Options,
    open: Opening<S, R>,
    speech: Speech,
    peer: String,
) -> Session<Late<S>, Doorway<S, R>>
where
    S: Stream<Item = Outgoing> + Send + Unpin + 'static,
    R: Receiver,
{
    let (hand, awaited) = oneshot::channel();
    let say = speech.say;
    let late = Late { state: Waiting::ForKey(awaited, Box::pin(sleep(PATIENCE))), say, peer: peer.clone() };
    let closed = Closed { doorkeeper, open: Some(open), hand: Some(hand), speech, peer };
    Session { source: late, receiver: Doorway::Closed(closed), options }
}

/// What is said once the caller is known.
pub(in crate::api) struct Late<S> {
    state: Waiting<S>,
    say: Say,
    peer: String,
}

enum Waiting<S> {
    ForKey(oneshot::Receiver<Kept<S>>, Pin<Box<Sleep>>),
    Open(Kept<S>),
    TooLate,
}

impl<S: Stream<Item = Outgoing> + Unpin> Stream for Late<S> {
    type Item = Outgoing;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        let Self { state, say, peer } = &mut *self;
        loop {
            match state {
                Waiting::Open(source) => return Pin::new(source).poll_next(cx),
                Waiting::TooLate => return Poll::Ready(Some(Outgoing::Close(websocket::close(&no_key())))),
                Waiting::ForKey(awaited, patience) => {
                    if let Poll::Ready(handed) = Pin::new(awaited).poll(cx) {
                        match handed {
                            Ok(source) => *state = Waiting::Open(source),
                            // It was refused, which its receiver says.
                            Err(_) => return Poll::Pending,
                        }
                    } else {
                        ready!(patience.as_mut().poll(cx));
                        audit::refused_message(peer, None, "a websocket", &no_key());
                        *state = Waiting::TooLate;
                        return Poll::Ready(Some(Outgoing::Data(say(&no_key()))));
                    }
                }
            }
        }
    }
}

fn no_key() -> ApiError {
    unauthorized("an API key is needed: as the header `X-Api-Key`, or as the first message, `AUTH:<key>`")
}

/// Hears a key first.
pub(in crate::api) enum Doorway<S, R> {
    Closed(Closed<S, R>),
    Open(Watched<R>),
}

/// Before a key was shown. After a refusal nothing is left to open.
pub(in crate::api) struct Closed<S, R> {
    doorkeeper: Doorkeeper,
    open: Option<Opening<S, R>>,
    hand: Option<oneshot::Sender<Kept<S>>>,
    speech: Speech,
    peer: String,
}

impl<S, R> Receiver for Doorway<S, R>
where
    S: Send + 'static,
    R: Receiver,
{
    async fn receive(&mut self, message: Data) -> Vec<Outgoing> {
        let Closed { doorkeeper, open, hand, speech: Speech { say, acknowledge }, peer } = match self {
            Self::Open(receiver) => return receiver.receive(message).await,
            Self::Closed(closed) => closed,
        };
        let (say, acknowledge) = (*say, *acknowledge);
        let (Some(open), Some(hand)) = (open.take(), hand.take()) else { return Vec::new() };
        let shown = message.into_bytes();
        let caller = match key_in(&shown) {
            Some(key) => doorkeeper.show(key).await,
            None => Err(no_key()),
        };
        let opened = match caller {
            Ok(caller) => open(caller.clone()).await.map(|session| (session, caller)),
            Err(error) => Err(error),
        };
        match opened {
            Ok((session, caller)) => {
                let Session { source, receiver, .. } = kept(session, caller, say);
                *self = Self::Open(receiver);
                drop(hand.send(source)); // If nobody waits for it, the session is over.
                acknowledge(&shown)
            }
            Err(error) => {
                audit::refused_message(peer, None, "a websocket", &error);
                vec![Outgoing::Data(say(&error)), Outgoing::Close(websocket::close(&error))]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_alone_or_in_a_frame() {
        for (message, key) in [
            (&b"AUTH:k"[..], Some("k")),
            (b"AUTH: k\n", Some("k")),
            (b"V1 message 1\0AUTH:k", Some("k")),
            (b"V1 message 1\0hello", None),
            (b"hello", None),
            (b"auth:k", None),
            (b"AUTH:\xff", None),
            (b"", None),
            (b"\0AUTH:k", None),
        ] {
            assert_eq!(key_in(message), key, "{message:?}");
        }
        assert_eq!(key_in(&[b"AUTH:", &[b'k'; MAX_AUTH][..]].concat()), None);
    }
}
