//! The raw form of a job, and the one list of its fields.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{FieldError, Flapping, InvalidConfig, JobConfig, Owner, flapping::seconds};
use crate::names::{JobName, StreamLabel};

/// Every field of a job, in the order in which the manual lists them.
pub const JOB_KEYS: [&str; 18] = [
    "name",
    "cmd",
    "args",
    "env",
    "uid",
    "gid",
    "cwd",
    "detach",
    "shell",
    "os_env",
    "numprocesses",
    "flapping",
    "redirect_output",
    "redirect_input",
    "custom_streams",
    "graceful_timeout",
    "priority",
    "start",
];

/// The arguments of a job as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Args {
    /// Words, used as they are.
    List(Vec<String>),
    /// A line, split as a shell would.
    Line(String),
}

/// What was asked for, field by field, before the fields are held against each other.
///
/// [`check`](Self::check) turns it into a [`JobConfig`]. Defaults are the manual's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSpec {
    /// How the job is called. Required.
    pub name: Option<JobName>,
    /// The command line. Required.
    pub cmd: Option<String>,
    /// More words for the command line.
    pub args: Option<Args>,
    /// Variables on top of what `os_env` gives.
    pub env: BTreeMap<String, String>,
    /// User to run as.
    pub uid: Option<Owner>,
    /// Group to run as; by default the user's own, where `uid` is given.
    pub gid: Option<Owner>,
    /// Working directory; by default gafferd's.
    pub cwd: Option<PathBuf>,
    /// Whether processes outlive gafferd. Default: no.
    pub detach: bool,
    /// Whether `sh -c` runs the line. Default: no.
    pub shell: bool,
    /// Whether processes inherit gafferd's environment. Default: yes.
    pub os_env: bool,
    /// How many processes to keep running. Default: 1.
    pub numprocesses: u32,
    /// When to pause and give up a job that keeps exiting. Default: never; a back-off applies instead.
    pub flapping: Option<Flapping>,
    /// Labels of stdout and stderr; the same label twice merges them. Default: none, both go to `/dev/null`.
    pub redirect_output: Vec<StreamLabel>,
    /// Whether stdin can be written to. Default: no, it is `/dev/null`.
    pub redirect_input: bool,
    /// Labels of extra two-way pipes, descriptors 3 and up in the child.
    pub custom_streams: Vec<StreamLabel>,
    /// How long a process may take to end before it is killed. Default: 30 seconds.
    pub graceful_timeout: Duration,
    /// Start order, 0 first. Default: after all that have one.
    pub priority: Option<u32>,
    /// Whether loading the job starts it. Default: yes.
    pub start: bool,
}

impl Default for JobSpec {
    fn default() -> Self {
        Self {
            name: None,
            cmd: None,
            args: None,
            env: BTreeMap::new(),
            uid: None,
            gid: None,
            cwd: None,
            detach: false,
            shell: false,
            os_env: true,
            numprocesses: 1,
            flapping: None,
            redirect_output: Vec::new(),
            redirect_input: false,
            custom_streams: Vec::new(),
            graceful_timeout: Duration::from_secs(30),
            priority: None,
            start: true,
        }
    }
}

impl JobSpec {
    /// Starts from a name and a command line, with the manual's defaults for the rest.
    pub fn new(name: JobName, cmd: impl Into<String>) -> Self {
        Self { name: Some(name), cmd: Some(cmd.into()), ..Self::default() }
    }

    /// Sets one field from text, as an ini file has it. `env` is not such a field: it has a section of its own.
    ///
    /// Answers whether `key` is a field at all.
    ///
    /// # Errors
    /// Names the field, the value found and what was expected.
    pub fn set_text(&mut self, key: &str, text: &str) -> Result<bool, FieldError> {
        let fail = |problem: String| FieldError::new(key, problem);
        let text = text.trim();
        match key {
            "name" => self.name = Some(text.parse().map_err(|error| fail(format!("{error}")))?),
            "cmd" => self.cmd = Some(text.to_owned()),
            "args" => self.args = (!text.is_empty()).then(|| Args::Line(text.to_owned())),
            "uid" => self.uid = Owner::from_text(text),
            "gid" => self.gid = Owner::from_text(text),
            "cwd" => self.cwd = (!text.is_empty()).then(|| text.into()),
            "detach" => self.detach = boolean(text).map_err(fail)?,
            "shell" => self.shell = boolean(text).map_err(fail)?,
            "os_env" => self.os_env = boolean(text).map_err(fail)?,
            "numprocesses" => self.numprocesses = whole(text).map_err(fail)?,
            "flapping" => self.flapping = if text.is_empty() { None } else { Some(Flapping::from_text(text)?) },
            "redirect_output" => self.redirect_output = labels(text.split(',')).map_err(fail)?,
            "redirect_input" => self.redirect_input = boolean(text).map_err(fail)?,
            "custom_streams" => self.custom_streams = labels(text.split(',')).map_err(fail)?,
            "graceful_timeout" => {
                let value = text.parse().map_err(|_| {
                    fail(format!("must be a number of seconds, for example 30 or 0.5, but is `{text}`"))
                })?;
                self.graceful_timeout = seconds(value).map_err(fail)?;
            }
            "priority" => self.priority = Some(whole(text).map_err(fail)?),
            "start" => self.start = boolean(text).map_err(fail)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Holds the fields against each other and makes the configuration that the manager takes.
    ///
    /// # Errors
    /// All mistakes at once, each with its field and the cure.
    pub fn check(self) -> Result<JobConfig, InvalidConfig> {
        JobConfig::from_spec(self)
    }
}

/// Reads a whole number of 0 or more.
pub(super) fn whole(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("must be a whole number of 0 or more, but is `{text}`"))
}

/// Reads a truth value in any of the spellings that Python's `configparser` takes.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Ok(true),
        "0" | "no" | "false" | "off" => Ok(false),
        _ => Err(format!("must be true or false, but is `{text}`")),
    }
}

/// Reads stream labels; blank entries are left out, so that `a,` is one label.
pub(super) fn labels<'a>(words: impl Iterator<Item = &'a str>) -> Result<Vec<StreamLabel>, String> {
    words
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().map_err(|error| format!("{error}")))
        .collect()
}
