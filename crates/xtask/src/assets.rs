//! Shell completions and manual pages, made from the programs' own command lines.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// Every program that users run.
const PROGRAMS: [fn() -> Command; 2] = [gafferd::command, gafferctl::command];

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Writes `completions/`, and `man/`, which `man -M` takes.
pub(crate) fn write(dir: &Path) -> anyhow::Result<()> {
    let completions = folder(dir.join("completions"))?;
    let pages = folder(dir.join("man/man1"))?;
    for program in PROGRAMS {
        let mut command = program();
        let name = command.get_name().to_owned();
        for shell in SHELLS {
            clap_complete::generate_to(shell, &mut command, &name, &completions)
                .with_context(|| format!("cannot write the completion of {name} for {shell}"))?;
        }
        let mut command = program().disable_help_subcommand(true);
        command.build();
        write_pages(command, &pages).with_context(|| format!("cannot write the manual pages of {name}"))?;
    }
    Ok(())
}

fn folder(path: PathBuf) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
    Ok(path)
}

/// A page of a program or subcommand, and one of each of its own.
fn write_pages(command: Command, dir: &Path) -> anyhow::Result<()> {
    for subcommand in command.get_subcommands() {
        write_pages(subcommand.clone(), dir)?;
    }
    let version = command.get_version().unwrap_or_default().to_owned();
    Man::new(command).source(format!("gaffer {version}")).manual("gaffer").generate_to(dir)?;
    Ok(())
}
