//! gafferctl against a real gafferd.

mod acts;
mod connection;
mod input;
mod jobs;
mod logs;
mod manual;
mod shown;
mod table;
mod transcript;
mod transports;
mod unreachable;
mod waiting;
mod watch;

use std::collections::BTreeSet;

use gaffer_tests::{Client, Daemon, Said};

use transcript::Transcript;

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
    let help = gafferctl(daemon).prints(&["-h"]);
    let (_, list) = help.split_once("Commands:\n").expect("the help lists the commands");
    let names = list.lines().take_while(|line| !line.is_empty()).filter_map(|line| {
        // What a long description goes on with stands further in.
        let name = line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split(' ').next()?;
        (name != "help").then(|| name.to_owned())
    });
    names.collect()
}
