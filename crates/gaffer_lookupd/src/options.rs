//! What there is to choose.

use std::time::Duration;

use gaffer_http::front::Front;

/// How it is found out whether nodes are still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pings {
    /// After how long a silence a node is asked for a sign of life. Default: 15 s.
    pub interval: Duration,
    /// How long it may take to give one; then it is gone. Default: 15 s.
    pub timeout: Duration,
}

impl Default for Pings {
    fn default() -> Self {
        Self { interval: Duration::from_secs(15), timeout: Duration::from_secs(15) }
    }
}

/// What there is to choose about a lookup server.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whom it lets in.
    pub front: Front,
    /// How it is found out whether nodes are still there.
    pub pings: Pings,
}
