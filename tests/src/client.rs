//! Client programs that others wrote, run against our gafferd.
//!
//! `tests/clients/install.sh <folder>` installs them, and the variable `GAFFER_TEST_CLIENTS` names that folder to the tests.
//! Where it is not set, or where one could not be installed, the tests that need it are skipped.

use std::{
    collections::BTreeSet,
    env, fmt,
    io::Write,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
};

use nix::sys::signal::Signal;

use crate::{Daemon, Line, output::Output, processes, repository, skip, wait_until};

const VARIABLE: &str = "GAFFER_TEST_CLIENTS";

/// A set of clients, as the installer makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Environment {
    /// The original's programs and library, 0.4.4.
    Gaffer04,
    /// The original's programs and library, 0.5.2.
    Gaffer05,
    /// A Python of today with `websockets`.
    Modern,
}

impl Environment {
    const fn folder(self) -> &'static str {
        match self {
            Self::Gaffer04 => "g044",
            Self::Gaffer05 => "g052",
            Self::Modern => "modern",
        }
    }

    const fn content(self) -> &'static str {
        match self {
            Self::Gaffer04 => "gaffer 0.4.4",
            Self::Gaffer05 => "gaffer 0.5.2",
            Self::Modern => "Python's websockets",
        }
    }

    /// Where it is installed. If it is not, that is said once, with what to do about it.
    fn locate(self) -> Option<PathBuf> {
        let folder = env::var_os(VARIABLE).map(PathBuf::from);
        if let Some(folder) = &folder {
            // Cargo starts tests in their package's folder, whoever set the variable was probably in the repository's.
            let environment = repository().join(folder).join(self.folder());
            if environment.join("bin/python").exists() {
                return Some(environment);
            }
        }
        static SAID: Mutex<BTreeSet<Environment>> = Mutex::new(BTreeSet::new());
        if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(self) {
            let (content, name) = (self.content(), self.folder());
            skip(&match folder {
                Some(folder) => format!("tests with {content}: {} has no {name} that runs", folder.display()),
                None => format!(
                    "tests with {content}; to run them: tests/clients/install.sh target/clients && \
                     {VARIABLE}=target/clients cargo test -p gaffer-tests"
                ),
            });
        }
        None
    }
}

/// A client program, ready to be run against one gafferd.
#[derive(Clone, Debug)]
pub struct Client {
    program: PathBuf,
    args: Vec<String>,
    home: PathBuf,
    cwd: PathBuf,
    mark: (&'static str, String),
}

impl Client {
    /// A program of an environment, to be run in the folder of this gafferd. `None`, once it has been said, if it is not
    /// installed.
    pub fn of(daemon: &Daemon, environment: Environment, program: &str) -> Option<Self> {
        let program = environment.locate()?.join("bin").join(program);
        let setup = daemon.setup();
        // Some keep files there.
        let home = daemon.path("client-home");
        std::fs::create_dir_all(&home).unwrap();
        let mark = (setup.mark(), setup.id().to_owned());
        Some(Self { program, args: Vec::new(), home, cwd: daemon.path(""), mark })
    }

    /// A Python program from `tests/clients`, run with an environment's interpreter.
    pub fn driver(daemon: &Daemon, environment: Environment, name: &str) -> Option<Self> {
        let path = repository().join("tests/clients").join(name);
        Some(Self::of(daemon, environment, "python")?.args([path.to_str().unwrap()]))
    }

    /// Adds arguments before those of each run.
    #[must_use]
    pub fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.args.extend(args.into_iter().map(str::to_owned));
        self
    }

    /// Runs it in this folder.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.cwd);
        self
    }

    fn spawn(&self, args: &[&str], stdin: Stdio) -> Child {
        let mut command = Command::new(&self.program);
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("GAFFER") || text.starts_with("PYTHON") || text.to_lowercase().ends_with("_proxy") {
                command.env_remove(name);
            }
        }
        command.args(&self.args).args(args).current_dir(&self.cwd);
        command.env("HOME", &self.home).env(self.mark.0, &self.mark.1);
        // What they print is seen when they print it.
        command.env("PYTHONUNBUFFERED", "1").env("PYTHONIOENCODING", "utf-8").env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap_or_else(|error| panic!("{} does not start: {error}", self.program.display()))
    }

    /// Starts it; it runs beside the test.
    pub fn start(&self, args: &[&str]) -> RunningClient {
        RunningClient::new(self.spawn(args, Stdio::null()), args)
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Said {
        self.start(args).wait()
    }

    /// Runs it to its end, with this on its stdin.
    #[track_caller]
    pub fn run_with_input(&self, args: &[&str], input: &str) -> Said {
        let mut child = self.spawn(args, Stdio::piped());
        // Little enough for the pipe; and one that does not read it says so in what it prints.
        let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
        RunningClient::new(child, args).wait()
    }

    /// Runs it to its end, which must be a good one; what it printed.
    #[track_caller]
    pub fn prints(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, 0, "{said}");
        said.stdout
    }

    /// Runs it to its end, which must be exit code 1; all that it printed.
    #[track_caller]
    pub fn fails(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, 1, "{said}");
        said.stdout + &said.stderr
    }
}

/// What a client said until its end.
#[derive(Clone, Debug)]
pub struct Said {
    what: String,
    /// The exit code; if a signal ended it, 128 and the signal's number.
    pub code: i32,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: code {}\nstdout:\n{}\nstderr:\n{}", self.what, self.code, self.stdout, self.stderr)
    }
}

/// A client that runs. Dropping it ends it.
#[derive(Debug)]
pub struct RunningClient {
    what: String,
    child: Child,
    stdout: Output,
    stderr: Output,
}

impl RunningClient {
    fn new(mut child: Child, args: &[&str]) -> Self {
        let stdout = Output::of(child.stdout.take().unwrap());
        let stderr = Output::of(child.stderr.take().unwrap());
        Self { what: args.join(" "), child, stdout, stderr }
    }

    /// The lines on stdout so far.
    pub fn lines(&self) -> Vec<Line> {
        self.stdout.lines()
    }

    /// Waits for a line on stdout that holds the text.
    #[track_caller]
    pub fn until_printed(&self, text: &str) -> Line {
        let found = self.stdout.find(|line| line.text.contains(text).then(|| line.clone()));
        found.unwrap_or_else(|| {
            panic!("{} never printed {text:?}; stdout:\n{}stderr:\n{}", self.what, self.stdout, self.stderr)
        })
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        processes::signal(i32::try_from(self.child.id()).unwrap(), signal);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Said {
        let status: ExitStatus = wait_until(&format!("{} ends", self.what), || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err(format!("it runs; stdout:\n{}stderr:\n{}", self.stdout, self.stderr)),
        });
        self.stdout.finish();
        self.stderr.finish();
        let text = |output: &Output| output.lines().into_iter().map(|line| line.text + "\n").collect::<String>();
        let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap();
        Said { what: self.what.clone(), code, stdout: text(&self.stdout), stderr: text(&self.stderr) }
    }
}

impl Drop for RunningClient {
    fn drop(&mut self) {
        // Both fail if it has ended, which is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
