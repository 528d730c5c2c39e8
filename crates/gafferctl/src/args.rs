//! The command line.

mod access;
mod webhooks;

use std::{ffi::OsString, time::Duration};

use clap::{ArgAction, Args as Group, CommandFactory, Parser, Subcommand};
use gaffer_cli::{ConnectionArgs, OutputArgs, commands::access::LoginArgs, job_or_process_word, job_word};
use gaffer_core::{
    ProcessId,
    events::Pattern,
    names::{Signal, StreamLabel},
};

pub(crate) use self::{
    access::AccessCommand,
    webhooks::{NewWebhookArgs, WebhookCommand, secret as webhook_secret},
};

/// Administer a gaffer node, near or far.
#[derive(Debug, Parser)]
#[command(name = "gafferctl", version, disable_version_flag = true, propagate_version = true)]
#[command(arg_required_else_help = true)]
#[command(
    after_help = "NAME is a job: `web`, or `session.web`. Several may be given, and patterns with *, ? and [...].\n\
                        PID is gaffer's own number of a process, as `gafferctl pids` prints it."
)]
pub(crate) struct Args {
    // First: the groups below set a heading for all that follows.
    /// Print the version
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What there is to do with jobs, processes and the node.
    #[command(flatten)]
    Node(NodeCommand),

    /// Log in to the node: it gives a key, which is kept in the user file
    Login(LoginArgs),

    /// Log out of the node: the key is good for nothing any more
    Logout,

    /// What there is to do with keys and users.
    #[command(flatten)]
    Access(AccessCommand),

    /// What there is to do with webhooks.
    #[command(flatten)]
    Webhook(WebhookCommand),
}

/// What to do with jobs, processes and the node.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// List the jobs; with --running, the pids of all processes
    Processes {
        /// List the pids of all processes instead
        #[arg(long)]
        running: bool,
    },

    /// Load jobs from a JSON file; stopped, unless the file or --start says otherwise
    #[command(name = "load_process", alias = "load-process")]
    LoadProcess {
        /// Start them, whatever the file says
        #[arg(long)]
        start: bool,

        /// The file, or - for stdin: a job, a list of jobs, or {"jobs": [...]}
        #[arg(value_name = "FILE|-")]
        file: String,
    },

    /// Load a job; stopped, unless --start is given
    #[command(name = "add_process", alias = "add-process")]
    AddProcess {
        /// Start it
        #[arg(long)]
        start: bool,

        #[command(flatten)]
        settings: JobArgs,

        /// What to call the job: `name`, or `session.name`
        #[arg(value_name = "NAME")]
        name: String,

        /// Its command line, or the command and its arguments: all behind CMD is the command's, also what begins with -
        #[arg(value_name = "CMD", required = true, trailing_var_arg = true)]
        words: Vec<String>,
    },

    /// Print how jobs are configured, as JSON that load_process takes
    #[command(name = "get_process", alias = "get-process")]
    GetProcess(Names),

    /// Change how a job is configured; what is not given stays. Its processes are replaced once the new command runs
    #[command(name = "update_process", alias = "update-process")]
    UpdateProcess {
        #[command(flatten)]
        settings: JobArgs,

        /// The job
        #[arg(value_name = "NAME")]
        name: String,

        /// Its new command line, or the command and its arguments: all behind CMD is the command's, also what begins with -
        #[arg(value_name = "CMD", trailing_var_arg = true)]
        words: Vec<String>,
    },

    /// Stop jobs, and forget them
    #[command(name = "del_process", alias = "del-process")]
    DelProcess(Names),

    /// Run more processes of jobs; prints the new number
    Add(Number),

    /// Run fewer processes of jobs, the oldest go first; prints the new number
    Sub(Number),

    /// Start jobs; also those that were given up because they kept crashing
    Start {
        #[command(flatten)]
        names: Names,

        #[command(flatten)]
        wait: Wait,
    },

    /// Stop jobs, or processes, which are then replaced
    Stop {
        #[command(flatten)]
        targets: NamesOrPids,

        #[command(flatten)]
        wait: Wait,
    },

    /// Replace the processes of jobs: new ones first, then the old
    Restart {
        #[command(flatten)]
        names: Names,

        #[command(flatten)]
        wait: Wait,
    },

    /// Tell whether a job is `active` or `stopped`; without a name, or of several, a table
    Status {
        /// Jobs [default: all]
        #[arg(value_name = "NAME", value_parser = job_word)]
        names: Vec<String>,
    },

    /// Send a signal to all processes of jobs, or to single processes
    #[command(
        override_usage = "gafferctl kill [OPTIONS] NAME|PID... SIGNAL\n       gafferctl kill [OPTIONS] -SIGNAL NAME|PID..."
    )]
    Kill {
        /// The signal: a number, or a name such as HUP or SIGHUP; also written -9, -HUP, or as the last word
        #[arg(short, long)]
        signal: Option<Signal>,

        /// Jobs or processes; then the signal, unless it stands before
        #[arg(value_name = "NAME|PID", required = true)]
        words: Vec<String>,
    },

    /// Print how many processes jobs want
    Numprocesses(Names),

    /// Print the pids of jobs' processes
    Pids(Names),

    /// Print how many processes of jobs run
    Running(Names),

    /// Print what happens, as it happens
    Watch {
        /// The beginning of an event's topic, such as `proc.web`, `proc.web.exit` or `exit` [default: everything]
        #[arg(value_name = "PATTERN", default_value = ".", hide_default_value = true)]
        pattern: Pattern,

        /// Begin with the last N events
        #[arg(short = 'n', long, value_name = "N", default_value_t, hide_default_value = true)]
        history: usize,

        /// Give each job a colour, also where stdout is no terminal
        #[arg(long)]
        colorize: bool,

        /// Seconds of silence after which the node gives a sign of life; the original's option, which nobody needs to set
        #[arg(long, value_name = "SECONDS", hide = true)]
        heartbeat: Option<f64>,
    },

    /// Print what processes have written, and with -f what they write from now on
    Logs {
        /// Go on until all named processes have ended, or for ever if jobs are named
        #[arg(short, long)]
        follow: bool,

        /// So many of the last lines of each output
        #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
        lines: usize,

        /// Only this output [default: all]
        #[arg(short, long, value_name = "LABEL")]
        stream: Option<StreamLabel>,

        /// Jobs or processes
        #[arg(value_name = "NAME|PID", required = true, value_parser = job_or_process_word)]
        targets: Vec<String>,
    },

    /// Print what processes use
    Stats {
        /// Go on, once a second
        #[arg(short, long)]
        follow: bool,

        /// Seconds between two looks
        #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = seconds, requires = "follow")]
        interval: Duration,

        /// Jobs or processes [default: all]
        #[arg(value_name = "NAME|PID", value_parser = job_or_process_word)]
        targets: Vec<String>,
    },

    /// Write to a process: the words as a line, or stdin as it is
    Send {
        /// An extra pipe instead of the process's stdin
        #[arg(short, long, value_name = "LABEL")]
        stream: Option<StreamLabel>,

        /// The process
        #[arg(value_name = "PID", value_parser = process)]
        pid: ProcessId,

        /// What to write; a line break is put behind it. `-`, or nothing: stdin
        #[arg(value_name = "WORD")]
        words: Vec<String>,
    },

    /// List the groups, or the jobs of one
    Groups {
        /// A group
        #[arg(value_name = "GROUP")]
        group: Option<String>,
    },

    /// List the sessions, or the jobs of one
    Sessions {
        /// A session
        #[arg(value_name = "SESSION")]
        session: Option<String>,
    },

    /// Print all there is to know about the node, or about jobs and processes
    Info {
        /// Jobs or processes [default: the node]
        #[arg(value_name = "NAME|PID", value_parser = job_or_process_word)]
        targets: Vec<String>,
    },

    /// Have the node read its configuration again, and be as it says; one with mistakes is refused whole
    #[command(name = "reload_config")]
    ReloadConfig,

    /// Print what the node would change if it read its configuration again
    Diff,

    /// List the plugins of the node, and how their applications do
    Plugins,

    /// Print the versions of this program and of the node
    Version,

    /// Ask whether the node answers
    Ping,
}

/// Jobs.
#[derive(Debug, Group)]
pub(crate) struct Names {
    /// Jobs
    #[arg(value_name = "NAME", required = true, value_parser = job_word)]
    pub(crate) names: Vec<String>,
}

/// Jobs or processes.
#[derive(Debug, Group)]
pub(crate) struct NamesOrPids {
    /// Jobs or processes
    #[arg(value_name = "NAME|PID", required = true, value_parser = job_or_process_word)]
    pub(crate) targets: Vec<String>,
}

/// Jobs, and a number.
#[derive(Debug, Group)]
pub(crate) struct Number {
    /// Jobs
    #[arg(value_name = "NAME", required = true, value_parser = job_word)]
    pub(crate) names: Vec<String>,

    /// How many
    #[arg(value_name = "N", value_parser = count)]
    pub(crate) number: u32,
}

/// Whether to wait.
#[derive(Debug, Group)]
pub(crate) struct Wait {
    /// Wait until it has happened
    #[arg(short, long)]
    pub(crate) wait: bool,

    /// Give up waiting after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds, requires = "wait")]
    pub(crate) timeout: Duration,
}

/// How a job is configured, beside its command. The texts are read by [`JobSpec::set_text`], which knows each field.
///
/// [`JobSpec::set_text`]: gaffer_core::JobSpec::set_text
#[derive(Debug, Default, Group)]
pub(crate) struct JobArgs {
    /// How many processes to run
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) numprocesses: Option<String>,

    /// A variable of the environment; again for more
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = variable)]
    pub(crate) env: Vec<(String, String)>,

    /// The folder to run in, an absolute path on the node's machine
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<String>,

    /// The user to run as
    #[arg(long, value_name = "USER")]
    pub(crate) uid: Option<String>,

    /// The group to run as
    #[arg(long, value_name = "GROUP")]
    pub(crate) gid: Option<String>,

    /// Labels of stdout and stderr, such as out,err: what they write can then be read
    #[arg(long, value_name = "LABELS")]
    pub(crate) redirect_output: Option<String>,

    /// Let stdin be written to; =false: no longer
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) redirect_input: Option<String>,

    /// Have a shell run the line; =false: no longer
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) shell: Option<String>,

    /// Seconds that a process may take to end before it is killed
    #[arg(long, value_name = "SECONDS")]
    pub(crate) graceful_timeout: Option<String>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| "must be KEY=VALUE".to_owned())?;
    Ok((key.to_owned(), value.to_owned()))
}

fn process(text: &str) -> Result<ProcessId, String> {
    text.parse().map_err(|_| format!("{text} is no pid; `gafferctl pids NAME` prints them"))
}

fn count(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{text} is no number of processes"))
}

/// The command line as it can be read: `kill -9 web` and `kill -HUP web`, as every kill takes them, with an option that
/// has a name.
pub(crate) fn spelled_out(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.collect();
    let program = Args::command();
    let valued: Vec<&str> = program
        .get_opts()
        .filter(|option| option.get_action().takes_values())
        .filter_map(|option| option.get_long())
        .collect();
    let mut rest = words.iter_mut().skip(1);
    // The command is the first word that is no option, and no value of one.
    while let Some(word) = rest.next().map(|word| word.to_string_lossy()) {
        match word.strip_prefix('-') {
            None if word == "kill" => break,
            None => return words,
            Some(option) => {
                if option.strip_prefix('-').is_some_and(|name| valued.contains(&name)) {
                    rest.next();
                }
            }
        }
    }
    for word in rest.take_while(|word| *word != "--") {
        let signal = word.to_str().and_then(|word| word.strip_prefix('-')?.parse::<Signal>().ok());
        if let Some(signal) = signal {
            *word = format!("--signal={signal}").into();
        }
    }
    words
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "must be a number of seconds".to_owned())?;
    let span = Duration::try_from_secs_f64(number).ok().filter(|span| !span.is_zero());
    span.ok_or_else(|| "must be a number of seconds above 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    fn read(line: &str) -> NodeCommand {
        let read = Args::try_parse_from(["gafferctl"].into_iter().chain(line.split(' '))).unwrap();
        let Command::Node(command) = read.command else { panic!("{line}") };
        command
    }

    fn refused(line: &str) -> String {
        Args::try_parse_from(["gafferctl"].into_iter().chain(line.split(' '))).unwrap_err().to_string()
    }

    #[test]
    fn the_last_word_is_the_number_and_those_before_are_targets() {
        let NodeCommand::Add(Number { names, number }) = read("add web worker 3") else { panic!() };
        assert_eq!((names.join(" ").as_str(), number), ("web worker", 3));
        for (line, named) in [
            ("sub web", "<N>"),
            ("sub web -1", "'-1'"),
            ("add web x", "x is no number of processes"),
            ("start a,b web", "`a,b`"),
            ("kill -s NOPE web", "NOPE"),
        ] {
            assert!(refused(line).contains(named), "{line}: {}", refused(line));
        }
    }

    #[test]
    fn a_signal_is_spelled_out_where_kill_is_the_command() {
        let spelled = |line: &str| {
            let words = spelled_out(line.split(' ').map(OsString::from));
            words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        for (line, expected) in [
            ("ctl kill -9 web", "ctl kill --signal=SIGKILL web"),
            ("ctl --json kill -HUP web", "ctl --json kill --signal=SIGHUP web"),
            ("ctl --connect kill kill web -q -SIGINT", "ctl --connect kill kill web -q --signal=SIGINT"),
            ("ctl kill -s HUP web --json", "ctl kill -s HUP web --json"),
            ("ctl kill -NOPE -- -9", "ctl kill -NOPE -- -9"),
            ("ctl add_process k kill -9 5", "ctl add_process k kill -9 5"),
            ("ctl --connect=x send 3 kill -HUP", "ctl --connect=x send 3 kill -HUP"),
            ("ctl", "ctl"),
        ] {
            assert_eq!(spelled(line), expected);
        }
        let NodeCommand::Kill { signal, words } = read("kill --signal=SIGHUP web 7") else { panic!() };
        assert_eq!((signal.map(|it| it.to_string()).as_deref(), words.join(" ").as_str()), (Some("SIGHUP"), "web 7"));
    }

    #[test]
    fn what_stands_behind_the_command_belongs_to_it() {
        let line = "add_process -n 2 -e A=b=c --start web --shell --redirect-input=no sleep 9";
        let NodeCommand::AddProcess { start, settings, name, words } = read(line) else { panic!() };
        assert_eq!((start, name.as_str(), words.join(" ").as_str()), (true, "web", "sleep 9"));
        assert_eq!(settings.numprocesses.as_deref(), Some("2"));
        assert_eq!(settings.env, [("A".to_owned(), "b=c".to_owned())]);
        assert_eq!((settings.shell.as_deref(), settings.redirect_input.as_deref()), (Some("true"), Some("no")));
        for command in ["grep -n 5", "sh -c exit", "ls -l --start", "tail --json", "env -h -- --help"] {
            let NodeCommand::AddProcess { start, settings, words, .. } = read(&format!("add_process z {command}"))
            else {
                panic!()
            };
            assert_eq!((words.join(" ").as_str(), start, settings.numprocesses), (command, false, None));
            let NodeCommand::UpdateProcess { words, .. } = read(&format!("update_process z {command}")) else {
                panic!()
            };
            assert_eq!(words.join(" "), command);
        }
        let NodeCommand::UpdateProcess { settings, words, .. } = read("update_process web -n 3") else { panic!() };
        assert_eq!((settings.numprocesses.as_deref(), words.len()), (Some("3"), 0));
        assert!(refused("add_process web -e A true").contains("must be KEY=VALUE"));
        assert!(refused("add_process web --no-option true").contains("--no-option"));
        assert!(refused("add_process web").contains("<CMD>"));
    }

    #[test]
    fn words_to_send_may_begin_with_a_dash_behind_two() {
        let NodeCommand::Send { pid, words, .. } = read("send 3 -- -x --json") else { panic!() };
        assert_eq!((pid.get(), words.join(" ").as_str()), (3, "-x --json"));
        let NodeCommand::Send { words, .. } = read("send 3 -") else { panic!() };
        assert_eq!(words, ["-"]);
        assert!(refused("send web hello").contains("web is no pid; `gafferctl pids NAME` prints them"));
    }

    #[test]
    fn a_time_limit_is_above_nothing_and_only_for_those_who_wait() {
        let NodeCommand::Stop { wait, .. } = read("stop web 7 --wait --timeout 0.5") else { panic!() };
        assert_eq!((wait.wait, wait.timeout), (true, Duration::from_millis(500)));
        assert!(refused("stop web --timeout 5").contains("--wait"));
        for bad in ["0", "-1", "nan", "soon"] {
            assert!(refused(&format!("start web --wait --timeout={bad}")).contains("number of seconds"), "{bad}");
        }
    }
}
