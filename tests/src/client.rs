//! Client programs, ours and those that others wrote, run against our gafferd.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    Daemon, Environment, RunningClient, Said,
    binaries::search_path,
    binary,
    foreign::chromium,
    repository,
    terminal::{Keys, terminal},
};

/// A client program, ready to be run against one gafferd.
#[derive(Clone, Debug)]
pub struct Client {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(OsString, OsString)>,
    cwd: PathBuf,
    seat: Seat,
}

/// What a client writes to.
#[derive(Clone, Copy, Debug)]
enum Seat {
    Pipes,
    /// Its stdout and stderr are a terminal of so many columns.
    Screen(u16),
    /// All of it is: it is what a person has begun there.
    Terminal(u16),
}

impl Client {
    fn new(daemon: &Daemon, program: PathBuf) -> Self {
        let setup = daemon.setup();
        // Some keep files there.
        let home = daemon.path("client-home");
        std::fs::create_dir_all(&home).unwrap();
        Self::within_folder(program, &daemon.path("")).env("HOME", home).env(setup.mark(), setup.id())
    }

    /// A program that is run in this folder.
    pub(crate) fn within_folder(program: PathBuf, folder: &Path) -> Self {
        Self { program, args: Vec::new(), env: Vec::new(), cwd: folder.to_owned(), seat: Seat::Pipes }
    }

    /// A program of ours, told to connect to where this gafferd serves plain HTTP, to be run in its folder.
    pub fn ours(daemon: &Daemon, program: &str) -> Self {
        Self::new(daemon, binary(program)).env("GAFFER_ENDPOINT", format!("http://{}", daemon.address()))
    }

    /// bash, in which our programs are found, and connect to where this gafferd serves plain HTTP.
    pub fn bash(daemon: &Daemon) -> Self {
        let endpoint = format!("http://{}", daemon.address());
        Self::new(daemon, "bash".into()).env("PATH", search_path()).env("GAFFER_ENDPOINT", endpoint)
    }

    /// A program of an environment, to be run in the folder of this gafferd. `None`, once it has been said, if it is not
    /// installed.
    pub fn of(daemon: &Daemon, environment: Environment, program: &str) -> Option<Self> {
        let client = Self::new(daemon, environment.locate()?.join("bin").join(program));
        // What they print is seen when they print it.
        let client = client.env("PYTHONUNBUFFERED", "1").env("PYTHONIOENCODING", "utf-8");
        Some(client.env("PYTHONDONTWRITEBYTECODE", "1"))
    }

    /// A Python program from `tests/clients`, run with an environment's interpreter.
    pub fn driver(daemon: &Daemon, environment: Environment, name: &str) -> Option<Self> {
        let path = repository().join("tests/clients").join(name);
        Some(Self::of(daemon, environment, "python")?.args([path.to_str().unwrap()]))
    }

    /// A program in JavaScript, run with Node. What it needs is in the folder that its variable `MODULES` names.
    pub fn node(daemon: &Daemon, path: &Path) -> Option<Self> {
        let modules = Environment::Js.locate()?;
        Some(Self::new(daemon, "node".into()).args([path.to_str().unwrap()]).env("MODULES", modules))
    }

    /// One from `tests/clients/js`, with a browser if it needs one.
    pub fn script(daemon: &Daemon, name: &str, browser: bool) -> Option<Self> {
        let client = Self::node(daemon, &repository().join("tests/clients/js").join(name))?;
        if !browser {
            return Some(client);
        }
        // Browsers leave much there, the more so if they are killed.
        let temporary = daemon.path("client-tmp");
        std::fs::create_dir_all(&temporary).unwrap();
        Some(client.env("CHROMIUM", chromium()?).env("TMPDIR", temporary))
    }

    /// What the program is called.
    pub fn name(&self) -> String {
        self.program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Adds arguments before those of each run.
    #[must_use]
    pub fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.args.extend(args.into_iter().map(str::to_owned));
        self
    }

    /// Sets a variable in its environment. What the tests were started with for such programs is not there.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Runs it in this folder.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.cwd);
        self
    }

    /// Runs it at a terminal of so many columns: all that it writes is its stdout then.
    #[must_use]
    pub fn on_terminal(mut self, columns: u16) -> Self {
        self.seat = Seat::Screen(columns);
        self
    }

    /// Runs it as what a person has begun at a terminal of so many columns: the terminal is its stdin too, what is typed there
    /// reaches it, and Ctrl-C interrupts it.
    #[must_use]
    pub fn at_terminal(mut self, columns: u16) -> Self {
        self.seat = Seat::Terminal(columns);
        self
    }

    /// The command as it would be run, with what it reads and writes left as it is.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = match self.seat {
            Seat::Pipes | Seat::Screen(_) => Command::new(&self.program),
            Seat::Terminal(_) => {
                // It becomes the program, in a session of its own, whose terminal its stdin is.
                let mut setsid = Command::new("setsid");
                setsid.arg("--ctty").arg(&self.program);
                setsid
            }
        };
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            let of_tests = ["GAFFER", "PYTHON", "NO_COLOR", "CLICOLOR", "COLUMNS", "RUST_"];
            if of_tests.iter().any(|prefix| text.starts_with(prefix)) || text.to_lowercase().ends_with("_proxy") {
                command.env_remove(name);
            }
        }
        command.args(&self.args).args(args).current_dir(&self.cwd);
        // Some look there whether colours are known; some tell local time.
        command.env("TERM", "xterm-256color").env("TZ", "UTC");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    #[track_caller]
    fn spawn(&self, args: &[&str], stdin: Stdio) -> RunningClient {
        let mut command = self.command(args);
        command.stdin(stdin);
        let screen = match self.seat {
            Seat::Pipes => {
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                None
            }
            Seat::Screen(columns) => {
                let (screen, end) = terminal(columns, Keys::Plain);
                command.stdout(end.try_clone().unwrap()).stderr(end);
                Some(screen)
            }
            Seat::Terminal(columns) => {
                let (screen, end) = terminal(columns, Keys::Signals);
                command.stdin(end.try_clone().unwrap()).stdout(end.try_clone().unwrap()).stderr(end);
                Some(screen)
            }
        };
        let child = command.spawn();
        // With the command our copies of the terminal's end are closed.
        drop(command);
        let child = child.unwrap_or_else(|error| panic!("{} does not start: {error}", self.program.display()));
        RunningClient::new(child, screen, args)
    }

    /// Starts it; it runs beside the test.
    pub fn start(&self, args: &[&str]) -> RunningClient {
        self.spawn(args, Stdio::null())
    }

    /// The same, with a pipe for its stdin.
    pub fn start_with_pipe(&self, args: &[&str]) -> RunningClient {
        self.spawn(args, Stdio::piped())
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Said {
        self.start(args).wait()
    }

    /// Runs it to its end, with this on its stdin, from a pipe.
    #[track_caller]
    pub fn run_with_input(&self, args: &[&str], input: impl AsRef<[u8]>) -> Said {
        let mut client = self.start_with_pipe(args);
        client.feed(input);
        client.wait()
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
