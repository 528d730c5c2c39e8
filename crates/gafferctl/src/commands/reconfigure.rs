//! `reload_config`, `diff`: a node and its configuration.

use gaffer_cli::{Context, Exit, Failure, Format};
use gaffer_client::Error;
use gaffer_core::api::{Failed, Reconfiguration};

/// Has the node read its configuration again.
pub(super) async fn apply(context: &mut Context<'_>) -> Result<(), Failure> {
    let done = told(context, context.client.reconfigure().await)?;
    show(context, &done)?;
    match done.failed.len() {
        0 => Ok(()),
        1 => Err(Failure::Failed("one job is not as the configuration says".to_owned())),
        several => Err(Failure::Failed(format!("{several} jobs are not as the configuration says"))),
    }
}

/// Prints what it would change.
pub(super) async fn diff(context: &mut Context<'_>) -> Result<(), Failure> {
    let plan = told(context, context.client.plan_reconfiguration().await)?;
    show(context, &plan)
}

/// Mistakes of the configuration are told one a line, each beginning with file and line.
fn told(context: &mut Context<'_>, answer: Result<Reconfiguration, Error>) -> Result<Reconfiguration, Failure> {
    answer.map_err(|error| {
        let mistakes = error.refusal().filter(|refusal| refusal.error == "invalid_configuration");
        let Some(mistakes) = mistakes else { return error.into() };
        mistakes.reason.lines().for_each(|line| context.output.say_placed(line));
        Failure::Told(Exit::Failed)
    })
}

fn show(context: &mut Context<'_>, told: &Reconfiguration) -> Result<(), Failure> {
    let output = &mut *context.output;
    if output.format() == Format::Json {
        return output.json(told);
    }
    for warning in &told.warnings {
        output.say_placed(warning);
    }
    for Failed { name, reason } in &told.failed {
        output.say(format_args!("{name}: {reason}"));
    }
    for line in told.lines() {
        output.line(line)?;
    }
    if told.is_empty() { output.acknowledge("nothing is different") } else { Ok(()) }
}
