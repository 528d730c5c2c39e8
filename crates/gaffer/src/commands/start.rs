//! `start`: the application in the foreground.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    ffi::OsString,
    process::ExitCode,
};

use gaffer_cli::{Failure, Format, Output};
use gaffer_core::procfile::{Application, Instance};

use crate::{
    args::{ApplicationArgs, StartArgs},
    foreground::{self, Policy, Run},
};

pub(super) fn start(application: &ApplicationArgs, args: StartArgs, mut output: Output) -> ExitCode {
    match plan(application, args, &mut output) {
        Ok(run) => foreground::run(run, output),
        Err(failure) => {
            output.tell(&failure);
            failure.exit().into()
        }
    }
}

fn plan(application: &ApplicationArgs, args: StartArgs, output: &mut Output) -> Result<Run, Failure> {
    if output.format() == Format::Json {
        return Err(Failure::Usage("`start` shows lines of text, and has no JSON to print".to_owned()));
    }
    let environment: BTreeMap<OsString, OsString> = env::vars_os().collect();
    let application = Application::read(&application.source(None, args.port), &environment)?;
    for warning in application.warnings() {
        output.say_placed(warning);
    }
    let instances = application.instances(&args.concurrency.joined(), &args.names)?;
    if instances.is_empty() {
        return Err(Failure::Failed("there is nothing to run: by `-c` no process of any type is to run".to_owned()));
    }
    let policy = policy(&application, &instances, args.exit_on_failure, args.exit_with.as_deref())?;
    Ok(Run { instances, policy, grace: args.graceful_timeout, terminals: args.tty })
}

fn policy(
    application: &Application,
    instances: &[Instance],
    exit_on_failure: bool,
    exit_with: Option<&str>,
) -> Result<Policy, Failure> {
    let with = exit_with.map(|name| {
        let of_type = instances.iter().filter(|instance| instance.process_type == name);
        let jobs: BTreeSet<_> = of_type.map(|instance| instance.config.name().clone()).collect();
        if !jobs.is_empty() {
            return Ok(jobs);
        }
        let why = if application.procfile().get(name).is_some() { "is not to run" } else { "is not in the Procfile" };
        let mut running: Vec<&str> = instances.iter().map(|instance| instance.process_type.as_str()).collect();
        running.dedup();
        Err(Failure::Usage(format!("`--exit-with {name}`: {name} {why}; what runs is {}", running.join(", "))))
    });
    Ok(match (exit_on_failure, with.transpose()?) {
        (false, None) => Policy::Supervise,
        (false, Some(with)) => Policy::FirstEnd(with),
        (true, with) => Policy::FirstFailure { with: with.unwrap_or_default() },
    })
}
