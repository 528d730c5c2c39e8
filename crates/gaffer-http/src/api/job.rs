//! `/jobs/{session}/{name}`: one job, in the shapes of gaffer 0.5.

use axum::{http::StatusCode, response::Response};
use gaffer_core::{
    JobConfig, JobName, Manager, ManagerError, ProcessId,
    api::JobStatus,
    config::{FieldError, InvalidConfig},
    names::Signal,
    supervisor::{Refusal, Scale},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    ApiError,
    access::{self, Caller, Manage, May, Names, Read, discretion},
    answer::{self, Done},
    body::Body,
    extract::Object,
    form::{Commit, Form},
    path::InSession,
    pids::Pids,
    schema,
};

/// A job as it stands, and its configuration.
#[derive(Serialize, ToSchema)]
pub(super) struct Detail {
    #[serde(flatten, with = "schema::JobStatus")]
    #[schema(value_type = schema::JobStatus)]
    status: JobStatus,
    /// One-off processes among those that run.
    running_out: usize,
    /// Those that are kept alive, oldest first, then the one-off ones.
    #[schema(value_type = Vec<u64>)]
    processes: Vec<ProcessId>,
    #[schema(value_type = schema::SessionJob)]
    config: Map<String, Value>,
}

/// A configuration with the bare name, so that it can be loaded into any session.
fn in_session(config: &JobConfig) -> Map<String, Value> {
    // Serialising fails only for types that no configuration has, such as maps with keys that are no strings.
    let Ok(Value::Object(mut config_json)) = serde_json::to_value(config) else { return Map::new() };
    config_json.insert("name".to_owned(), config.name().name().into());
    config_json.remove("group");
    config_json
}

/// Says whether there is such a job.
#[utoipa::path(head, path = "/jobs/{session}/{name}", tag = "jobs", params(InSession), responses(
    (status = 200, description = "there is"),
))]
pub(super) async fn exists(May { manager, path, .. }: May<Read, InSession>) -> Result<(), ApiError> {
    manager.get(&path.job()?).await?;
    Ok(())
}

/// Tells how a job stands, how it is configured and what it uses. Takes the 0.1 s in which it measures.
#[utoipa::path(get, path = "/jobs/{session}/{name}", tag = "jobs", params(InSession), responses(
    (status = 200, body = Detail),
))]
pub(super) async fn detail(May { manager, caller, path, .. }: May<Read, InSession>) -> Result<Response, ApiError> {
    Ok(answer::object(&look(&manager, &caller, &path.job()?).await?))
}

/// Looks at a job, for the 0.1 s in which it is measured.
pub(super) async fn look(manager: &Manager, caller: &Caller, name: &JobName) -> Result<Detail, ManagerError> {
    let stats = manager.stats(name).await?;
    let info = manager.info(name).await?;
    let mut config = in_session(&*manager.get(name).await?);
    if !caller.manages(name) {
        discretion::hide(&mut config);
    }
    Ok(Detail {
        running_out: info.running_out,
        processes: [info.pids.as_slice(), &info.once].concat(),
        status: JobStatus { cpu: Some(stats.totals.cpu), rss: Some(stats.totals.rss), ..info.into() },
        config,
    })
}

/// Gives a job another configuration, and replaces its processes once the new command is known to start.
#[utoipa::path(put, path = "/jobs/{session}/{name}", tag = "jobs", params(InSession),
    request_body = schema::JobSettings, responses(
    (status = 201, body = Done),
    (status = 409, description = "another change of the job overtook this one"),
    (status = 422, description = "the new command does not start; the job is as it was"),
))]
pub(super) async fn update(
    May { manager, path, .. }: May<Manage, InSession>,
    Object(job): Object,
) -> Result<(StatusCode, Done), ApiError> {
    let name = path.job()?;
    let given = job.get("name").filter(|given| !given.is_null());
    if let Some(given) = given
        && given != name.name()
        && given.as_str().and_then(|given| given.parse().ok()).as_ref() != Some(&name)
    {
        let problem = format!("must be `{}` as in the path, or left out, but is {given}", name.name());
        return Err(InvalidConfig::from(FieldError::new("name", problem)).into());
    }
    let read = JobConfig::from_json(&job, Some(name), None)?;
    let start = read.config.spec().start;
    manager.update(read.config, start).await?;
    Ok((StatusCode::CREATED, Done::ignoring(read.ignored)))
}

/// Stops a job and forgets it.
#[utoipa::path(delete, path = "/jobs/{session}/{name}", tag = "jobs", params(InSession), responses(
    (status = 200, body = Done),
))]
pub(super) async fn unload(May { manager, path, .. }: May<Manage, InSession>) -> Result<Done, ApiError> {
    manager.unload(&path.job()?).await?;
    Ok(Done::default())
}

/// Tells what a job's processes use, measured over 0.1 s.
#[utoipa::path(get, path = "/jobs/{session}/{name}/stats", tag = "jobs", params(InSession), responses(
    (status = 200, body = schema::SessionJobStats),
))]
pub(super) async fn stats(May { manager, path, .. }: May<Read, InSession>) -> Result<Response, ApiError> {
    Ok(answer::object(&manager.stats(&path.job()?).await?))
}

/// How many processes a job wants.
#[derive(Serialize, ToSchema)]
struct Number {
    numprocesses: u32,
}

/// Tells how many processes a job wants.
#[utoipa::path(get, path = "/jobs/{session}/{name}/numprocesses", tag = "jobs", params(InSession), responses(
    (status = 200, body = Number),
))]
pub(super) async fn number(May { manager, path, .. }: May<Read, InSession>) -> Result<Response, ApiError> {
    let numprocesses = manager.info(&path.job()?).await?.max_processes;
    Ok(answer::object(&Number { numprocesses }))
}

/// Changes how many processes a job wants, and answers the new number, which is never below 0. The oldest go first.
#[utoipa::path(post, path = "/jobs/{session}/{name}/numprocesses", tag = "jobs", params(InSession),
    request_body = schema::Scale, responses((status = 200, body = Number)))]
pub(super) async fn scale(
    May { manager, path, .. }: May<Manage, InSession>,
    Form(scale): Form<Scale>,
) -> Result<Response, ApiError> {
    let scaled = manager.scale(&path.job()?, scale).await;
    let numprocesses = scaled.map_err(|error| {
        let too_many = matches!(error, ManagerError::Refused(Refusal::TooMany { .. }));
        let field_error = || InvalidConfig::from(FieldError::new("scale", error.to_string()));
        if too_many { field_error().into() } else { ApiError::from(error) }
    })?;
    Ok(answer::object(&Number { numprocesses }))
}

/// Lists the pids of the processes that are kept alive, oldest first.
#[utoipa::path(get, path = "/jobs/{session}/{name}/pids", tag = "jobs", params(InSession), responses(
    (status = 200, body = Pids),
))]
pub(super) async fn pids(May { manager, path, .. }: May<Read, InSession>) -> Result<Response, ApiError> {
    let pids = manager.pids(Some(&path.job()?)).await?;
    Ok(answer::object(&Pids { pids }))
}

/// Sends a signal to all processes of a job.
#[utoipa::path(post, path = "/jobs/{session}/{name}/signal", tag = "jobs", params(InSession),
    request_body = schema::Signal, responses((status = 202, body = Done)))]
pub(super) async fn signal(
    May { manager, path, .. }: May<Manage, InSession>,
    Form(signal): Form<Signal>,
) -> Result<(StatusCode, Done), ApiError> {
    manager.killall(&path.job()?, signal).await?;
    Ok((StatusCode::ACCEPTED, Done::default()))
}

/// Tells whether a job has a process that runs.
#[utoipa::path(get, path = "/jobs/{session}/{name}/state", tag = "jobs", params(InSession), responses(
    (status = 200, description = "`1` if it has, `0` if not", body = String, content_type = "text/html; charset=UTF-8"),
))]
pub(super) async fn state(May { manager, path, .. }: May<Read, InSession>) -> Result<Response, ApiError> {
    let active = manager.info(&path.job()?).await?.active;
    Ok(answer::word(if active { "1" } else { "0" }))
}

/// Starts a job (`1`), stops it (`0`), or sets its number back to the configured one and replaces its processes (`2`).
#[utoipa::path(post, path = "/jobs/{session}/{name}/state", tag = "jobs", params(InSession),
    request_body(content = String, content_type = "text/plain", description = "`1`, `0` or `2`"), responses(
    (status = 202, body = Done),
    (status = 409, description = "another change of the job overtook this one"),
    (status = 422, description = "a new process does not start; its predecessor stays"),
))]
pub(super) async fn set_state(
    May { manager, path, .. }: May<Manage, InSession>,
    Body(body): Body,
) -> Result<(StatusCode, Done), ApiError> {
    let name = path.job()?;
    match body.trim_ascii() {
        b"1" => manager.start_job(&name).await?,
        b"0" => manager.stop_job(&name).await?,
        b"2" => manager.reload(&name).await?,
        _ => {
            let reason = "the body must be 1 to start the job, 0 to stop it or 2 to reload it";
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_request", reason));
        }
    }
    Ok((StatusCode::ACCEPTED, Done::default()))
}

/// A job of which a one-off process is launched. That needs the session, as in gaffer 0.5: what it does may be told by its variables.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Committing(InSession);

impl Names for Committing {
    fn object(&self) -> Result<access::Object, ApiError> {
        Ok(access::Object::Session(self.0.job()?.session().clone()))
    }
}

/// A one-off process.
#[derive(Serialize, ToSchema)]
struct Committed {
    #[schema(value_type = u64)]
    pid: ProcessId,
    /// Keys of the request that mean nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<String>,
}

/// Launches a one-off process of a job, stopped or not. It is not counted and not replaced, and stopped with the job.
#[utoipa::path(post, path = "/jobs/{session}/{name}/commit", tag = "jobs", params(InSession),
    request_body = schema::OneOff, responses(
    (status = 200, body = Committed),
    (status = 422, description = "it does not start"),
))]
pub(super) async fn commit(
    May { manager, path: Committing(path), .. }: May<Manage, Committing>,
    Form(Commit { once, ignored }): Form<Commit>,
) -> Result<Response, ApiError> {
    let pid = manager.commit(&path.job()?, once).await?;
    Ok(answer::object(&Committed { pid, ignored }))
}
