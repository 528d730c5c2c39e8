//! What to launch, as plain data.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use super::{SpawnError, Survivor};
use crate::{
    config::{JobConfig, Owner, ProgramName},
    names::{ProcessId, StreamLabel},
    streams::TerminalSize,
};

/// Name of the variable that marks every process as ours: `<node id>:<pid>`.
pub const MARK: &str = "GAFFER_PROCESS";

/// Name of the variable that holds the marks of the processes around a nested gafferd, outermost first: what that launches
/// still belongs to them when it dies without having stopped it.
pub const PARENTS: &str = "GAFFER_PARENTS";

/// Name of the variable that holds the folders in which programs are searched.
const PATH: &str = "PATH";

/// Everything that a backend needs to launch one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchPlan {
    /// The number under which facts about it come back.
    pub pid: ProcessId,
    /// Program and arguments, variables replaced. Never empty. A program without a slash is searched in `env`'s `PATH`.
    pub argv: Vec<String>,
    /// How the program is called where a failure is told of: values of variables stand in none.
    pub program: ProgramName,
    /// Whether `PATH` is a variable of the job, or of the one-off: then its value is not told either.
    pub is_path_of_job: bool,
    /// The whole environment, the mark included.
    pub env: BTreeMap<OsString, OsString>,
    /// Working directory; `None` keeps the backend's own.
    pub cwd: Option<PathBuf>,
    /// User to become.
    pub uid: Option<Owner>,
    /// Group to become.
    pub gid: Option<Owner>,
    /// Whether to lead a session of its own and outlive the backend.
    pub detach: bool,
    /// Labels of stdout and stderr: none, one (stderr to `/dev/null`) or two (the same one twice: merged).
    pub outputs: Vec<StreamLabel>,
    /// Whether stdin is a pipe; else it is `/dev/null`.
    pub stdin: bool,
    /// Labels of extra two-way pipes, from descriptor 3 on.
    pub custom: Vec<StreamLabel>,
    /// Pseudo-terminals instead of pipes: one for stdin and stdout, which becomes the controlling terminal of the process and its
    /// session, and one for stderr, if that has not the same label. Of them `outputs` says what is kept, and `stdin` whether
    /// anything is ever typed: then it is read line by line (at most 4,095 bytes a line, unless the process asks for bare
    /// characters), and control characters act as on any terminal. As on any, too, what is left in its foreground group gets
    /// SIGHUP when it ends, and it itself when the backend does.
    pub terminal: Option<TerminalSize>,
    /// Whether outputs wait for their sinks from the first byte on.
    pub expect_sinks: bool,
    /// The process is there already, launched by a node that is gone: it is watched as if it had just been launched, and it has no
    /// streams. The rest of the plan is how it would be launched now.
    pub survivor: Option<Survivor>,
}

impl LaunchPlan {
    /// Works out the environment and the words of one process.
    ///
    /// The environment is `os_env` if the job wants it, then the job's own, then `extra`, then the mark of `node`. If
    /// `os_env` holds a mark, this program is itself a process of another gafferd, and that mark goes to [`PARENTS`].
    ///
    /// # Errors
    /// When a word uses a variable that this environment does not hold.
    pub fn new(
        pid: ProcessId,
        config: &JobConfig,
        os_env: &BTreeMap<OsString, OsString>,
        extra: &BTreeMap<String, String>,
        node: &str,
    ) -> Result<Self, SpawnError> {
        let mut env = if config.spec().os_env { os_env.clone() } else { BTreeMap::new() };
        for (key, value) in config.env().iter().chain(extra) {
            env.insert(key.into(), value.into());
        }
        if let Some(outer) = os_env.get(OsStr::new(MARK)) {
            let mut parents = os_env.get(OsStr::new(PARENTS)).cloned().unwrap_or_default();
            if !parents.is_empty() {
                parents.push(" ");
            }
            parents.push(outer);
            env.insert(PARENTS.into(), parents);
        }
        env.insert(MARK.into(), format!("{node}:{pid}").into());
        Ok(Self {
            pid,
            argv: config.command().expand(&env)?,
            program: config.command().program(),
            is_path_of_job: config.env().contains_key(PATH) || extra.contains_key(PATH),
            env,
            cwd: config.cwd().cloned(),
            uid: config.uid().cloned(),
            gid: config.gid().cloned(),
            detach: config.detach(),
            outputs: config.redirect_output().to_vec(),
            stdin: config.redirect_input(),
            custom: config.custom_streams().to_vec(),
            terminal: None,
            expect_sinks: false,
            survivor: None,
        })
    }

    /// A plan to take back a process that is there, and whose pipes led to a node that is gone. Of its words nothing is worked out: what it
    /// was launched with is not known, and need not be.
    pub fn taking_back(pid: ProcessId, config: &JobConfig, survivor: Survivor) -> Self {
        Self {
            pid,
            argv: vec![config.command_text()],
            program: config.command().program(),
            is_path_of_job: false,
            env: BTreeMap::new(),
            cwd: config.cwd().cloned(),
            uid: config.uid().cloned(),
            gid: config.gid().cloned(),
            detach: config.detach(),
            outputs: Vec::new(),
            stdin: false,
            custom: Vec::new(),
            terminal: None,
            expect_sinks: false,
            survivor: Some(survivor),
        }
    }
}
