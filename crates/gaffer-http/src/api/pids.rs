//! `/pids` and `/{pid}`: processes, in the shapes of gaffer 0.5.

use axum::{http::StatusCode, response::Response};
use gaffer_core::{ProcessId, names::Signal, stats::ProcessStats};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ApiError,
    access::{Anyone, Manage, May, Read, discretion},
    answer::{self, Done},
    form::Form,
    path::ByPid,
    schema,
};

/// Pids, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Pids {
    #[schema(value_type = Vec<u64>)]
    pub(super) pids: Vec<ProcessId>,
}

/// Lists the pids of all processes, oldest first.
#[utoipa::path(get, path = "/pids", tag = "pids", responses((status = 200, body = Pids)))]
pub(super) async fn list(visit: Anyone) -> Result<Response, ApiError> {
    Ok(answer::object(&Pids { pids: visit.pids().await? }))
}

/// Tells of a process.
#[utoipa::path(get, path = "/{pid}", tag = "pids", params(ByPid), responses((status = 200, body = schema::Process)))]
pub(super) async fn detail(May { manager, caller, path, .. }: May<Read, ByPid>) -> Result<Response, ApiError> {
    let process = manager.process(path.process()?).await?;
    if caller.manages(&process.name) {
        return Ok(answer::object(&process));
    }
    let told = discretion::told(&caller, &process.name, answer::value(&process), discretion::hide_process);
    Ok(answer::object(&told))
}

/// Stops a process, which is then replaced, unless it is a one-off.
#[utoipa::path(delete, path = "/{pid}", tag = "pids", params(ByPid), responses((status = 202, body = Done)))]
pub(super) async fn stop(May { manager, path, .. }: May<Manage, ByPid>) -> Result<(StatusCode, Done), ApiError> {
    manager.stop_process(path.process()?).await?;
    Ok((StatusCode::ACCEPTED, Done::default()))
}

/// What a process uses.
#[derive(Serialize, ToSchema)]
struct Stats {
    #[schema(value_type = schema::SessionProcessStats)]
    stats: ProcessStats,
}

/// Tells what a process uses, measured over 0.1 s.
#[utoipa::path(get, path = "/{pid}/stats", tag = "pids", params(ByPid), responses((status = 200, body = Stats)))]
pub(super) async fn stats(May { manager, path, .. }: May<Read, ByPid>) -> Result<Response, ApiError> {
    let stats = manager.process_stats(path.process()?).await?;
    Ok(answer::object(&Stats { stats }))
}

/// Sends a signal to a process.
#[utoipa::path(post, path = "/{pid}/signal", tag = "pids", params(ByPid), request_body = schema::Signal, responses(
    (status = 202, body = Done),
))]
pub(super) async fn signal(
    May { manager, path, .. }: May<Manage, ByPid>,
    Form(signal): Form<Signal>,
) -> Result<(StatusCode, Done), ApiError> {
    manager.kill(path.process()?, signal).await?;
    Ok((StatusCode::ACCEPTED, Done::default()))
}
