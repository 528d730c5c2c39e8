//! `/sessions`, `/jobs` and `/jobs/{session}`: what is loaded, by session.

use axum::response::Response;
use gaffer_core::{JobConfig, JobName, names::SessionId};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ApiError,
    access::{Anyone, Manage, May, Read, readable_jobs},
    answer::{self, Done},
    extract::Object,
    path::BySession,
    schema,
};

/// Names of sessions.
#[derive(Serialize, ToSchema)]
struct Sessions {
    #[schema(value_type = Vec<String>)]
    sessions: Vec<SessionId>,
}

/// Lists the sessions that have jobs.
#[utoipa::path(get, path = "/sessions", tag = "sessions", responses(
    (status = 200, description = "in the order in which they came to be", body = Sessions),
))]
pub(super) async fn list(visit: Anyone) -> Result<Response, ApiError> {
    Ok(answer::object(&Sessions { sessions: visit.sessions().await? }))
}

/// Names of jobs, as `session.name`.
#[derive(Serialize, ToSchema)]
struct Jobs {
    #[schema(value_type = Vec<String>)]
    jobs: Vec<JobName>,
}

/// Lists the jobs of all sessions.
#[utoipa::path(get, path = "/jobs", tag = "sessions", responses(
    (status = 200, description = "in the order of loading", body = Jobs),
))]
pub(super) async fn jobs(visit: Anyone) -> Result<Response, ApiError> {
    Ok(answer::object(&Jobs { jobs: visit.jobs(None).await? }))
}

/// Names of a session's jobs, as `session.name`.
#[derive(Serialize, ToSchema)]
struct Session {
    #[schema(value_type = String)]
    sessionid: SessionId,
    #[schema(value_type = Vec<String>)]
    jobs: Vec<JobName>,
}

/// Lists the jobs of a session.
#[utoipa::path(get, path = "/jobs/{session}", tag = "sessions", params(BySession), responses(
    (status = 200, description = "in the order of loading", body = Session),
))]
pub(super) async fn session(May { manager, caller, path, .. }: May<Read, BySession>) -> Result<Response, ApiError> {
    let sessionid = path.session()?;
    let jobs = readable_jobs(&manager, &caller, Some(&sessionid)).await?;
    Ok(answer::object(&Session { sessionid, jobs }))
}

/// Loads a job into a session, and starts it unless it says `"start": false`.
#[utoipa::path(post, path = "/jobs/{session}", tag = "sessions", params(BySession),
    request_body = schema::SessionJob, responses(
    (status = 200, body = Done),
    (status = 409, description = "a job of this name is loaded"),
))]
pub(super) async fn load(
    May { manager, path, .. }: May<Manage, BySession>,
    Object(job): Object,
) -> Result<Done, ApiError> {
    let read = JobConfig::from_json(&job, None, Some(&path.session()?))?;
    manager.load(read.config).await?;
    Ok(Done::ignoring(read.ignored))
}
