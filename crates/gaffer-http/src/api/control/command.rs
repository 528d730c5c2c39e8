//! What can be commanded.

use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, poll_immediate};
use gaffer_core::{
    JobConfig, JobName, Manager, ManagerError, ProcessId,
    access::Right,
    api::channel::Command as Request,
    names::{SessionId, Signal, StreamLabel},
    supervisor::{OneOff, Scale},
};
use serde_json::{Value, json};

use super::arguments::Arguments;
use crate::api::{
    Api, ApiError,
    access::{Caller, Guarded, Object, discretion, readable_jobs, readable_pids, readable_sessions},
    answer::value,
    form::Commit,
    job,
    waiting_input::WaitingInput,
};

/// With what commands are carried out.
#[derive(Clone)]
pub(super) struct Means {
    manager: Guarded,
    waiting_input: WaitingInput,
}

impl Means {
    /// Those of the node's own parts.
    pub(super) fn new(manager: Manager) -> Self {
        Self { manager: Guarded::new(manager), waiting_input: WaitingInput::default() }
    }
}

impl From<&Api> for Means {
    fn from(api: &Api) -> Self {
        Self { manager: api.manager.clone(), waiting_input: api.waiting_input.clone() }
    }
}

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

    /// What it is called.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Jobs(_) => "jobs",
            Self::Pids(_) => "pids",
            Self::Load(_) => "load",
            Self::Update(_) => "update",
            Self::Unload(_) => "unload",
            Self::Reload(_) => "reload",
            Self::StartJob(_) => "start_job",
            Self::StopJob(_) => "stop_job",
            Self::RestartJob(_) => "restart_job",
            Self::StopAll(_) => "stopall",
            Self::Scale(..) => "scale",
            Self::Info(_) => "info",
            Self::Stats(_) => "stats",
            Self::KillAll(..) => "killall",
            Self::Commit(..) => "commit",
            Self::ProcessInfo(_) => "process_info",
            Self::ProcessStats(_) => "process_stats",
            Self::StopProcess(_) => "stop_process",
            Self::Kill(..) => "kill",
            Self::Send { .. } => "send",
        }
    }

    /// What a caller must be permitted to have it carried out; `None` for what anybody may who is known, as it is sifted.
    fn needs(&self) -> Option<(Right, Object)> {
        let job = |right, job: &JobName| Some((right, Object::Job(job.clone())));
        let session = |right, session: &SessionId| Some((right, Object::Session(session.clone())));
        let process = |right, pid: &ProcessId| Some((right, Object::Process(*pid)));
        // No `_` arm: a new command must say.
        match self {
            Self::Sessions | Self::Jobs(None) | Self::Pids(None) => None,
            Self::Jobs(Some(name)) => session(Right::Read, name),
            Self::Pids(Some((name, _))) => job(Right::Read, name),
            Self::Load(config) => session(Right::Manage, config.name().session()),
            Self::Update(config) => job(Right::Manage, config.name()),
            Self::Unload(name)
            | Self::Reload(name)
            | Self::StartJob(name)
            | Self::StopJob(name)
            | Self::RestartJob(name)
            | Self::StopAll(name)
            | Self::Scale(name, _)
            | Self::KillAll(name, _) => job(Right::Manage, name),
            Self::Info(name) | Self::Stats(name) => job(Right::Read, name),
            Self::Commit(name, _) => session(Right::Manage, name.session()),
            Self::ProcessInfo(pid) | Self::ProcessStats(pid) => process(Right::Read, pid),
            Self::StopProcess(pid) | Self::Kill(pid, _) => process(Right::Manage, pid),
            Self::Send { pid, .. } => process(Right::Write, pid),
        }
    }

    /// Carries it out for who may, up to where it would wait for a process.
    pub(super) async fn run(self, means: &Means, caller: &Caller) -> Result<Progress, ApiError> {
        let manager = &match self.needs() {
            Some((right, object)) => means.manager.open(caller, right, &object).await?,
            None => means.manager.open_to_all(caller).clone(),
        };
        let result = match self {
            Self::Send { pid, data, stream } => return send(means, manager, pid, data, stream).await,
            Self::Sessions => json!({"sessions": readable_sessions(manager, caller).await?}),
            Self::Jobs(None) => json!({"jobs": readable_jobs(manager, caller, None).await?}),
            Self::Jobs(Some(session)) => {
                json!({"sessionid": session, "jobs": readable_jobs(manager, caller, Some(&session)).await?})
            }
            Self::Pids(None) => json!({"pids": readable_pids(manager, caller).await?}),
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
            Self::Info(job) => json!({"info": value(&job::look(manager, caller, &job).await?)}),
            Self::Stats(job) => json!({"stats": value(&manager.stats(&job).await?)}),
            Self::KillAll(job, signal) => ok(manager.killall(&job, signal)).await?,
            Self::Commit(job, once) => json!({"ok": true, "pid": manager.commit(&job, once).await?}),
            Self::ProcessInfo(pid) => {
                let process = manager.process(pid).await?;
                let told = discretion::told(caller, &process.name, value(&process), discretion::hide_process);
                json!({"info": told})
            }
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

/// Hands data to a process. When this resolves they have their place among what others send, and are written even if the process
/// reads only later.
async fn send(
    means: &Means,
    manager: &Manager,
    pid: ProcessId,
    data: Bytes,
    stream: Option<StreamLabel>,
) -> Result<Progress, ApiError> {
    let waiting = means.waiting_input.take(data.len())?;
    let input = manager.input(pid, stream.as_ref()).await.map_err(|error| match error {
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
