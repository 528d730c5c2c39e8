//! Client programs that others wrote.
//!
//! `tests/clients/install.sh <folder>` installs them, and the variable `GAFFER_TEST_CLIENTS` names that folder to the tests.
//! Where it is not set, or where one could not be installed, the tests that need it are skipped.

use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::{repository, skip};

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
    /// Packages for Node, among them SockJS's own client. They need a Node on the `PATH`.
    Js,
}

impl Environment {
    const fn folder(self) -> &'static str {
        match self {
            Self::Gaffer04 => "g044",
            Self::Gaffer05 => "g052",
            Self::Modern => "modern",
            Self::Js => "js",
        }
    }

    const fn content(self) -> &'static str {
        match self {
            Self::Gaffer04 => "gaffer 0.4.4",
            Self::Gaffer05 => "gaffer 0.5.2",
            Self::Modern => "Python's websockets",
            Self::Js => "clients in JavaScript",
        }
    }

    fn runs(self, environment: &Path) -> bool {
        match self {
            Self::Gaffer04 | Self::Gaffer05 | Self::Modern => environment.join("bin/python").exists(),
            Self::Js => environment.join("node_modules").exists() && on_path("node").is_some(),
        }
    }

    /// Where it is installed. If it is not, that is said once, with what to do about it.
    pub fn locate(self) -> Option<PathBuf> {
        let folder = env::var_os(VARIABLE).map(PathBuf::from);
        if let Some(folder) = &folder {
            // Cargo starts tests in their package's folder, whoever set the variable was probably in the repository's.
            let environment = repository().join(folder).join(self.folder());
            if self.runs(&environment) {
                return Some(environment);
            }
        }
        let (content, name) = (self.content(), self.folder());
        skip_once(match folder {
            Some(folder) => format!("tests with {content}: {} has no {name} that runs", folder.display()),
            None => format!(
                "tests with {content}; to run them: tests/clients/install.sh target/clients && \
                 {VARIABLE}=target/clients cargo test -p gaffer-tests"
            ),
        });
        None
    }
}

/// The browser. If there is none, that is said once.
pub(crate) fn chromium() -> Option<PathBuf> {
    let found = on_path("chromium");
    if found.is_none() {
        skip_once("tests with a browser: there is no chromium on the PATH".to_owned());
    }
    found
}

fn on_path(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.exists())
}

fn skip_once(why: String) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if !said.contains(&why) {
        skip(&why);
        said.insert(why);
    }
}
