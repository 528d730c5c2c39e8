//! Asking from outside whether a session's peer is still there.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::{sync::watch, time::timeout};

/// Of one session: whether its peer is there. It is asked by a ping, beside whatever is spoken.
#[derive(Debug)]
pub struct Pulse {
    is_asked: AtomicBool,
    session: AtomicWaker,
    /// Changes with each sign of life, while somebody waits for one.
    heard: watch::Sender<()>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { is_asked: AtomicBool::new(false), session: AtomicWaker::new(), heard: watch::Sender::new(()) }
    }
}

impl Pulse {
    /// Whether the peer gives a sign of life in this time, to a ping or by itself.
    pub async fn beats(&self, within: Duration) -> bool {
        let mut heard = self.heard.subscribe();
        self.is_asked.store(true, Ordering::Release);
        self.session.wake();
        matches!(timeout(within, heard.changed()).await, Ok(Ok(())))
    }

    /// The peer has given one.
    pub(super) fn heard(&self) {
        if self.heard.receiver_count() > 0 {
            self.heard.send_replace(());
        }
    }

    /// Resolves when somebody wants to know.
    pub(super) fn poll_asked(&self, cx: &Context<'_>) -> Poll<()> {
        self.session.register(cx.waker());
        if self.is_asked.swap(false, Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}
