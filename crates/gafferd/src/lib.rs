//! The gaffer node daemon: launches and supervises processes, and lets them be controlled over HTTP.
//!
//! | exit code | when |
//! |---|---|
//! | 0 | it was asked to stop, and everything ended; with `--daemon`, it listens |
//! | 1 | it could not start (configuration, address in use), or do with its keys what was asked, or could not end some process at its stop, or failed by itself |
//! | 2 | the command line does not read |

mod activation;
mod admin;
mod args;
mod check;
mod console;
mod endpoints;
mod keeping;
mod leftovers;
mod lookup;
mod plugins;
mod reconfigure;
mod restore;
mod run;
mod service;
mod settings;
mod start;
mod state;
mod summary;
mod unit;
mod webhooks;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::CommandFactory;

/// The command line, for completions and manual pages.
pub fn command() -> clap::Command {
    args::Args::command()
}

/// Runs the program.
pub fn main() -> ExitCode {
    // First, as threads inherit it. The kernel has no reason to refuse, and without it nothing but a name is missing.
    let _: io::Result<()> = gaffer_core::proctitle::set_process_title("gafferd");
    let args = args::Args::read();
    let outcome = match admin::Errand::of(&args) {
        Some(errand) => admin::run(&args, errand),
        None => start::run(args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // With nobody reading stderr, the exit code has to say it all.
            let _: io::Result<()> = writeln!(io::stderr(), "{}", last_word(&error));
            ExitCode::FAILURE
        }
    }
}

/// What is said of a failure that ends the program.
fn last_word(error: &anyhow::Error) -> String {
    match error.downcast_ref::<settings::Mistakes>() {
        // One a line, each beginning with file and line, as editors read it.
        Some(mistakes) => mistakes.to_string(),
        None => format!("gafferd: {error:#}"),
    }
}
