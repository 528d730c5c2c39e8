//! Which outputs of which processes are meant.

use gaffer_client::{Client, Error};
use gaffer_core::{JobName, ProcessId, events::Pattern, names::StreamLabel};

use crate::Failure;

/// An output of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The process's job.
    pub(super) job: JobName,
    pub(super) pid: ProcessId,
    pub(super) label: StreamLabel,
    /// Whether it stands for a job of which nothing runs: the process was its last one.
    pub(super) is_past: bool,
}

impl Source {
    /// Job and process, as lines begin.
    pub(super) fn who(&self) -> String {
        format!("{}.{}", self.job.short(), self.pid)
    }
}

/// What the processes of a job write: of those that run, or of the last one that ran; nothing, if none ever did.
pub(super) async fn of_job(
    client: &Client,
    job: &JobName,
    stream: Option<&StreamLabel>,
) -> Result<Vec<Source>, Failure> {
    let status = client.status(job).await?;
    let labels = match stream {
        Some(label) => vec![label.clone()],
        None => labels_of_job(client, job).await?,
    };
    let mut pids = status.pids;
    if status.running > pids.len() {
        // There are one-off processes.
        pids = client.job(job).await?.processes;
    }
    let is_past = pids.is_empty();
    if is_past {
        pids.extend(status.last_exit.map(|exit| exit.pid));
    }
    let sources = pids.into_iter().flat_map(|pid| sources(job, pid, labels.clone()));
    Ok(sources.map(|source| Source { is_past, ..source }).collect())
}

/// What a process writes. It may be gone: its output is kept for a while.
pub(super) async fn of_process(
    client: &Client,
    pid: ProcessId,
    stream: Option<&StreamLabel>,
) -> Result<Vec<Source>, Failure> {
    let (job, labels) = match client.process(pid).await {
        Ok(process) => (process.name, process.redirect_output),
        Err(error) if error.is_not_found() => {
            let events = client.recent_events(&Pattern::Process(pid, None), 1).await?;
            let Some(event) = events.into_iter().next() else { return Err(error.into()) };
            let labels = client.known_config(&event.name).await.map(|known| known.config.redirect_output().to_vec());
            (event.name, labels.map_err(|_| error)?)
        }
        Err(error) => return Err(error.into()),
    };
    let labels = match stream {
        Some(label) => vec![label.clone()],
        None => redirected(&job, labels)?,
    };
    Ok(sources(&job, pid, labels).collect())
}

/// What a process writes that was launched just now, and may be gone already. Nothing, if its job redirects none.
pub(super) async fn of_new_process(
    client: &Client,
    job: &JobName,
    pid: ProcessId,
    stream: Option<&StreamLabel>,
) -> Result<Vec<Source>, Error> {
    let labels = match stream {
        Some(label) => vec![label.clone()],
        None => match client.known_config(job).await {
            Ok(known) => known.config.redirect_output().to_vec(),
            Err(error) if error.is_not_found() => Vec::new(),
            Err(error) => return Err(error),
        },
    };
    Ok(sources(job, pid, labels).collect())
}

async fn labels_of_job(client: &Client, job: &JobName) -> Result<Vec<StreamLabel>, Failure> {
    redirected(job, client.known_config(job).await?.config.redirect_output().to_vec())
}

fn redirected(job: &JobName, labels: Vec<StreamLabel>) -> Result<Vec<StreamLabel>, Failure> {
    if labels.is_empty() {
        let name = job.short();
        let message = format!("nothing is kept of what `{name}` writes; give the job `redirect_output = out, err`");
        return Err(Failure::Failed(message));
    }
    Ok(labels)
}

fn sources(job: &JobName, pid: ProcessId, labels: Vec<StreamLabel>) -> impl Iterator<Item = Source> {
    labels.into_iter().map(move |label| Source { job: job.clone(), pid, label, is_past: false })
}
