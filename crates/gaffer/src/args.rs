//! The command line.

mod access;
mod lookup;

use std::{ffi::OsString, path::PathBuf, str::FromStr, time::Duration};

use clap::{ArgAction, Args as Group, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use gaffer_cli::{Colour, ConnectionArgs, OutputArgs, commands::access::LoginArgs};
use gaffer_core::{
    ProcessId,
    names::{InvalidLabel, Signal, StreamLabel},
    procfile::{Concurrency, EnvSource, Source},
};

pub(crate) use self::{
    access::{AccessCommand, Question},
    lookup::{LookupCommand, LookupQuestion},
};

/// Run a Procfile application here, or on a gaffer node.
#[derive(Debug, Parser)]
#[command(name = "gaffer", version, disable_version_flag = true, propagate_version = true)]
#[command(arg_required_else_help = true)]
#[command(after_help = "APP is an application on the node; without it, that of this folder is meant.\n\
                        JOB is one of its processes as the Procfile names it: `web`; or that of another application: `app.web`.\n\
                        PID is gaffer's own number of a process, as `gaffer ps` prints it behind the name.")]
pub(crate) struct Args {
    // First: the groups below set a heading for all that follows.
    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,

    #[command(flatten)]
    pub(crate) application: ApplicationArgs,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The command line, as users see it: the node is named by `--endpoint` here, as ever.
pub(crate) fn command() -> clap::Command {
    let command = Args::command().mut_arg("connect", |node| {
        let spellings = ["connect", "gafferd-http-address"];
        node.long("endpoint").short('g').aliases(spellings)
    });
    command.mut_arg("lookupd", |server| {
        server.short('L').help(
            "A lookup server: HOST, HOST:PORT, http://…, https://…, or a name of the user file; again for more. `lookup` asks it \
             [env: GAFFER_LOOKUPD]; other commands call the node that has the job, as it says",
        )
    })
}

impl Args {
    /// Reads the command line; ends the program if it does not read, or asks for help.
    pub(crate) fn read() -> Self {
        Self::read_from(&std::env::args_os().collect::<Vec<_>>()).unwrap_or_else(|error| error.exit())
    }

    /// Reads a line whose words are apart by blanks.
    #[cfg(test)]
    pub(crate) fn read_line(line: &str) -> Result<Self, clap::Error> {
        Self::read_from(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    fn read_from(line: &[OsString]) -> Result<Self, clap::Error> {
        let mut args = Self::from_arg_matches(&command().try_get_matches_from(line)?)?;
        if let Command::Run(run) = &mut args.command {
            // The words are the end of the line as it stands, and clap does not tell what is before them.
            let before = line.len().checked_sub(run.words.len() + 1).and_then(|position| line.get(position));
            run.is_command = before.is_some_and(|word| word == "--");
        }
        if let Command::Node(NodeCommand::Logs { no_color: true, .. }) = &args.command {
            args.output.color = Colour::Never;
        }
        Ok(args)
    }
}

/// Which application.
#[derive(Clone, Debug, Default, Group)]
#[command(next_help_heading = "Application")]
pub(crate) struct ApplicationArgs {
    /// The Procfile [default: Procfile]
    #[arg(short = 'f', long, global = true, value_name = "FILE")]
    procfile: Option<PathBuf>,

    /// The application's folder [default: that of the Procfile]
    #[arg(short = 'd', long, alias = "root", global = true, value_name = "DIR")]
    directory: Option<PathBuf>,

    /// More variables than those of .env: a file of them, or one; again for more, later ones win
    #[arg(short = 'e', long, global = true, value_name = "FILE|KEY=VALUE")]
    env: Vec<EnvSource>,

    /// The application's name [default: that of its folder]
    #[arg(long, global = true, value_name = "NAME")]
    app: Option<String>,
}

impl ApplicationArgs {
    /// The option that is given, but means something only where a Procfile is read.
    pub(crate) fn of_procfile(&self) -> Option<&'static str> {
        if self.procfile.is_some() { Some("--procfile") } else { (!self.env.is_empty()).then_some("--env") }
    }

    /// Whether the application's name is given.
    pub(crate) fn is_named(&self) -> bool {
        self.app.is_some()
    }

    /// What these options say, and a command's own.
    pub(crate) fn source(&self, name: Option<&str>, port: Option<u16>) -> Source {
        Source {
            directory: self.directory.clone(),
            procfile: self.procfile.clone(),
            env: self.env.clone(),
            name: name.or(self.app.as_deref()).map(str::to_owned),
            port,
        }
    }
}

/// How many of each.
#[derive(Clone, Debug, Default, Group)]
pub(crate) struct ConcurrencyArgs {
    /// How many processes of each type to run: `web=2,worker=1`, or `all=2` [default: all=1]
    #[arg(short = 'c', long, value_name = "TYPE=N,...")]
    concurrency: Vec<Concurrency>,
}

impl ConcurrencyArgs {
    /// All of them together; later ones win.
    pub(crate) fn joined(&self) -> Concurrency {
        let mut joined = Concurrency::default();
        self.concurrency.iter().cloned().for_each(|one| joined.extend(one));
        joined
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the application here, until it is interrupted
    #[command(alias = "dev:start")]
    Start(StartArgs),

    /// Run a command with the application's variables, here; or, if it is a job of the loaded application, once more on the node
    #[command(alias = "dev:run")]
    Run(RunArgs),

    /// Tell what would run, with which command, port and variables; or all that is wrong
    Check {
        #[command(flatten)]
        concurrency: ConcurrencyArgs,

        /// The first port to give away [default: PORT of the variables, else that of the environment, else 5000]
        #[arg(short = 'p', long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,
    },

    /// Write the application as sections of gafferd's configuration, as JSON or as systemd units
    Export {
        #[command(flatten)]
        concurrency: ConcurrencyArgs,

        /// The form
        #[arg(long, value_enum, default_value_t)]
        format: ExportFormat,

        /// The file to write; for systemd the folder; - for stdout [default: stdout]
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,

        /// systemd: the user to run as
        #[arg(long, value_name = "USER")]
        user: Option<String>,

        /// The first port to give away [default: PORT of the variables, else that of the environment, else 5000]
        #[arg(short = 'p', long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,

        /// Only this type of process
        #[arg(value_name = "TYPE")]
        name: Option<String>,
    },

    /// The commands for the application on a node.
    #[command(flatten)]
    Node(NodeCommand),

    /// Those for lookup servers.
    #[command(flatten)]
    Lookup(LookupCommand),

    /// Log in to the node: it gives a key, which is kept in the user file
    Login(LoginArgs),

    /// Log out of the node: the key is good for nothing any more
    Logout,

    /// Those for keys and users of a node.
    #[command(flatten)]
    Access(AccessCommand),
}

/// What to do on a node.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Load the application into the node and start it; or jobs from a JSON file
    Load {
        #[command(flatten)]
        concurrency: ConcurrencyArgs,

        /// Do not start it
        #[arg(long)]
        nostart: bool,

        /// The first port to give away [default: PORT of the variables, else that of the environment, else 5000]
        #[arg(short = 'p', long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,

        /// What to call the application; or a file of jobs: `FILE.json`, or - for stdin
        #[arg(value_name = "APP|FILE|-")]
        target: Option<String>,
    },

    /// Stop the application on the node, and forget it; or some of its jobs
    Unload(JobsOfApplication),

    /// Launch the processes of the application on the node anew; or those of some of its jobs
    Reload(JobsOfApplication),

    /// Show what the application's processes use
    Ps {
        /// The application; `.` for that of this folder
        #[arg(value_name = "APP")]
        application: Option<String>,
    },

    /// Set how many processes run: `web=3 worker+2 clock-1`
    #[command(visible_alias = "ps:scale")]
    Scale {
        /// The application, if it is another; then the changes: so many, so many more, or so many fewer
        #[arg(value_name = "[APP] JOB=N|JOB+N|JOB-N", required = true)]
        words: Vec<String>,
    },

    /// List the applications on the node
    Apps,

    /// Print what the application's processes write, and what happens to them, as it comes
    Logs {
        /// End with what was written so far
        #[arg(long)]
        no_follow: bool,

        /// Begin with so many of the last lines of each output
        #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
        lines: usize,

        /// Only this job; again for more
        #[arg(long = "ps", value_name = "JOB")]
        jobs: Vec<String>,

        /// The same as --color=never
        #[arg(long, hide = true)]
        no_color: bool,

        /// Only these jobs
        #[arg(value_name = "JOB")]
        names: Vec<String>,
    },

    /// Start jobs of the application on the node
    #[command(name = "ps:start")]
    PsStart(Jobs),

    /// Stop jobs of the application on the node; or single processes, which are then replaced
    #[command(name = "ps:stop")]
    PsStop(Targets),

    /// Send a signal to a job's processes, or to one process
    #[command(name = "ps:kill")]
    PsKill {
        /// The job or process
        #[arg(value_name = "JOB|PID")]
        target: String,

        /// A number, or a name such as HUP or SIGHUP
        #[arg(value_name = "SIGNAL")]
        signal: Signal,
    },

    /// Tell all about a job, or a process
    #[command(name = "ps:info")]
    PsInfo {
        /// The job or process
        #[arg(value_name = "JOB|PID")]
        target: String,
    },

    /// Write to a process: the words as a line, or stdin as it is
    Send {
        /// An extra pipe instead of the process's stdin
        #[arg(short, long, value_name = "LABEL")]
        stream: Option<StreamLabel>,

        /// The process
        #[arg(value_name = "PID", value_parser = process)]
        pid: ProcessId,

        /// What to write; a line break is put behind it. `-`, or nothing: stdin, on a terminal up to a line of a single dot
        #[arg(value_name = "WORD")]
        words: Vec<String>,
    },

    /// Print what a process writes, as it is
    Recv {
        /// The process; `7.err` for its output `err` only
        #[arg(value_name = "PID[.LABEL]")]
        process: Listened,

        /// Only this output [default: all]
        #[arg(value_name = "LABEL")]
        stream: Option<StreamLabel>,
    },
}

/// A run in the foreground.
#[derive(Debug, Group)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    pub(crate) concurrency: ConcurrencyArgs,

    /// The first port to give away [default: PORT of the variables, else that of the environment, else 5000]
    #[arg(short = 'p', long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,

    /// End all with the first process that fails, and with its exit code; what ends well is not run again
    #[arg(long)]
    pub(crate) exit_on_failure: bool,

    /// End all when this process ends, and with its exit code
    #[arg(long, value_name = "TYPE")]
    pub(crate) exit_with: Option<String>,

    /// Give each process a terminal, so that it writes each line at once; who reads stdin waits, and sees no end of it
    #[arg(long)]
    pub(crate) tty: bool,

    /// Seconds that processes may take to end before they are killed
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) graceful_timeout: Duration,

    /// The original's option, which nobody needs to set
    #[arg(short, hide = true)]
    pub(crate) verbose: bool,

    /// Only these types of process [default: all]
    #[arg(value_name = "TYPE")]
    pub(crate) names: Vec<String>,
}

/// A one-off command.
#[derive(Debug, Group)]
pub(crate) struct RunArgs {
    /// How many of it to run beside each other
    #[arg(short = 'c', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) concurrency: Option<u32>,

    /// A variable for the process; again for more
    #[arg(short = 'p', value_name = "KEY=VALUE", value_parser = variable)]
    pub(crate) variables: Vec<(String, String)>,

    /// The original's option, which nobody needs to set
    #[arg(short, hide = true)]
    pub(crate) verbose: bool,

    /// The command and its arguments, or one of the Procfile's names; for a job, `-p` and `--graceful-timeout` may follow
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<String>,

    /// Whether `--` stands before the words: then they are a command, whatever jobs there are.
    #[arg(skip)]
    pub(crate) is_command: bool,
}

/// Jobs of the application; all of them, if none is named.
#[derive(Debug, Group)]
pub(crate) struct JobsOfApplication {
    /// The jobs that are in this JSON file, or in stdin for -
    #[arg(long, value_name = "FILE|-")]
    pub(crate) from_file: Option<String>,

    /// Do not ask
    #[arg(long)]
    pub(crate) no_input: bool,

    /// The application, or jobs
    #[arg(value_name = "APP|JOB")]
    pub(crate) names: Vec<String>,
}

/// Jobs or processes; all jobs of the application, if none is named.
#[derive(Debug, Group)]
pub(crate) struct Targets {
    /// Do not ask
    #[arg(long)]
    pub(crate) no_input: bool,

    /// Jobs or processes
    #[arg(value_name = "JOB|PID")]
    pub(crate) targets: Vec<String>,
}

/// Jobs; all of the application, if none is named.
#[derive(Debug, Group)]
pub(crate) struct Jobs {
    /// Do not ask
    #[arg(long)]
    pub(crate) no_input: bool,

    /// Jobs
    #[arg(value_name = "JOB")]
    pub(crate) names: Vec<String>,
}

/// In which form an application is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Sections of gafferd's configuration.
    #[default]
    Ini,
    /// What `gaffer load` and `gafferctl load_process` take.
    Json,
    /// systemd units.
    Systemd,
}

/// A process, or one of its outputs: `7`, or `7.err`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listened {
    pub(crate) pid: ProcessId,
    pub(crate) label: Option<StreamLabel>,
}

impl FromStr for Listened {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (pid, label) = match text.split_once('.') {
            Some((pid, label)) => (pid, Some(label.parse().map_err(|error: InvalidLabel| error.to_string())?)),
            None => (text, None),
        };
        Ok(Self { pid: process(pid)?, label })
    }
}

fn process(text: &str) -> Result<ProcessId, String> {
    text.parse().map_err(|_| format!("{text} is no pid; `gaffer ps` prints them behind the names"))
}

/// Reads a number of seconds.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "must be a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(number).map_err(|_| "must be a number of seconds, 0 or more".to_owned())
}

/// Reads `KEY=VALUE`.
pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("must be KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Args, clap::Error> {
        Args::read_line(line)
    }

    #[test]
    fn a_command_s_options_are_its_own_from_its_first_word_on() {
        for (line, words, is_command) in [
            ("gaffer run ls -l", "ls -l", false),
            ("gaffer run ls -f x -- -c", "ls -f x -- -c", false),
            ("gaffer -f Other run ls --version -h", "ls --version -h", false),
            ("gaffer run -- ls -l", "ls -l", true),
            ("gaffer run -c 2 -p A=1 -- ls -- -p", "ls -- -p", true),
            ("gaffer run web -p A=1", "web -p A=1", false),
        ] {
            let Command::Run(args) = read(line).unwrap().command else { panic!("{line}") };
            assert_eq!((args.words.join(" "), args.is_command), (words.to_owned(), is_command), "{line}");
        }
    }

    #[test]
    fn a_command_is_needed() {
        let error = read("gaffer run").unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::MissingRequiredArgument);
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_command_takes_every_global_option() {
        let mut command = command();
        command.build();
        let globals: Vec<_> = command.get_arguments().filter(|arg| arg.is_global_set()).collect();
        assert!(globals.iter().any(|arg| arg.get_id() == "app"));
        for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
            for global in &globals {
                // An argument of the command's own with this id would stand in the option's place.
                let found = subcommand.get_arguments().find(|arg| arg.get_id() == global.get_id());
                let spellings = found.map(|arg| (arg.get_long(), arg.get_short()));
                let expected = Some((global.get_long(), global.get_short()));
                assert_eq!(spellings, expected, "{} {}", subcommand.get_name(), global.get_id());
            }
        }
        assert!(read("gaffer ps --app shop").is_ok());
    }

    #[test]
    fn no_color_is_a_colour() {
        assert_eq!(read("gaffer logs --no-color").unwrap().output.color, Colour::Never);
        assert_eq!(read("gaffer logs").unwrap().output.color, Colour::Auto);
    }

    #[test]
    fn a_process_may_stand_with_its_output() {
        let Command::Node(NodeCommand::Recv { process, .. }) = read("gaffer recv 7.err").unwrap().command else {
            panic!()
        };
        assert_eq!((process.pid.get(), process.label.unwrap().as_str()), (7, "err"));
        let Command::Node(NodeCommand::Recv { process, stream }) = read("gaffer recv 7 out").unwrap().command else {
            panic!()
        };
        assert_eq!((process.label, stream.unwrap().as_str()), (None, "out"));
        for line in ["gaffer recv web", "gaffer recv 7.", "gaffer recv .err", "gaffer send web hello"] {
            let refusal = read(line).unwrap_err().to_string();
            assert!(refusal.contains("error: invalid value"), "{refusal}");
        }
        let refusal = read("gaffer send web hello").unwrap_err().to_string();
        assert!(refusal.contains("web is no pid; `gaffer ps` prints them"), "{refusal}");
    }
}
