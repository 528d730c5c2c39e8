//! `ps:start`, `ps:stop`, `ps:kill`: what jobs and processes are to do.

use gaffer_cli::{
    Asker, Context, Failure, Target,
    commands::{Acts, Entry},
};
use gaffer_client::Client;
use gaffer_core::{JobName, ProcessId, names::Signal};

use super::app::{App, missing_process};
use crate::args::{ApplicationArgs, Jobs, Targets};

/// How a job or process shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Goal {
    Start(JobName),
    Stop(JobName),
    StopProcess(ProcessId),
}

impl Goal {
    fn stop(target: Target) -> Self {
        match target {
            Target::Job(job) => Self::Stop(job),
            Target::Process(pid) => Self::StopProcess(pid),
        }
    }

    async fn ask_for(&self, app: &App, client: &Client) -> Result<(), Failure> {
        let (job, done) = match self {
            Self::Start(job) => (job, client.start(job).await),
            Self::Stop(job) => (job, client.stop(job).await),
            Self::StopProcess(pid) => {
                return client.stop_process(*pid).await.map_err(|error| missing_process(*pid, error));
            }
        };
        match done {
            Ok(()) => Ok(()),
            Err(error) => Err(app.missing(client, job, error).await),
        }
    }

    fn entry(&self) -> Entry {
        match self {
            Self::Start(job) | Self::Stop(job) => job.into(),
            Self::StopProcess(pid) => (*pid).into(),
        }
    }

    fn done(&self, app: &App) -> String {
        match self {
            Self::Start(job) => format!("'{}' started", app.shown(job)),
            Self::Stop(job) => format!("'{}' stopped", app.shown(job)),
            Self::StopProcess(pid) => format!("'{pid}' stopped"),
        }
    }
}

/// Starts jobs; all of the application, if none is named.
pub(super) async fn start(
    application: &ApplicationArgs,
    context: &mut Context<'_>,
    Jobs { no_input, names }: &Jobs,
) -> Result<(), Failure> {
    let app = App::named(application, None)?;
    let named = names.iter().map(|word| app.job(word).map(Goal::Start)).collect::<Result<_, _>>()?;
    let asker = Asker::new(*no_input);
    reach(&app, context, named, asker, "start", Goal::Start).await
}

/// Stops jobs, all of the application if none is named; or processes.
pub(super) async fn stop(
    application: &ApplicationArgs,
    context: &mut Context<'_>,
    Targets { no_input, targets }: &Targets,
) -> Result<(), Failure> {
    let app = App::named(application, None)?;
    let named = targets.iter().map(|word| app.job_or_process(word).map(Goal::stop)).collect::<Result<_, _>>()?;
    let asker = Asker::new(*no_input);
    reach(&app, context, named, asker, "stop", Goal::Stop).await
}

async fn reach(
    app: &App,
    context: &mut Context<'_>,
    mut goals: Vec<Goal>,
    asker: Asker,
    verb: &str,
    goal: fn(JobName) -> Goal,
) -> Result<(), Failure> {
    let is_all = goals.is_empty();
    if is_all {
        goals = app.jobs(&context.client).await?.into_iter().map(goal).collect();
    }
    let mut acts = Acts::of_one(context.output);
    if is_all && !asker.wants_to(&format!("{verb} all jobs of '{}'", app.name()))? {
        acts.remark(format_args!("Ignore '{}'", app.name()))?;
        goals.clear();
    }
    for goal in goals {
        let done = goal.ask_for(app, &context.client).await;
        acts.acknowledge(goal.entry(), done, goal.done(app))?;
    }
    acts.finish()
}

/// Sends a signal to all processes of a job, or to one process.
pub(super) async fn kill(
    application: &ApplicationArgs,
    context: &mut Context<'_>,
    word: &str,
    signal: Signal,
) -> Result<(), Failure> {
    let app = App::named(application, None)?;
    let target = app.job_or_process(word)?;
    let (shown, sent) = match &target {
        Target::Job(job) => {
            let sent = match context.client.signal(job, signal).await {
                Ok(()) => Ok(()),
                Err(error) => Err(app.missing(&context.client, job, error).await),
            };
            (app.shown(job), sent)
        }
        Target::Process(pid) => {
            let sent = context.client.signal_process(*pid, signal).await;
            (pid.to_string(), sent.map_err(|error| missing_process(*pid, error)))
        }
    };
    let mut acts = Acts::of_one(context.output);
    acts.acknowledge(&target, sent, format_args!("'{}' sent to '{shown}'", bare(signal)))?;
    acts.finish()
}

/// A signal without what all signals begin with: `HUP`.
fn bare(signal: Signal) -> String {
    let name = signal.to_string();
    name.strip_prefix("SIG").or_else(|| name.strip_prefix("signal ")).unwrap_or(&name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_told_by_their_bare_names() {
        let told = ["HUP", "sigterm", "9", "40"].map(|text| bare(text.parse().unwrap()));
        assert_eq!(told, ["HUP", "TERM", "KILL", "40"]);
    }
}
