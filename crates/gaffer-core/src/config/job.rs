//! A job's configuration, checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    FieldError, Flapping, InvalidConfig, Owner,
    flapping::{Seconds, check_span},
    spec::{Args, JobSpec},
    words::CommandLine,
};
use crate::names::{JobName, StreamLabel};

/// Most processes that one job may run: a slip of the finger in a scale command must not take the machine down.
pub const MAX_PROCESSES: u32 = 10_000;

/// How to launch a command, and how many: the manual's *process template*. Holding one proves it was checked.
///
/// Made from a [`JobSpec`] or from JSON; shown as JSON with every field, in the `/processes` family's form of the name.
///
/// ```
/// use gaffer_core::{JobConfig, JobSpec};
///
/// let mut spec = JobSpec::new("web".parse()?, "./server --port $PORT");
/// spec.numprocesses = 2;
/// spec.env.insert("PORT".into(), "80".into());
/// let config: JobConfig = spec.check()?;
/// assert_eq!(config.numprocesses(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobConfig {
    spec: JobSpec,
    name: JobName,
    command: CommandLine,
    owned: bool,
}

impl JobConfig {
    pub(super) fn from_spec(spec: JobSpec) -> Result<Self, InvalidConfig> {
        let mut errors = Vec::new();
        let mut fail = |field: &str, problem: String| errors.push(FieldError::new(field, problem));
        if spec.name.is_none() {
            fail("name", "is missing; every job needs one".to_owned());
        }
        let command = match command_line(&spec) {
            Ok(command) => Some(command),
            Err(error) => {
                fail(&error.field, error.problem);
                None
            }
        };
        if spec.redirect_output.len() > 2 {
            fail(
                "redirect_output",
                format!(
                    "has {} labels, but at most two can be given: one for stdout, one for stderr",
                    spec.redirect_output.len()
                ),
            );
        }
        let mut seen: BTreeSet<&StreamLabel> = spec.redirect_output.iter().collect();
        for label in &spec.custom_streams {
            if ["stdin", "ttin"].contains(&label.as_str()) {
                fail("custom_streams", format!("`{label}` means a process's stdin; choose another label"));
            }
            if !seen.insert(label) {
                fail("custom_streams", format!("`{label}` names a stream already; choose another label"));
            }
        }
        if spec.custom_streams.len() > MAX_CUSTOM_STREAMS {
            fail(
                "custom_streams",
                format!("has {} labels, but at most {MAX_CUSTOM_STREAMS} are allowed", spec.custom_streams.len()),
            );
        }
        if spec.numprocesses > MAX_PROCESSES {
            fail("numprocesses", format!("must be {MAX_PROCESSES} or less, but is {}", spec.numprocesses));
        }
        if let Err(problem) = check_span(spec.graceful_timeout) {
            fail("graceful_timeout", problem);
        }
        if let Some(Err(problem)) = spec.flapping.map(|rule| rule.check()) {
            fail("flapping", problem);
        }
        for problem in unfit_variables(&spec.env) {
            fail("env", problem);
        }
        if spec.cwd.as_ref().is_some_and(|cwd| cwd.as_os_str().as_encoded_bytes().contains(&0)) {
            fail("cwd", "holds a NUL, which no path can".to_owned());
        }
        match (spec.name.clone(), command) {
            (Some(name), Some(command)) if errors.is_empty() => Ok(Self { spec, name, command, owned: false }),
            _ => Err(InvalidConfig(errors)),
        }
    }

    /// How the job is called.
    pub fn name(&self) -> &JobName {
        &self.name
    }

    /// Says that its processes, but for one-offs, belong to an application of the manager, which alone talks with them: it hears of the `stop_pid` of one
    /// and asks it to end, so that the manager does not send SIGTERM, and only kills what is left after `graceful_timeout`;
    /// and [`Manager::restart`](crate::Manager::restart) leaves them to it.
    ///
    /// No file and no client can say this of a job.
    #[must_use]
    pub fn owned(self) -> Self {
        Self { owned: true, ..self }
    }

    /// Whether its processes belong to an application: see [`owned`](Self::owned).
    pub fn is_owned(&self) -> bool {
        self.owned
    }

    /// The command line, split or as a line for the shell.
    pub fn command(&self) -> &CommandLine {
        &self.command
    }

    /// The command line as it was given: `cmd`, then `args`.
    pub fn command_text(&self) -> String {
        let mut line = self.spec.cmd.clone().unwrap_or_default();
        match &self.spec.args {
            Some(Args::Line(more)) => {
                line.push(' ');
                line.push_str(more);
            }
            Some(Args::List(words)) => {
                for word in words {
                    line.push(' ');
                    line.push_str(&shlex::try_quote(word).unwrap_or_default());
                }
            }
            None => {}
        }
        line
    }

    /// Every field as it was asked for.
    pub fn spec(&self) -> &JobSpec {
        &self.spec
    }

    /// How many processes to keep running.
    pub fn numprocesses(&self) -> u32 {
        self.spec.numprocesses
    }

    /// When to pause and give up the job; `None` for back-off alone.
    pub fn flapping(&self) -> Option<Flapping> {
        self.spec.flapping
    }

    /// How long a process may take to end before it is killed.
    pub fn graceful_timeout(&self) -> Duration {
        self.spec.graceful_timeout
    }

    /// Start order: 0 first; a job without a priority comes after all that have one.
    pub fn priority(&self) -> u32 {
        self.spec.priority.unwrap_or(u32::MAX)
    }

    /// Whether processes outlive gafferd.
    pub fn detach(&self) -> bool {
        self.spec.detach
    }

    /// Labels of stdout and stderr.
    pub fn redirect_output(&self) -> &[StreamLabel] {
        &self.spec.redirect_output
    }

    /// Whether stdin can be written to.
    pub fn redirect_input(&self) -> bool {
        self.spec.redirect_input
    }

    /// Labels of extra two-way pipes.
    pub fn custom_streams(&self) -> &[StreamLabel] {
        &self.spec.custom_streams
    }

    /// Variables on top of what `os_env` gives.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.spec.env
    }

    /// Working directory, if one is set.
    pub fn cwd(&self) -> Option<&PathBuf> {
        self.spec.cwd.as_ref()
    }

    /// User to run as.
    pub fn uid(&self) -> Option<&Owner> {
        self.spec.uid.as_ref()
    }

    /// Group to run as.
    pub fn gid(&self) -> Option<&Owner> {
        self.spec.gid.as_ref()
    }
}

/// Most extra pipes of one process: each costs gafferd a descriptor and a buffer.
const MAX_CUSTOM_STREAMS: usize = 32;

/// What is wrong with variables, if anything is.
pub(crate) fn unfit_variables(env: &BTreeMap<String, String>) -> impl Iterator<Item = String> {
    env.iter().filter_map(|(key, value)| {
        if key.is_empty() || key.contains(['=', '\0']) {
            Some(format!("`{}` cannot name a variable; leave out `=` and NUL", key.escape_debug()))
        } else if value.contains('\0') {
            Some(format!("the value of `{key}` holds a NUL, which no environment can"))
        } else {
            None
        }
    })
}

fn command_line(spec: &JobSpec) -> Result<CommandLine, FieldError> {
    let Some(cmd) = spec.cmd.as_deref().map(str::trim).filter(|cmd| !cmd.is_empty()) else {
        return Err(FieldError::new("cmd", "is missing or empty; give the command to launch"));
    };
    let texts = match &spec.args {
        None => Vec::new(),
        Some(Args::Line(line)) => vec![line.as_str()],
        Some(Args::List(words)) => words.iter().map(String::as_str).collect(),
    };
    if cmd.contains('\0') || texts.iter().any(|text| text.contains('\0')) {
        let field = if cmd.contains('\0') { "cmd" } else { "args" };
        return Err(FieldError::new(field, "holds a NUL, which no command line can"));
    }
    if spec.shell {
        let line = std::iter::once(cmd).chain(texts).collect::<Vec<_>>().join(" ");
        return Ok(CommandLine::Shell(line));
    }
    let split = |field: &str, line: &str| {
        split_words(line)
            .ok_or_else(|| FieldError::new(field, format!("has an open quote or a trailing backslash: `{line}`")))
    };
    let mut words = split("cmd", cmd)?;
    match &spec.args {
        None => {}
        Some(Args::Line(line)) => words.extend(split("args", line)?),
        Some(Args::List(list)) => words.extend(list.iter().cloned()),
    }
    if words.first().is_none_or(String::is_empty) {
        return Err(FieldError::new("cmd", "names no program"));
    }
    Ok(CommandLine::Words(words))
}

/// Splits as a shell would: quotes and escapes. A `#` starts no comment, as in the original.
pub(crate) fn split_words(line: &str) -> Option<Vec<String>> {
    // The splitter takes a `#` at the start of a word for a comment; an escaped one is a plain character everywhere
    // outside quotes, and inside quotes it never starts a word.
    let mut escaped = String::with_capacity(line.len());
    let mut at_word_start = true;
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, '#') if at_word_start => escaped.push('\\'),
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None | Some('"'), '\\') => {
                escaped.push(character);
                at_word_start = false;
                escaped.extend(characters.next());
                continue;
            }
            _ => {}
        }
        at_word_start = quote.is_none() && character.is_whitespace();
        escaped.push(character);
    }
    shlex::split(&escaped)
}

impl Serialize for JobConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let JobSpec {
            name: _,
            cmd,
            args,
            env,
            uid,
            gid,
            cwd,
            detach,
            shell,
            os_env,
            numprocesses,
            flapping,
            redirect_output,
            redirect_input,
            custom_streams,
            graceful_timeout,
            priority,
            start,
        } = &self.spec;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name.short())?;
        if !self.name.session().is_default() {
            map.serialize_entry("group", self.name.session())?;
        }
        map.serialize_entry("cmd", cmd)?;
        match args {
            None => map.serialize_entry("args", &None::<()>)?,
            Some(Args::Line(line)) => map.serialize_entry("args", line)?,
            Some(Args::List(words)) => map.serialize_entry("args", words)?,
        }
        map.serialize_entry("env", env)?;
        map.serialize_entry("uid", uid)?;
        map.serialize_entry("gid", gid)?;
        map.serialize_entry("cwd", &cwd.as_ref().map(|cwd| cwd.to_string_lossy()))?;
        map.serialize_entry("detach", detach)?;
        map.serialize_entry("shell", shell)?;
        map.serialize_entry("os_env", os_env)?;
        map.serialize_entry("numprocesses", numprocesses)?;
        map.serialize_entry("flapping", flapping)?;
        map.serialize_entry("redirect_output", redirect_output)?;
        map.serialize_entry("redirect_input", redirect_input)?;
        map.serialize_entry("custom_streams", custom_streams)?;
        map.serialize_entry("graceful_timeout", &Seconds(*graceful_timeout))?;
        map.serialize_entry("priority", priority)?;
        map.serialize_entry("start", start)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(cmd: &str) -> JobSpec {
        JobSpec::new("web".parse().unwrap(), cmd)
    }

    #[test]
    fn cmd_is_split_and_args_are_appended() {
        let mut spec = spec("./run 'a b' --x");
        spec.args = Some(Args::Line("-c \"d e\" #1".into()));
        let config = spec.check().unwrap();
        assert_eq!(
            config.command(),
            &CommandLine::Words(["./run", "a b", "--x", "-c", "d e", "#1"].map(String::from).into())
        );
    }

    #[test]
    fn a_list_of_args_is_taken_as_it_is() {
        let mut spec = spec("echo");
        spec.args = Some(Args::List(vec!["a b".into(), "'".into()]));
        let config = spec.check().unwrap();
        assert_eq!(config.command(), &CommandLine::Words(["echo", "a b", "'"].map(String::from).into()));
    }

    #[test]
    fn the_shell_gets_the_joined_line() {
        let mut spec = spec("echo $HOME |");
        spec.args = Some(Args::Line("wc -c".into()));
        spec.shell = true;
        assert_eq!(spec.check().unwrap().command(), &CommandLine::Shell("echo $HOME | wc -c".into()));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let mut spec = spec("echo 'x");
        spec.name = None;
        spec.numprocesses = 1_000_000;
        spec.redirect_output = ["a", "b", "c"].map(|label| label.parse().unwrap()).into();
        spec.env.insert("A=B".into(), String::new());
        assert_eq!(
            spec.check().unwrap_err().to_string(),
            "name: is missing; every job needs one; \
             cmd: has an open quote or a trailing backslash: `echo 'x`; \
             redirect_output: has 3 labels, but at most two can be given: one for stdout, one for stderr; \
             numprocesses: must be 10000 or less, but is 1000000; \
             env: `A=B` cannot name a variable; leave out `=` and NUL"
        );
    }
}
