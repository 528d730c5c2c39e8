//! Maintenance tasks of this repository: `cargo run -p xtask -- TASK`.

mod assets;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Maintenance tasks.
#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo run -p xtask --")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Write shell completions and manual pages of every program
    Assets {
        /// The folder to write them into, which is made
        #[arg(default_value = "target/assets")]
        dir: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match Args::parse().task {
        Task::Assets { dir } => assets::write(&dir),
    }
}
