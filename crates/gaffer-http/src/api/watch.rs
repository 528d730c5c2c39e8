//! `/watch`: what happens to jobs and processes.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{http::StatusCode, response::Response};
use futures_core::Stream;
use gaffer_core::{
    Manager,
    access::{Resource, Right},
    api::feed::MAYBE_LOST,
    events::{Delivery, EventKind, EventStart, EventSubscription, InvalidPattern, Notification, Pattern},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    ApiError,
    access::{Anyone, Caller},
    extract::{Path, Query},
    feeds::Feeds,
    schema,
};
use crate::feed::{Beginning, FeedId, FeedOptions, FeedQuery, Item, LastEventId, Media, Message, Preceded, Seen};

/// Which events.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct OneSegment {
    /// An event's name, `proc` for those of every job, or a whole pattern such as `proc.web.exit`.
    p1: String,
}

/// Whose events.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct TwoSegments {
    /// `proc`, or `job`.
    p1: String,
    /// After `proc`, a job (`name` or `session.name`) or a process (its pid). After `job`, a session, or a job as `session.name`.
    p2: String,
}

/// Which events, and whose.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ThreeSegments {
    /// `proc`, or `job`.
    p1: String,
    /// After `proc`, a job (`name` or `session.name`) or a process (its pid). After `job`, a session, or a job as `session.name`.
    p2: String,
    /// An event's name. After `job` and a session, also a job's name.
    p3: String,
}

/// Sends every event, under its name and under that of its job.
#[utoipa::path(get, path = "/watch", tag = "watch", params(FeedQuery, LastEventId), responses(
    (status = 200, description = "an event, or one a line, or events named by their topics", content(
        (schema::Event = "application/json"),
        (String = "text/event-stream"),
    ), headers(("Last-Event-ID" = String, description = "of events: where they begin"))),
))]
pub(super) async fn everything(
    feeds: Feeds,
    visit: Anyone,
    Query(query): Query<FeedQuery>,
    last: LastEventId,
) -> Result<Response, ApiError> {
    watch(&feeds, visit, &[], &query, &last).await
}

/// Sends one kind of event.
#[utoipa::path(get, path = "/watch/{p1}", tag = "watch", params(OneSegment, FeedQuery, LastEventId), responses(
    (status = 200, description = "an event, or one a line, or events named by their topics", content(
        (schema::Event = "application/json"),
        (String = "text/event-stream"),
    ), headers(("Last-Event-ID" = String, description = "of events: where they begin"))),
))]
pub(super) async fn one_segment(
    feeds: Feeds,
    visit: Anyone,
    Path(path): Path<OneSegment>,
    Query(query): Query<FeedQuery>,
    last: LastEventId,
) -> Result<Response, ApiError> {
    watch(&feeds, visit, &[path.p1], &query, &last).await
}

/// Sends the events of a job, a process or a session.
#[utoipa::path(get, path = "/watch/{p1}/{p2}", tag = "watch", params(TwoSegments, FeedQuery, LastEventId), responses(
    (status = 200, description = "an event, or one a line, or events named by their topics", content(
        (schema::Event = "application/json"),
        (String = "text/event-stream"),
    ), headers(("Last-Event-ID" = String, description = "of events: where they begin"))),
))]
pub(super) async fn two_segments(
    feeds: Feeds,
    visit: Anyone,
    Path(path): Path<TwoSegments>,
    Query(query): Query<FeedQuery>,
    last: LastEventId,
) -> Result<Response, ApiError> {
    watch(&feeds, visit, &[path.p1, path.p2], &query, &last).await
}

/// Sends one kind of event of a job or a process.
#[utoipa::path(
    get,
    path = "/watch/{p1}/{p2}/{p3}",
    tag = "watch",
    params(ThreeSegments, FeedQuery, LastEventId), responses(
    (status = 200, description = "an event, or one a line, or events named by their topics", content(
        (schema::Event = "application/json"),
        (String = "text/event-stream"),
    ), headers(("Last-Event-ID" = String, description = "of events: where they begin"))),
))]
pub(super) async fn three_segments(
    feeds: Feeds,
    visit: Anyone,
    Path(path): Path<ThreeSegments>,
    Query(query): Query<FeedQuery>,
    last: LastEventId,
) -> Result<Response, ApiError> {
    watch(&feeds, visit, &[path.p1, path.p2, path.p3], &query, &last).await
}

async fn watch(
    feeds: &Feeds,
    Anyone { manager, caller }: Anyone,
    segments: &[String],
    query: &FeedQuery,
    last: &LastEventId,
) -> Result<Response, ApiError> {
    let options = query.options(Some(FeedOptions::USUAL_HEARTBEAT))?;
    let pattern = pattern(segments)?;
    check(&manager, &caller, &pattern).await?;
    let beginning = Beginning::of(&options, last, manager.node());
    let start = match beginning {
        Beginning::Now => EventStart::Now,
        Beginning::Last(count) => EventStart::Last(count),
        Beginning::After(id) | Beginning::At(id) => EventStart::After(id),
        Beginning::Kept => EventStart::Last(usize::MAX),
    };
    let subscription = manager.subscribe_from(&pattern, start);
    let node: Arc<str> = manager.node().into();
    let begins = Seen::UpTo(FeedId { incarnation: Arc::clone(&node), number: subscription.after() });
    let note = if beginning == Beginning::Kept {
        Some(Beginning::UNKNOWN_ID)
    } else {
        subscription.has_gap().then_some(MAYBE_LOST)
    };
    let items = EventItems {
        subscription: if options.kept_only { subscription.kept_only() } else { subscription },
        node,
        sifts: (!caller.reads_everything()).then(|| caller.clone()),
        of_process: matches!(pattern, Pattern::Process(..)),
        over: false,
    };
    let items = Preceded::new(note.map(Item::Note), items);
    let mut response = feeds.answer(caller, items, options, Media::Json);
    Beginning::tell(&mut response, &options, &begins);
    Ok(response)
}

fn pattern(segments: &[String]) -> Result<Pattern, ApiError> {
    let unknown = |reason: String| ApiError::new(StatusCode::NOT_FOUND, "bad_event_type", reason);
    // The original took event names in either case.
    let Some((family, rest)) = segments.split_first().map(|(first, rest)| (first.to_lowercase(), rest)) else {
        return Ok(Pattern::All);
    };
    let mut rest = rest.to_vec();
    if let ("proc", [name, kind]) = (family.as_str(), &mut rest[..]) {
        kind.make_ascii_lowercase();
        if kind.parse::<EventKind>().is_err() {
            let known = InvalidPattern::UnknownEvent(kind.clone());
            return Err(unknown(format!("{known}; the events of a job of a session are at /watch/proc/{name}.{kind}")));
        }
    }
    let pattern = [vec![family], rest].concat().join(".");
    pattern.parse().map_err(|error: InvalidPattern| unknown(error.to_string()))
}

/// Refuses to tell only of what the caller may not read. What is of many is sifted as it comes, and so is what is of a process that
/// nobody knows any more.
pub(super) async fn check(manager: &Manager, caller: &Caller, pattern: &Pattern) -> Result<(), ApiError> {
    match pattern {
        Pattern::Job(job, _) => caller.check(Right::Read, Resource::Job(job)),
        Pattern::Session(session, ..) if !caller.reads_some_of(session) => {
            caller.check(Right::Read, Resource::Session(session))
        }
        Pattern::Process(pid, _) if !caller.reads_everything() => match manager.job_of(*pid).await {
            Ok(job) => caller.check(Right::Read, Resource::Job(&job)),
            Err(_) => Ok(()),
        },
        Pattern::All | Pattern::Kind(_) | Pattern::Jobs | Pattern::Session(_) | Pattern::Process(..) => Ok(()),
    }
}

/// Events as a source of feeds.
struct EventItems {
    subscription: EventSubscription,
    node: Arc<str>,
    /// For whom they are, if that is not everything.
    sifts: Option<Caller>,
    /// Whether it is about one process, of which nothing comes after its exit.
    of_process: bool,
    over: bool,
}

impl EventItems {
    fn item(&self, delivery: Delivery<Arc<Notification>>) -> Item {
        match delivery {
            Delivery::Item(told) => Item::Message(Message {
                event: told.topic().to_string(),
                id: Some(FeedId { incarnation: Arc::clone(&self.node), number: told.id() }),
                json: told.json(),
            }),
            Delivery::Lagged(count) => Item::MessagesLost(count),
        }
    }
}

impl Stream for EventItems {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        loop {
            let delivery = std::task::ready!(self.subscription.poll_recv(cx));
            if let Some(Delivery::Item(told)) = &delivery {
                if self.sifts.as_ref().is_some_and(|caller| !caller.reads(&told.event().job)) {
                    continue;
                }
                self.over = self.of_process && told.event().kind == EventKind::Exit;
            }
            return Poll::Ready(delivery.map(|delivery| self.item(delivery)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Result<Pattern, ApiError> {
        let segments: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        pattern(&segments)
    }

    #[test]
    fn every_event_is_watched_by_its_name() {
        for kind in EventKind::ALL {
            assert_eq!(read(kind.as_str()), Ok(Pattern::Kind(kind)));
            let of_job = Pattern::Job("web".parse().unwrap(), Some(kind));
            assert_eq!(read(&format!("proc/web/{kind}")), Ok(of_job));
        }
    }

    #[test]
    fn segments_are_joined_to_a_pattern() {
        for (path, pattern) in [
            ("", "."),
            ("START", "start"),
            ("proc", "proc"),
            ("Proc/web", "proc.web"),
            ("proc/7", "proc.7"),
            ("proc/7/exit", "proc.7.exit"),
            ("proc/shop.web/exit", "proc.shop.web.exit"),
            ("proc.shop.web.exit", "proc.shop.web.exit"),
            ("job/shop", "job.shop"),
            ("job/shop/web", "job.shop.web"),
            ("job/shop.web/exit", "job.shop.web.exit"),
            ("unload", "delete"),
        ] {
            assert_eq!(read(path), Ok(pattern.parse().unwrap()), "{path}");
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for path in ["spwan", "spawn/web", "proc/web/exti", "proc/a b", "job/s/a b"] {
            let error = read(path).unwrap_err();
            assert_eq!(error.code(), "bad_event_type", "{path}");
        }
    }
}
