//! Answers without an end.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts, response::Response};
use futures_core::Stream;
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use super::{Api, access::Caller};
use crate::feed::{self, FeedOptions, Item, Media};

/// What the feeds that are asked for in one request have in common.
pub(super) struct Feeds {
    closing: CancellationToken,
}

impl FromRequestParts<Api> for Feeds {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Infallible> {
        Ok(Self { closing: api.lifetime_of(&parts.extensions).closing().clone() })
    }
}

impl Feeds {
    /// Answers with what a caller asked to be told, until there is no more of it, the endpoint or the server closes, or the caller's key is
    /// good no more.
    pub(super) fn answer<S>(&self, caller: Caller, items: S, options: FeedOptions, media: Media) -> Response
    where
        S: Stream<Item = Item> + Send + Unpin + 'static,
    {
        let closing = self.closing.clone();
        match caller {
            Caller::Everybody => feed::response(items, options, media, closing),
            Caller::Key(_) => feed::response(items.take_until(caller.gone()), options, media, closing),
        }
    }
}
