//! `/processes`: jobs by name, and processes by pid.

use axum::{extract::State, response::Response};
use gaffer_core::{JobConfig, Manager, ProcessId, names::Signal, supervisor::Scale};
use serde::{Deserialize, Serialize};

use super::{
    ApiError,
    answer::{self, Done},
    extract::{Object, Path, Query, Target},
    frame,
};

#[derive(Deserialize)]
pub(super) struct Listing {
    running: Option<String>,
}

/// `GET /processes`: names of jobs; with `running=1`, pids of processes.
pub(super) async fn list(State(manager): State<Manager>, Query(query): Query<Listing>) -> Result<Response, ApiError> {
    if matches!(query.running.as_deref(), Some("1" | "true")) {
        return Ok(answer::list(&manager.pids(None).await?));
    }
    let names: Vec<String> = manager.jobs(None).await?.iter().map(|name| name.short()).collect();
    Ok(answer::list(&names))
}

/// `POST /processes`: loads a job.
pub(super) async fn load(State(manager): State<Manager>, Object(job): Object) -> Result<Done, ApiError> {
    let read = JobConfig::from_json(&job, None, None)?;
    manager.load(read.config).await?;
    Ok(Done::ignoring(read.ignored))
}

/// `GET /processes/{name or pid}`: a job's configuration.
pub(super) async fn config(State(manager): State<Manager>, Path(target): Path<String>) -> Result<Response, ApiError> {
    let name = target.parse::<Target>()?.job(&manager).await?;
    Ok(answer::object(&*manager.get(&name).await?))
}

/// `PUT /processes/{name}`: gives a job another configuration.
pub(super) async fn update(
    State(manager): State<Manager>,
    Path(target): Path<String>,
    Object(job): Object,
) -> Result<Done, ApiError> {
    let name = target.parse::<Target>()?.job_only()?;
    let read = JobConfig::from_json(&job, Some(name), None)?;
    let start = read.config.spec().start;
    manager.update(read.config, start).await?;
    Ok(Done::ignoring(read.ignored))
}

/// `DELETE /processes/{name or pid}`: unloads a job, or stops a process.
pub(super) async fn unload_or_stop(
    State(manager): State<Manager>,
    Path(target): Path<String>,
) -> Result<Done, ApiError> {
    match target.parse()? {
        Target::Job(name) => manager.unload(&name).await?,
        Target::Process(pid) => manager.stop_process(pid).await?,
    }
    Ok(Done::default())
}

#[derive(Serialize)]
struct Pids {
    ok: bool,
    pids: Vec<ProcessId>,
}

/// `GET /processes/{name}/_pids`: pids of a job's processes, oldest first.
pub(super) async fn pids(State(manager): State<Manager>, Path(target): Path<String>) -> Result<Response, ApiError> {
    let name = match target.parse()? {
        Target::Job(name) => name,
        Target::Process(pid) => return Ok(frame::only_posts(pid)),
    };
    let pids = manager.pids(Some(&name)).await?;
    Ok(answer::object(&Pids { ok: true, pids }))
}

/// `POST /processes/{name}/_start`
pub(super) async fn start(State(manager): State<Manager>, Path(target): Path<String>) -> Result<Done, ApiError> {
    manager.start_job(&target.parse::<Target>()?.job_only()?).await?;
    Ok(Done::default())
}

/// `POST /processes/{name or pid}/_stop`
pub(super) async fn stop(State(manager): State<Manager>, Path(target): Path<String>) -> Result<Done, ApiError> {
    match target.parse()? {
        Target::Job(name) => manager.stop_job(&name).await?,
        Target::Process(pid) => manager.stop_process(pid).await?,
    }
    Ok(Done::default())
}

/// `POST /processes/{name}/_restart`
pub(super) async fn restart(State(manager): State<Manager>, Path(target): Path<String>) -> Result<Done, ApiError> {
    manager.restart_job(&target.parse::<Target>()?.job_only()?).await?;
    Ok(Done::default())
}

#[derive(Deserialize)]
pub(super) struct Numbered {
    target: String,
    number: Option<String>,
}

/// `POST /processes/{name}/_add[/n]`: answers the new number.
pub(super) async fn add(State(manager): State<Manager>, Path(path): Path<Numbered>) -> Result<Done, ApiError> {
    scale(&manager, &path, Scale::Add).await
}

/// `POST /processes/{name}/_sub[/n]`: answers the new number, which is never below 0.
pub(super) async fn sub(State(manager): State<Manager>, Path(path): Path<Numbered>) -> Result<Done, ApiError> {
    scale(&manager, &path, Scale::Sub).await
}

async fn scale(manager: &Manager, path: &Numbered, change: fn(u32) -> Scale) -> Result<Done, ApiError> {
    let name = path.target.parse::<Target>()?.job_only()?;
    let number = match path.number.as_deref() {
        None => 1,
        Some(text) => text
            .parse()
            .map_err(|_| ApiError::bad_value(format!("`{text}` is not a number of processes; give 0 or more")))?,
    };
    Ok(Done::number(manager.scale(&name, change(number)).await?))
}

#[derive(Deserialize)]
pub(super) struct Signalled {
    target: String,
    signal: Option<String>,
}

/// `POST /processes/{name or pid}/_signal/{signal}`: a number or a name.
pub(super) async fn signal(State(manager): State<Manager>, Path(path): Path<Signalled>) -> Result<Done, ApiError> {
    let target = path.target.parse()?;
    let signal: Signal = match path.signal.as_deref() {
        Some(text) => text.parse()?,
        None => {
            let reason = "the signal is missing; add its number or name, as in _signal/15 or _signal/TERM";
            return Err(ApiError::bad_value(reason).with_code("no_signal_number"));
        }
    };
    match target {
        Target::Job(name) => manager.killall(&name, signal).await?,
        Target::Process(pid) => manager.kill(pid, signal).await?,
    }
    Ok(Done::default())
}
