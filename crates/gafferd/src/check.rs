//! `--check-config`: what a node would do that is started so.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use anyhow::Context;
use gaffer_core::JobConfig;

use crate::{
    settings::Settings,
    state::{KeepJobs, State},
};

/// Says what a configuration that is good comes to. Nothing is started, bound or made.
///
/// # Errors
/// When nobody reads stdout.
pub(crate) fn tell(settings: &Settings) -> anyhow::Result<()> {
    for warning in &settings.warnings {
        // With nobody reading stderr, the exit code has to say it all.
        let _: io::Result<()> = writeln!(io::stderr(), "{warning}");
    }
    write!(io::stdout(), "{}", report(settings)).context("cannot write to stdout")
}

fn report(settings: &Settings) -> String {
    let mut report = Report::default();
    let files = settings.config.files.iter().map(|file| file.display().to_string());
    report.list("configuration", files, "none; all is by default");
    let endpoints = settings.endpoints.iter().map(|one| {
        let tls = if one.endpoint.tls.is_some() { " (TLS)" } else { "" };
        format!("{} {}{tls}", one.endpoint.name, one.endpoint.bind)
    });
    report.list("endpoints", endpoints, "none");
    report.list("state", state(&settings.state), "none is kept");
    let webhooks = settings.webhooks.iter().map(|hook| {
        let events: Vec<String> = hook.events.iter().map(ToString::to_string).collect();
        // What comes after the address may be secret.
        format!("{} to {}", events.join(", "), hook.url.origin())
    });
    report.list("webhooks", webhooks, "none");
    let plugins = settings.plugins.plugins().iter().map(|plugin| match plugin.job() {
        Some(app) => format!("{}: {}", plugin.name(), app.command_text()),
        None => plugin.name().to_owned(),
    });
    report.list("plugins", plugins, "none");
    report.list("jobs", settings.jobs.iter().map(job), "none");
    report.text
}

fn state(state: &State) -> Option<String> {
    let is_kept = state.requires_key || state.jobs != KeepJobs::Never;
    (is_kept && !state.folder.as_os_str().is_empty()).then(|| state.folder.display().to_string())
}

fn job(job: &JobConfig) -> String {
    let rests = if job.spec().start { "" } else { " (not started)" };
    // One line, whatever it holds.
    let line = job.command_text().split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{} x{}{rests}: {line}", job.name().short(), job.numprocesses())
}

/// Headings, and lists below them.
#[derive(Default)]
struct Report {
    text: String,
}

impl Report {
    fn list(&mut self, heading: &str, items: impl IntoIterator<Item = String>, nothing: &str) {
        let items: Vec<String> = items.into_iter().collect();
        // Writing to a string does not fail.
        let _: std::fmt::Result = match items.as_slice() {
            [] => writeln!(self.text, "{heading}: {nothing}"),
            [one] => writeln!(self.text, "{heading}: {one}"),
            many => {
                let lines: String = many.iter().map(|item| format!("  {item}\n")).collect();
                write!(self.text, "{heading}:\n{lines}")
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::settings;

    #[test]
    fn what_a_configuration_comes_to_is_told() {
        let ini = "[endpoint:a]\nbind = :80\ncertfile = c\n[endpoint:b]\nbind = unix:/x\n[gaffer]\nstate_dir = /s\n\
                   [process:web]\ncmd = ./web\n    --port 80\nnumprocesses = 2\n[process:shop:db]\ncmd = db\nstart = no\n\
                   [webhooks]\nstop = http://h:1/secret\n";
        let told = report(&settings(&["-p", "nowhere"], ini).unwrap());
        let expected = "configuration: none; all is by default\nendpoints:\n  a 0.0.0.0:80 (TLS)\n  b unix:/x\nstate: /s\nwebhooks: stop to http://h:1\nplugins: none\njobs:\n  \
                        web x2: ./web --port 80\n  shop.db x1 (not started): db\n";
        assert_eq!(told, expected);
        let told = report(&settings(&["--no-state", "-p", "nowhere"], "").unwrap());
        let nothing =
            "endpoints: default 127.0.0.1:5000\nstate: none is kept\nwebhooks: none\nplugins: none\njobs: none\n";
        assert!(told.ends_with(nothing), "{told}");
    }
}
