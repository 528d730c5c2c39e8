//! `/status`: jobs as they stand.

use std::collections::HashMap;

use axum::response::Response;
use gaffer_core::{
    JobName,
    api::{JobInfo, JobStatus},
    stats::Totals,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ApiError,
    access::{Anyone, May, Read},
    answer,
    path::ByName,
    schema,
};

/// Jobs as they stand.
#[derive(Serialize, ToSchema)]
struct Statuses {
    #[schema(value_type = Vec<schema::JobStatus>)]
    jobs: Vec<JobStatus>,
}

/// Tells how all jobs stand and what they use, in the order of their loading. Takes the 0.1 s in which it measures.
#[utoipa::path(get, path = "/status", tag = "status", responses((status = 200, body = Statuses)))]
pub(super) async fn all(Anyone { manager, caller }: Anyone) -> Result<Response, ApiError> {
    let usage: HashMap<JobName, Totals> =
        manager.stats_all().await?.into_iter().map(|job| (job.name, job.totals)).collect();
    let status = |info: JobInfo| {
        let totals = usage.get(&info.name).copied().unwrap_or_default(); // None if it was loaded meanwhile.
        JobStatus { cpu: Some(totals.cpu), rss: Some(totals.rss), ..info.into() }
    };
    let jobs = manager.infos().await?.into_iter().filter(|info| caller.reads(&info.name)).map(status).collect();
    Ok(answer::object(&Statuses { jobs }))
}

/// Tells how a job stands, at once: what it uses is left out.
#[utoipa::path(get, path = "/status/{name}", tag = "status", params(ByName), responses(
    (status = 200, body = schema::JobStatus),
))]
pub(super) async fn one(May { manager, path, .. }: May<Read, ByName>) -> Result<Response, ApiError> {
    Ok(answer::object(&JobStatus::from(manager.info(&path.job()?).await?)))
}
