//! Tests against real gafferds, and against servers that are none.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper fails the test")]

mod access;
mod calls;
mod contract;
mod control;
mod endpoints;
mod errors;
mod examples;
mod feeds;
mod fixture;
mod websockets;
