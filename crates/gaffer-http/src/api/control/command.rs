//! What can be commanded.

use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, poll_immediate};
use gaffer_core::{
    JobConfig, JobName, ManagerError, ProcessId,
    api::channel::Command as Request,
    names::{SessionId, Signal, StreamLabel},
    supervisor::{OneOff, Scale},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::arguments::Arguments;
use crate::api::{Api, ApiError, form::Commit, job};

/// A command that reads.
#[derive(Debug)]
pub(super) enum Command {
    Sessions,
    Jobs(Option<SessionId>),
    /// Also as the client wrote it.
    Pids(Option<(JobName, String)>),
    Load(JobConfig),
    Update(JobConfig),
    Unload(JobName),
    Reload(JobName),
    StartJob(JobName),
    StopJob(JobName),
    RestartJob(JobName),
    StopAll(JobName),
    Scale(JobName, Scale),
    Info(JobName),
    Stats(JobName),
    KillAll(JobName, Signal),
    Commit(JobName, OneOff),
    ProcessInfo(ProcessId),
    ProcessStats(ProcessId),
    StopProcess(ProcessId),
    Kill(ProcessId, Signal),
    Send {
        pid: ProcessId,
        data: Bytes,
        stream: Option<StreamLabel>,
    },
}

/// What came of a command.
pub(super) type Outcome = Result<Value, ApiError>;

/// How far a command has got that must not hold up those behind it.
pub(super) enum Progress {
    /// It is over.
    Done(Outcome),
    /// It waits for a process.
    Waiting(BoxFuture<'static, Outcome>),
}

impl Command {
    /// Reads a command.
    pub(super) fn read(request: Request) -> Result<Self, ApiError> {
        let name = request.name.clone();
        let with = |names: &[&str]| Arguments::new(request, names);
        let of_job = |make: fn(JobName) -> Self, arguments: Arguments| Ok(make(arguments.job("job")?));
        match name.as_str() {
            "sessions" => with(&[]).map(|_| Self::Sessions),
            "jobs" => Ok(Self::Jobs(with(&["sessionid"])?.session()?)),
            "pids" => {
                let arguments = with(&["job"])?;
                let Some(text) = arguments.text("job", "the name of a job")? else { return Ok(Self::Pids(None)) };
                Ok(Self::Pids(Some((arguments.job("job")?, text.to_owned()))))
            }
            "load" => Ok(Self::Load(config(with(CONFIG)?)?)),
            "update" => Ok(Self::Update(config(with(CONFIG)?)?)),
            "unload" => Ok(Self::Unload(with(&["name", "sessionid"])?.job_in_session()?)),
            "reload" => Ok(Self::Reload(with(&["name", "sessionid"])?.job_in_session()?)),
            "start_job" => of_job(Self::StartJob, with(&["job"])?),
            "stop_job" => of_job(Self::StopJob, with(&["job"])?),
            "restart_job" => of_job(Self::RestartJob, with(&["job"])?),
            "stopall" => of_job(Self::StopAll, with(&["job"])?),
            "info" => of_job(Self::Info, with(&["job"])?),
            "stats" => of_job(Self::Stats, with(&["job"])?),
            "scale" => {
                let mut arguments = with(&["job", "n"])?;
                arguments.rename("n", "scale");
                Ok(Self::Scale(arguments.job("job")?, arguments.fields()?))
            }
            "killall" => {
                let arguments = with(&["job", "signal"])?;
                Ok(Self::KillAll(arguments.job("job")?, arguments.fields()?))
            }
            "commit" => {
                let mut arguments = with(&["job", "graceful_timeout", "env"])?;
                let job = arguments.job("job")?;
                arguments.take("job");
                let Commit { once, .. } = arguments.fields()?;
                Ok(Self::Commit(job, once))
            }
            "process_info" => Ok(Self::ProcessInfo(with(&["pid"])?.pid()?)),
            "process_stats" => Ok(Self::ProcessStats(with(&["pid"])?.pid()?)),
            "stop_process" => Ok(Self::StopProcess(with(&["pid"])?.pid()?)),
            "kill" => {
                let arguments = with(&["pid", "signal"])?;
                Ok(Self::Kill(arguments.pid()?, arguments.fields()?))
            }
            "send" => {
                let arguments = with(&["pid", "lines", "stream"])?;
                let (pid, stream) = (arguments.pid()?, arguments.stream()?);
                Ok(Self::Send { pid, data: arguments.lines()?.into(), stream })
            }
            _ => {
                let shown: String = name.chars().take(40).collect();
                let reason = format!("there is no command `{shown}`");
                Err(ApiError::new(StatusCode::NOT_FOUND, "command_not_found", reason))
            }
        }
    }

    /// Carries it out, up to where it would wait for a process.
    pub(super) async fn run(self, api: &Api) -> Progress {
        match self {
            Self::Send { pid, data, stream } => send(api, pid, data, stream).await,
            other => Progress::Done(other.done(api).await),
        }
    }

    async fn done(self, api: &Api) -> Outcome {
        let manager = &api.manager;
        match self {
            Self::Sessions => Ok(json!({"sessions": manager.sessions().await?})),
            Self::Jobs(None) => Ok(json!({"jobs": manager.jobs(None).await?})),
            Self::Jobs(Some(session)) => Ok(json!({"sessionid": session, "jobs": manager.jobs(Some(&session)).await?})),
            Self::Pids(None) => Ok(json!({"pids": manager.pids(None).await?})),
            Self::Pids(Some((job, given))) => Ok(json!({"sessionid": given, "pids": manager.pids(Some(&job)).await?})),
            Self::Load(config) => ok(manager.load(config)).await,
            Self::Update(config) => {
                let start = config.spec().start;
                ok(manager.update(config, start)).await
            }
            Self::Unload(job) => ok(manager.unload(&job)).await,
            Self::Reload(job) => ok(manager.reload(&job)).await,
            Self::StartJob(job) => ok(manager.start_job(&job)).await,
            Self::StopJob(job) => ok(manager.stop_job(&job)).await,
            Self::RestartJob(job) => ok(manager.restart_job(&job)).await,
            Self::StopAll(job) => ok(manager.stopall(&job)).await,
            Self::Scale(job, scale) => Ok(json!({"numprocesses": manager.scale(&job, scale).await?})),
            Self::Info(job) => Ok(json!({"info": value(&job::look(manager, &job).await?)})),
            Self::Stats(job) => Ok(json!({"stats": value(&manager.stats(&job).await?)})),
            Self::KillAll(job, signal) => ok(manager.killall(&job, signal)).await,
            Self::Commit(job, once) => Ok(json!({"ok": true, "pid": manager.commit(&job, once).await?})),
            Self::ProcessInfo(pid) => Ok(json!({"info": value(&manager.process(pid).await?)})),
            Self::ProcessStats(pid) => Ok(json!({"stats": value(&manager.process_stats(pid).await?)})),
            Self::StopProcess(pid) => ok(manager.stop_process(pid)).await,
            Self::Kill(pid, signal) => ok(manager.kill(pid, signal)).await,
            Self::Send { pid, data, stream } => ok(manager.send(pid, data, stream.as_ref())).await,
        }
    }
}

/// The arguments of commands that take a whole job.
const CONFIG: &[&str] = &["config", "sessionid", "env", "start"];

/// Reads a job. What stands beside its configuration wins.
fn config(mut arguments: Arguments) -> Result<JobConfig, ApiError> {
    let session = arguments.session()?;
    let mut config = arguments.object("config", "a job, an object")?;
    if let Some(env) = arguments.optional_object("env", "an object of strings")? {
        match config.get_mut("env") {
            Some(Value::Object(own)) => own.extend(env),
            _ => drop(config.insert("env".to_owned(), Value::Object(env))),
        }
    }
    if let Some(start) = arguments.take("start") {
        config.insert("start".to_owned(), start);
    }
    Ok(JobConfig::from_json(&config, None, session.as_ref())?.config)
}

async fn ok(done: impl Future<Output = Result<(), ManagerError>>) -> Outcome {
    done.await?;
    Ok(json!({"ok": true}))
}

fn value(told: &impl Serialize) -> Value {
    // Serialising fails only for types that no answer has, such as maps with keys that are no strings.
    serde_json::to_value(told).unwrap_or_default()
}

/// Hands data to a process. When this resolves they have their place among what others send, and are written even if the process
/// reads only later.
async fn send(api: &Api, pid: ProcessId, data: Bytes, stream: Option<StreamLabel>) -> Progress {
    let taking = async {
        let waiting = api.waiting_input.take(data.len())?;
        let input = api.manager.input(pid, stream.as_ref()).await.map_err(|error| match error {
            ManagerError::NotWritable { .. } => ApiError::new(StatusCode::NOT_FOUND, "stream_not_found", error),
            ManagerError::Refused(_)
            | ManagerError::NotRedirected(_)
            | ManagerError::UnknownStream { .. }
            | ManagerError::NoStdin(_)
            | ManagerError::Write { .. }
            | ManagerError::Stopped => error.into(),
        })?;
        Ok((waiting, input))
    };
    let (waiting, input) = match taking.await {
        Ok(taken) => taken,
        Err(error) => return Progress::Done(Err(error)),
    };
    let mut writing = async move {
        let written = input.write(data).await;
        drop(waiting);
        written.map_err(|source| ManagerError::Write { pid, source })?;
        Ok(json!({"ok": true}))
    }
    .boxed();
    // Asked once, it stands in line.
    match poll_immediate(&mut writing).await {
        Some(outcome) => Progress::Done(outcome),
        None => Progress::Waiting(writing),
    }
}
