//! From a topic to what it has to say.

use std::sync::Arc;

use axum::http::StatusCode;
use gaffer_core::{
    JobName, Manager, ManagerError, ProcessId,
    access::Right,
    api::channel::{InvalidTopic, Subscribe, SubscriptionStart, Topic},
    events::{EventKind, EventStart, EventSubscription, Pattern},
    names::StreamLabel,
    stats::Target,
    streams::{Output, ProcessIo, Start},
    supervisor::Refusal,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::source::{About, OutputSource, Source};
use crate::{
    api::{
        ApiError,
        access::{Caller, Guarded, Object},
        stats::unknown_process,
        watch,
    },
    feed::{FeedId, Utf8Splitter},
};

/// The most subscriptions of one client that have something to tell of the past: each holds it until it is told.
pub(super) const LOOKING_BACK: usize = 8;

/// A topic that is one, and where the subscription is to begin.
pub(super) struct Wanted {
    /// The topic, as the client wrote it.
    pub(super) text: String,
    topic: Topic,
    beginning: Beginning,
}

impl Wanted {
    /// Reads what a client wants of a node of this run.
    pub(super) fn read(wanted: Subscribe, node: &str) -> Result<Self, ApiError> {
        let topic: Topic = wanted.topic.parse().map_err(|error: InvalidTopic| {
            let code = if matches!(error, InvalidTopic::Unknown(_)) { "invalid_topic" } else { "bad_value" };
            ApiError::new(StatusCode::BAD_REQUEST, code, error)
        })?;
        let beginning = Beginning::of(&wanted, node)?;
        if let (Some(pid), Some(run)) = (process_of(&topic), &beginning.other_run) {
            let reason =
                format!("process {pid} was one of the run {run} of this node, which has been started anew since");
            return Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", reason));
        }
        Ok(Self { text: wanted.topic, topic, beginning })
    }
}

/// Subscribes to a topic. Waits for its turn if it is to look back: `turns` are given back when all of the past is told.
pub(super) async fn open(
    guarded: &Guarded,
    caller: &Caller,
    wanted: Wanted,
    turns: &Arc<Semaphore>,
) -> Result<(Source, SubscriptionStart), ApiError> {
    let Wanted { text, topic, beginning } = wanted;
    let manager = &granted(guarded, caller, &topic).await?;
    let sifts = (!caller.reads_everything()).then(|| caller.clone());
    // It is never closed.
    let turn = if beginning.looks_back() { turns.clone().acquire_owned().await.ok() } else { None };
    let mut start = SubscriptionStart { run: Some(manager.node().to_owned()), ..SubscriptionStart::default() };
    let about = match topic {
        Topic::Events(pattern) => events(manager, &pattern, &beginning, turn, &mut start).await?,
        Topic::Job(job) => {
            manager.get(&job).await?;
            events(manager, &Pattern::Job(job, None), &beginning, turn, &mut start).await?
        }
        Topic::Process(pid) => events(manager, &Pattern::Process(pid, None), &beginning, turn, &mut start).await?,
        Topic::Stats(target) => stats(manager, target).await?,
        Topic::Stream { pid, label } => output(manager, pid, label.as_ref(), &beginning, &mut start).await?,
    };
    Ok((Source::new(&text, manager.node().into(), about, sifts), start))
}

/// The manager, for who may be told of this. What is of many is sifted as it comes.
async fn granted(guarded: &Guarded, caller: &Caller, topic: &Topic) -> Result<Manager, ApiError> {
    // No `_` arm: a new topic must say.
    let object = match topic {
        Topic::Events(pattern) => {
            watch::check(guarded.open_to_all(caller), caller, pattern).await?;
            return Ok(guarded.open_to_all(caller).clone());
        }
        Topic::Process(pid) => {
            watch::check(guarded.open_to_all(caller), caller, &Pattern::Process(*pid, None)).await?;
            return Ok(guarded.open_to_all(caller).clone());
        }
        Topic::Stats(Target::All) => return Ok(guarded.open_to_all(caller).clone()),
        Topic::Job(job) | Topic::Stats(Target::Job(job)) => Object::Job(job.clone()),
        Topic::Stats(Target::Process(pid)) | Topic::Stream { pid, .. } => Object::Process(*pid),
    };
    guarded.open(caller, Right::Read, &object).await
}

/// The process that a topic is about.
fn process_of(topic: &Topic) -> Option<ProcessId> {
    match topic {
        Topic::Process(pid)
        | Topic::Events(Pattern::Process(pid, _))
        | Topic::Stats(Target::Process(pid))
        | Topic::Stream { pid, .. } => Some(*pid),
        Topic::Events(_) | Topic::Job(_) | Topic::Stats(_) => None,
    }
}

/// Where a subscription is to begin.
struct Beginning {
    history: usize,
    /// Whether the client says what it saw last.
    resumes: bool,
    /// What was seen last, in this run.
    after: Option<u64>,
    /// The run that the client knows, if it is not this one.
    other_run: Option<String>,
}

impl Beginning {
    fn of(wanted: &Subscribe, node: &str) -> Result<Self, ApiError> {
        let after = wanted.after.as_deref().map(|after| {
            let invalid = || ApiError::bad_value(format!("`after` must be the id of a message, but is `{after}`"));
            after.parse::<FeedId>().map_err(|()| invalid())
        });
        let after = after.transpose()?;
        let known = [wanted.run.as_deref(), after.as_ref().map(|id| &*id.incarnation)];
        let other_run = known.into_iter().flatten().find(|run| *run != node).map(str::to_owned);
        let resumes = after.is_some();
        let here = after.filter(|_| other_run.is_none()).map(|id| id.number);
        Ok(Self { history: wanted.history.unwrap_or(0), resumes, after: here, other_run })
    }

    /// Whether the client wants something that is over.
    fn looks_back(&self) -> bool {
        self.history > 0 || self.resumes
    }
}

async fn events(
    manager: &Manager,
    pattern: &Pattern,
    beginning: &Beginning,
    turn: Option<OwnedSemaphorePermit>,
    start: &mut SubscriptionStart,
) -> Result<About, ApiError> {
    let from = match beginning.after {
        Some(id) => EventStart::After(id),
        // What the client saw means nothing here: it gets all that is kept.
        None if beginning.resumes => EventStart::Last(usize::MAX),
        None if beginning.history == 0 => EventStart::Now,
        None => EventStart::Last(beginning.history),
    };
    let mut exit = None;
    let mut subscription = manager.subscribe_from(pattern, from);
    if let Pattern::Process(pid, _) = pattern {
        // Before the look, so that no exit is missed after it.
        exit = Some(manager.subscribe_once(&Pattern::Process(*pid, Some(EventKind::Exit))));
        if !is_active(manager, *pid).await? {
            let mut kept = manager.subscribe_from(&Pattern::Process(*pid, None), EventStart::Last(1)).kept_only();
            if !beginning.looks_back() || kept.try_recv().is_none() {
                return Err(unknown_process(*pid));
            }
            subscription = EventSubscription::kept_only(subscription);
        }
    }
    start.after = Some(id(manager, subscription.after()));
    start.gap = beginning.resumes && (beginning.other_run.is_some() || subscription.has_gap());
    Ok(About::Events { subscription, exit, turn })
}

async fn is_active(manager: &Manager, pid: ProcessId) -> Result<bool, ManagerError> {
    match manager.process(pid).await {
        Ok(process) => Ok(process.active),
        Err(ManagerError::Refused(Refusal::UnknownProcess(_))) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn stats(manager: &Manager, target: Target) -> Result<About, ApiError> {
    let exit = match &target {
        Target::All => None,
        Target::Job(job) => {
            manager.get(job).await?;
            None
        }
        Target::Process(pid) => {
            // Before the look, so that no exit is missed after it.
            let exit = manager.subscribe_once(&Pattern::Process(*pid, Some(EventKind::Exit)));
            if !is_active(manager, *pid).await? {
                return Err(unknown_process(*pid));
            }
            Some(exit)
        }
    };
    Ok(About::Stats { updates: manager.monitor(target), exit })
}

async fn output(
    manager: &Manager,
    pid: ProcessId,
    label: Option<&StreamLabel>,
    beginning: &Beginning,
    start: &mut SubscriptionStart,
) -> Result<About, ApiError> {
    let io = if beginning.looks_back() { manager.recent_streams(pid).await? } else { manager.streams(pid).await? };
    let output = find(&io, pid, label)?;
    let subscription = match beginning.after {
        Some(position) => output.subscribe_from(position),
        None if beginning.history == 0 => output.subscribe(Start::Now),
        None => output.subscribe(Start::Lines(beginning.history)),
    };
    let position = beginning.after.map_or(subscription.position(), |after| after.min(subscription.position()));
    start.after = Some(id(manager, position));
    let is_custom = io.custom.iter().any(|pipe| Arc::ptr_eq(&pipe.output, output));
    // The original tells extra pipes apart by this word.
    let event = if is_custom { "READ" } else { output.label().as_str() };
    let job: Option<JobName> = manager.process(pid).await.ok().map(|process| process.name);
    let head = OutputSource::head(event, job.as_ref(), pid);
    Ok(About::Output(Box::new(OutputSource { subscription, text: Utf8Splitter::default(), position, head })))
}

fn find<'a>(io: &'a ProcessIo, pid: ProcessId, label: Option<&StreamLabel>) -> Result<&'a Arc<Output>, ApiError> {
    let found = match label {
        Some(label) => io.output(label.as_str()),
        None => io.outputs.first(),
    };
    found.ok_or_else(|| {
        let known: Vec<String> = io.labels().map(ToString::to_string).collect();
        let error = match label {
            Some(label) if !known.is_empty() => ManagerError::UnknownStream { pid, label: label.to_string(), known },
            _ => ManagerError::NotRedirected(pid),
        };
        ApiError::new(StatusCode::NOT_FOUND, "stream_not_found", error)
    })
}

fn id(manager: &Manager, number: u64) -> String {
    FeedId { incarnation: manager.node().into(), number }.to_string()
}
