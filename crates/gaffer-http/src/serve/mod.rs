//! Listening sockets and the connections that come in on them, for any router.
//!
//! [`Listener::bind`] takes an [`Endpoint`]: a port or a unix socket, with TLS or without. [`Server::start`] serves a router on
//! any number of listeners, and [`Server::shutdown`] ends it within a stated time. All sockets have the same loop, and it
//! knows nothing of what the router serves. Every request has a [`Connected`] among its extensions; what goes on with a
//! connection after an upgrade shares the [`Lifetime`] of the endpoint, which is a part of the server's. [`Certificates`] are read anew, and [`Endpoints`] come
//! and go, without a restart.
//!
//! A client can cost a connection slot, a descriptor and a bounded buffer, but not more: handshakes and heads must arrive in
//! time, what is kept without a request is closed in the end, what is too large is refused, and so is who comes beyond the
//! [`Limits`]. A peer that vanished is found by TCP keepalive, or by pings of HTTP/2. A connection arms one timer when it
//! begins and puts it off only when it goes off early; while a feed runs on HTTP/1.1 there is none, so an idle server makes no
//! system call.

mod accept;
mod activity;
mod backoff;
mod connected;
mod connection;
mod endpoints;
mod farewell;
mod lifetime;
mod limits;
mod listener;
mod port_user;
mod refusal;
mod server;
mod socket_file;
mod stream;
pub(crate) mod tls;
mod watched;

pub use connected::{Connected, Peer};
pub use endpoints::{Endpoints, ReplaceError};
pub use gaffer_core::ini::SocketOwner;
pub use gaffer_core::ini::{BindAddress, DEFAULT_PORT, InvalidAddress};
pub use lifetime::Lifetime;
pub use limits::Limits;
pub use listener::{BindError, DEFAULT_BACKLOG, DEFAULT_MODE, Endpoint, Listener, Listening, LocalAddress};
pub use port_user::PortUser;
pub use server::Server;
pub use socket_file::SocketFileError;
pub use tls::{Certificates, ReloadError, TlsError, TlsFiles, TlsProblem};
