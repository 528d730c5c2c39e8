//! Where gaffer nodes register, and clients find the nodes that run a job.
//!
//! [`registry`] is what is known, as plain data. [`router`] serves it, for who embeds a lookup server in a program of their own.
//!
//! | exit code of the program | when |
//! |---|---|
//! | 0 | it was asked to stop; with `--daemon`, it listens |
//! | 1 | it could not start, as its address is in use |
//! | 2 | the command line does not read |

mod args;
mod directory;
mod node;
mod options;
pub mod registry;
mod routes;
mod run;
mod watcher;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::anyhow;
use clap::CommandFactory;
use gaffer_core::{
    ini::LogLevel,
    os::{Background, go_into_background},
};
use gaffer_daemon::log::Log;
use tracing::error;

pub use self::{
    options::{Options, Pings},
    routes::router,
};

/// The command line, for completions and manual pages.
pub fn command() -> clap::Command {
    args::Args::command()
}

/// Runs the program.
pub fn main() -> ExitCode {
    // First, as threads inherit it. The kernel has no reason to refuse, and without it nothing but a name is missing.
    let _: io::Result<()> = gaffer_core::proctitle::set_process_title("gaffer_lookupd");
    let (args, settings) = args::Args::read();
    let ready = match args.daemon.then(go_into_background).transpose() {
        Ok(Some(Background::Starter(code))) => return code,
        Ok(Some(Background::Daemon(ready))) => Some(ready),
        Ok(None) => None,
        Err(error) => return failed(&anyhow!(error).context("cannot go into the background")),
    };
    let usual = if args.verbose { LogLevel::Debug } else { LogLevel::Info };
    let log = match Log::install(&args.log.over(None, None, usual)) {
        Ok(log) => log,
        Err(error) => return failed(&error.into()),
    };
    let outcome = run::run(&args, settings, ready, &log);
    if let (Err(error), Some(_)) = (&outcome, log.file()) {
        error!("{error:#}");
    }
    drop(log); // What the log still holds comes before the last word.
    outcome.unwrap_or_else(|error| failed(&error))
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // With nobody reading stderr, the exit code has to say it all.
    let _: io::Result<()> = writeln!(io::stderr(), "gaffer_lookupd: {error:#}");
    ExitCode::FAILURE
}
