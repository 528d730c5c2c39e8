//! gafferd from end to end: the real binary, real processes, a real socket.
//!
//! No test sleeps: each waits for what must come, under one deadline. Measured times are only ever held against lower
//! bounds, so that a loaded machine fails nothing.

#![expect(clippy::unwrap_used, reason = "whatever goes wrong fails the test")]

mod access;
mod browser;
mod channel;
mod citizen;
mod command_line;
mod control;
mod economy;
mod endpoints;
mod examples;
mod feeds;
mod foreground;
mod foreign;
mod gaffer;
mod gafferctl;
mod help;
mod http_api;
mod launch;
mod life;
mod load;
mod lookup;
mod manual;
mod original_0_4;
mod original_0_5;
mod plugins;
mod reload;

mod sessions;
mod shutdown;
mod sites;
mod slow_readers;
mod streams;
mod survival;
mod three_ways;
mod transcript;
mod trees;
mod webhooks;
mod websockets;
mod wire;
