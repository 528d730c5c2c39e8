//! What an earlier gafferd that was killed has left behind.

use std::{collections::HashSet, time::Duration};

use anyhow::Context;
use gaffer_core::{backend::end_leftovers, manager::Restored};
use gaffer_daemon::systemd::Notifier;
use gaffer_state::PastProcess;
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

/// How long those may take to end of which nothing is known but the mark.
const USUAL_GRACE: Duration = Duration::from_secs(10);

/// What it takes beyond that time: those who do not heed it are killed.
const MARGIN: Duration = Duration::from_secs(15);

/// Ends all that the killed nodes have left, with all that descends from it, but for what the jobs take back. New processes are launched after
/// that only: nothing runs twice. Answers the nodes of which something could not be ended.
///
/// # Errors
/// When processes cannot be looked at.
pub(crate) async fn end(
    killed: Vec<String>,
    strays: Vec<PastProcess>,
    jobs: &[Restored],
    notifier: &Notifier,
) -> anyhow::Result<Vec<String>> {
    let survivors = jobs.iter().flat_map(|job| &job.survivors);
    let spared: HashSet<String> = survivors.map(|survivor| survivor.mark.clone()).collect();
    if !spared.is_empty() {
        info!(processes = spared.len(), "processes that outlived the last gafferd are taken back");
    }
    // What was killed is looked for by its mark; what was left when a node ended as it should, one by one.
    let mut nodes: HashSet<String> = killed.into_iter().collect();
    nodes.extend(strays.iter().filter_map(|process| Some(process.survivor.mark.split_once(':')?.0.to_owned())));
    if nodes.is_empty() {
        return Ok(Vec::new());
    }
    for process in strays.iter().filter(|process| process.survivor.root.lives()) {
        let os_pid = process.survivor.root.os_pid().map(|os_pid| os_pid.as_raw());
        warn!(job = %process.job, os_pid, "a process that the last gafferd left is ended, with all that belongs to it");
    }
    let grace = strays.iter().map(|process| process.grace).max().unwrap_or(USUAL_GRACE);
    // The service manager waits for the start.
    let nodes_in_turn = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    notifier.extend(grace.saturating_add(MARGIN).saturating_mul(nodes_in_turn));
    let roots = strays.iter().map(|process| process.survivor.root).collect();
    let ended = spawn_blocking(move || {
        let mut stubborn = Vec::new();
        for node in nodes {
            let left = end_leftovers(&node, &roots, &spared, grace)?;
            for os_pid in &left {
                error!(os_pid = os_pid.as_raw(), "a process that the last gafferd left could not be ended");
            }
            if !left.is_empty() {
                stubborn.push(node);
            }
        }
        std::io::Result::Ok(stubborn)
    });
    ended.await?.context("cannot look for what the last gafferd left")
}
