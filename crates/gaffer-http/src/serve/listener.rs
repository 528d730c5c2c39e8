//! Sockets that listen.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixListener as StdUnixListener,
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gaffer_core::ini::SocketOwner;
use socket2::{SockRef, Socket, TcpKeepalive, Type};
use tokio::{
    net::{TcpListener, TcpSocket, UnixListener, UnixStream, lookup_host},
    task::spawn_blocking,
};

use super::{
    BindAddress, Limits, Peer, PortUser, SocketFileError, TlsError, TlsFiles,
    socket_file::{self, Rights, SocketFile},
    stream::Stream,
    tls::Tls,
};

/// Connections that the kernel holds until they are accepted, where nothing else is set; it caps the number at its `somaxconn`.
pub const DEFAULT_BACKLOG: u32 = 128;

/// Bytes of an answer that the kernel takes in before the peer's window has room for them.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;
/// The mode of the file of a unix socket, where nothing else is set: only its owner may connect.
pub const DEFAULT_MODE: u32 = 0o600;

/// One place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// For logs: the section's name in the configuration.
    pub name: String,
    /// Where.
    pub bind: BindAddress,
    /// Connections that the kernel holds until they are accepted.
    pub backlog: u32,
    /// The mode of the file, if it is a unix socket.
    pub mode: u32,
    /// The owner of the file, if it is a unix socket and not to be ours.
    pub owner: Option<SocketOwner>,
    /// The files that make it speak TLS.
    pub tls: Option<TlsFiles>,
    /// What its clients may cost.
    pub limits: Limits,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            bind: BindAddress::default(),
            backlog: DEFAULT_BACKLOG,
            mode: DEFAULT_MODE,
            owner: None,
            tls: None,
            limits: Limits::default(),
        }
    }
}

/// Why an endpoint could not be listened at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    #[error(
        "cannot listen on {address}: it is in use{}; stop what listens there, or choose another address",
        PortUser::by(user.as_ref())
    )]
    InUse {
        /// Which address.
        address: BindAddress,
        /// Who, if that may be known.
        user: Option<PortUser>,
    },
    /// It is another machine's address, or nobody's.
    #[error(
        "cannot listen on {address}: no interface of this machine has the address; choose another, or 0.0.0.0 for all"
    )]
    NotHere {
        /// Which address.
        address: BindAddress,
    },
    /// The port is kept for privileged programs.
    #[error(
        "cannot listen on {address}: it is not permitted; ports below 1024 need rights: choose another port, or give it \
         the capability CAP_NET_BIND_SERVICE"
    )]
    NotPermitted {
        /// Which address.
        address: BindAddress,
    },
    /// The file of a unix socket.
    #[error("cannot listen on {address}")]
    SocketFile {
        /// Which address.
        address: BindAddress,
        /// What is wrong with it.
        #[source]
        source: SocketFileError,
    },
    /// A file of TLS.
    #[error("cannot serve TLS at endpoint `{endpoint}`")]
    Tls {
        /// The endpoint's name.
        endpoint: String,
        /// What is wrong with it.
        #[source]
        source: TlsError,
    },
    /// A socket that was handed over is of no use.
    #[error("cannot listen at endpoint `{endpoint}` on the socket that was handed over: {problem}")]
    Inherited {
        /// The endpoint's name.
        endpoint: String,
        /// What is wrong with it.
        problem: &'static str,
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

/// Where a listener really listens. Shown as a URL, or as `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The endpoint's name.
    pub endpoint: String,
    /// With the port that the kernel chose, if it was to choose.
    pub address: LocalAddress,
    /// Whether it speaks TLS.
    pub tls: bool,
}

/// The address of a socket that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalAddress {
    /// An address with its port.
    Tcp(SocketAddr),
    /// The absolute path of a unix socket.
    Unix(PathBuf),
}

impl LocalAddress {
    /// That of a TCP socket, or of a unix socket with a path.
    pub fn of(socket: impl AsFd) -> Option<Self> {
        let address = SockRef::from(&socket).local_addr().ok()?;
        let path = || address.as_pathname().map(|path| Self::Unix(path.to_owned()));
        address.as_socket().map(Self::Tcp).or_else(path)
    }

    /// Whether it is a port that only programs of this machine reach.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => false,
        }
    }
}

impl Listening {
    /// The address and port, unless it is a unix socket.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self.address {
            LocalAddress::Tcp(address) => Some(address),
            LocalAddress::Unix(_) => None,
        }
    }

    /// The path, if it is a unix socket.
    pub fn unix(&self) -> Option<&Path> {
        match &self.address {
            LocalAddress::Tcp(_) => None,
            LocalAddress::Unix(path) => Some(path),
        }
    }
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.address, self.tls) {
            (LocalAddress::Tcp(address), false) => write!(f, "http://{address}"),
            (LocalAddress::Tcp(address), true) => write!(f, "https://{address}"),
            (LocalAddress::Unix(path), false) => write!(f, "unix:{}", path.display()),
            (LocalAddress::Unix(path), true) => write!(f, "unix:{} (TLS)", path.display()),
        }
    }
}

/// A socket that listens. Connections queue up in the kernel until [`Server::start`](super::Server::start) takes them.
///
/// The file of a unix socket is removed when this is dropped, unless another has taken its place, or the socket was handed over.
#[derive(Debug)]
pub struct Listener {
    /// As it was asked for.
    endpoint: Endpoint,
    listening: Listening,
    tls: Option<Arc<Tls>>,
    /// Shared with the one that takes it over.
    socket: Arc<ListeningSocket>,
}

/// A listener that is closed.
#[derive(Debug)]
pub(super) struct Former {
    endpoint: Endpoint,
    address: LocalAddress,
    tls: Option<Arc<Tls>>,
}

#[derive(Debug)]
enum ListeningSocket {
    Tcp {
        listener: TcpListener,
        inherited: bool,
    },
    Unix {
        /// First, so that it is removed while the socket still listens. `None` if the socket was handed over.
        file: Option<SocketFile>,
        listener: UnixListener,
    },
}

impl Listener {
    /// Listens at an endpoint.
    ///
    /// Of a host name that has addresses of both families, the first IPv4 one is taken. The socket of a server that is gone
    /// without having removed it is replaced.
    ///
    /// # Errors
    /// When the host is unknown, the address is taken (then the error names who has it, if it can be found out), a file of
    /// TLS is wrong, or the kernel refuses for another reason. Nothing is left behind then.
    pub async fn bind(endpoint: &Endpoint) -> Result<Self, BindError> {
        Self::bind_with(endpoint, load_tls(endpoint).await?).await
    }

    async fn bind_with(endpoint: &Endpoint, tls: Option<Arc<Tls>>) -> Result<Self, BindError> {
        let (address, socket) = match &endpoint.bind {
            BindAddress::Tcp { host, port } => bind_tcp(endpoint, host, *port).await?,
            BindAddress::Unix(path) => bind_unix(endpoint, path).await?,
        };
        Ok(Self::on(endpoint, address, tls, Arc::new(socket)))
    }

    fn on(endpoint: &Endpoint, address: LocalAddress, tls: Option<Arc<Tls>>, socket: Arc<ListeningSocket>) -> Self {
        let listening = Listening { endpoint: endpoint.name.clone(), address, tls: tls.is_some() };
        Self { endpoint: endpoint.clone(), listening, tls, socket }
    }

    /// Serves an endpoint on a socket that listens already: whoever started this program made it, as socket activation does. Where
    /// it listens, and how many connections may wait there, is for its maker to say; so are mode and owner of its file, which stays
    /// when this is dropped.
    ///
    /// # Errors
    /// When it is no stream socket that listens, or a file of TLS is wrong.
    pub async fn inherited(endpoint: &Endpoint, socket: OwnedFd) -> Result<Self, BindError> {
        let tls = load_tls(endpoint).await?;
        let refused = |problem| BindError::Inherited { endpoint: endpoint.name.clone(), problem };
        let failed = |source| BindError::Os { address: endpoint.bind.clone(), source };
        let socket = Socket::from(socket);
        if !socket.r#type().is_ok_and(|kind| kind == Type::STREAM) {
            return Err(refused("it is no stream socket (ListenStream= of a socket unit makes one)"));
        }
        if !socket.is_listener().map_err(failed)? {
            return Err(refused("it does not listen (a socket unit must have Accept=no)"));
        }
        let address =
            LocalAddress::of(&socket).ok_or_else(|| refused("it is neither a TCP nor a unix socket with a name"))?;
        socket.set_nonblocking(true).map_err(failed)?;
        let socket = match address {
            LocalAddress::Unix(_) => {
                let listener = UnixListener::from_std(StdUnixListener::from(socket)).map_err(failed)?;
                ListeningSocket::Unix { file: None, listener }
            }
            LocalAddress::Tcp(_) => {
                prepare(&SockRef::from(&socket)).map_err(failed)?;
                let listener = TcpListener::from_std(socket.into()).map_err(failed)?;
                ListeningSocket::Tcp { listener, inherited: true }
            }
        };
        Ok(Self::on(endpoint, address, tls, Arc::new(socket)))
    }

    /// Serves another endpoint on the same socket, once the two have changed places: nobody who connects meanwhile is refused.
    ///
    /// # Errors
    /// When a file of TLS is wrong, or the owner of a socket's file is not known.
    pub(super) async fn succeed(&self, endpoint: &Endpoint) -> Result<Self, BindError> {
        let tls = load_tls(endpoint).await?;
        if let (ListeningSocket::Unix { file: Some(_), .. }, Some(owner)) = (&*self.socket, endpoint.owner.clone()) {
            let refused = |source| BindError::SocketFile { address: endpoint.bind.clone(), source };
            let known = spawn_blocking(move || socket_file::ids(&owner)).await;
            known.map_err(|error| refused(io::Error::other(error).into()))?.map_err(refused)?;
        }
        Ok(Self::on(endpoint, self.listening.address.clone(), tls, Arc::clone(&self.socket)))
    }

    /// Gives the socket that this one [has of another](Self::succeed) what its endpoint says of it.
    pub(super) async fn settle(&self) -> Result<(), SocketFileError> {
        let rights = Rights { mode: self.endpoint.mode, owner: self.endpoint.owner.clone() };
        let (socket, backlog) = (Arc::clone(&self.socket), signed(self.endpoint.backlog));
        let settling = move || match &*socket {
            ListeningSocket::Tcp { inherited: true, .. } | ListeningSocket::Unix { file: None, .. } => Ok(()),
            // To listen again is to say how many may wait.
            ListeningSocket::Tcp { listener, inherited: false } => Ok(SockRef::from(listener).listen(backlog)?),
            ListeningSocket::Unix { file: Some(file), listener } => {
                file.give(&rights)?;
                Ok(SockRef::from(listener).listen(backlog)?)
            }
        };
        spawn_blocking(settling).await.map_err(|error| SocketFileError::from(io::Error::other(error)))?
    }

    /// Whether an endpoint of this address would be where this one is.
    pub(super) async fn is_at(&self, bind: &BindAddress) -> bool {
        if self.endpoint.bind == *bind {
            return true;
        }
        match (bind, &self.listening.address) {
            (BindAddress::Unix(path), LocalAddress::Unix(own)) => {
                std::path::absolute(path).is_ok_and(|path| path == *own)
            }
            (BindAddress::Tcp { host, port: port @ 1.. }, LocalAddress::Tcp(own)) => {
                resolve(host, *port).await.is_ok_and(|address| address == *own)
            }
            (BindAddress::Tcp { .. } | BindAddress::Unix(_), LocalAddress::Tcp(_) | LocalAddress::Unix(_)) => false,
        }
    }

    /// Whether this one may be what keeps an address from being listened on, and closing it would help.
    pub(super) fn is_in_the_way_of(&self, bind: &BindAddress) -> bool {
        match (bind, &*self.socket, &self.listening.address) {
            (
                BindAddress::Tcp { host, port },
                ListeningSocket::Tcp { inherited: false, .. },
                LocalAddress::Tcp(own),
            ) => {
                let of_all = own.ip().is_unspecified() || host.parse().is_ok_and(|ip: IpAddr| ip.is_unspecified());
                own.port() == *port && of_all
            }
            // A path is either the same one, or another.
            (
                BindAddress::Tcp { .. } | BindAddress::Unix(_),
                ListeningSocket::Tcp { .. } | ListeningSocket::Unix { .. },
                _,
            ) => false,
        }
    }

    /// What it takes to listen there again.
    pub(super) fn former(&self) -> Former {
        Former { endpoint: self.endpoint.clone(), address: self.listening.address.clone(), tls: self.tls.clone() }
    }

    /// Listens once more where one did that is closed.
    ///
    /// # Errors
    /// As [`bind`](Self::bind), but for files of TLS, which are not read again.
    pub(super) async fn again(former: Former) -> Result<Self, BindError> {
        let Former { endpoint, address, tls } = former;
        let bind = match address {
            // The port that the kernel had chosen, if it had, is the one that clients know.
            LocalAddress::Tcp(address) => BindAddress::Tcp { host: address.ip().to_string(), port: address.port() },
            LocalAddress::Unix(path) => BindAddress::Unix(path),
        };
        let again = Self::bind_with(&Endpoint { bind, ..endpoint.clone() }, tls).await?;
        Ok(Self { endpoint, ..again })
    }

    /// Where it really listens.
    pub fn listening(&self) -> &Listening {
        &self.listening
    }

    /// What its clients may cost.
    pub fn limits(&self) -> &Limits {
        &self.endpoint.limits
    }

    pub(super) fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }

    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &*self.socket {
            ListeningSocket::Tcp { listener, .. } => {
                let (stream, address) = listener.accept().await?;
                Ok((Stream::Tcp(stream), Peer::Tcp(address)))
            }
            ListeningSocket::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                let peer = unix_peer(&stream);
                Ok((Stream::Unix(stream), peer))
            }
        }
    }
}

fn unix_peer(stream: &UnixStream) -> Peer {
    let credentials = stream.peer_cred().ok();
    Peer::Unix {
        uid: credentials.map(|credentials| credentials.uid()),
        os_pid: credentials.and_then(|credentials| credentials.pid()),
    }
}

async fn load_tls(endpoint: &Endpoint) -> Result<Option<Arc<Tls>>, BindError> {
    let Some(files) = &endpoint.tls else { return Ok(None) };
    let wrong = |source| BindError::Tls { endpoint: endpoint.name.clone(), source };
    Ok(Some(Arc::new(Tls::load(files.clone()).await.map_err(wrong)?)))
}

/// The address of a host to listen on: the first IPv4 one, else the first.
async fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    let found: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    let chosen = found.iter().find(|one| one.is_ipv4()).or(found.first()).copied();
    chosen.ok_or_else(|| io::Error::other("it has no address"))
}

async fn bind_tcp(endpoint: &Endpoint, host: &str, port: u16) -> Result<(LocalAddress, ListeningSocket), BindError> {
    let resolved = resolve(host, port).await;
    let wanted = resolved.map_err(|source| BindError::Resolve { address: endpoint.bind.clone(), source })?;
    match listen_tcp(wanted, endpoint.backlog) {
        Ok((listener, local)) => Ok((LocalAddress::Tcp(local), ListeningSocket::Tcp { listener, inherited: false })),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            // It reads files of all processes, so it is kept off the runtime's threads. A failure only costs the hint.
            let user = spawn_blocking(move || PortUser::find(wanted)).await.ok().flatten();
            Err(BindError::InUse { address: endpoint.bind.clone(), user })
        }
        Err(source) => Err(refused_tcp(endpoint.bind.clone(), source)),
    }
}

/// Names the cure where there is one.
fn refused_tcp(address: BindAddress, source: io::Error) -> BindError {
    if source.kind() == io::ErrorKind::AddrNotAvailable {
        BindError::NotHere { address }
    } else if source.kind() == io::ErrorKind::PermissionDenied {
        BindError::NotPermitted { address }
    } else {
        BindError::Os { address, source }
    }
}

fn listen_tcp(address: SocketAddr, backlog: u32) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restarted server must get its port back although connections of the last one linger in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    prepare(&SockRef::from(&socket))?;
    socket.bind(address)?;
    let socket = socket.listen(signed(backlog).unsigned_abs())?;
    let local = socket.local_addr()?;
    Ok((socket, local))
}

/// Gives a socket what the connections that are accepted on it inherit (on Linux).
fn prepare(socket: &SockRef<'_>) -> io::Result<()> {
    // An event is to arrive when it happens.
    socket.set_tcp_nodelay(true)?;
    // A feed writes nothing for hours, and would never notice that its reader's machine is gone.
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);
    socket.set_tcp_keepalive(&keepalive)?;
    // What waits for a slow reader waits in its feed, where it is bounded and the oldest goes; not in megabytes of the kernel's.
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT)?;
    Ok(())
}

/// A backlog as the kernel takes it, which caps it further.
fn signed(backlog: u32) -> i32 {
    i32::try_from(backlog).unwrap_or(i32::MAX)
}

async fn bind_unix(endpoint: &Endpoint, path: &Path) -> Result<(LocalAddress, ListeningSocket), BindError> {
    let refused = |source| {
        let address = endpoint.bind.clone();
        if let SocketFileError::InUse { user } = source {
            return BindError::InUse { address, user };
        }
        BindError::SocketFile { address, source }
    };
    let rights = Rights { mode: endpoint.mode, owner: endpoint.owner.clone() };
    let (owned, backlog) = (path.to_owned(), signed(endpoint.backlog));
    let listening = spawn_blocking(move || socket_file::listen(&owned, &rights, backlog)).await;
    let (socket, file) = listening.map_err(|error| refused(io::Error::other(error).into()))?.map_err(refused)?;
    let address = LocalAddress::Unix(file.path().to_owned());
    let listener = UnixListener::from_std(StdUnixListener::from(socket)).map_err(|error| refused(error.into()))?;
    Ok((address, ListeningSocket::Unix { file: Some(file), listener }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_kernel_names_its_cure() {
        let refusal = |kind| refused_tcp("192.0.2.1:80".parse().unwrap(), io::Error::from(kind)).to_string();
        let start = "cannot listen on 192.0.2.1:80: ";
        let text = refusal(io::ErrorKind::AddrNotAvailable);
        assert!(text.starts_with(&format!("{start}no interface of this machine has the address")), "{text}");
        let text = refusal(io::ErrorKind::PermissionDenied);
        assert!(text.starts_with(&format!("{start}it is not permitted; ports below 1024 need rights")), "{text}");
    }

    #[tokio::test]
    async fn accepted_connections_inherit_what_was_set() {
        let (listener, address) = listen_tcp(SocketAddr::from(([127, 0, 0, 1], 0)), 1).unwrap();
        let client = tokio::net::TcpStream::connect(address);
        let (client, accepted) = tokio::join!(client, listener.accept());
        client.unwrap();
        let (accepted, _) = accepted.unwrap();
        assert!(accepted.nodelay().unwrap());
        assert!(SockRef::from(&accepted).keepalive().unwrap());
        assert_eq!(SockRef::from(&accepted).tcp_keepalive_time().unwrap(), Duration::from_secs(60));
    }
}
