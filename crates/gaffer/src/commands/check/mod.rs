//! `check`: what would run, with which command, port and variables.

mod doubts;

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use anstyle::Style;
use gaffer_cli::{Failure, Format, Output, Table};
use gaffer_core::{
    SessionId,
    procfile::{Application, Concurrency, Entry, Instance, Mistakes, Source},
};
use serde::Serialize;

/// What would run.
#[derive(Debug, Serialize)]
struct Checked<'a> {
    name: &'a SessionId,
    root: &'a Path,
    procfile: &'a Path,
    processes: Vec<ProcessType>,
    /// Without PORT and PS, which each process has for itself.
    env: &'a BTreeMap<String, String>,
    warnings: Vec<String>,
}

/// A line of the Procfile.
#[derive(Debug, Serialize)]
struct ProcessType {
    name: String,
    number: usize,
    ports: Vec<u16>,
    /// Whether a shell runs the line.
    shell: bool,
    command: String,
}

pub(super) fn run(source: &Source, concurrency: &Concurrency, output: &mut Output) -> Result<(), Failure> {
    let environment: BTreeMap<OsString, OsString> = env::vars_os().collect();
    let application = Application::read(source, &environment)?;
    let instances = application.instances(concurrency, &[])?;
    let mut warnings: Vec<String> = application.warnings().iter().map(ToString::to_string).collect();
    let mut processes = Vec::new();
    for entry in application.procfile().entries() {
        let of_type = instances.iter().filter(|instance| instance.process_type == entry.name).collect();
        let (process_type, example) = process_type(&application, entry, of_type)?;
        processes.push(process_type);
        warnings.extend(doubts::of(&application, entry, &example, &environment).iter().map(ToString::to_string));
    }
    let procfile: PathBuf = application.procfile().path().to_owned();
    let (name, root, env) = (application.name(), application.root(), application.env());
    print(&Checked { name, root, procfile: &procfile, processes, env, warnings }, output)
}

/// What runs of one type, and a process of it.
fn process_type(
    application: &Application,
    entry: &Entry,
    instances: Vec<&Instance>,
) -> Result<(ProcessType, Instance), Mistakes> {
    let example = match instances.first() {
        Some(first) => (*first).clone(),
        None => application.one_off(entry, 1)?,
    };
    let process_type = ProcessType {
        name: entry.name.clone(),
        number: instances.len(),
        ports: instances.iter().map(|instance| instance.port).collect(),
        shell: example.config.spec().shell,
        command: entry.command.clone(),
    };
    Ok((process_type, example))
}

fn print(checked: &Checked<'_>, output: &mut Output) -> Result<(), Failure> {
    if output.format() == Format::Json {
        return output.json(checked);
    }
    let escaped = gaffer_cli::escaped;
    output.line(format_args!("{} in {}", checked.name, escaped(checked.root.to_string_lossy())))?;
    output.line("")?;
    let mut table = Table::new(&["TYPE", "NUMBER", "PORTS", "RUN BY", "COMMAND"]).numbers(&[1]);
    for ProcessType { name, number, ports, shell, command } in &checked.processes {
        let run_by = if *shell { "sh" } else { "itself" };
        table.row(Style::new(), [name.clone(), number.to_string(), span(ports), run_by.to_owned(), command.clone()]);
    }
    output.table(table)?;
    if !checked.env.is_empty() {
        let mut table = Table::new(&["VARIABLE", "VALUE"]);
        for (key, value) in checked.env {
            table.row(Style::new(), [key.clone(), value.clone()]);
        }
        output.line("")?;
        output.table(table)?;
    }
    for warning in &checked.warnings {
        output.say_placed(warning);
    }
    Ok(())
}

/// The ports of one type, which follow each other.
fn span(ports: &[u16]) -> String {
    match ports {
        [] => "-".to_owned(),
        [port] => port.to_string(),
        [first, .., last] => format!("{first}-{last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_shown_from_the_first_to_the_last() {
        assert_eq!([span(&[]), span(&[5000]), span(&[5100, 5101, 5102])], ["-", "5000", "5100-5102"]);
    }
}
