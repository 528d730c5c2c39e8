//! `/status`: jobs as they stand.

use axum::{extract::State, response::Response};
use gaffer_core::{
    JobName, Manager, ProcessId,
    api::{JobInfo, JobState, LastExit},
};
use serde::Serialize;

use super::{ApiError, answer, extract::Path};

#[derive(Serialize)]
struct Status {
    name: String,
    active: bool,
    running: usize,
    max_processes: u32,
    state: JobState,
    pids: Vec<ProcessId>,
    uptime: Option<f64>,
    restarts: u64,
    last_exit: Option<LastExit>,
    cause: Option<String>,
}

impl From<JobInfo> for Status {
    fn from(info: JobInfo) -> Self {
        let JobInfo {
            name,
            state,
            active,
            running,
            running_out: _,
            max_processes,
            pids,
            once: _,
            uptime,
            restarts,
            last_exit,
            cause,
        } = info;
        Self { name: name.short(), active, running, max_processes, state, pids, uptime, restarts, last_exit, cause }
    }
}

#[derive(Serialize)]
struct Statuses {
    jobs: Vec<Status>,
}

/// `GET /status`: all jobs in the order of their loading.
pub(super) async fn all(State(manager): State<Manager>) -> Result<Response, ApiError> {
    let jobs = manager.infos().await?.into_iter().map(Status::from).collect();
    Ok(answer::object(&Statuses { jobs }))
}

/// `GET /status/{name}`
pub(super) async fn one(State(manager): State<Manager>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let name: JobName = name.parse()?;
    Ok(answer::object(&Status::from(manager.info(&name).await?)))
}
