//! `start`, `stop`, `restart`: what jobs and processes are to do.

use gaffer_cli::{Context, Failure, Progress, Target, Targets};
use gaffer_client::{Client, FeedOptions};
use gaffer_core::{JobName, events::Pattern};

use super::{
    Acts,
    wait::{Goal, Limit, Waiting},
};
use crate::args::Wait;

pub(super) async fn start(context: &mut Context<'_>, words: &[String], wait: &Wait) -> Result<(), Failure> {
    reach_jobs(context, words, wait, Goal::Start).await
}

pub(super) async fn restart(context: &mut Context<'_>, words: &[String], wait: &Wait) -> Result<(), Failure> {
    reach_jobs(context, words, wait, |job| Goal::Restart { job, old: Vec::new() }).await
}

pub(super) async fn stop(context: &mut Context<'_>, words: &[String], wait: &Wait) -> Result<(), Failure> {
    let limit = limit(wait);
    let targets = within(limit, &context.client, Targets::jobs_and_processes(&context.client, words)).await?;
    let goal = |target: &Target| match target {
        Target::Job(job) => Goal::Stop(job.clone()),
        Target::Process(pid) => Goal::StopProcess(*pid),
    };
    let goals = targets.found.iter().map(goal).collect();
    reach(context, &targets, goals, limit).await
}

async fn reach_jobs(
    context: &mut Context<'_>,
    words: &[String],
    wait: &Wait,
    goal: impl Fn(JobName) -> Goal,
) -> Result<(), Failure> {
    let limit = limit(wait);
    let targets = within(limit, &context.client, Targets::jobs(&context.client, words)).await?;
    let goals = targets.found.iter().cloned().map(goal).collect();
    reach(context, &targets, goals, limit).await
}

async fn reach<T>(
    context: &mut Context<'_>,
    targets: &Targets<T>,
    goals: Vec<Goal>,
    limit: Option<Limit>,
) -> Result<(), Failure> {
    let client = context.client.clone();
    // Before anything is done, so that nothing of it is missed.
    let events = match limit {
        Some(limit) => {
            let options = FeedOptions { history: 0, resume: false };
            Some((limit.call(&client, client.watch(&Pattern::All, &options)).await?, limit))
        }
        None => None,
    };
    let mut acts = Acts::new(context.output, targets);
    let mut waiting = Waiting::default();
    for (position, mut goal) in goals.into_iter().enumerate() {
        match within(limit, &client, goal.ask_for(&client)).await {
            Ok(()) if limit.is_some() => {
                acts.later(position, &goal);
                waiting.add(position, goal);
            }
            outcome => acts.done_at(position, &goal, outcome)?,
        }
    }
    if let Some((events, limit)) = events {
        Progress::wiped_at_signals(waiting.until_done(&client, events, limit, &mut acts)).await??;
    }
    acts.finish()
}

fn limit(wait: &Wait) -> Option<Limit> {
    wait.wait.then(|| Limit::new(wait.timeout))
}

/// The outcome of a call, for which there may be a limit.
async fn within<T, E: Into<Failure>>(
    limit: Option<Limit>,
    client: &Client,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match limit {
        Some(limit) => limit.call(client, call).await,
        None => call.await.map_err(Into::into),
    }
}
