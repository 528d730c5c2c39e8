//! Where what outlives gafferd is kept, and opening it.

use std::{
    env,
    ffi::OsString,
    fmt::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use gaffer_core::ini::NodeConfig;
use gaffer_http::serve::BindAddress;
use gaffer_state::{
    Access, DEFAULT_SESSION_LIFETIME, PastRun, ProcessLog, StateError, StateFile, StateFolder, StoredJob,
};
use nix::unistd::Uid;
use sha2::{Digest, Sha256};
use tracing::warn;

use crate::{args::Args, endpoints::Configured};

/// Where root's is.
const OF_ROOT: &str = "/var/lib/gafferd";

/// What is kept, and what for.
#[derive(Debug)]
pub(crate) struct State {
    /// Where. Empty if there is nowhere, which is no mistake as long as nothing must be kept.
    pub(crate) folder: PathBuf,
    /// Whether jobs are kept.
    pub(crate) jobs: KeepJobs,
    /// Whether requests need a key.
    pub(crate) requires_key: bool,
    /// How long a key from a log-in is good.
    pub(crate) session_lifetime: Duration,
    /// How to name this configuration to gafferd again.
    command: String,
}

/// Whether jobs of clients, and how all stand, are there again after the node has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeepJobs {
    /// They must be, or the node does not start: somebody said where.
    Always,
    /// They are, if the default folder is one that can be written to.
    IfPossible,
    /// They are not.
    Never,
}

/// What is open for as long as the node runs.
#[derive(Debug, Default)]
pub(crate) struct Open {
    pub(crate) access: Option<Access>,
    /// Where else what is to outlive the node is kept.
    pub(crate) file: Option<StateFile>,
    /// Its lock keeps another gafferd off.
    pub(crate) folder: Option<StateFolder>,
    pub(crate) jobs: Option<OpenJobs>,
}

/// Where jobs are kept.
#[derive(Debug)]
pub(crate) struct OpenJobs {
    pub(crate) file: StateFile,
    /// Those that were.
    pub(crate) stored: Vec<StoredJob>,
    /// What earlier runs have left.
    pub(crate) past: PastRun,
}

/// What the command line says, else the configuration, else the default: a folder for each configuration.
///
/// # Errors
/// When there is nowhere to have a folder.
pub(crate) fn of(args: &Args, config: &NodeConfig, endpoints: &[Configured]) -> Result<State, String> {
    let requires_key = args.require_key || config.settings.require_key;
    let given = args.state_dir.clone().or_else(|| config.settings.state_dir.clone());
    if args.no_state && requires_key {
        return Err(
            "--no-state: keys are required, and they are kept in the state folder; leave out one of the two".to_owned()
        );
    }
    let jobs = if args.no_state {
        KeepJobs::Never
    } else if given.is_some() {
        KeepJobs::Always
    } else if args.config().is_none() && endpoints.first().is_some_and(|one| !is_known_again(&one.endpoint.bind)) {
        // Nothing would tell the next run that it is the same node.
        KeepJobs::Never
    } else {
        KeepJobs::IfPossible
    };
    let is_used = requires_key || args.create_admin_user || args.list_admins;
    let folder = match given {
        Some(folder) => folder,
        None => match base(Uid::effective().is_root(), |name| env::var_os(name)) {
            Some(base) => base.join(instance(args.config().as_deref(), endpoints)),
            None if is_used => {
                return Err("--state-dir: is needed, as there is neither $XDG_STATE_HOME nor $HOME".to_owned());
            }
            None => PathBuf::new(),
        },
    };
    let session_lifetime = config.session_lifetime.unwrap_or(DEFAULT_SESSION_LIFETIME);
    let mut command = "gafferd".to_owned();
    for (option, path) in [("-c", args.config()), ("--state-dir", args.state_dir.clone())] {
        if let Some(path) = path {
            // Writing to a string does not fail.
            let _: std::fmt::Result = write!(command, " {option} {}", path.display());
        }
    }
    Ok(State { folder, jobs, requires_key, session_lifetime, command })
}

/// Whether an address is the same at the next start.
fn is_known_again(bind: &BindAddress) -> bool {
    !matches!(bind, BindAddress::Tcp { port: 0, .. })
}

/// Where the folders of all nodes are that have none of their own: where the system's manager of services says, if that started us.
fn base(is_root: bool, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // A relative path counts for nothing, as the specification of the second one has it.
    let folder = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // There may be several, in a list.
    let given = variable("STATE_DIRECTORY").and_then(|list| env::split_paths(&list).next());
    if let Some(given) = given.filter(|path| path.is_absolute()) {
        return Some(given);
    }
    if is_root {
        return Some(OF_ROOT.into());
    }
    let home = variable("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let state_home = folder("XDG_STATE_HOME").or_else(|| home.map(|home| home.join(".local/state")));
    state_home.map(|state_home| state_home.join("gaffer"))
}

/// What tells the nodes of one machine apart: the path of the configuration, else where the first endpoint is.
fn instance(config: Option<&Path>, endpoints: &[Configured]) -> String {
    let told = match config {
        Some(path) => {
            // Not what links lead to: where they are moved, it is the same node all the same.
            std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).into_os_string().into_encoded_bytes()
        }
        None => endpoints.first().map(|one| one.endpoint.bind.to_string().into_bytes()).unwrap_or_default(),
    };
    let mut name = String::new();
    for byte in &Sha256::digest(told)[..8] {
        // Writing to a string does not fail.
        let _: std::fmt::Result = write!(name, "{byte:02x}");
    }
    name
}

impl State {
    /// Opens what the node needs, if it needs any.
    ///
    /// # Errors
    /// When it does not open; when another gafferd has it.
    pub(crate) async fn open(&self) -> anyhow::Result<Open> {
        let is_needed = self.requires_key || self.jobs == KeepJobs::Always;
        if !is_needed && (self.jobs == KeepJobs::Never || self.folder.as_os_str().is_empty()) {
            return Ok(Open::default());
        }
        match self.open_folder().await {
            // One that is there may know of jobs, and of processes that run: without it they would be lost, or run twice.
            Err(error) if !is_needed && !self.folder.exists() => {
                warn!(
                    "no jobs are kept for the next start: {error:#} (--state-dir says where to keep them, --no-state that none are)"
                );
                Ok(Open::default())
            }
            Err(error) if !is_needed && !is_of_others(&error) => {
                Err(error.context("what is kept of jobs cannot be used (--no-state runs without it)"))
            }
            opened => opened,
        }
    }

    async fn open_folder(&self) -> anyhow::Result<Open> {
        let folder = StateFolder::lock(&self.folder)?;
        let file = folder.file()?;
        // Before the keys: what others change of them counts from their reading on.
        let stored = file.read().await.context("cannot read the jobs")?.jobs;
        let mut access = None;
        if self.requires_key {
            let opened = Access::open_for(file.clone(), self.session_lifetime).await?;
            if !opened.has_admin_key() {
                let command = &self.command;
                warn!(
                    "keys are required, and there is none that permits everything; make one: {command} --create-admin-user"
                );
            }
            access = Some(opened);
        }
        if self.jobs == KeepJobs::Never {
            return Ok(Open { access, file: Some(file), folder: Some(folder), jobs: None });
        }
        let past = ProcessLog::past(&folder)?;
        let jobs = OpenJobs { file: file.clone(), stored, past };
        Ok(Open { access, file: Some(file), folder: Some(folder), jobs: Some(jobs) })
    }

    /// Opens keys and users, beside a node that may be running.
    ///
    /// # Errors
    /// When they do not open.
    pub(crate) async fn open_beside(&self) -> anyhow::Result<Access> {
        let file = StateFolder::open(&self.folder)?.file()?;
        Access::open_beside(file).await.context("cannot read keys and users")
    }

    /// The same, if there are any: nothing is made by it.
    ///
    /// # Errors
    /// As [`open_beside`](Self::open_beside).
    pub(crate) async fn open_existing(&self) -> anyhow::Result<Option<Access>> {
        let Some(folder) = StateFolder::existing(&self.folder)? else { return Ok(None) };
        let Some(file) = folder.existing_file()? else { return Ok(None) };
        Access::open_beside(file).await.map(Some).context("cannot read keys and users")
    }
}

/// Whether a folder is there and good, but another gafferd's: to go on without it would be two nodes of one configuration.
fn is_of_others(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(StateError::Held { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::settings;

    #[test]
    fn a_folder_is_where_it_is_said_to_be_or_below_that_of_the_user() {
        let folder = |options: &[&str], ini: &str| settings(options, ini).unwrap().state.folder;
        assert_eq!(folder(&["--state-dir", "a"], "[gaffer]\nstate_dir = b\n"), Path::new("a"));
        assert_eq!(folder(&[], "[gaffer]\nstate_dir = b\n"), Path::new("b"));
        let base = |is_root, variables: &[(&str, &str)]| {
            let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
            base(is_root, value)
        };
        let (state_home, home) = (("XDG_STATE_HOME", "/state"), ("HOME", "/home/me"));
        assert_eq!(base(true, &[state_home, home]), Some(OF_ROOT.into()));
        assert_eq!(base(false, &[state_home, home]), Some("/state/gaffer".into()));
        assert_eq!(base(false, &[("XDG_STATE_HOME", "state"), home]), Some("/home/me/.local/state/gaffer".into()));
        assert_eq!(base(false, &[("HOME", "")]), None);
        assert_eq!(base(true, &[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), home]), Some("/var/lib/a".into()));
        assert_eq!(base(true, &[("STATE_DIRECTORY", "a")]), Some(OF_ROOT.into()));
    }

    #[test]
    fn jobs_are_kept_where_the_next_run_would_look_for_them() {
        let keeps = |options: &[&str], ini: &str| settings(options, ini).unwrap().state.jobs;
        assert_eq!(keeps(&[], ""), KeepJobs::IfPossible);
        assert_eq!(keeps(&["--bind", "unix:x"], ""), KeepJobs::IfPossible);
        assert_eq!(keeps(&["--bind", ":0"], ""), KeepJobs::Never, "another time it is another port");
        assert_eq!(keeps(&["--bind", ":0", "--state-dir", "a"], ""), KeepJobs::Always);
        assert_eq!(keeps(&[], "[gaffer]\nstate_dir = a\n"), KeepJobs::Always);
        assert_eq!(keeps(&["--no-state"], "[gaffer]\nstate_dir = a\n"), KeepJobs::Never);
        let error = settings(&["--no-state", "--require-key"], "").unwrap_err();
        assert!(error.starts_with("--no-state: keys are required"), "{error}");
    }

    #[test]
    fn each_configuration_has_a_folder_of_its_own() {
        let endpoints = settings(&[], "").unwrap().endpoints;
        let of = |config: Option<&str>| instance(config.map(Path::new), &endpoints);
        assert_eq!(of(Some("Cargo.toml")), of(Some("./Cargo.toml")));
        assert_ne!(of(Some("Cargo.toml")), of(Some("src/lib.rs")));
        assert_ne!(of(Some("Cargo.toml")), of(None));
        assert_eq!(of(None).len(), 16);
        let elsewhere = settings(&["--bind", ":1"], "").unwrap().endpoints;
        assert_ne!(of(None), instance(None, &elsewhere));
    }
}
