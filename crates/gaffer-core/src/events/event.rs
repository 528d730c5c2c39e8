//! Events and their payloads on the wire.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, OnceLock},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::Topic;
use crate::names::{JobName, OsPid, ProcessId};

/// What happened: the manual's names, plus `flap` and `spawn_error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// A job was loaded.
    Create,
    /// A job starts to launch processes.
    Start,
    /// A job and all its processes are being stopped.
    Stop,
    /// A job's processes are being replaced.
    Restart,
    /// A job's configuration or number changed.
    Update,
    /// A job was unloaded.
    Delete,
    /// A process was launched.
    Spawn,
    /// A process is being ended because it is one too many or was replaced.
    Reap,
    /// A process ended.
    Exit,
    /// A process is being stopped.
    StopPid,
    /// A job exits too often; it was paused or given up.
    Flap,
    /// A process could not be launched.
    SpawnError,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Create,
        Self::Start,
        Self::Stop,
        Self::Restart,
        Self::Update,
        Self::Delete,
        Self::Spawn,
        Self::Reap,
        Self::Exit,
        Self::StopPid,
        Self::Flap,
        Self::SpawnError,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Spawn => "spawn",
            Self::Reap => "reap",
            Self::Exit => "exit",
            Self::StopPid => "stop_pid",
            Self::Flap => "flap",
            Self::SpawnError => "spawn_error",
        }
    }

    /// The name that gaffer 0.5 has for it, in the family of sessions.
    pub const fn in_sessions(self) -> &'static str {
        match self {
            Self::Create => "load",
            Self::Delete => "unload",
            Self::StopPid => "stop_process",
            Self::Start
            | Self::Stop
            | Self::Restart
            | Self::Update
            | Self::Spawn
            | Self::Reap
            | Self::Exit
            | Self::Flap
            | Self::SpawnError => self.as_str(),
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EventKind {
    type Err = ();

    /// Takes the names of both generations: `load`, `unload` and `stop_process` are the later words for `create`,
    /// `delete` and `stop_pid`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "load" => Ok(Self::Create),
            "unload" => Ok(Self::Delete),
            "stop_process" => Ok(Self::StopPid),
            _ => Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(()),
        }
    }
}

/// The process that an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventProcess {
    /// Gaffer's number.
    pub pid: ProcessId,
    /// The kernel's number; `None` for one that could not be launched.
    pub os_pid: Option<OsPid>,
}

/// What an event says beyond its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    None,
    /// Of `spawn`.
    Spawn {
        /// Whether the process will outlive gafferd.
        detached: bool,
        /// Whether it is a one-off process.
        once: bool,
    },
    /// Of `exit`.
    Exit {
        /// The code it ended with; 0 when a signal ended it.
        exit_code: i32,
        /// The signal that ended it; 0 when none did.
        term_signal: i32,
        /// Whether it was a one-off process.
        once: bool,
    },
    /// Of `spawn_error` and `flap`: why.
    Reason(String),
}

/// Something that happened to a job or to one of its processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// To which job.
    pub job: JobName,
    /// To which process, if it concerns one.
    pub process: Option<EventProcess>,
    /// What else is to be said.
    pub detail: Detail,
}

/// An [`Event`] under one of its topics, as subscribers receive it. It is serialised once, however many they are.
#[derive(Debug)]
pub struct Notification {
    id: u64,
    time: SystemTime,
    topic: Topic,
    event: Arc<Event>,
    json: OnceLock<Bytes>,
    json_in_sessions: OnceLock<Bytes>,
}

impl Notification {
    /// Puts an event that happened at `time` under a topic. `id` counts the notifications of this node, from 1.
    pub fn new(id: u64, time: SystemTime, topic: Topic, event: impl Into<Arc<Event>>) -> Self {
        Self { id, time, topic, event: event.into(), json: OnceLock::new(), json_in_sessions: OnceLock::new() }
    }

    /// Counts the notifications of this node, from 1.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// When it happened, by the host's clock.
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// The full topic: `spawn`, or `proc.web.spawn`.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The event.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The payload as one line of JSON.
    pub fn json(&self) -> Bytes {
        self.json.get_or_init(|| self.write(Family::Processes)).clone()
    }

    /// The payload as one line of JSON, in the words of gaffer 0.5: `event` is such as `job.shop.web.unload`, and `name` has its
    /// session in any case.
    pub fn json_in_sessions(&self) -> Bytes {
        self.json_in_sessions.get_or_init(|| self.write(Family::Sessions)).clone()
    }

    fn write(&self, family: Family) -> Bytes {
        let payload = Payload { notification: self, family };
        serde_json::to_vec(&payload).map_or_else(|_| Bytes::from_static(b"{}"), Bytes::from) // Strings and numbers always serialise.
    }
}

impl Serialize for Notification {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Payload { notification: self, family: Family::Processes }.serialize(serializer)
    }
}

/// Whose words are used.
#[derive(Clone, Copy)]
enum Family {
    Processes,
    Sessions,
}

struct Payload<'a> {
    notification: &'a Notification,
    family: Family,
}

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Notification { time, topic, event, .. } = self.notification;
        let mut map = serializer.serialize_map(None)?;
        match self.family {
            Family::Processes => {
                map.serialize_entry("event", &topic.to_string())?;
                map.serialize_entry("name", &event.job.short())?;
            }
            Family::Sessions => {
                map.serialize_entry("event", &topic.in_sessions())?;
                map.serialize_entry("name", &event.job)?;
            }
        }
        if let Some(process) = &event.process {
            map.serialize_entry("pid", &process.pid)?;
            if let Some(os_pid) = &process.os_pid {
                map.serialize_entry("os_pid", os_pid)?;
            }
        }
        match &event.detail {
            Detail::None => {}
            Detail::Spawn { detached, once } => {
                map.serialize_entry("detached", detached)?;
                map.serialize_entry("detach", detached)?; // The manual's spelling.
                map.serialize_entry("once", once)?;
            }
            Detail::Exit { exit_code, term_signal, once } => {
                map.serialize_entry("exit_code", exit_code)?;
                map.serialize_entry("exit_status", exit_code)?; // The original's spelling of the same number.
                map.serialize_entry("term_signal", term_signal)?;
                map.serialize_entry("once", once)?;
            }
            Detail::Reason(reason) => map.serialize_entry("reason", reason)?,
        }
        map.serialize_entry("time", &seconds(*time))?;
        map.end()
    }
}

/// Seconds since the epoch, to the millisecond.
fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as f64 / 1000.0
}
