//! From one run of the node to the next: what it begins with, and what is written down while it runs.

use std::time::Duration;

use anyhow::Context;
use gaffer_core::{
    JobConfig, JobName, Manager,
    manager::{Records, Restored},
};
use gaffer_daemon::systemd::Notifier;
use gaffer_state::{Change, PastProcess, ProcessLog, StateFolder, keep_jobs};
use tokio::{task::JoinHandle, time::timeout};
use tracing::warn;

use crate::{
    leftovers,
    restore::{Beginning, beginning},
    state::OpenJobs,
};

/// Time at the end for what is still to be written.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What is written down for as long as the node runs.
#[derive(Debug, Default)]
pub(crate) struct Keeping {
    jobs: Option<JoinHandle<()>>,
    processes: Option<JoinHandle<ProcessLog>>,
    /// Whether something of earlier runs may be left.
    is_haunted: bool,
}

/// Says what jobs the node begins with, once nothing is left of an earlier run that does not belong to them. From then on all that the
/// manager tells is kept. `None` if the node was asked to stop meanwhile: what is left is left to the next run.
///
/// # Errors
/// When the file cannot be written, or processes cannot be looked at.
pub(crate) async fn begin(
    open: OpenJobs,
    folder: &StateFolder,
    records: Records,
    manager: &Manager,
    configured: Vec<JobConfig>,
    notifier: &Notifier,
) -> anyhow::Result<Option<(Vec<Restored>, Keeping)>> {
    let OpenJobs { file, mut stored, past } = open;
    // What descends from one that is gone may be there, and is found by its mark.
    let (alive, dead) = past.processes.into_iter().partition(|process| process.survivor.root.lives());
    let Beginning { jobs, mut strays, taken_back, changes, warnings } = beginning(configured, stored.clone(), alive);
    strays.extend::<Vec<PastProcess>>(dead);
    for warning in warnings {
        warn!("{warning}");
    }
    let forgotten: Vec<JobName> = changes.iter().filter_map(forgets).cloned().collect();
    if !changes.is_empty() {
        // What is out of date is so at the next start, too.
        if let Err(error) = file.write(changes).await {
            warn!(error = &error as &dyn std::error::Error, "what is kept of jobs is out of date and stays so");
        }
        stored.retain(|job| !forgotten.contains(&job.name));
    }
    let stubborn = tokio::select! {
        ended = leftovers::end(past.killed, strays, &jobs, notifier) => ended?,
        _ = manager.stopped() => return Ok(None),
    };
    let Records { jobs: told, processes: launched } = records;
    let log = ProcessLog::begin(folder, manager.node(), &stubborn, &taken_back);
    let log = log.context("cannot write down which processes run")?;
    let keeping = Keeping {
        jobs: Some(tokio::spawn(keep_jobs(file, stored, told))),
        processes: Some(tokio::spawn(log.keep(launched))),
        is_haunted: !stubborn.is_empty(),
    };
    Ok(Some((jobs, keeping)))
}

fn forgets(change: &Change) -> Option<&JobName> {
    match change {
        Change::DeleteJob(name) => Some(name),
        Change::PutJob(_)
        | Change::PutKey(_)
        | Change::DeleteKey(_)
        | Change::PutUser(_)
        | Change::DeleteUser(_)
        | Change::PutWebhook(_)
        | Change::DeleteWebhook(_) => None,
    }
}

impl Keeping {
    /// Waits until all that the manager, which has stopped, told is written; though not for ever. `is_clean` says that it has left nothing behind.
    pub(crate) async fn end(self, is_clean: bool) {
        let Self { jobs, processes, is_haunted } = self;
        let written = async {
            if let Some(jobs) = jobs {
                let _panicked_and_told = jobs.await;
            }
            if let Some(processes) = processes
                && let Ok(log) = processes.await
                && is_clean
                && !is_haunted
            {
                log.end().await;
            }
        };
        if timeout(LAST_WORDS, written).await.is_err() {
            warn!(
                "the state folder could not be written to in time; the next start may find what was left for a crash"
            );
        }
    }
}
