//! `/status`: jobs as they stand.

use std::collections::HashMap;

use axum::{extract::State, response::Response};
use gaffer_core::{
    JobName, Manager, ProcessId,
    api::{JobInfo, JobState, LastExit},
    stats::Totals,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ApiError, answer, extract::Path, path::ByName, schema};

/// A job as it stands.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    /// `name`, or `session.name`.
    name: String,
    /// Whether at least one process runs.
    active: bool,
    /// Processes that are not wholly gone.
    running: usize,
    /// How many processes the job wants.
    max_processes: u32,
    #[schema(value_type = schema::JobState)]
    state: JobState,
    /// Oldest first.
    #[schema(value_type = Vec<u64>)]
    pids: Vec<ProcessId>,
    /// Seconds since the oldest process was launched.
    #[schema(required)]
    uptime: Option<f64>,
    /// Launches that replaced a process which exited unasked or did not start.
    restarts: u64,
    /// How its last process ended.
    #[schema(required, value_type = Option<schema::LastExit>)]
    last_exit: Option<LastExit>,
    /// Why it does not run as it should, if it does not.
    #[schema(required)]
    cause: Option<String>,
    /// What its processes use together, in percent of one processor over 0.1 s; where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cpu: Option<f64>,
    /// Their resident memory in bytes; where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rss: Option<u64>,
}

impl Status {
    /// Names the job with its session, whichever that is.
    pub(super) fn with_full_name(self, name: &JobName) -> Self {
        Self { name: name.to_string(), ..self }
    }

    /// Adds what the job's processes use.
    pub(super) fn with_usage(self, totals: &Totals) -> Self {
        Self { cpu: Some(totals.cpu), rss: Some(totals.rss), ..self }
    }
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
        Self {
            name: name.short(),
            active,
            running,
            max_processes,
            state,
            pids,
            uptime,
            restarts,
            last_exit,
            cause,
            cpu: None,
            rss: None,
        }
    }
}

/// Jobs as they stand.
#[derive(Serialize, ToSchema)]
struct Statuses {
    jobs: Vec<Status>,
}

/// Tells how all jobs stand and what they use, in the order of their loading. Takes the 0.1 s in which it measures.
#[utoipa::path(get, path = "/status", tag = "status", responses((status = 200, body = Statuses)))]
pub(super) async fn all(State(manager): State<Manager>) -> Result<Response, ApiError> {
    let usage: HashMap<JobName, Totals> =
        manager.stats_all().await?.into_iter().map(|job| (job.name, job.totals)).collect();
    let status = |info: JobInfo| {
        let totals = usage.get(&info.name).copied().unwrap_or_default(); // None if it was loaded meanwhile.
        Status::from(info).with_usage(&totals)
    };
    let jobs = manager.infos().await?.into_iter().map(status).collect();
    Ok(answer::object(&Statuses { jobs }))
}

/// Tells how a job stands, at once: what it uses is left out.
#[utoipa::path(get, path = "/status/{name}", tag = "status", params(ByName), responses((status = 200, body = Status)))]
pub(super) async fn one(State(manager): State<Manager>, Path(path): Path<ByName>) -> Result<Response, ApiError> {
    Ok(answer::object(&Status::from(manager.info(&path.job()?).await?)))
}
