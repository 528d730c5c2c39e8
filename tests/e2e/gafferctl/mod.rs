//! gafferctl against a real gafferd.

mod acts;
mod connection;
mod input;
mod jobs;
mod logs;
mod manual;
mod shown;
mod transports;
mod unreachable;
mod waiting;
mod watch;

use std::collections::BTreeSet;

use gaffer_tests::{Client, Daemon, Said};

use crate::{help, transcript::Transcript};

/// gafferctl, told where this gafferd serves plain HTTP.
fn gafferctl(daemon: &Daemon) -> Client {
    Client::ours(daemon, "gafferctl")
}

/// What a script says, in which gafferctl is told where this gafferd serves plain HTTP.
#[track_caller]
fn script(daemon: &Daemon, script: &str) -> Said {
    Client::bash(daemon).run(&["-c", script])
}

/// The names of all commands, as the help lists them.
fn commands(daemon: &Daemon) -> BTreeSet<String> {
    help::commands(&gafferctl(daemon))
}
