//! How gafferd is started, or another of our daemons.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use tempfile::TempDir;

use crate::{Daemon, binaries::search_path, binary, output::Output, processes, wait_until};

/// The variable that marks whatever descends from one gafferd.
pub(crate) const MARK: &str = "GAFFER_TEST_ID";

/// A folder, and how to start gafferd in it.
#[derive(Debug)]
pub struct Setup {
    program: &'static str,
    dir: TempDir,
    id: String,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    cwd: Option<PathBuf>,
    preamble: Option<String>,
    bind: bool,
    namespace: Option<String>,
}

/// What came of a start that was to fail, or of a program that just answers.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
    /// The folder, which is still there.
    pub setup: Setup,
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

impl Setup {
    /// A folder with nothing in it.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let id = format!("{}-{}-{now}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = tempfile::Builder::new().prefix("gaffer-e2e-").tempdir().unwrap();
        let (args, env) = (Vec::new(), Vec::new());
        Self { program: "gafferd", dir, id, args, env, cwd: None, preamble: None, bind: true, namespace: None }
    }

    /// The same, for a `gaffer_lookupd`.
    pub fn lookupd() -> Self {
        Self { program: "gaffer_lookupd", ..Self::new() }
    }

    /// Writes `gaffer.ini` and has gafferd read it.
    #[must_use]
    pub fn ini(self, text: &str) -> Self {
        self.file("gaffer.ini", text);
        self.arg("-c").arg("gaffer.ini")
    }

    /// Writes a file into the folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A path in the folder, whether it exists or not.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments, separated by blanks.
    #[must_use]
    pub fn args(self, args: &str) -> Self {
        args.split_whitespace().fold(self, Self::arg)
    }

    /// Sets a variable in gafferd's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Starts it somewhere else than in its folder.
    #[must_use]
    pub fn cwd(mut self, cwd: &Path) -> Self {
        self.cwd = Some(cwd.to_owned());
        self
    }

    /// Has a shell run this before it becomes gafferd, which so inherits what it sets: descriptors, limits, ignored signals.
    #[must_use]
    pub fn preamble(mut self, script: &str) -> Self {
        self.preamble = Some(script.to_owned());
        self
    }

    /// Starts it in this network namespace, which takes root.
    #[must_use]
    pub fn in_namespace(mut self, name: &str) -> Self {
        self.namespace = Some(name.to_owned());
        self
    }

    /// Leaves out `--bind 127.0.0.1:0`, which is added otherwise.
    #[must_use]
    pub fn own_endpoints(mut self) -> Self {
        self.bind = false;
        self
    }

    /// The value of the mark in the environment of all its processes. A job with `os_env = false` must be given it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The variable whose value is [`id`](Self::id).
    pub const fn mark(&self) -> &'static str {
        MARK
    }

    /// Living processes that carry the mark.
    pub fn processes(&self) -> Vec<i32> {
        processes::marked(MARK, &self.id)
    }

    /// Starts gafferd and waits until it listens.
    #[track_caller]
    pub fn start(self) -> Daemon {
        let child = self.spawn();
        Daemon::new(self, child)
    }

    /// Starts gafferd and waits for a line on stderr that holds the text, where it serves no plain HTTP. What asks it over
    /// HTTP finds nobody then.
    #[track_caller]
    pub fn start_without_http(self, announced: &str) -> Daemon {
        let child = self.spawn();
        Daemon::without_http(self, child, announced)
    }

    /// Runs gafferd to its end, which it must come to by itself.
    #[track_caller]
    pub fn run(self) -> Outcome {
        let mut child = self.spawn();
        let mut stdout = Output::of(child.stdout.take().unwrap());
        let mut stderr = Output::of(child.stderr.take().unwrap());
        let status: ExitStatus = wait_until("gafferd ends by itself", || match child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err(format!("it still runs; its log:\n{stderr}")),
        });
        stdout.finish();
        stderr.finish();
        let left: Vec<String> = self.processes().into_iter().map(processes::describe).collect();
        assert!(left.is_empty(), "gafferd ended but left {left:#?}");
        assert_eq!(status.signal(), None, "gafferd was ended by a signal:\n{stderr}");
        Outcome { code: status.code(), stdout: stdout.text(), stderr: stderr.text(), setup: self }
    }

    pub(crate) fn spawn(&self) -> Child {
        let program = binary(self.program);
        let mut command = match (&self.preamble, &self.namespace) {
            (None, None) => Command::new(program),
            (_, Some(namespace)) => {
                // It becomes the program.
                let mut ip = Command::new("ip");
                ip.args(["netns", "exec", namespace]).arg(program);
                ip
            }
            (Some(script), None) => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(format!("{script}\nexec \"$0\" \"$@\"")).arg(program);
                shell
            }
        };
        command.args(&self.args).current_dir(self.cwd.as_deref().unwrap_or(self.dir.path()));
        if self.bind {
            command.args(["--bind", "127.0.0.1:0"]);
        }
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("GAFFER") {
                command.env_remove(name);
            }
        }
        command
            .env_remove("RUST_LOG")
            .env("PATH", search_path())
            .env("HOME", self.dir.path())
            .env("STATE_DIRECTORY", self.path("state"));
        command.env(MARK, &self.id).envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}
