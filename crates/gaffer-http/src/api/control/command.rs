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

/// How far a command has got.
pub(super) enum Progress {
    /// It is done, with this result.
    Done(Value),
    /// It waits for a process, and must not hold up those behind it.
    Waiting(BoxFuture<'static, Outcome>),
}

/// Every command, and its arguments in their order.
const COMMANDS: [(&str, &[&str]); 21] = [
    ("sessions", &[]),
    ("jobs", &["sessionid"]),
    ("pids", &["job"]),
    ("load", &["config", "sessionid", "env", "start"]),
    ("update", &["config", "sessionid", "env", "start"]),
    ("unload", &["name", "sessionid"]),
    ("reload", &["name", "sessionid"]),
    ("start_job", &["job"]),
    ("stop_job", &["job"]),
    ("restart_job", &["job"]),
    ("stopall", &["job"]),
    ("scale", &["job", "n"]),
    ("info", &["job"]),
    ("stats", &["job"]),
    ("killall", &["job", "signal"]),
    ("commit", &["job", "graceful_timeout", "env"]),
    ("process_info", &["pid"]),
    ("process_stats", &["pid"]),
    ("stop_process", &["pid"]),
    ("kill", &["pid", "signal"]),
    ("send", &["pid", "lines", "stream"]),
];

impl Command {
    /// Reads a command.
    pub(super) fn read(request: Request) -> Result<Self, ApiError> {
        let unknown = |name: &str| {
            let shown: String = name.chars().take(40).collect();
            ApiError::new(StatusCode::NOT_FOUND, "command_not_found", format!("there is no command `{shown}`"))
        };
        let known = COMMANDS.iter().find(|(name, _)| *name == request.name);
        let &(name, arguments) = known.ok_or_else(|| unknown(&request.name))?;
        let mut arguments = Arguments::new(request, arguments)?;
        Ok(match name {
            "sessions" => Self::Sessions,
            "jobs" => Self::Jobs(arguments.session()?),
            "pids" => match arguments.text("job", "the name of a job")?.map(str::to_owned) {
                Some(given) => Self::Pids(Some((arguments.job("job")?, given))),
                None => Self::Pids(None),
            },
            "load" => Self::Load(config(arguments)?),
            "update" => Self::Update(config(arguments)?),
            "unload" => Self::Unload(arguments.job_in_session()?),
            "reload" => Self::Reload(arguments.job_in_session()?),
            "start_job" => Self::StartJob(arguments.job("job")?),
            "stop_job" => Self::StopJob(arguments.job("job")?),
            "restart_job" => Self::RestartJob(arguments.job("job")?),
            "stopall" => Self::StopAll(arguments.job("job")?),
            "info" => Self::Info(arguments.job("job")?),
            "stats" => Self::Stats(arguments.job("job")?),
            "scale" => {
                arguments.rename("n", "scale");
                Self::Scale(arguments.job("job")?, arguments.fields()?)
            }
            "killall" => Self::KillAll(arguments.job("job")?, arguments.fields()?),
            "commit" => {
                let job = arguments.job("job")?;
                arguments.take("job");
                let Commit { once, .. } = arguments.fields()?;
                Self::Commit(job, once)
            }
            "process_info" => Self::ProcessInfo(arguments.pid()?),
            "process_stats" => Self::ProcessStats(arguments.pid()?),
            "stop_process" => Self::StopProcess(arguments.pid()?),
            "kill" => Self::Kill(arguments.pid()?, arguments.fields()?),
            "send" => {
                let (pid, stream) = (arguments.pid()?, arguments.stream()?);
                Self::Send { pid, data: arguments.lines()?.into(), stream }
            }
            other => return Err(unknown(other)), // Not reached: a test reads each of them.
        })
    }

    /// Carries it out, up to where it would wait for a process.
    pub(super) async fn run(self, api: &Api) -> Result<Progress, ApiError> {
        let manager = &api.manager;
        let result = match self {
            Self::Send { pid, data, stream } => return send(api, pid, data, stream).await,
            Self::Sessions => json!({"sessions": manager.sessions().await?}),
            Self::Jobs(None) => json!({"jobs": manager.jobs(None).await?}),
            Self::Jobs(Some(session)) => {
                json!({"sessionid": session, "jobs": manager.jobs(Some(&session)).await?})
            }
            Self::Pids(None) => json!({"pids": manager.pids(None).await?}),
            Self::Pids(Some((job, given))) => json!({"sessionid": given, "pids": manager.pids(Some(&job)).await?}),
            Self::Load(config) => ok(manager.load(config)).await?,
            Self::Update(config) => {
                let start = config.spec().start;
                ok(manager.update(config, start)).await?
            }
            Self::Unload(job) => ok(manager.unload(&job)).await?,
            Self::Reload(job) => ok(manager.reload(&job)).await?,
            Self::StartJob(job) => ok(manager.start_job(&job)).await?,
            Self::StopJob(job) => ok(manager.stop_job(&job)).await?,
            Self::RestartJob(job) => ok(manager.restart_job(&job)).await?,
            Self::StopAll(job) => ok(manager.stopall(&job)).await?,
            Self::Scale(job, scale) => json!({"numprocesses": manager.scale(&job, scale).await?}),
            Self::Info(job) => json!({"info": value(&job::look(manager, &job).await?)}),
            Self::Stats(job) => json!({"stats": value(&manager.stats(&job).await?)}),
            Self::KillAll(job, signal) => ok(manager.killall(&job, signal)).await?,
            Self::Commit(job, once) => json!({"ok": true, "pid": manager.commit(&job, once).await?}),
            Self::ProcessInfo(pid) => json!({"info": value(&manager.process(pid).await?)}),
            Self::ProcessStats(pid) => json!({"stats": value(&manager.process_stats(pid).await?)}),
            Self::StopProcess(pid) => ok(manager.stop_process(pid)).await?,
            Self::Kill(pid, signal) => ok(manager.kill(pid, signal)).await?,
        };
        Ok(Progress::Done(result))
    }
}

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

async fn ok(done: impl Future<Output = Result<(), ManagerError>>) -> Result<Value, ManagerError> {
    done.await?;
    Ok(json!({"ok": true}))
}

fn value(told: &impl Serialize) -> Value {
    // Serialising fails only for types that no answer has, such as maps with keys that are no strings.
    serde_json::to_value(told).unwrap_or_default()
}

/// Hands data to a process. When this resolves they have their place among what others send, and are written even if the process
/// reads only later.
async fn send(api: &Api, pid: ProcessId, data: Bytes, stream: Option<StreamLabel>) -> Result<Progress, ApiError> {
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
    let mut writing = async move {
        let written = input.write(data).await;
        drop(waiting);
        written.map_err(|source| ManagerError::Write { pid, source })?;
        Ok(json!({"ok": true}))
    }
    .boxed();
    // Asked once, it stands in line.
    Ok(match poll_immediate(&mut writing).await {
        Some(outcome) => Progress::Done(outcome?),
        None => Progress::Waiting(writing),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Map;

    use super::*;

    /// The code with which a command without arguments is refused.
    fn refusal(name: &str) -> Option<&'static str> {
        let request = Request { identity: 1.into(), name: name.to_owned(), args: Vec::new(), kwargs: Map::new() };
        Command::read(request).err().map(|error| error.code())
    }

    #[test]
    fn every_command_is_known() {
        for (name, arguments) in COMMANDS {
            let expected = match name {
                "sessions" | "jobs" | "pids" => None,
                _ => Some("bad_command"),
            };
            assert_eq!(refusal(name), expected, "{name} {arguments:?}");
        }
        assert_eq!(refusal("nope"), Some("command_not_found"));
    }

    #[test]
    fn every_command_is_in_the_manual_with_its_arguments() {
        let manual = include_str!("../../../../../docs/channel.md");
        let (_, commands) = manual.split_once("\n## Commands\n").unwrap();
        let (commands, _) = commands.split_once("\n## ").unwrap();
        let mut told = BTreeMap::new();
        for row in commands.lines().filter(|line| line.starts_with("| `")) {
            let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
            let cells: Vec<&str> = row.split('|').collect();
            for name in quoted(cells[1]) {
                told.insert(name, quoted(cells[2]));
            }
        }
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let known: BTreeMap<_, _> = COMMANDS.into_iter().map(|(name, args)| (name.to_owned(), owned(args))).collect();
        assert_eq!(told, known);
    }
}
