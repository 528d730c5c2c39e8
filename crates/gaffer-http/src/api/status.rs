//! `/status`: jobs as they stand.

use axum::{extract::State, response::Response};
use gaffer_core::{
    JobName, Manager, ProcessId,
    api::{JobInfo, JobState, LastExit},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{ApiError, answer, extract::Path, schema};

/// A job as it stands.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
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

/// Jobs as they stand.
#[derive(Serialize, ToSchema)]
struct Statuses {
    jobs: Vec<Status>,
}

/// Tells how all jobs stand, in the order of their loading.
#[utoipa::path(get, path = "/status", tag = "status", responses((status = 200, body = Statuses)))]
pub(super) async fn all(State(manager): State<Manager>) -> Result<Response, ApiError> {
    let jobs = manager.infos().await?.into_iter().map(Status::from).collect();
    Ok(answer::object(&Statuses { jobs }))
}

/// A job by its name.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ByName {
    /// Name of a job: `name` or `session.name`.
    name: String,
}

/// Tells how a job stands.
#[utoipa::path(get, path = "/status/{name}", tag = "status", params(ByName), responses((status = 200, body = Status)))]
pub(super) async fn one(State(manager): State<Manager>, Path(path): Path<ByName>) -> Result<Response, ApiError> {
    let name: JobName = path.name.parse()?;
    Ok(answer::object(&Status::from(manager.info(&name).await?)))
}
