//! `/groups`: sessions, in the shapes of gaffer 0.4.

use axum::response::Response;

use super::{
    ApiError,
    access::{Anyone, Manage, May, Read, readable_jobs},
    answer::{self, Done},
    path::ByGroup,
};

/// Lists the groups. One is there as long as it has jobs.
#[utoipa::path(get, path = "/groups", tag = "groups", responses(
    (status = 200, description = "in the order in which they came to be", body = Vec<String>),
))]
pub(super) async fn list(visit: Anyone) -> Result<Response, ApiError> {
    Ok(answer::list(&visit.sessions().await?))
}

/// Lists the jobs of a group.
#[utoipa::path(get, path = "/groups/{group}", tag = "groups", params(ByGroup), responses(
    (status = 200, description = "in the order of loading", body = Vec<String>),
))]
pub(super) async fn jobs(May { manager, caller, path, .. }: May<Read, ByGroup>) -> Result<Response, ApiError> {
    let jobs = readable_jobs(&manager, &caller, Some(&path.session()?)).await?;
    let names: Vec<String> = jobs.iter().map(|name| name.short()).collect();
    Ok(answer::list(&names))
}

/// Stops all jobs of a group and forgets them, and so the group.
#[utoipa::path(delete, path = "/groups/{group}", tag = "groups", params(ByGroup), responses((status = 200, body = Done)))]
pub(super) async fn unload(May { manager, path, .. }: May<Manage, ByGroup>) -> Result<Done, ApiError> {
    manager.unload_session(&path.session()?).await?;
    Ok(Done::default())
}

/// Starts all jobs of a group.
#[utoipa::path(post, path = "/groups/{group}/_start", tag = "groups", params(ByGroup), responses(
    (status = 200, body = Done),
))]
pub(super) async fn start(May { manager, path, .. }: May<Manage, ByGroup>) -> Result<Done, ApiError> {
    manager.start_session(&path.session()?).await?;
    Ok(Done::default())
}

/// Stops all jobs of a group.
#[utoipa::path(post, path = "/groups/{group}/_stop", tag = "groups", params(ByGroup), responses(
    (status = 200, body = Done),
))]
pub(super) async fn stop(May { manager, path, .. }: May<Manage, ByGroup>) -> Result<Done, ApiError> {
    manager.stop_session(&path.session()?).await?;
    Ok(Done::default())
}

/// Replaces the processes of all jobs of a group: new ones first, then the old. One that fails keeps no other from it.
#[utoipa::path(post, path = "/groups/{group}/_restart", tag = "groups", params(ByGroup), responses(
    (status = 200, body = Done),
    (status = 409, description = "another change of a job overtook this one"),
    (status = 422, description = "a new process does not start; its predecessor stays"),
))]
pub(super) async fn restart(May { manager, path, .. }: May<Manage, ByGroup>) -> Result<Done, ApiError> {
    manager.restart_session(&path.session()?).await?;
    Ok(Done::default())
}
