//! What a request may know of the connection that it came on.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use tokio::sync::OwnedSemaphorePermit;

use super::Lifetime;

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
    is_loopback: bool,
    lifetime: Lifetime,
    _slot: OwnedSemaphorePermit,
}

impl Connected {
    pub(super) fn new(
        endpoint: Arc<str>,
        peer: Peer,
        tls: bool,
        is_loopback: bool,
        lifetime: Lifetime,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        Self { inner: Arc::new(Inner { endpoint, peer, tls, is_loopback, lifetime, _slot: slot }) }
    }

    /// The name of the endpoint.
    pub fn endpoint(&self) -> &str {
        &self.inner.endpoint
    }

    /// That of the endpoint, which may be closed before the server is: endless answers and websockets end with it.
    pub fn lifetime(&self) -> &Lifetime {
        &self.inner.lifetime
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.inner.peer
    }

    /// Whether the endpoint is a port that only programs of this machine reach.
    pub fn is_loopback(&self) -> bool {
        self.inner.is_loopback
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

impl Peer {
    /// Whether it is a program of this machine that connected by a loopback address.
    pub fn is_loopback(&self) -> bool {
        matches!(self, Self::Tcp(address) if address.ip().to_canonical().is_loopback())
    }

    /// From where, so that it is the same for the next connection: an address without its port, or a user.
    pub fn place(&self) -> String {
        match self {
            Self::Tcp(address) => match address.ip().to_canonical() {
                // A host has as many of the others as it likes.
                IpAddr::V6(ip) if !ip.is_loopback() => {
                    let [a, b, c, d, ..] = ip.segments();
                    format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
                }
                ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip.to_string(),
            },
            Self::Unix { uid: Some(uid), .. } => format!("uid {uid}"),
            Self::Unix { uid: None, .. } => "a local process".to_owned(),
        }
    }
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
