//! The gaffer node daemon: launches and supervises processes, and lets them be controlled over HTTP.
//!
//! | exit code | when |
//! |---|---|
//! | 0 | it was asked to stop, and everything ended |
//! | 1 | it could not start (configuration, address in use), or do with its keys what was asked, or could not end some process at its stop, or failed by itself |
//! | 2 | the command line does not read |

mod admin;
mod args;
mod console;
mod endpoints;
mod lookup;
mod plugins;
mod reload;
mod run;
mod settings;
mod state;
mod webhooks;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::CommandFactory;
use gaffer_daemon::log;
use tracing::level_filters::LevelFilter;

/// The command line, for completions and manual pages.
pub fn command() -> clap::Command {
    args::Args::command()
}

/// Runs the program.
pub fn main() -> ExitCode {
    // First, as threads inherit it. The kernel has no reason to refuse, and without it nothing but a name is missing.
    let _: io::Result<()> = gaffer_core::proctitle::set_process_title("gafferd");
    let args = args::Args::read();
    let errand = admin::Errand::of(&args);
    // Who does something by hand sees what came of it; a node that runs tells of it in its log.
    let log = log::install(if errand.is_some() { LevelFilter::WARN } else { LevelFilter::INFO });
    let outcome = match errand {
        Some(errand) => admin::run(&args, errand),
        None => run::run(args),
    };
    drop(log); // What the log still holds comes before the last word.
    match outcome {
        Ok(code) => code,
        Err(error) => {
            let text = match error.downcast::<settings::Mistakes>() {
                // One a line, each beginning with file and line, as editors read it.
                Ok(mistakes) => mistakes.to_string(),
                Err(error) => format!("gafferd: {error:#}"),
            };
            // With nobody reading stderr, the exit code has to say it all.
            let _: io::Result<()> = writeln!(io::stderr(), "{text}");
            ExitCode::FAILURE
        }
    }
}
