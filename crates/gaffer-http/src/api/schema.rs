//! Schemas of what the core reads and writes, for the description of the API.
//!
//! The core knows no OpenAPI. What stands here is never made: tests hold it against what the core really reads and writes.

#![expect(dead_code, reason = "only their schemas are used")]

use std::collections::HashMap;

use gaffer_core::config::MAX_PROCESSES;
use utoipa::ToSchema;

/// A job (process template): what to launch, how, and how many.
#[derive(ToSchema)]
pub(super) struct Job {
    /// `name`, or `session.name`. Letters, digits, `_`, `@`, `+` and `-`; not digits alone.
    name: String,
    /// The session, if it is not `default`. When a job is loaded its name says it.
    group: Option<String>,
    #[schema(inline)]
    #[serde(flatten)]
    settings: JobSettings,
}

/// What a job is without its name.
#[derive(ToSchema)]
pub(super) struct JobSettings {
    /// Program and arguments, split as a shell would; `$NAME` and `${NAME}` are replaced from the process's environment.
    cmd: String,
    /// More arguments: a list, or a line that is split in the same way.
    args: Option<Words>,
    /// Variables on top of what `os_env` gives.
    #[schema(nullable, required = false)]
    env: HashMap<String, String>,
    /// User to run as, by number or name.
    uid: Option<Owner>,
    /// Group to run as; by default the user's own.
    gid: Option<Owner>,
    /// Working directory; by default gafferd's.
    cwd: Option<String>,
    /// Whether processes outlive gafferd. Default: no.
    #[schema(nullable, required = false)]
    detach: bool,
    /// Whether `sh -c` runs the line. Default: no.
    #[schema(nullable, required = false)]
    shell: bool,
    /// Whether processes inherit gafferd's environment. Default: yes.
    #[schema(nullable, required = false)]
    os_env: bool,
    /// How many processes to keep running. Default: 1.
    #[schema(nullable, required = false, maximum = 10_000)]
    numprocesses: u32,
    /// When to pause and give up a job that keeps exiting. Default: never.
    flapping: Option<Flapping>,
    /// Labels of stdout and stderr; the same label twice merges them. Default: none, both go to `/dev/null`.
    #[schema(nullable, required = false, max_items = 2)]
    redirect_output: Vec<Label>,
    /// Whether stdin can be written to. Default: no.
    #[schema(nullable, required = false)]
    redirect_input: bool,
    /// Labels of extra two-way pipes, descriptors 3 and up of the process.
    #[schema(nullable, required = false)]
    custom_streams: Vec<Label>,
    /// Seconds that a process may take to end before it is killed. Default: 30.
    #[schema(nullable, required = false, minimum = 0)]
    graceful_timeout: f64,
    /// Start order, 0 first. Default: after all that have one.
    priority: Option<u32>,
    /// Whether loading the job starts it. Default: yes.
    #[schema(nullable, required = false)]
    start: bool,
}

const _: () = assert!(MAX_PROCESSES == 10_000, "the schema says so");

/// A list of words, or a line that is split as a shell would.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Words {
    List(Vec<String>),
    Line(String),
}

/// A number, or a name of the system's user or group database.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Owner {
    Number(u32),
    Name(String),
}

/// When a job that keeps exiting is paused, and when it is given up.
#[derive(ToSchema)]
pub(super) struct Flapping {
    /// So many exits nobody asked for within `window` are too many. Default: 2.
    #[schema(required = false, minimum = 1)]
    attempts: u32,
    /// Seconds. Default: 1.
    #[schema(required = false, minimum = 0)]
    window: f64,
    /// Seconds until it is tried again. Default: 7.
    #[schema(required = false, minimum = 0)]
    retry_in: f64,
    /// So many retries in a row, then it stays stopped. Default: 5.
    #[schema(required = false)]
    max_retry: u32,
}

/// What an output or an extra pipe is called.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^[A-Za-z0-9_.@+-]{1,64}$")]
pub(super) struct Label(String);

/// What a job is doing: `flapping` rests until its next retry, `given_up` kept flapping.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum JobState {
    Stopped,
    Started,
    Flapping,
    GivenUp,
}

/// How a process ended.
#[derive(ToSchema)]
pub(super) struct LastExit {
    pid: u64,
    /// 0 when a signal ended it.
    exit_code: i32,
    /// 0 when none did.
    term_signal: i32,
}
