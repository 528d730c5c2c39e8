//! Tests over real sockets and over the router.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper fails the test")]

mod access;
mod authority;
mod channel;
mod contract;
mod control;
mod cors;
mod embed;
mod endpoints;
mod errors;
mod etag;
mod fixture;
mod groups;
mod handler;
mod jobs;
mod limits;
mod openapi;
mod pids;
mod serve;
mod server;
mod sessions;
mod sites;
mod sockets;
mod sockjs;
mod stats;
mod streams;
mod tls;
mod unix;
mod watch;
mod webhooks;
mod wire;
mod wstreams;
