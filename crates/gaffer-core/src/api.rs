//! Wire types that the server and the clients share.

pub mod access;
pub mod channel;
pub mod feed;
pub mod frame;
pub mod lookup;
pub mod plugins;
mod reconfiguration;
pub mod webhooks;

use std::collections::BTreeMap;

pub use reconfiguration::{Changes, Failed, JobChange, JobChanges, Reconfiguration};
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    config::Owner,
    names::{JobName, OsPid, ProcessId, StreamLabel},
};

/// The most bytes of one websocket message, whichever way it goes.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// The most of the past that a feed or websocket may be asked for, in events or lines of output; what is kept is less.
pub const MOST_HISTORY: usize = 100_000;

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Nobody wants it to run.
    Stopped,
    /// It is kept running.
    Started,
    /// It exits too often and rests until its next retry.
    Flapping,
    /// It kept flapping and was given up.
    GivenUp,
}

/// How a process ended last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastExit {
    /// Which process.
    pub pid: ProcessId,
    /// Its exit code; 0 when a signal ended it.
    pub exit_code: i32,
    /// The signal that ended it; 0 when none did.
    pub term_signal: i32,
}

/// A job as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobInfo {
    /// Full name.
    pub name: JobName,
    /// What it is doing.
    pub state: JobState,
    /// Whether at least one process runs.
    pub active: bool,
    /// Processes that are not wholly gone, one-off ones included.
    pub running: usize,
    /// One-off processes among them.
    pub running_out: usize,
    /// How many processes the job wants.
    pub max_processes: u32,
    /// Processes that are kept alive, oldest first.
    pub pids: Vec<ProcessId>,
    /// One-off processes, oldest first.
    pub once: Vec<ProcessId>,
    /// Seconds since the oldest kept process was launched.
    pub uptime: Option<f64>,
    /// Launches that replaced a process which exited unasked or did not start.
    pub restarts: u64,
    /// How its last process ended.
    pub last_exit: Option<LastExit>,
    /// Why it does not run as it should, if it does not.
    pub cause: Option<String>,
}

/// A job as it stands, as clients are told: on the wire by `name`, or `session.name`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobStatus {
    /// The job. It is written without the session `default`.
    #[serde(serialize_with = "short")]
    pub name: JobName,
    /// Whether at least one process runs.
    pub active: bool,
    /// Processes that are not wholly gone.
    pub running: usize,
    /// How many processes the job wants.
    pub max_processes: u32,
    /// What it is doing.
    pub state: JobState,
    /// Processes that are kept alive, oldest first.
    pub pids: Vec<ProcessId>,
    /// Seconds since the oldest kept process was launched.
    pub uptime: Option<f64>,
    /// Launches that replaced a process which exited unasked or did not start.
    pub restarts: u64,
    /// How its last process ended.
    pub last_exit: Option<LastExit>,
    /// Why it does not run as it should, if it does not.
    pub cause: Option<String>,
    /// What its processes use together, in percent of one processor over 0.1 s; where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Their resident memory in bytes; where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss: Option<u64>,
}

impl From<JobInfo> for JobStatus {
    /// Without what its processes use.
    fn from(info: JobInfo) -> Self {
        let JobInfo {
            name,
            state,
            active,
            running,
            running_out: _,
            max_processes,
            pids,
            once: _,
            uptime,
            restarts,
            last_exit,
            cause,
        } = info;
        Self {
            name,
            active,
            running,
            max_processes,
            state,
            pids,
            uptime,
            restarts,
            last_exit,
            cause,
            cpu: None,
            rss: None,
        }
    }
}

/// Writes a name without the session `default`.
pub(crate) fn short<S: Serializer>(name: &JobName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&name.short())
}

/// An event as feeds tell it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventMessage {
    /// Its topic: `spawn`, `proc.web.spawn` or `proc.7.spawn`.
    pub event: String,
    /// Its job. It is written without the session `default`.
    #[serde(serialize_with = "short")]
    pub name: JobName,
    /// Its process, if it concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<ProcessId>,
    /// The kernel's number of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_pid: Option<OsPid>,
    /// Of `spawn`: whether the process outlives gafferd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detached: Option<bool>,
    /// Of `spawn` and `exit`: whether it is a one-off process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once: Option<bool>,
    /// Of `exit`: the code; 0 when a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Of `exit`: the signal that ended it; 0 when none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term_signal: Option<i32>,
    /// Of `flap` and `spawn_error`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it happened, in seconds since the epoch by the node's clock. Nodes before 0.6 do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<f64>,
}

/// A process as it stands. To who may read its job and not manage it, nodes do not tell all: in what they leave out, secrets may stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// Gaffer's number.
    pub pid: ProcessId,
    /// The kernel's number.
    pub os_pid: OsPid,
    /// Its job.
    pub name: JobName,
    /// The program, variables replaced; `None` if that is hidden.
    pub cmd: Option<String>,
    /// Its arguments, variables replaced; `None` if they are hidden.
    pub args: Option<Vec<String>>,
    /// Variables that its job, or whoever launched it as a one-off, gave it; not those that it inherits. `None` where the value is hidden.
    pub env: BTreeMap<String, Option<String>>,
    /// User that it was to run as, if one was given.
    pub uid: Option<Owner>,
    /// Group that it was to run as, if one was given.
    pub gid: Option<Owner>,
    /// Seconds since the epoch at which it was launched.
    pub create_time: f64,
    /// Whether it is a one-off process.
    #[serde(rename = "commited")] // The original's spelling.
    pub once: bool,
    /// Labels of stdout and stderr.
    pub redirect_output: Vec<StreamLabel>,
    /// Whether stdin can be written to.
    pub redirect_input: bool,
    /// Labels of extra pipes.
    pub custom_streams: Vec<StreamLabel>,
    /// Whether the process itself, and not only a descendant, still runs.
    pub active: bool,
    /// Whether it is being stopped.
    pub stopping: bool,
    /// Bytes of output that slow readers lost.
    pub lost: u64,
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::events::{Detail, Event, EventKind, EventProcess, Notification, Topic};

    #[test]
    fn a_status_is_written_by_its_short_name_and_reads_as_the_same() {
        let mut status = JobStatus {
            name: "web".parse().unwrap(),
            active: true,
            running: 2,
            max_processes: 3,
            state: JobState::GivenUp,
            pids: vec![ProcessId::new(4)],
            uptime: Some(1.5),
            restarts: 6,
            last_exit: Some(LastExit { pid: ProcessId::new(3), exit_code: 0, term_signal: 9 }),
            cause: Some("it flaps".to_owned()),
            cpu: None,
            rss: None,
        };
        let json = serde_json::to_string(&status).unwrap();
        assert!(json.starts_with(r#"{"name":"web","active":true,"#) && !json.contains("cpu"), "{json}");
        assert_eq!(serde_json::from_str::<JobStatus>(&json).unwrap(), status);

        status = JobStatus { name: "shop.web".parse().unwrap(), cpu: Some(0.5), rss: Some(7), ..status };
        status = JobStatus { uptime: None, last_exit: None, cause: None, ..status };
        let json = serde_json::to_string(&status).unwrap();
        assert!(json.starts_with(r#"{"name":"shop.web","#), "{json}");
        assert_eq!(serde_json::from_str::<JobStatus>(&json).unwrap(), status);
    }

    #[test]
    fn what_is_hidden_of_a_process_is_null() {
        let mut told = serde_json::json!({
            "pid": 7, "os_pid": 8, "name": "shop.web", "cmd": null, "args": null, "env": {"SECRET": null}, "uid": null,
            "gid": null, "create_time": 1.5, "commited": false, "redirect_output": ["out"], "redirect_input": true,
            "custom_streams": [], "active": true, "stopping": false, "lost": 0,
        });
        let info: ProcessInfo = serde_json::from_value(told.clone()).unwrap();
        assert_eq!((&info.cmd, &info.args, &info.env["SECRET"]), (&None, &None, &None));
        assert_eq!(serde_json::to_value(&info).unwrap(), told);

        for (key, value) in [("cmd", "./web".into()), ("args", vec!["-p"].into())] {
            told[key] = value;
        }
        told["env"]["SECRET"] = "x".into();
        let info: ProcessInfo = serde_json::from_value(told.clone()).unwrap();
        assert_eq!((info.cmd.as_deref(), info.env["SECRET"].as_deref()), (Some("./web"), Some("x")));
        assert_eq!(serde_json::to_value(&info).unwrap(), told);
    }

    #[test]
    fn an_event_of_every_kind_reads_as_what_it_says() {
        let (pid, os_pid) = (ProcessId::new(7), OsPid::new(4200));
        let time = UNIX_EPOCH + Duration::from_millis(1500);
        let message = |kind: EventKind| EventMessage {
            event: format!("proc.shop.web.{kind}"),
            name: "shop.web".parse().unwrap(),
            pid: None,
            os_pid: None,
            detached: None,
            once: None,
            exit_code: None,
            term_signal: None,
            reason: None,
            time: Some(1.5),
        };
        for kind in EventKind::ALL {
            let (process, detail, expected) = match kind {
                EventKind::Create
                | EventKind::Start
                | EventKind::Stop
                | EventKind::Restart
                | EventKind::Update
                | EventKind::Delete => (None, Detail::None, message(kind)),
                EventKind::Reap | EventKind::StopPid => {
                    let expected = EventMessage { pid: Some(pid), os_pid, ..message(kind) };
                    (Some(EventProcess { pid, os_pid }), Detail::None, expected)
                }
                EventKind::Spawn => {
                    let (detached, once) = (Some(true), Some(false));
                    let expected = EventMessage { pid: Some(pid), os_pid, detached, once, ..message(kind) };
                    (Some(EventProcess { pid, os_pid }), Detail::Spawn { detached: true, once: false }, expected)
                }
                EventKind::Exit => {
                    let (exit_code, term_signal, once) = (Some(3), Some(0), Some(true));
                    let expected =
                        EventMessage { pid: Some(pid), os_pid, exit_code, term_signal, once, ..message(kind) };
                    let detail = Detail::Exit { exit_code: 3, term_signal: 0, once: true };
                    (Some(EventProcess { pid, os_pid }), detail, expected)
                }
                EventKind::SpawnError => {
                    let expected = EventMessage { pid: Some(pid), reason: Some("gone".to_owned()), ..message(kind) };
                    (Some(EventProcess { pid, os_pid: None }), Detail::Reason("gone".to_owned()), expected)
                }
                EventKind::Flap => {
                    let expected = EventMessage { reason: Some("too often".to_owned()), ..message(kind) };
                    (None, Detail::Reason("too often".to_owned()), expected)
                }
            };
            let job: JobName = "shop.web".parse().unwrap();
            let event = Event { kind, job: job.clone(), process, detail };
            let told = Notification::new(1, time, Topic::Job(job, kind), event);
            let read: EventMessage = serde_json::from_slice(&told.json()).unwrap();
            assert_eq!(read, expected);
            assert_eq!(serde_json::from_str::<EventMessage>(&serde_json::to_string(&read).unwrap()).unwrap(), read);
        }
    }
}
