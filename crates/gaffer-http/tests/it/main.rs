//! Tests over real sockets and over the router.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper fails the test")]

mod cors;
mod embed;
mod errors;
mod etag;
mod fixture;
mod handler;
mod jobs;
mod openapi;
mod serve;
mod streams;
mod wire;
