//! What a manager is started with.

use std::{collections::BTreeMap, ffi::OsString, time::Duration};

/// What a manager is started with.
#[derive(Clone, Debug)]
pub struct ManagerOptions {
    /// The environment that jobs with `os_env` inherit; by default this process's own.
    pub environment: BTreeMap<OsString, OsString>,
    /// How many events a slow subscriber may have waiting before it loses the oldest; by default the manual's 10,000.
    pub event_queue: usize,
    /// Time between two refreshes of watched stats; by default, and at the least, 0.1 s.
    pub stats_interval: Duration,
}

impl Default for ManagerOptions {
    fn default() -> Self {
        Self {
            environment: std::env::vars_os().collect(),
            event_queue: 10_000,
            stats_interval: Duration::from_millis(100),
        }
    }
}
