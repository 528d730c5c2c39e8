//! Runs Procfile applications in the foreground, or loads, scales and watches them on a node.
//!
//! | exit code | when |
//! |---|---|
//! | 0 | it is done |
//! | 1 | it failed, or a part of it |
//! | 2 | the command line does not read |
//! | 3 | what was named is not there |
//! | 4 | the node, or every lookup server, cannot be reached, or did not answer to the end |
//!
//! `run`, and `start` with `--exit-on-failure` or `--exit-with`, end with the code of the process that they end with; 128 and the
//! signal's number if a signal has ended it.

mod args;
mod commands;
mod foreground;
mod log;
mod programs;

use std::process::ExitCode;

use gaffer_cli::Output;

/// The command line, for completions and manual pages.
pub fn command() -> clap::Command {
    args::command()
}

/// Runs the program.
pub fn main() -> ExitCode {
    foreground::signals::keep_early_ones();
    if foreground::guardian::is_meant() {
        return foreground::guardian::main();
    }
    let args = args::Args::read();
    let output = Output::new("gaffer", &args.output).naming_nodes_by("--endpoint");
    commands::run(args, output)
}
