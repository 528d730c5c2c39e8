//! Listening sockets and the connections that come in on them, for any router.
//!
//! [`Listener::bind`] takes an address, [`Server::start`] serves a router on any number of listeners, and
//! [`Server::shutdown`] ends it within a stated time. There is one loop for all sockets, and it knows nothing of what the
//! router serves.
//!
//! A client can cost a connection slot, a descriptor and a bounded buffer, but not more: headers must arrive in time, what
//! is too large is refused, and a peer that vanished is found by TCP keepalive. An idle server has no timer running, so it
//! makes no system call.

mod address;
mod backoff;
mod listener;
mod port_user;
mod server;

pub use address::{BindAddress, DEFAULT_PORT, InvalidAddress};
pub use listener::{BindError, DEFAULT_BACKLOG, Endpoint, Listener};
pub use port_user::PortUser;
pub use server::{Limits, Server};
