//! Schemas of what the core reads and writes, for the description of the API.
//!
//! The core knows no OpenAPI. What stands here is never made: tests hold it against what the core really reads and writes.

#![expect(dead_code, reason = "only their schemas are used")]

use std::collections::HashMap;

use gaffer_core::{JobName, ProcessId, config::MAX_PROCESSES};
use serde::Serialize;
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
    env: HashMap<String, Variable>,
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
    redirect_output: Option<Labels>,
    /// Whether stdin can be written to. Default: no.
    #[schema(nullable, required = false)]
    redirect_input: bool,
    /// Labels of extra two-way pipes, descriptors 3 and up of the process.
    custom_streams: Option<Labels>,
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

/// The value of a variable; numbers and truth values are taken as their text.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Variable {
    /// `null` is told to callers who may read the job and not manage it; it is not taken.
    Text(Option<String>),
    Number(f64),
    Truth(bool),
}

/// A list, or its words separated by commas.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Labels {
    List(Vec<Label>),
    Line(String),
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

/// A job as it stands.
///
/// The core writes it by the short name. For the family of sessions this writes it by the whole one.
#[derive(Serialize, ToSchema)]
#[serde(remote = "gaffer_core::api::JobStatus")]
pub(super) struct JobStatus {
    /// `name`, or `session.name`.
    #[schema(value_type = String)]
    name: JobName,
    /// Whether at least one process runs.
    active: bool,
    /// Processes that are not wholly gone.
    running: usize,
    /// How many processes the job wants.
    max_processes: u32,
    #[schema(value_type = JobState)]
    state: gaffer_core::api::JobState,
    /// Oldest first.
    #[schema(value_type = Vec<u64>)]
    pids: Vec<ProcessId>,
    /// Seconds since the oldest process was launched.
    #[schema(required)]
    uptime: Option<f64>,
    /// Launches that replaced a process which exited unasked or did not start.
    restarts: u64,
    /// How its last process ended.
    #[schema(required, value_type = Option<LastExit>)]
    last_exit: Option<gaffer_core::api::LastExit>,
    /// Why it does not run as it should, if it does not.
    #[schema(required)]
    cause: Option<String>,
    /// What its processes use together, in percent of one processor over 0.1 s; where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cpu: Option<f64>,
    /// Their resident memory in bytes; where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rss: Option<u64>,
}

/// What a key permits. Names are `*` for all, `session`, `session.job` or `session:job`.
#[derive(ToSchema)]
pub(super) struct Permissions {
    /// Everything. Default: no.
    #[schema(required = false)]
    admin: bool,
    /// To make keys that permit no more, and to revoke those. Default: no.
    #[schema(required = false)]
    create_key: bool,
    /// To make users who may do no more, and to change those. Default: no.
    #[schema(required = false)]
    create_user: bool,
    /// What may be managed, and so written to and read as well.
    #[schema(required = false)]
    manage: Vec<String>,
    /// What may be written to, and so read as well.
    #[schema(required = false)]
    write: Vec<String>,
    /// What may be read.
    #[schema(required = false)]
    read: Vec<String>,
}

/// A key, without what is secret of it.
#[derive(ToSchema)]
pub(super) struct Key {
    /// Its id.
    key: String,
    /// What its maker wrote on it.
    #[schema(required)]
    label: Option<String>,
    permissions: Permissions,
    /// The key with which it goes.
    #[schema(required)]
    parent: Option<String>,
    /// The user who got it by logging in.
    #[schema(required)]
    user: Option<String>,
    /// When it was made, in seconds since the epoch.
    created: u64,
    /// Until when it is good, in seconds since the epoch.
    #[schema(required)]
    expires: Option<u64>,
}

/// A key that is to be made.
#[derive(ToSchema)]
pub(super) struct NewKey {
    permissions: Permissions,
    /// What is written on it: a line of at most 256 bytes.
    label: Option<String>,
    /// The key with which it is to go, or its id: the caller's, or one that goes with that. Default: the caller's; of an admin's none.
    parent: Option<String>,
    /// For how many seconds it is good. Default: for ever.
    #[schema(minimum = 1)]
    expires_in: Option<u64>,
}

/// A webhook, without what is secret of it, and what has become of its events since it is there, or since the node was started.
#[derive(ToSchema)]
pub(super) struct Webhook {
    /// What it is addressed by.
    id: String,
    origin: WebhookOrigin,
    /// The name that the configuration gives it.
    #[schema(required)]
    name: Option<String>,
    /// Patterns of the events that it wants.
    events: Vec<String>,
    /// Where they are sent.
    url: String,
    /// Whether they are signed.
    signed: bool,
    /// Seconds for one attempt.
    timeout: f64,
    /// The file of the authorities that are trusted, where they are not those of the system.
    #[schema(required)]
    cacert: Option<String>,
    /// Events that the receiver has taken.
    delivered: u64,
    /// Events that were given up.
    failed: u64,
    /// Attempts that were made once more.
    retried: u64,
    /// Events that were lost because too many waited.
    dropped: u64,
    /// Events that are yet to be delivered.
    waiting: u64,
    /// What went wrong last.
    #[schema(required)]
    last_error: Option<String>,
    /// The last status that the receiver has answered.
    #[schema(required)]
    last_status: Option<u16>,
    /// When an event was last taken, in seconds since the epoch.
    #[schema(required)]
    last_success: Option<f64>,
    /// Keys of the request that mean nothing.
    #[schema(nullable = false)]
    ignored: Option<Vec<String>>,
}

/// Who has set up a webhook, and so who can remove it.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum WebhookOrigin {
    Configuration,
    Api,
}

/// All webhooks.
#[derive(ToSchema)]
pub(super) struct Webhooks {
    webhooks: Vec<Webhook>,
}

/// A pattern of events, or a list of some.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Patterns {
    Pattern(String),
    Patterns(Vec<String>),
}

/// A webhook that is to be made. One of `event`, `pattern` and `events` is given.
#[derive(ToSchema)]
pub(super) struct NewWebhook {
    /// The events that it wants: `.` for all, `exit`, `proc.web`, `proc.web.exit`, or a list of such.
    #[schema(required = false)]
    event: Patterns,
    /// The same.
    #[schema(required = false)]
    pattern: Patterns,
    /// The same.
    #[schema(required = false)]
    events: Patterns,
    /// Where they are sent: `http` or `https`.
    url: String,
    /// What they are signed with.
    secret: Option<String>,
    /// Seconds for one attempt. Default: 20.
    #[schema(minimum = 0.1, maximum = 300)]
    timeout: Option<f64>,
    /// A file on the node's machine, PEM: the authorities to trust. Default: those that the system trusts.
    cacert: Option<String>,
}

/// A user. What else was said is kept, and told.
#[derive(ToSchema)]
pub(super) struct User {
    username: String,
    /// 0 for people who administer, 1 for applications. It says nothing of rights.
    user_type: u8,
    /// The id of the key whose rights the user has.
    #[schema(required)]
    key: Option<String>,
    #[serde(flatten)]
    extra: HashMap<String, serde_json::Value>,
}

/// A user who is to be made. What else is said is kept.
#[derive(ToSchema)]
pub(super) struct NewUser {
    /// 1 to 255 bytes, without `:` and `/`.
    username: String,
    #[schema(inline)]
    #[serde(flatten)]
    settings: UserSettings,
}

/// What is known of a user, the name aside. What else is said is kept.
#[derive(ToSchema)]
pub(super) struct UserSettings {
    /// 1 to 1024 bytes.
    password: String,
    /// 0 for people who administer, which only an admin may say; 1 for applications. Default: 1.
    #[schema(required = false, nullable, maximum = 1)]
    user_type: u8,
    /// The key, or its id, whose rights the user is to have. Default: none.
    key: Option<String>,
}

/// A password.
#[derive(ToSchema)]
pub(super) struct Password {
    /// 1 to 1024 bytes.
    password: String,
}

/// The key whose rights a user is to have.
#[derive(ToSchema)]
pub(super) struct UserKey {
    /// The key, or its id; `null` for none.
    #[schema(required)]
    key: Option<String>,
}

/// What the processes of a job use, and their sums. The sums leave descendants out.
#[derive(ToSchema)]
#[schema(as = JobStats)]
pub(super) struct LegacyJobStats {
    /// `name`, or `session.name`.
    name: String,
    stats: Vec<LegacyProcessStats>,
    #[serde(flatten)]
    totals: Totals,
}

/// Sums, largest and smallest over the processes of a job, without their descendants.
#[derive(ToSchema)]
pub(super) struct Totals {
    /// Percent of the host's memory.
    mem: f64,
    max_mem: f64,
    min_mem: f64,
    /// Percent of one processor, over 0.1 s.
    cpu: f64,
    max_cpu: f64,
    min_cpu: f64,
    /// Bytes.
    rss: u64,
}

/// What a process and its descendants use. What could not be read is `N/A`.
#[derive(ToSchema)]
#[schema(as = ProcessStats)]
pub(super) struct LegacyProcessStats {
    /// Gaffer's number. Neither descendants have one, nor a process that was asked for by it.
    #[schema(nullable = false)]
    id: Option<u64>,
    /// Its job, in feeds.
    #[schema(nullable = false)]
    name: Option<String>,
    /// The kernel's number.
    pid: i32,
    username: String,
    nice: Figure,
    /// The program.
    cmdline: String,
    /// Percent of one processor.
    cpu: Figure,
    /// Percent of the host's memory.
    mem: Figure,
    /// Resident memory, as text: `1M`.
    mem_info1: String,
    /// Address space, as text.
    mem_info2: String,
    /// Processor time, as text: `M:SS.ff`.
    ctime: String,
    /// Resident memory in bytes.
    rss: Figure,
    /// Address space in bytes.
    vms: Figure,
    /// Processor time in seconds.
    cpu_time: Figure,
    #[schema(no_recursion)]
    children: Vec<LegacyProcessStats>,
}

/// A number, or `N/A`.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Figure {
    Known(f64),
    Unknown(String),
}

/// The processes of each job; in a feed, one process.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum AllStats {
    Jobs(Vec<LegacyJobStats>),
    Process(Box<LegacyProcessStats>),
}

/// The processes of a job; in a feed, one process.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum OneJobsStats {
    Job(LegacyJobStats),
    Process(Box<LegacyProcessStats>),
}

/// Something that happened to a job or to one of its processes.
#[derive(ToSchema)]
pub(super) struct Event {
    /// The topic: `spawn`, `proc.web.spawn` or `proc.7.spawn`.
    event: String,
    /// The job: `name`, or `session.name`.
    name: String,
    /// The process, if it concerns one.
    #[schema(nullable = false)]
    pid: Option<u64>,
    /// The kernel's number of it.
    #[schema(nullable = false)]
    os_pid: Option<i32>,
    /// Of `spawn`: whether it outlives gafferd.
    #[schema(nullable = false)]
    detached: Option<bool>,
    /// The same.
    #[schema(nullable = false)]
    detach: Option<bool>,
    /// Of `spawn` and `exit`: whether it is a one-off process.
    #[schema(nullable = false)]
    once: Option<bool>,
    /// Of `exit`: 0 when a signal ended it.
    #[schema(nullable = false)]
    exit_code: Option<i32>,
    /// The same.
    #[schema(nullable = false)]
    exit_status: Option<i32>,
    /// Of `exit`: 0 when none did.
    #[schema(nullable = false)]
    term_signal: Option<i32>,
    /// Of `flap` and `spawn_error`: why.
    #[schema(nullable = false)]
    reason: Option<String>,
    /// When it happened: seconds since the epoch.
    time: f64,
}

/// A job of a session.
#[derive(ToSchema)]
pub(super) struct SessionJob {
    /// Without the session. Letters, digits, `_`, `@`, `+` and `-`; not digits alone.
    name: String,
    #[schema(inline)]
    #[serde(flatten)]
    settings: JobSettings,
}

/// How to change the number of a job's processes.
#[derive(ToSchema)]
pub(super) struct Scale {
    scale: Change,
}

/// A number, which is added; or a text: `"+n"` and `"n"` add, `"-n"` takes away, `"=n"` sets.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Change {
    Number(i32),
    Text(ChangeText),
}

/// `"+n"`, `"n"`, `"-n"` or `"=n"`.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^[+=-]?[0-9]+$")]
pub(super) struct ChangeText(String);

/// What to send.
#[derive(ToSchema)]
pub(super) struct Signal {
    signal: SignalName,
}

/// A number from 1 to 64, or a name such as `HUP` or `SIGHUP`.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum SignalName {
    Number(SignalNumber),
    Name(String),
}

/// The kernel's number of a signal.
#[derive(ToSchema)]
#[schema(value_type = u8, minimum = 1, maximum = 64)]
pub(super) struct SignalNumber(u8);

/// How a one-off process differs from its job.
#[derive(ToSchema)]
pub(super) struct OneOff {
    /// Variables on top of the job's.
    #[schema(nullable, required = false)]
    env: HashMap<String, String>,
    /// Seconds that it may take to end before it is killed. Default: the job's.
    #[schema(nullable, required = false, minimum = 0)]
    graceful_timeout: f64,
}

/// A process.
#[derive(ToSchema)]
pub(super) struct Process {
    pid: u64,
    /// The kernel's number.
    os_pid: i32,
    /// Its job, as `session.name`.
    name: String,
    /// The program, variables replaced. `null` for callers who may read the job and not manage it.
    #[schema(required)]
    cmd: Option<String>,
    /// Variables replaced. `null` for callers who may read the job and not manage it.
    #[schema(required)]
    args: Option<Vec<String>>,
    /// Variables that it was given; not those that it inherits. They are `null` for callers who may read the job and not manage it.
    env: HashMap<String, Option<String>>,
    /// User that it was to run as.
    #[schema(required)]
    uid: Option<Owner>,
    /// Group that it was to run as.
    #[schema(required)]
    gid: Option<Owner>,
    /// Seconds since the epoch at which it was launched.
    create_time: f64,
    /// Whether it is a one-off.
    commited: bool,
    /// Labels of stdout and stderr.
    redirect_output: Vec<Label>,
    /// Whether stdin can be written to.
    redirect_input: bool,
    /// Labels of extra pipes.
    custom_streams: Vec<Label>,
    /// Whether the process itself, and not only a descendant, still runs.
    active: bool,
    /// Whether it is being stopped.
    stopping: bool,
    /// Bytes of output that slow readers lost.
    lost: u64,
}

/// What the processes of a job use, and their sums. The sums leave descendants out.
#[derive(ToSchema)]
pub(super) struct SessionJobStats {
    /// As `session.name`.
    name: String,
    stats: Vec<SessionProcessStats>,
    #[serde(flatten)]
    totals: Totals,
}

/// What a process and its descendants use.
#[derive(ToSchema)]
pub(super) struct SessionProcessStats {
    /// Gaffer's number.
    pid: u64,
    #[serde(flatten)]
    usage: Usage,
}

/// What a process of the operating system uses. What could not be read is `null`.
#[derive(ToSchema)]
pub(super) struct Usage {
    /// The kernel's number.
    os_pid: i32,
    #[schema(required)]
    username: Option<String>,
    #[schema(required)]
    nice: Option<i32>,
    /// The program.
    #[schema(required)]
    cmdline: Option<String>,
    /// Percent of one processor.
    #[schema(required)]
    cpu: Option<f64>,
    /// Percent of the host's memory.
    #[schema(required)]
    mem: Option<f64>,
    /// Resident memory in bytes.
    #[schema(required)]
    rss: Option<u64>,
    /// Address space in bytes.
    #[schema(required)]
    vms: Option<u64>,
    /// Processor time in seconds.
    #[schema(required)]
    cpu_time: Option<f64>,
    /// The same as text: `M:SS.ff`.
    #[schema(required)]
    ctime: Option<String>,
    /// `rss` as text: `1M`.
    #[schema(required)]
    mem_info1: Option<String>,
    /// `vms` as text.
    #[schema(required)]
    mem_info2: Option<String>,
    /// When it started, in seconds since the epoch.
    #[schema(required)]
    create_time: Option<f64>,
    #[schema(no_recursion)]
    children: Vec<Usage>,
}

/// What is different between a node and its configuration; or was, if that has been applied.
#[derive(ToSchema)]
pub(super) struct Reconfiguration {
    /// Whether the node is as its configuration says by now, but for `failed` and `at_restart`.
    applied: bool,
    /// The files that were read, the one that was named first.
    files: Vec<String>,
    jobs: JobChanges,
    endpoints: Changes,
    webhooks: Changes,
    plugins: Changes,
    /// Settings that are different, and count from the next start of the node on.
    at_restart: Vec<String>,
    /// What could not be done; all else was. Left out if there is none.
    #[schema(nullable = false)]
    failed: Option<Vec<Failed>>,
    /// What will not do what its author may expect. Left out if there is none.
    #[schema(nullable = false)]
    warnings: Option<Vec<String>>,
}

/// What changes of the jobs, by their full names.
#[derive(ToSchema)]
pub(super) struct JobChanges {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<JobChange>,
    /// How many stay as they are.
    unchanged: usize,
}

/// What changes of a job.
#[derive(ToSchema)]
pub(super) struct JobChange {
    name: String,
    /// The keys that are different.
    keys: Vec<String>,
    /// Whether its processes are replaced.
    restarts: bool,
}

/// What changes, by names.
#[derive(ToSchema)]
pub(super) struct Changes {
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
}

/// Something that could not be done.
#[derive(ToSchema)]
pub(super) struct Failed {
    /// With what.
    name: String,
    reason: String,
}

/// A plugin.
#[derive(Serialize, ToSchema)]
pub(super) struct Plugin {
    /// What it is called.
    name: String,
    /// Its version, if it says.
    #[schema(required)]
    version: Option<String>,
    /// What it is for, if it says.
    #[schema(required)]
    description: Option<String>,
    /// The plugins that it cannot do without.
    mandatory: Vec<String>,
    /// The path of its site, if it has one.
    #[schema(required)]
    site: Option<String>,
    /// Its application, if it has one.
    #[schema(required)]
    app: Option<PluginApp>,
}

/// The application of a plugin.
#[derive(Serialize, ToSchema)]
pub(super) struct PluginApp {
    /// The job that it runs as.
    #[schema(value_type = String)]
    job: JobName,
    /// What it is doing.
    #[schema(value_type = PluginAppState)]
    state: gaffer_core::api::plugins::AppState,
    /// Its process, if one runs; the oldest, if there are several.
    #[schema(required, value_type = Option<u64>)]
    pid: Option<ProcessId>,
    /// Launches that replaced a process which exited unasked or did not start.
    restarts: u64,
    /// Why it does not run as it should, if it does not.
    #[schema(required)]
    cause: Option<String>,
}

/// `running`, and `ready` if it has said so; `waiting` for its next launch; `stopped`, if nobody wants it to run.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PluginAppState {
    Running,
    Ready,
    Waiting,
    Stopped,
}
