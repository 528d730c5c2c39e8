//! What end-to-end tests stand on: gafferd as users run it, a client of its HTTP side, and a look at the processes that
//! are really there.
//!
//! - [`Daemon`] is a running gafferd with a folder of its own, which is also its working directory. When it is dropped it
//!   must leave no process behind.
//! - [`Setup`] says how it is started; [`Setup::run`] is for starts that are meant to fail.
//! - [`http`] speaks HTTP/1.1 over a plain socket, with feeds that are read piece by piece.
//! - [`EventSource`] reads event streams as browsers do, and comes back when its connection is lost.
//! - [`Client`] is a client program, one of ours or one that others wrote, on pipes or at a terminal.
//! - [`FakeLookup`] answers in a lookup server's place.
//! - [`Project`] is a folder with a Procfile, in which gaffer is run without a daemon. It too must leave no process behind.
//! - [`processes`] reads `/proc`.
//! - [`wait_until`] is the only way to wait: for a condition, under one generous [`DEADLINE`] whose failure says what was
//!   seen instead.
//! - The helper program `misbehave` is on the `PATH` of every gafferd that is started here: jobs are `cmd = misbehave …`.
//!
//! The programs are built from the present source before the first of them is started.
//!
//! ```no_run
//! use gaffer_tests::Daemon;
//!
//! let daemon = Daemon::start("[process:web]\ncmd = misbehave forever\n");
//! daemon.until_running("web", 1);
//! daemon.post("/processes/web/_stop");
//! daemon.until_running("web", 0);
//! ```

#![expect(clippy::unwrap_used, reason = "whatever goes wrong in a fixture fails the test that uses it")]

use std::io::Write;

mod authority;
mod binaries;
mod channel;
mod client;
mod daemon;
mod event_source;
mod fake_lookup;
mod foreign;
pub mod http;
mod lock;
mod output;
pub mod processes;
mod project;
mod running;
mod setup;
mod terminal;
mod wait;

pub use authority::{Authority, Identity};
pub use binaries::{binary, example, repository};
pub use channel::Channel;
pub use client::Client;
pub use daemon::{Daemon, Ended};
pub use event_source::{EventSource, Message};
pub use fake_lookup::{FakeLookup, Registered};
pub use foreign::Environment;
pub use lock::{Exclusive, heavy};
pub use output::Line;
pub use project::Project;
pub use running::{RunningClient, Said};
pub use setup::{Outcome, Setup};
pub use wait::{DEADLINE, wait_until};

/// Whether tests run at their full size: `GAFFER_TEST_SCALE=full`.
pub fn full_scale() -> bool {
    std::env::var_os("GAFFER_TEST_SCALE").is_some_and(|scale| scale == "full")
}

/// Says visibly that the test, or a part of it, cannot run here, and why.
pub fn skip(why: &str) {
    // Written past the capture of `eprintln!`, of which nobody sees anything unless the test fails.
    drop(writeln!(std::io::stderr(), "SKIPPED: {why}"));
}
