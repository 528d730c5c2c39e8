//! `/stats`: what processes use, in the shapes of gaffer 0.4.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::response::Response;
use futures_core::Stream;
use gaffer_core::{
    JobName, Manager, ProcessId,
    api::ProcessInfo,
    events::{Delivery, EventKind, Notification, Pattern, Subscription},
    stats::{StatsSubscription, StatsUpdate, Target},
    supervisor::Refusal,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    ApiError,
    access::{self, Anyone, Caller, May, Names, Read},
    answer,
    extract::{Query, read_pid},
    feeds::Feeds,
    path::ByName,
    schema,
};
use crate::feed::{FeedOptions, FeedQuery, InvalidFeed, Item, Media, Message};

/// A process of a job.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct OfJob {
    /// Name of a job: `name` or `session.name`.
    name: String,
    /// One of its processes.
    #[param(value_type = u64, minimum = 1)]
    pid: String,
}

impl Names for OfJob {
    fn object(&self) -> Result<access::Object, ApiError> {
        Ok(access::Object::Job(self.name.parse()?))
    }
}

/// Tells what the processes of each job use, measured over 0.1 s; or again and again, a process at a time.
///
/// A feed follows processes that come and go, and tells of each its job as `name`.
#[utoipa::path(get, path = "/stats", tag = "stats", params(FeedQuery), responses(
    (status = 200, description = "a list; as a feed, a process a line, or events named `stat`", content(
        (schema::AllStats = "application/json"),
        (String = "text/event-stream"),
    )),
))]
pub(super) async fn all(
    feeds: Feeds,
    Anyone { manager, caller }: Anyone,
    Query(query): Query<FeedQuery>,
) -> Result<Response, ApiError> {
    if let Some(options) = feed_options(query)? {
        return Ok(feed(&feeds, &manager, caller, Target::All, options));
    }
    let jobs = manager.stats_all().await?;
    let jobs: Vec<_> = jobs.iter().filter(|job| caller.reads(&job.name)).map(|job| job.legacy()).collect();
    Ok(answer::list(&jobs))
}

/// Tells what the processes of a job use, measured over 0.1 s; or again and again, a process at a time.
///
/// A feed follows processes that come and go.
#[utoipa::path(get, path = "/stats/{name}", tag = "stats", params(ByName, FeedQuery), responses(
    (status = 200, description = "the job; as a feed, a process a line, or events named `stat`", content(
        (schema::OneJobsStats = "application/json"),
        (String = "text/event-stream"),
    )),
))]
pub(super) async fn of_job(
    feeds: Feeds,
    May { manager, caller, path, .. }: May<Read, ByName>,
    Query(query): Query<FeedQuery>,
) -> Result<Response, ApiError> {
    let options = feed_options(query)?;
    let name = path.job()?;
    if let Some(options) = options {
        manager.get(&name).await?;
        return Ok(feed(&feeds, &manager, caller, Target::Job(name), options));
    }
    Ok(answer::object(&manager.stats(&name).await?.legacy()))
}

/// Tells what a process uses, measured over 0.1 s; or again and again, until it exits.
#[utoipa::path(get, path = "/stats/{name}/{pid}", tag = "stats", params(OfJob, FeedQuery), responses(
    (status = 200, description = "the process; as a feed, once a line, or events named `stat`", content(
        (schema::LegacyProcessStats = "application/json"),
        (String = "text/event-stream"),
    )),
))]
pub(super) async fn of_process(
    feeds: Feeds,
    May { manager, caller, path, .. }: May<Read, OfJob>,
    Query(query): Query<FeedQuery>,
) -> Result<Response, ApiError> {
    let options = feed_options(query)?;
    let pid = read_pid(&path.pid)?;
    let name: JobName = path.name.parse()?;
    manager.get(&name).await?;
    if let Some(options) = options {
        // Before the look, so that no exit is missed after it.
        let exit = manager.subscribe_once(&Pattern::Process(pid, Some(EventKind::Exit)));
        if !process_of(&manager, pid, &name).await?.active {
            return Err(unknown_process(pid));
        }
        let updates = manager.monitor(Target::Process(pid));
        return Ok(respond(&feeds, caller, StatsItems { updates, exit: Some(exit), sifts: None }, options));
    }
    process_of(&manager, pid, &name).await?;
    Ok(answer::object(&manager.process_stats(pid).await?.legacy().without_id()))
}

/// `None` for one look. Stats have no history, as nothing is measured while nobody listens; still, one that does not read
/// is refused, and so is a feed of nothing else.
fn feed_options(mut query: FeedQuery) -> Result<Option<FeedOptions>, InvalidFeed> {
    let is_feed = query.feed.as_deref().is_some_and(|feed| feed != "normal");
    if !is_feed {
        query.feed = None;
    }
    let options = query.options(Some(FeedOptions::USUAL_HEARTBEAT))?;
    if is_feed && options.kept_only {
        return Err(InvalidFeed::NothingKept);
    }
    Ok(is_feed.then_some(options))
}

async fn process_of(manager: &Manager, pid: ProcessId, name: &JobName) -> Result<ProcessInfo, ApiError> {
    let process = manager.process(pid).await?;
    if process.name == *name { Ok(process) } else { Err(unknown_process(pid)) }
}

pub(super) fn unknown_process(pid: ProcessId) -> ApiError {
    gaffer_core::ManagerError::from(Refusal::UnknownProcess(pid)).into()
}

fn feed(feeds: &Feeds, manager: &Manager, caller: Caller, target: Target, options: FeedOptions) -> Response {
    let updates = manager.monitor(target);
    let sifts = (!caller.reads_everything()).then(|| caller.clone());
    respond(feeds, caller, StatsItems { updates, exit: None, sifts }, options)
}

fn respond(feeds: &Feeds, caller: Caller, items: StatsItems, options: FeedOptions) -> Response {
    feeds.answer(caller, items, options, Media::Json)
}

/// What processes use, as a source of feeds.
struct StatsItems {
    updates: StatsSubscription,
    /// Ends the feed of one process.
    exit: Option<Subscription<std::sync::Arc<Notification>>>,
    /// For whom they are, if that is not everything.
    sifts: Option<Caller>,
}

fn item(delivery: Delivery<StatsUpdate>) -> Item {
    match delivery {
        Delivery::Item(update) => {
            // Strings and numbers: it always serialises.
            let json = serde_json::to_vec(&update.legacy()).unwrap_or_default();
            Item::Message(Message { event: "stat".to_owned(), id: None, json: json.into() })
        }
        Delivery::Lagged(count) => Item::MessagesLost(count),
    }
}

impl Stream for StatsItems {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        if let Some(exit) = &mut self.exit
            && exit.poll_recv(cx).is_ready()
        {
            return Poll::Ready(None);
        }
        loop {
            let delivery = ready!(self.updates.poll_recv(cx));
            if let (Some(Delivery::Item(update)), Some(caller)) = (&delivery, &self.sifts)
                && !caller.reads(&update.job)
            {
                continue;
            }
            return Poll::Ready(delivery.map(item));
        }
    }
}
