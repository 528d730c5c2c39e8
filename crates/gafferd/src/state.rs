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
use gaffer_state::{Access, DEFAULT_SESSION_LIFETIME, StateFile, StateFolder};
use nix::unistd::Uid;
use sha2::{Digest, Sha256};
use tracing::warn;

use crate::{args::Args, endpoints::Configured};

/// Where root's is.
const OF_ROOT: &str = "/var/lib/gafferd";

/// What is kept, and what for.
#[derive(Debug)]
pub(crate) struct State {
    /// Where.
    pub(crate) folder: PathBuf,
    /// Whether requests need a key.
    pub(crate) requires_key: bool,
    /// How long a key from a log-in is good.
    pub(crate) session_lifetime: Duration,
    /// How to name this configuration to gafferd again.
    command: String,
}

/// What is open for as long as the node runs.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) access: Option<Access>,
    /// Where else what is to outlive the node is kept.
    pub(crate) file: Option<StateFile>,
    /// Its lock keeps another gafferd off.
    pub(crate) folder: Option<StateFolder>,
}

/// What the command line says, else the configuration, else the default: a folder for each configuration.
///
/// # Errors
/// When there is nowhere to have a folder.
pub(crate) fn of(args: &Args, config: &NodeConfig, endpoints: &[Configured]) -> Result<State, String> {
    let requires_key = args.require_key || config.settings.require_key;
    let given = args.state_dir.clone().or_else(|| config.settings.state_dir.clone());
    let is_used = requires_key || args.create_admin_user || args.list_admins;
    let folder = match given {
        Some(folder) => folder,
        None => match base(Uid::effective().is_root(), env::var_os("XDG_STATE_HOME"), env::var_os("HOME")) {
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
    Ok(State { folder, requires_key, session_lifetime, command })
}

fn base(is_root: bool, state_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    if is_root {
        return Some(OF_ROOT.into());
    }
    // As its specification has it: a relative path counts for nothing.
    let state_home = state_home.map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home.filter(|home| !home.is_empty()).map(PathBuf::from);
    let state_home = state_home.or_else(|| home.map(|home| home.join(".local/state")));
    state_home.map(|state_home| state_home.join("gaffer"))
}

/// What tells the nodes of one machine apart: the path of the configuration, else where the first endpoint is.
fn instance(config: Option<&Path>, endpoints: &[Configured]) -> String {
    let told = match config {
        Some(path) => path.canonicalize().unwrap_or_else(|_| path.to_path_buf()).into_os_string().into_encoded_bytes(),
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
        if !self.requires_key {
            return Ok(Open { access: None, file: None, folder: None });
        }
        let folder = StateFolder::lock(&self.folder)?;
        let file = folder.file()?;
        let access = Access::open_for(file.clone(), self.session_lifetime).await?;
        if !access.has_admin_key() {
            let command = &self.command;
            warn!(
                "keys are required, and there is none that permits everything; make one: {command} --create-admin-user"
            );
        }
        Ok(Open { access: Some(access), file: Some(file), folder: Some(folder) })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::settings;

    #[test]
    fn a_folder_is_where_it_is_said_to_be_or_below_that_of_the_user() {
        let folder = |options: &[&str], ini: &str| settings(options, ini).unwrap().state.folder;
        assert_eq!(folder(&["--state-dir", "a"], "[gaffer]\nstate_dir = b\n"), Path::new("a"));
        assert_eq!(folder(&[], "[gaffer]\nstate_dir = b\n"), Path::new("b"));
        let base = |is_root, state_home: Option<&str>, home: Option<&str>| {
            base(is_root, state_home.map(Into::into), home.map(Into::into))
        };
        assert_eq!(base(true, None, None), Some(OF_ROOT.into()));
        assert_eq!(base(false, Some("/state"), Some("/home/me")), Some("/state/gaffer".into()));
        assert_eq!(base(false, Some("state"), Some("/home/me")), Some("/home/me/.local/state/gaffer".into()));
        assert_eq!(base(false, None, Some("")), None);
    }

    #[test]
    fn each_configuration_has_a_folder_of_its_own() {
        let endpoints = settings(&[], "").unwrap().endpoints;
        let of = |config: Option<&str>| instance(config.map(Path::new), &endpoints);
        assert_eq!(of(Some("Cargo.toml")), of(Some("src/../Cargo.toml")));
        assert_ne!(of(Some("Cargo.toml")), of(Some("src/lib.rs")));
        assert_ne!(of(Some("Cargo.toml")), of(None));
        assert_eq!(of(None).len(), 16);
        let elsewhere = settings(&["--bind", ":1"], "").unwrap().endpoints;
        assert_ne!(of(None), instance(None, &elsewhere));
    }
}
