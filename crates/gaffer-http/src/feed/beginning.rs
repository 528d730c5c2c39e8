//! Where a feed begins.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, request::Parts},
    response::Response,
};
use utoipa::IntoParams;

use super::{FeedId, FeedKind, FeedOptions, Seen};

/// What the reader of an event stream saw last; in an answer, where the stream begins.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What the reader of an event stream saw last, as it says in a header.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct LastEventId {
    /// The `id` of the last event that was seen, or if none was the `Last-Event-ID` of the answer: an event stream goes on behind it,
    /// whatever `history` says. After one of another run of the node comes all that is kept.
    #[param(rename = "Last-Event-ID")]
    pub id: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for LastEventId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let id = parts.headers.get(LAST_EVENT_ID).map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
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
    /// At the place of this number, of which the reader has seen nothing.
    At(u64),
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
        let is_known = |id: &FeedId| *id.incarnation == *incarnation;
        match last_id.map(str::parse) {
            Some(Ok(Seen::UpTo(id))) if is_known(&id) => Self::After(id.number),
            Some(Ok(Seen::NothingSince(id))) if is_known(&id) => Self::At(id.number),
            Some(_) => Self::Kept,
            None if options.history == 0 && !options.kept_only => Self::Now,
            None => Self::Last(options.history),
        }
    }

    /// Tells the reader of an event stream where that begins, in a header of the answer: it has no id before the first event.
    pub fn tell(response: &mut Response, options: &FeedOptions, seen: &Seen) {
        if options.kind == FeedKind::EventSource
            && let Ok(seen) = HeaderValue::try_from(seen.to_string())
        {
            response.headers_mut().insert(LAST_EVENT_ID, seen);
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
            ("eventsource", Some("5"), Some("n-@7"), Beginning::At(7)),
            ("eventsource", None, Some("m-@7"), Beginning::Kept),
            ("eventsource", None, Some("n-@"), Beginning::Kept),
            ("eventsource", None, Some("n-@@7"), Beginning::Kept),
            ("eventsource", None, Some("@7"), Beginning::Kept),
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

    #[test]
    fn what_is_kept_begins_with_all_of_it_or_as_asked_for() {
        for (history, last_id, expected) in [
            (None, None, Beginning::Last(usize::MAX)),
            (Some("0"), None, Beginning::Last(0)),
            (Some("5"), None, Beginning::Last(5)),
            (None, Some("n-7"), Beginning::After(7)),
        ] {
            let query = FeedQuery {
                feed: Some("eventsource".to_owned()),
                follow: Some("false".to_owned()),
                history: history.map(str::to_owned),
                ..FeedQuery::default()
            };
            let last = LastEventId { id: last_id.map(str::to_owned) };
            assert_eq!(Beginning::of(&query.options(None).unwrap(), &last, "n"), expected, "{history:?} {last_id:?}");
        }
    }

    #[test]
    fn what_a_reader_is_told_leads_back_to_the_same_place() {
        let options = FeedOptions { kind: FeedKind::EventSource, ..FeedOptions::default() };
        let id = FeedId { incarnation: "n".into(), number: 7 };
        for (seen, expected) in
            [(Seen::UpTo(id.clone()), Beginning::After(7)), (Seen::NothingSince(id), Beginning::At(7))]
        {
            let mut response = Response::default();
            Beginning::tell(&mut response, &options, &seen);
            let id = response.headers()["last-event-id"].to_str().unwrap().to_owned();
            assert_eq!(Beginning::of(&options, &LastEventId { id: Some(id) }, "n"), expected);

            let mut response = Response::default();
            Beginning::tell(&mut response, &FeedOptions::default(), &seen);
            assert!(response.headers().is_empty(), "only event streams have ids");
        }
    }
}
