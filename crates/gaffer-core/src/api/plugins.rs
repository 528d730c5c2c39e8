//! What plugins a node has.

use serde::{Deserialize, Serialize};

use crate::names::{JobName, ProcessId};

/// A plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginInfo {
    /// What it is called.
    pub name: String,
    /// Its version, if it says.
    pub version: Option<String>,
    /// What it is for, if it says.
    pub description: Option<String>,
    /// The plugins that it cannot do without.
    #[serde(default)]
    pub mandatory: Vec<String>,
    /// The path of its site, if it has one.
    pub site: Option<String>,
    /// Its application, if it has one.
    pub app: Option<AppInfo>,
}

/// The application of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppInfo {
    /// The job that it runs as.
    pub job: JobName,
    /// What it is doing.
    pub state: AppState,
    /// Its process, if one runs; the oldest, if there are several.
    pub pid: Option<ProcessId>,
    /// Launches that replaced a process which exited unasked or did not start.
    pub restarts: u64,
    /// Why it does not run as it should, if it does not.
    pub cause: Option<String>,
}

/// What an application of a plugin is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppState {
    /// It runs, and has not said that it is ready. Not all say it.
    Running,
    /// It runs, and has said that it is ready.
    Ready,
    /// It does not run, and is launched again after a while.
    Waiting,
    /// Nobody wants it to run: somebody has stopped its job, or unloaded it.
    Stopped,
}

impl AppState {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
        }
    }
}
