//! A source with something before it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;

use super::Item;

/// A source that begins with an item of its own, if there is one.
#[derive(Debug)]
pub struct Preceded<S> {
    first: Option<Item>,
    rest: S,
}

impl<S> Preceded<S> {
    /// Puts an item, or none, before a source.
    pub fn new(first: Option<Item>, rest: S) -> Self {
        Self { first, rest }
    }
}

impl<S: Stream<Item = Item> + Unpin> Stream for Preceded<S> {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut self.rest).poll_next(cx),
        }
    }
}
