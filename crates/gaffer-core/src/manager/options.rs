//! What a manager is started with.

use std::{collections::BTreeMap, ffi::OsString, time::Duration};

use super::RecordSender;
use crate::streams::TerminalSize;

/// What a manager is started with.
#[derive(Clone, Debug)]
pub struct ManagerOptions {
    /// The environment that jobs with `os_env` inherit; by default this process's own.
    pub environment: BTreeMap<OsString, OsString>,
    /// How many events a slow subscriber may have waiting before it loses the oldest; by default the manual's 10,000.
    pub event_queue: usize,
    /// Gives each process a pseudo-terminal of this size for stdin and stdout, and one for stderr; by default they get what their
    /// jobs say: pipes, or `/dev/null`. The labels stay as the jobs have them.
    pub terminal: Option<TerminalSize>,
    /// Has each output wait for its sink ([`Output::attach_sink`](crate::streams::Output::attach_sink)) from its first byte on,
    /// instead of dropping what is old: for who attaches one to each, and must not lose what is written before. By default no.
    pub expect_sinks: bool,
    /// Time between two refreshes of watched stats; by default, and at the least, 0.1 s.
    pub stats_interval: Duration,
    /// Where to tell what is to outlive the manager ([`records`](super::records())); by default nowhere. Its other end must be read: a
    /// command that changes a job is answered only when its record is.
    pub records: Option<RecordSender>,
}

impl Default for ManagerOptions {
    fn default() -> Self {
        Self {
            environment: std::env::vars_os().collect(),
            event_queue: 10_000,
            terminal: None,
            expect_sinks: false,
            stats_interval: Duration::from_millis(100),
            records: None,
        }
    }
}
