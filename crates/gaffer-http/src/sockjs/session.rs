//! A session as its service has it.

use std::{
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use axum::http::Extensions;

use super::conversation::{Conversation, SessionOver};
use crate::ws::{Close, Utf8Bytes};

/// What is served: for each session a future that speaks on it.
///
/// The session ends with the future. When the client is gone, [`Session::recv`] and [`Session::send`] say so, and the
/// future should end.
pub trait Service: Send + Sync + 'static {
    /// Speaks on a session.
    fn serve(&self, session: Session) -> impl Future<Output = ()> + Send + 'static;
}

impl<F, S> Service for F
where
    F: Fn(Session) -> S + Send + Sync + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    fn serve(&self, session: Session) -> impl Future<Output = ()> + Send + 'static {
        self(session)
    }
}

/// One session with a client, over whatever transport that has chosen, and over one connection after the other.
///
/// Whatever waits is bounded: who sends more than the client takes waits, and so does a client that says more than is received.
/// Dropping it closes the session.
pub struct Session {
    conversation: Arc<Conversation>,
}

impl Session {
    pub(super) fn new(conversation: Arc<Conversation>) -> Self {
        Self { conversation }
    }

    /// What [`Options::introduce`](super::Options::introduce) has kept of the request that began it.
    pub fn extensions(&self) -> &Extensions {
        self.conversation.extensions()
    }

    /// The next message of the client; `None` once nothing more comes.
    ///
    /// # Cancel safety
    /// Nothing is lost if this is dropped before it resolves.
    pub async fn recv(&self) -> Option<String> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv). Only who asked last is woken.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<String>> {
        self.conversation.poll_recv(cx)
    }

    /// Sends a message, once there is room for it. That it is on its way does not mean that it arrives.
    ///
    /// # Errors
    /// When the session is over.
    ///
    /// # Cancel safety
    /// If this is dropped before it resolves, nothing is sent.
    pub async fn send(&self, message: impl Into<Utf8Bytes>) -> Result<(), SessionOver> {
        self.ready().await?;
        self.push(message)
    }

    /// Resolves once there is room for a message.
    ///
    /// # Errors
    /// When the session is over.
    ///
    /// # Cancel safety
    /// Nothing happens if this is dropped.
    pub async fn ready(&self) -> Result<(), SessionOver> {
        poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// As [`ready`](Self::ready). Only who asked last is woken.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), SessionOver>> {
        self.conversation.poll_ready(cx)
    }

    /// Sends a message without waiting for room: for who has waited, and has one or a few.
    ///
    /// # Errors
    /// When the session is over.
    pub fn push(&self, message: impl Into<Utf8Bytes>) -> Result<(), SessionOver> {
        self.conversation.push(message.into())
    }

    /// Closes the session once the client has what was sent. `code` is 1000, or from 3000 to 4999.
    pub fn close(self, code: u16, reason: impl Into<std::borrow::Cow<'static, str>>) {
        self.conversation.close(Close { code, reason: reason.into() });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It does nothing if the session was closed already.
        let (code, reason) =
            if std::thread::panicking() { (1011, "an error inside the server") } else { (1000, "Normal closure") };
        self.conversation.close(Close { code, reason: reason.into() });
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
