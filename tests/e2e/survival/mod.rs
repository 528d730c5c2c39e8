//! What outlives gafferd, however it ends.

mod crashes;
mod detached;
mod jobs;

use std::collections::BTreeMap;

use gaffer_tests::{Daemon, processes, wait_until};
use serde_json::Value;

/// How each job stands: whether it is to run, and its number.
fn standing(daemon: &Daemon) -> BTreeMap<String, (bool, u64)> {
    let jobs = daemon.get("/status")["jobs"].as_array().unwrap().clone();
    let of = |job: Value| {
        let name = job["name"].as_str().unwrap().to_owned();
        (name, (job["state"] != "stopped", job["max_processes"].as_u64().unwrap()))
    };
    jobs.into_iter().map(of).collect()
}

/// Waits until the processes that carry gafferd's mark are exactly the leaders that it knows: nothing runs twice, and nothing is left of before.
#[track_caller]
fn until_nothing_runs_twice(daemon: &Daemon, expected: usize) {
    wait_until("what runs is what gafferd knows", || {
        let pids = daemon.get("/processes?running=1");
        let known = pids.as_array().unwrap().len();
        let running = daemon.descendants();
        if known == expected && running.len() == expected {
            Ok(())
        } else {
            Err(format!(
                "{known} are known, {expected} expected, and there are {:#?}",
                running.into_iter().map(processes::describe).collect::<Vec<_>>()
            ))
        }
    });
}
