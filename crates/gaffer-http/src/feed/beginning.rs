//! Where a feed begins.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};
use utoipa::IntoParams;

use super::{FeedId, FeedKind, FeedOptions};

/// What the reader of an event stream saw last, as it says in a header.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct LastEventId {
    /// The `id` of the last event that was seen: an event stream goes on behind it, whatever `history` says. After one of another
    /// run of the node comes all that is kept.
    #[param(rename = "Last-Event-ID")]
    pub id: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for LastEventId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let id = parts.headers.get("last-event-id").map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
        Ok(Self { id })
    }
}

/// Where a feed begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// With what comes from now on.
    Now,
    /// With the last so many events, or lines, that are kept.
    Last(usize),
    /// Behind the place of this number.
    After(u64),
    /// With all that is kept, because it cannot be told where the reader was.
    Kept,
}

impl Beginning {
    /// What a reader is told to whom [`Kept`](Self::Kept) is sent.
    pub const UNKNOWN_ID: &'static str = "the last event id is not of this run of the node; what is kept follows";

    /// Reads what a request says: an event stream goes on behind its `Last-Event-ID`, all else begins with the `history`
    /// that was asked for. `incarnation` is that of the ids which are known here.
    pub fn of(options: &FeedOptions, last: &LastEventId, incarnation: &str) -> Self {
        let last_id = last.id.as_deref().filter(|id| options.kind == FeedKind::EventSource && !id.is_empty());
        match last_id.map(str::parse::<FeedId>) {
            Some(Ok(id)) if *id.incarnation == *incarnation => Self::After(id.number),
            Some(_) => Self::Kept,
            None if options.history == 0 => Self::Now,
            None => Self::Last(options.history),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::FeedQuery;

    #[test]
    fn an_event_stream_goes_on_where_it_was_and_all_else_has_its_history() {
        for (feed, history, last_id, expected) in [
            ("eventsource", None, None, Beginning::Now),
            ("eventsource", Some("0"), None, Beginning::Now),
            ("eventsource", Some("5"), None, Beginning::Last(5)),
            ("eventsource", Some("5"), Some(""), Beginning::Last(5)),
            ("eventsource", Some("5"), Some("n-7"), Beginning::After(7)),
            ("eventsource", None, Some("m-7"), Beginning::Kept),
            ("eventsource", None, Some("7"), Beginning::Kept),
            ("eventsource", None, Some("n--7"), Beginning::Kept),
            ("eventsource", None, Some("n-+7"), Beginning::Kept),
            ("eventsource", None, Some("n-"), Beginning::Kept),
            ("eventsource", Some("5"), Some("n-99999999999999999999"), Beginning::Kept),
            ("eventsource", None, Some("\u{e9}"), Beginning::Kept),
            ("continuous", None, Some("n-7"), Beginning::Now),
            ("longpoll", Some("1"), Some("n-7"), Beginning::Last(1)),
        ] {
            let query =
                FeedQuery { feed: Some(feed.to_owned()), history: history.map(str::to_owned), ..FeedQuery::default() };
            let last = LastEventId { id: last_id.map(str::to_owned) };
            let beginning = Beginning::of(&query.options(None).unwrap(), &last, "n");
            assert_eq!(beginning, expected, "{feed} {history:?} {last_id:?}");
        }
    }
}
