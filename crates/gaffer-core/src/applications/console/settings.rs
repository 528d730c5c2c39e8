//! What the console shows, and how.

use std::collections::BTreeMap;

use crate::{events::EventKind, names::JobName};

/// The events that are shown where nothing else is asked for.
pub const DEFAULT_ACTIONS: [EventKind; 6] =
    [EventKind::Start, EventKind::Stop, EventKind::Spawn, EventKind::Reap, EventKind::Exit, EventKind::StopPid];

/// What is shown, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleSettings {
    /// Whether each job has a colour of its own. Default: yes.
    pub colorize: bool,
    /// Whether that also holds on the writer for what processes write to stderr, which may lead elsewhere. Default: yes.
    pub colorize_errors: bool,
    /// Whether output of processes is shown, as far as their jobs redirect it. Default: yes.
    pub output_streams: bool,
    /// Which events are shown. Default: [`DEFAULT_ACTIONS`].
    pub actions: Vec<EventKind>,
    /// What jobs are called instead of by their names. Default: nothing.
    pub labels: BTreeMap<JobName, String>,
    /// Whether all bars stand in one column, behind the longest label. Default: no.
    pub aligned: bool,
    /// Whether every byte of output is shown, blank lines and bytes that are no UTF-8 as they are: processes wait for a writer
    /// that stalls, and so does the end of the console,
    /// unless it is [hurried](super::ConsoleOutput::hurry). The manager must have been started with
    /// [`expect_sinks`](crate::ManagerOptions::expect_sinks). Default: no.
    pub lossless: bool,
    /// Whether an exit with another code than 0, or by a signal, says so. Default: no.
    pub exit_reasons: bool,
}

impl Default for ConsoleSettings {
    fn default() -> Self {
        Self {
            colorize: true,
            colorize_errors: true,
            output_streams: true,
            actions: DEFAULT_ACTIONS.to_vec(),
            labels: BTreeMap::new(),
            aligned: false,
            lossless: false,
            exit_reasons: false,
        }
    }
}
