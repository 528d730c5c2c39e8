//! From a topic to what it has to say.

use std::sync::Arc;

use axum::http::StatusCode;
use gaffer_core::{
    JobName, Manager, ManagerError, ProcessId,
    api::channel::{InvalidTopic, Subscribe, SubscriptionStart, Topic},
    events::{EventKind, EventStart, EventSubscription, Pattern},
    names::StreamLabel,
    stats::Target,
    streams::{Output, ProcessIo, Start},
    supervisor::Refusal,
};

use super::source::{About, OutputSource, Source};
use crate::{
    api::ApiError,
    feed::{FeedId, Utf8Splitter},
};

/// Subscribes to a topic.
pub(super) async fn open(manager: &Manager, wanted: Subscribe) -> Result<(Source, SubscriptionStart), ApiError> {
    let topic: Topic = wanted.topic.parse().map_err(|error: InvalidTopic| {
        let code = if matches!(error, InvalidTopic::Unknown(_)) { "invalid_topic" } else { "bad_value" };
        ApiError::new(StatusCode::BAD_REQUEST, code, error)
    })?;
    let beginning = Beginning::of(&wanted, manager.node())?;
    if let (Some(pid), Some(run)) = (process_of(&topic), &beginning.other_run) {
        let reason = format!("process {pid} was one of the run {run} of this node, which has been started anew since");
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", reason));
    }
    let mut start = SubscriptionStart { run: Some(manager.node().to_owned()), ..SubscriptionStart::default() };
    let about = match topic {
        Topic::Events(pattern) => events(manager, &pattern, &beginning, &mut start).await?,
        Topic::Job(job) => {
            manager.get(&job).await?;
            events(manager, &Pattern::Job(job, None), &beginning, &mut start).await?
        }
        Topic::Process(pid) => events(manager, &Pattern::Process(pid, None), &beginning, &mut start).await?,
        Topic::Stats(target) => stats(manager, target).await?,
        Topic::Stream { pid, label } => output(manager, pid, label.as_ref(), &beginning, &mut start).await?,
    };
    Ok((Source::new(&wanted.topic, manager.node().into(), about), start))
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
        let run = wanted.run.as_deref().or(after.as_ref().map(|id| &*id.incarnation));
        let other_run = run.filter(|run| *run != node).map(str::to_owned);
        let here = after.filter(|id| *id.incarnation == *node);
        Ok(Self { history: wanted.history.unwrap_or(0), after: here.map(|id| id.number), other_run })
    }

    /// Whether the client wants something that is over.
    fn looks_back(&self) -> bool {
        self.history > 0 || self.after.is_some()
    }
}

async fn events(
    manager: &Manager,
    pattern: &Pattern,
    beginning: &Beginning,
    start: &mut SubscriptionStart,
) -> Result<About, ApiError> {
    let from = match (beginning.after, &beginning.other_run) {
        (Some(id), _) => EventStart::After(id),
        // What the client knows means nothing here: it gets all that is kept.
        (None, Some(_)) => EventStart::Last(usize::MAX),
        (None, None) if beginning.history == 0 => EventStart::Now,
        (None, None) => EventStart::Last(beginning.history),
    };
    let mut subscription = manager.subscribe_from(pattern, from);
    let of_process = match pattern {
        Pattern::Process(pid, _) => {
            // After the subscription, so that an exit in between is not missed.
            subscription = if is_active(manager, *pid).await? {
                subscription
            } else if beginning.looks_back() {
                EventSubscription::kept_only(subscription)
            } else {
                return Err(ManagerError::from(Refusal::UnknownProcess(*pid)).into());
            };
            true
        }
        Pattern::All | Pattern::Kind(_) | Pattern::Jobs | Pattern::Session(_) | Pattern::Job(..) => false,
    };
    start.after = Some(id(manager, subscription.after()));
    start.gap = beginning.other_run.is_some() || (beginning.after.is_some() && subscription.has_gap());
    Ok(About::Events { subscription, of_process })
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
                return Err(ManagerError::from(Refusal::UnknownProcess(*pid)).into());
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
