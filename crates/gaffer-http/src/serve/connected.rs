//! What a request may know of the connection that it came on.

use std::{fmt, net::SocketAddr, sync::Arc};

use tokio::sync::OwnedSemaphorePermit;

/// The connection that a request came on; an extension of every request.
///
/// The connection counts against its endpoint's limit until it is closed and all clones of this are gone. Whatever goes on
/// with a connection after its upgrade (a websocket) holds one as long as it lives.
#[derive(Clone, Debug)]
pub struct Connected {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    endpoint: Arc<str>,
    peer: Peer,
    tls: bool,
    _slot: OwnedSemaphorePermit,
}

impl Connected {
    pub(super) fn new(endpoint: Arc<str>, peer: Peer, tls: bool, slot: OwnedSemaphorePermit) -> Self {
        Self { inner: Arc::new(Inner { endpoint, peer, tls, _slot: slot }) }
    }

    /// The name of the endpoint.
    pub fn endpoint(&self) -> &str {
        &self.inner.endpoint
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.inner.peer
    }

    /// Whether what is sent is secret.
    pub fn is_tls(&self) -> bool {
        self.inner.tls
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// Some machine.
    Tcp(SocketAddr),
    /// A process of this machine, as the kernel knew it when it connected.
    Unix {
        /// Its user.
        uid: Option<u32>,
        /// The kernel's number; by now it may be another's.
        os_pid: Option<i32>,
    },
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { os_pid: Some(os_pid), .. } => write!(f, "os_pid {os_pid}"),
            Self::Unix { os_pid: None, .. } => f.write_str("a local process"),
        }
    }
}
