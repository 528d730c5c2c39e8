//! Administers a gaffer node, near or far: jobs, processes, signals, output, live events, keys, users and webhooks.
//!
//! | exit code | when |
//! |---|---|
//! | 0 | it is done |
//! | 1 | it failed, or a part of it |
//! | 2 | the command line does not read |
//! | 3 | what was named is not there |
//! | 4 | the node, or every lookup server, cannot be reached, or did not answer to the end |

mod args;
mod commands;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use gaffer_cli::{Context, Output, commands::access, lookup::Finder};

use crate::args::Command;

/// The command line, for completions and manual pages.
pub fn command() -> clap::Command {
    args::Args::command()
}

/// Runs the program.
pub fn main() -> ExitCode {
    let args = args::Args::parse_from(args::spelled_out(std::env::args_os()));
    let output = Output::new("gafferctl", &args.output);
    gaffer_cli::run(output, async move |output| match args.command {
        Command::Login(login) => access::login(&login, &args.connection, output).await,
        Command::Logout => access::logout(&args.connection, output).await,
        Command::Node(command) => {
            let client = match Finder::of(&args.connection, output)? {
                Some(finder) => finder.client(&commands::wanted(&command)?, output).await?,
                None => args.connection.client(output)?,
            };
            commands::run(command, &mut Context { client, output }).await
        }
        Command::Access(command) => {
            let client = args.connection.client(output)?;
            commands::access::run(command, &mut Context { client, output }).await
        }
        Command::Webhook(command) => {
            let client = args.connection.client(output)?;
            commands::webhooks::run(command, &mut Context { client, output }).await
        }
    })
    .into()
}
