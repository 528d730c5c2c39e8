//! `/processes`: jobs by name, and processes by pid.

use axum::response::Response;
use gaffer_core::{JobConfig, Manager, ProcessId, names::Signal, supervisor::Scale};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiError,
    access::{self, Anyone, Loading, Manage, May, Names, Read, discretion},
    answer::{self, Done},
    extract::{Object, Query, Target},
    paths, schema,
};

/// What to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Listing {
    /// `1` or `true`: pids of processes instead of names of jobs.
    running: Option<String>,
}

/// A name, or with `running` a pid.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum NameOrPid {
    Name(String),
    Pid(u64),
}

/// Lists the jobs; with `running=1`, the pids of all processes.
#[utoipa::path(get, path = "/processes", tag = "processes", params(Listing), responses(
    (status = 200, description = "in the order of loading", body = Vec<NameOrPid>),
))]
pub(super) async fn list(visit: Anyone, Query(query): Query<Listing>) -> Result<Response, ApiError> {
    if matches!(query.running.as_deref(), Some("1" | "true")) {
        return Ok(answer::list(&visit.pids().await?));
    }
    let names: Vec<String> = visit.jobs(None).await?.iter().map(|name| name.short()).collect();
    Ok(answer::list(&names))
}

/// Loads a job, and starts it unless it says `"start": false`.
#[utoipa::path(post, path = "/processes", tag = "processes", request_body = schema::Job, responses(
    (status = 200, body = Done),
    (status = 409, description = "a job of this name is loaded"),
))]
pub(super) async fn load(Loading { manager, read }: Loading) -> Result<Done, ApiError> {
    manager.load(read.config).await?;
    Ok(Done::ignoring(read.ignored))
}

/// A job by its name, or a process by its pid.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ByNameOrPid {
    /// Name of a job, or pid of a process.
    name_or_pid: String,
}

impl Names for ByNameOrPid {
    fn object(&self) -> Result<access::Object, ApiError> {
        Ok(self.target()?.object())
    }
}

impl ByNameOrPid {
    fn target(&self) -> Result<Target, ApiError> {
        self.name_or_pid.parse()
    }
}

/// Answers a job's configuration; for a pid, that of the process's job.
#[utoipa::path(get, path = "/processes/{name_or_pid}", tag = "processes", params(ByNameOrPid), responses(
    (status = 200, body = schema::Job),
))]
pub(super) async fn config(May { manager, caller, path, .. }: May<Read, ByNameOrPid>) -> Result<Response, ApiError> {
    let name = path.target()?.job(&manager).await?;
    let config = manager.get(&name).await?;
    if caller.manages(&name) {
        return Ok(answer::object(&*config));
    }
    Ok(answer::object(&discretion::told(&caller, &name, answer::value(&*config), discretion::hide)))
}

/// Gives a job another configuration, and replaces its processes once the new command is known to start.
#[utoipa::path(put, path = "/processes/{name_or_pid}", tag = "processes", params(ByNameOrPid),
    request_body = schema::JobSettings, responses(
    (status = 200, body = Done),
    (status = 409, description = "another change of the job overtook this one"),
    (status = 422, description = "the new command does not start; the job is as it was"),
))]
pub(super) async fn update(
    May { manager, path, .. }: May<Manage, ByNameOrPid>,
    Object(job): Object,
) -> Result<Done, ApiError> {
    let name = path.target()?.job_only()?;
    let read = JobConfig::from_json(&job, Some(name), None)?;
    let start = read.config.spec().start;
    manager.update(read.config, start).await?;
    Ok(Done::ignoring(read.ignored))
}

/// Does what `PUT` does.
#[utoipa::path(post, path = "/processes/{name_or_pid}", tag = "processes", params(ByNameOrPid),
    request_body = schema::JobSettings, responses(
    (status = 200, body = Done),
    (status = 409, description = "another change of the job overtook this one"),
    (status = 422, description = "the new command does not start; the job is as it was"),
))]
pub(super) async fn update_by_post(may: May<Manage, ByNameOrPid>, job: Object) -> Result<Done, ApiError> {
    update(may, job).await
}

/// Unloads a job, or stops a process, which is then replaced.
#[utoipa::path(delete, path = "/processes/{name_or_pid}", tag = "processes", params(ByNameOrPid), responses(
    (status = 200, body = Done),
))]
pub(super) async fn unload_or_stop(May { manager, path, .. }: May<Manage, ByNameOrPid>) -> Result<Done, ApiError> {
    match path.target()? {
        Target::Job(name) => manager.unload(&name).await?,
        Target::Process(pid) => manager.stop_process(pid).await?,
    }
    Ok(Done::default())
}

/// Pids, oldest first.
#[derive(Serialize, ToSchema)]
struct JobPids {
    ok: bool,
    #[schema(value_type = Vec<u64>)]
    pids: Vec<ProcessId>,
}

/// Lists the pids of a job's processes, oldest first.
#[utoipa::path(get, path = "/processes/{name_or_pid}/_pids", tag = "processes", params(ByNameOrPid), responses(
    (status = 200, body = JobPids),
    (status = 405, description = "it is a process"),
))]
pub(super) async fn pids(May { manager, path, .. }: May<Read, ByNameOrPid>) -> Result<Response, ApiError> {
    let name = match path.target()? {
        Target::Job(name) => name,
        Target::Process(pid) => return Ok(paths::only_posts(pid)),
    };
    let pids = manager.pids(Some(&name)).await?;
    Ok(answer::object(&JobPids { ok: true, pids }))
}

/// Starts a job; also one that was given up.
#[utoipa::path(post, path = "/processes/{name_or_pid}/_start", tag = "processes", params(ByNameOrPid), responses(
    (status = 200, body = Done),
))]
pub(super) async fn start(May { manager, path, .. }: May<Manage, ByNameOrPid>) -> Result<Done, ApiError> {
    manager.start_job(&path.target()?.job_only()?).await?;
    Ok(Done::default())
}

/// Stops a job, or a process, which is then replaced.
#[utoipa::path(post, path = "/processes/{name_or_pid}/_stop", tag = "processes", params(ByNameOrPid), responses(
    (status = 200, body = Done),
))]
pub(super) async fn stop(May { manager, path, .. }: May<Manage, ByNameOrPid>) -> Result<Done, ApiError> {
    match path.target()? {
        Target::Job(name) => manager.stop_job(&name).await?,
        Target::Process(pid) => manager.stop_process(pid).await?,
    }
    Ok(Done::default())
}

/// Replaces a job's processes: new ones first, then the old.
#[utoipa::path(post, path = "/processes/{name_or_pid}/_restart", tag = "processes", params(ByNameOrPid), responses(
    (status = 200, body = Done),
    (status = 409, description = "another change of the job overtook this one"),
    (status = 422, description = "a new process does not start; its predecessor stays"),
))]
pub(super) async fn restart(May { manager, path, .. }: May<Manage, ByNameOrPid>) -> Result<Done, ApiError> {
    manager.restart_job(&path.target()?.job_only()?).await?;
    Ok(Done::default())
}

/// How many processes more or fewer.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Numbered {
    /// Name of a job.
    name_or_pid: String,
    /// A number of processes.
    #[param(value_type = u32)]
    number: String,
}

/// Runs one process more, and answers the new number.
#[utoipa::path(post, path = "/processes/{name_or_pid}/_add", tag = "processes", params(ByNameOrPid), responses(
    (status = 200, body = Done),
))]
pub(super) async fn add_one(May { manager, path, .. }: May<Manage, ByNameOrPid>) -> Result<Done, ApiError> {
    scale(&manager, &path.name_or_pid, Scale::Add(1)).await
}

/// Runs more processes, and answers the new number.
#[utoipa::path(post, path = "/processes/{name_or_pid}/_add/{number}", tag = "processes", params(Numbered), responses(
    (status = 200, body = Done),
))]
pub(super) async fn add(May { manager, path, .. }: May<Manage, Numbered>) -> Result<Done, ApiError> {
    scale(&manager, &path.name_or_pid, Scale::Add(read_number(&path.number)?)).await
}

/// Runs one process fewer, and answers the new number, which is never below 0.
#[utoipa::path(post, path = "/processes/{name_or_pid}/_sub", tag = "processes", params(ByNameOrPid), responses(
    (status = 200, body = Done),
))]
pub(super) async fn sub_one(May { manager, path, .. }: May<Manage, ByNameOrPid>) -> Result<Done, ApiError> {
    scale(&manager, &path.name_or_pid, Scale::Sub(1)).await
}

/// Runs fewer processes, and answers the new number, which is never below 0. The oldest go first.
#[utoipa::path(post, path = "/processes/{name_or_pid}/_sub/{number}", tag = "processes", params(Numbered), responses(
    (status = 200, body = Done),
))]
pub(super) async fn sub(May { manager, path, .. }: May<Manage, Numbered>) -> Result<Done, ApiError> {
    scale(&manager, &path.name_or_pid, Scale::Sub(read_number(&path.number)?)).await
}

impl Names for Numbered {
    fn object(&self) -> Result<access::Object, ApiError> {
        Ok(self.name_or_pid.parse::<Target>()?.object())
    }
}

async fn scale(manager: &Manager, name: &str, change: Scale) -> Result<Done, ApiError> {
    let name = name.parse::<Target>()?.job_only()?;
    Ok(Done::number(manager.scale(&name, change).await?))
}

fn read_number(text: &str) -> Result<u32, ApiError> {
    text.parse().map_err(|_| {
        let largest = u32::MAX;
        ApiError::bad_value(format!("`{text}` is not a number of processes; give a whole number from 0 to {largest}"))
    })
}

/// To whom, and which.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Signalled {
    /// Name of a job, or pid of a process.
    name_or_pid: String,
    /// A number from 1 to 64, or a name such as `HUP` or `SIGHUP`.
    signal: String,
}

impl Names for Signalled {
    fn object(&self) -> Result<access::Object, ApiError> {
        Ok(self.name_or_pid.parse::<Target>()?.object())
    }
}

/// Sends a signal to all processes of a job, or to one process.
#[utoipa::path(post, path = "/processes/{name_or_pid}/_signal/{signal}", tag = "processes", params(Signalled),
    responses((status = 200, body = Done)))]
pub(super) async fn signal(May { manager, path, .. }: May<Manage, Signalled>) -> Result<Done, ApiError> {
    let target = path.name_or_pid.parse()?;
    let signal: Signal = path.signal.parse()?;
    match target {
        Target::Job(name) => manager.killall(&name, signal).await?,
        Target::Process(pid) => manager.kill(pid, signal).await?,
    }
    Ok(Done::default())
}

/// A signal that was not given. It is no call of its own, and so not described.
pub(super) async fn no_signal() -> ApiError {
    let reason = "the signal is missing; add its number or name, as in _signal/15 or _signal/TERM";
    ApiError::bad_value(reason).with_code("no_signal_number")
}
