//! From the command line to a node that runs, in the foreground or in the background.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use anyhow::{Context, anyhow};
use gaffer_core::{
    ini::{LogLevel, NodeConfig},
    os::{self, ActivatedDescriptor, Background, Readiness},
};
use gaffer_daemon::{log::Log, systemd::Notifier};
use nix::sys::stat::{SFlag, fstat};
use tracing::error;

use crate::{args::Args, last_word, run, settings, summary::Summary};

/// What a node is started with, beside its settings.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) log: Log,
    /// Whom to tell how the node is.
    pub(crate) notifier: Notifier,
    /// Sockets that were handed over.
    pub(crate) activated: Vec<ActivatedDescriptor>,
    /// To be told when the node listens, if it is in the background.
    pub(crate) ready: Option<Readiness>,
    /// What its user should know.
    pub(crate) warnings: Vec<String>,
}

impl Surroundings {
    /// Tells of the node at its start: people who look on, or who reads the log.
    pub(crate) fn announce(&self, summary: &Summary) {
        let is_seen = self.log.is_for_people() && io::stderr().is_terminal() && self.ready.is_none();
        if is_seen { self.log.say(&summary.block()) } else { summary.log() }
    }
}

/// Runs a node until it is stopped; or starts one in the background, until it listens.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    // Before anything is opened: they are known by their numbers.
    let activated = os::take_activated_descriptors().context("socket activation")?;
    let config = settings::read(&args)?;
    let mut warnings = Vec::new();
    let notifier = Notifier::from_environment().unwrap_or_else(|error| {
        warnings.push(format!("{:#}", anyhow!(error)));
        Notifier::none()
    });
    let mut ready = None;
    // What else is wrong is found out in the background: who started it is told all the same.
    if background(&args, &config, &notifier, &mut warnings) {
        match os::go_into_background().context("cannot go into the background")? {
            Background::Starter(code) => return Ok(code),
            Background::Daemon(readiness) => ready = Some(readiness),
        }
    }
    let file = config.settings.error_log.clone();
    let log = Log::install(&args.log.over(file, config.settings.log_level, LogLevel::Info))?;
    if ready.is_some() && log.file().is_none() && !is_file() {
        let nowhere =
            "there is no --error-log, so nothing is logged from here on, now that gafferd is in the background";
        warnings.push(nowhere.to_owned());
    }
    let mut surroundings = Surroundings { log, notifier, activated, ready, warnings };
    let outcome = run::run(args, config, &mut surroundings);
    if let (Err(error), Some(_)) = (&outcome, surroundings.log.file()) {
        error!("{}", last_word(error));
    }
    // What the log still holds comes before the last word.
    drop(surroundings);
    outcome
}

/// Whether it is to be in the background.
fn background(args: &Args, config: &NodeConfig, notifier: &Notifier, warnings: &mut Vec<String>) -> bool {
    if !args.daemon && !config.settings.daemonize {
        return false;
    }
    let what = if args.daemon { "--daemon" } else { "daemonize" };
    if notifier.is_heard() {
        // It would take the end of the one that it has started for the end of all.
        warnings.push(format!(
            "{what}: gafferd stays in the foreground, as the service manager that has started it ($NOTIFY_SOCKET) wants it there"
        ));
        return false;
    }
    if args.verbose > 0 {
        warnings.push(format!("-v: shows nothing, as gafferd has no terminal in the background ({what})"));
    }
    true
}

/// Whether stderr is a file, to which the log goes on.
fn is_file() -> bool {
    fstat(io::stderr()).is_ok_and(|status| SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG)
}
