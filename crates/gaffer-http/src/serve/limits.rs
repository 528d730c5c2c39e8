//! What clients may cost.

use std::time::Duration;

/// What the clients of one endpoint may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; who comes beyond them is refused. Default: 4,096, far more than clients of one node, and few enough
    /// that the usual 20,000 and more descriptors of a daemon leave most of them to the pipes of its processes.
    pub max_connections: usize,
    /// Time for the head of a request to arrive, from its first byte on; also for a TLS handshake, and for the first request
    /// of a connection. Default: 30 s.
    pub header_timeout: Duration,
    /// Time that a connection is kept without a request. A feed or a websocket in progress is one. Default: 75 s.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_connections: 4096, header_timeout: Duration::from_secs(30), idle_timeout: Duration::from_secs(75) }
    }
}
