//! Sockets that listen.

use std::{io, net::SocketAddr, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use super::{BindAddress, PortUser};

/// Connections that the kernel holds until they are accepted, where nothing else is set; it caps the number at its `somaxconn`.
pub const DEFAULT_BACKLOG: u32 = 128;

/// One place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// For logs: the section's name in the configuration.
    pub name: String,
    /// Where.
    pub bind: BindAddress,
    /// Connections that the kernel holds until they are accepted.
    pub backlog: u32,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self { name: "default".to_owned(), bind: BindAddress::default(), backlog: DEFAULT_BACKLOG }
    }
}

/// Why an address could not be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The host's name is not known.
    #[error("cannot listen on {address}: its host cannot be resolved")]
    Resolve {
        /// Which address.
        address: BindAddress,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// Somebody else listens there.
    #[error("cannot listen on {address}: it is in use{}", user.as_ref().map(|user| format!(" by {user}")).unwrap_or_default())]
    InUse {
        /// Which address.
        address: BindAddress,
        /// Who, if that may be known.
        user: Option<PortUser>,
    },
    /// Anything else that the kernel refused.
    #[error("cannot listen on {address}")]
    Os {
        /// Which address.
        address: BindAddress,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// A socket that listens. Connections queue up in the kernel until [`Server::start`](super::Server::start) takes them.
#[derive(Debug)]
pub struct Listener {
    name: String,
    local: SocketAddr,
    pub(super) socket: TcpListener,
}

impl Listener {
    /// Listens at an endpoint.
    ///
    /// Of a host name that has addresses of both families, the first IPv4 one is taken.
    ///
    /// # Errors
    /// When the host is unknown, the address is taken (then the error names who has it, if it can be found out), or the kernel
    /// refuses for another reason.
    pub async fn bind(endpoint: &Endpoint) -> Result<Self, BindError> {
        let address = &endpoint.bind;
        let resolved = lookup_host((address.host(), address.port())).await;
        let choose = |found: Vec<SocketAddr>| found.iter().find(|one| one.is_ipv4()).or(found.first()).copied();
        let wanted = resolved
            .and_then(|found| choose(found.collect()).ok_or_else(|| io::Error::other("it has no address")))
            .map_err(|source| BindError::Resolve { address: address.clone(), source })?;
        match listen(wanted, endpoint.backlog) {
            Ok((socket, local)) => Ok(Self { name: endpoint.name.clone(), local, socket }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                // It reads files of all processes, so it is kept off the runtime's threads. A failure only costs the hint.
                let user = tokio::task::spawn_blocking(move || PortUser::find(wanted)).await.ok().flatten();
                Err(BindError::InUse { address: address.clone(), user })
            }
            Err(source) => Err(BindError::Os { address: address.clone(), source }),
        }
    }

    /// The endpoint's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it really listens: with the port that the kernel chose, if it was to choose.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restarted server must get its port back although connections of the last one linger in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    // On Linux accepted sockets inherit both of these. Without delay: an event is to arrive when it happens. Keepalive: a feed
    // writes nothing for hours, and would never notice that its reader's machine is gone.
    socket.set_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);
    SockRef::from(&socket).set_tcp_keepalive(&keepalive)?;
    socket.bind(address)?;
    // The kernel takes a signed number, and caps it further.
    let socket = socket.listen(backlog.min(i32::MAX.unsigned_abs()))?;
    let local = socket.local_addr()?;
    Ok((socket, local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_connections_inherit_what_was_set() {
        let (listener, address) = listen(SocketAddr::from(([127, 0, 0, 1], 0)), 1).unwrap();
        let client = tokio::net::TcpStream::connect(address);
        let (client, accepted) = tokio::join!(client, listener.accept());
        client.unwrap();
        let (accepted, _) = accepted.unwrap();
        assert!(accepted.nodelay().unwrap());
        assert!(SockRef::from(&accepted).keepalive().unwrap());
        assert_eq!(SockRef::from(&accepted).tcp_keepalive_time().unwrap(), Duration::from_secs(60));
    }
}
