//! Shell completions and manual pages, made from the programs' own command lines.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Command;
use clap_complete::{Generator, Shell};
use clap_mangen::Man;

/// Every program that users run.
const PROGRAMS: [fn() -> Command; 4] = [gaffer::command, gafferd::command, gafferctl::command, gaffer_lookupd::command];

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Writes `completions/`, and `man/`, which `man -M` takes.
pub(crate) fn write(dir: &Path) -> anyhow::Result<()> {
    let completions = folder(dir.join("completions"))?;
    let pages = folder(dir.join("man/man1"))?;
    for program in PROGRAMS {
        let mut command = program();
        let name = command.get_name().to_owned();
        for shell in SHELLS {
            let path = completions.join(shell.file_name(&name));
            fs::write(&path, completion(shell, &mut command, &name))
                .with_context(|| format!("cannot write the completion of {name} for {shell}"))?;
        }
        let mut command = program().disable_help_subcommand(true);
        command.build();
        write_pages(command, &pages).with_context(|| format!("cannot write the manual pages of {name}"))?;
    }
    Ok(())
}

/// What completes a program's commands and options in a shell.
fn completion(shell: Shell, command: &mut Command, name: &str) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, command, name, &mut text);
    let mut text = String::from_utf8_lossy(&text).into_owned();
    let names = command.get_subcommands().map(Command::get_name);
    let with_colons: Vec<&str> = names.filter(|name| name.contains(':')).collect();
    if shell == Shell::Zsh {
        // In its lists a colon stands between a name and what it does.
        for name in with_colons {
            text = text.replace(&format!("'{name}:"), &format!("'{}:", name.replace(':', "\\:")));
        }
    } else if shell == Shell::Bash && !with_colons.is_empty() {
        // It would split the name into words.
        text.insert_str(0, "COMP_WORDBREAKS=${COMP_WORDBREAKS//:}\n\n");
    }
    text
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_colons_are_completed() {
        let of = |shell| completion(shell, &mut gaffer::command(), "gaffer");
        let zsh = of(Shell::Zsh);
        assert!(zsh.contains(r"'ps\:start:") && zsh.contains("'ps:") && !zsh.contains("'ps:start:"));
        assert!(of(Shell::Bash).starts_with("COMP_WORDBREAKS="));
        assert!(!completion(Shell::Bash, &mut gafferctl::command(), "gafferctl").contains("COMP_WORDBREAKS="));
    }
}
