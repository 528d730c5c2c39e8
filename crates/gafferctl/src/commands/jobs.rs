//! `del_process`, `add`, `sub`, `numprocesses`, `running`, `pids`: one call for each job.

use gaffer_cli::{Context, Failure, Targets};
use gaffer_client::{Client, Error};
use gaffer_core::{JobName, ProcessId, supervisor::Scale};

use super::Acts;

pub(super) async fn unload(context: &mut Context<'_>, words: &[String]) -> Result<(), Failure> {
    let targets = Targets::jobs(&context.client, words).await?;
    let mut acts = Acts::new(context.output, &targets);
    for job in &targets.found {
        acts.done(job, context.client.unload(job).await)?;
    }
    acts.finish()
}

pub(super) async fn scale(context: &mut Context<'_>, words: &[String], scale: Scale) -> Result<(), Failure> {
    numbers(context, words, "numprocesses", async |client, job| client.scale(job, scale).await).await
}

pub(super) async fn numprocesses(context: &mut Context<'_>, words: &[String]) -> Result<(), Failure> {
    numbers(context, words, "numprocesses", async |client, job| client.numprocesses(job).await).await
}

pub(super) async fn running(context: &mut Context<'_>, words: &[String]) -> Result<(), Failure> {
    numbers(context, words, "running", async |client, job| Ok(client.status(job).await?.running)).await
}

async fn numbers<T: std::fmt::Display + Into<serde_json::Value>>(
    context: &mut Context<'_>,
    words: &[String],
    key: &str,
    ask: impl AsyncFn(&Client, &JobName) -> Result<T, Error>,
) -> Result<(), Failure> {
    let targets = Targets::jobs(&context.client, words).await?;
    let mut acts = Acts::new(context.output, &targets);
    for job in &targets.found {
        acts.value(job, key, ask(&context.client, job).await)?;
    }
    acts.finish()
}

pub(super) async fn pids(context: &mut Context<'_>, words: &[String]) -> Result<(), Failure> {
    let targets = Targets::jobs(&context.client, words).await?;
    let mut acts = Acts::new(context.output, &targets);
    for job in &targets.found {
        let pids = context.client.pids(job).await;
        acts.values(job, "pids", pids.map(|pids| pids.into_iter().map(ProcessId::get).collect()))?;
    }
    acts.finish()
}
