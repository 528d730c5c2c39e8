//! What one who is subscribed holds.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;

use super::{item::ControlItem, mailbox::Mailbox};
use crate::{Error, Told};

/// A stream of what a topic tells, on a [`Control`](crate::Control). An error is the last item. It ends when nothing more can come, as
/// the process of the topic has ended. Dropping it takes the subscription back.
///
/// What nobody has read yet waits, up to 1 MiB. Beyond, the oldest is given up and told as lost ([`Told::Lost`]): who is slow holds up
/// neither the connection nor the other subscriptions on it. The words count events, samples, or bytes of output.
///
/// Its [`Told::Reconnected`] comes once it is subscribed again: what it missed meanwhile follows, as far as it is kept.
pub struct Subscription<T = ControlItem> {
    mailbox: Arc<Mailbox>,
    /// Takes out what the topic tells.
    read: fn(ControlItem) -> Option<T>,
}

impl<T> Subscription<T> {
    pub(super) fn new(mailbox: Arc<Mailbox>, read: fn(ControlItem) -> Option<T>) -> Self {
        Self { mailbox, read }
    }
}

impl<T> Stream for Subscription<T> {
    type Item = Result<Told<T>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let told = match ready!(self.mailbox.poll_next(cx)) {
                Some(Ok(told)) => told,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            return Poll::Ready(Some(Ok(match told {
                Told::Item(item) => match (self.read)(item) {
                    Some(item) => Told::Item(item),
                    // A topic tells things of one kind, and that is the one that was asked for.
                    None => continue,
                },
                Told::Lost(words) => Told::Lost(words),
                Told::Disconnected(error) => Told::Disconnected(error),
                Told::Reconnected { same_run } => Told::Reconnected { same_run },
            })));
        }
    }
}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}
