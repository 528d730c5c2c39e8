//! Commands for the application on the node: one file each, or one for a few that are alike.

mod app;
mod commit;
mod info;
mod jobs;
mod load;
mod logs;
mod ps;
mod recv;
mod scale;
mod state;
mod wanted;

use gaffer_cli::{Context, Failure, Output, commands::send, lookup::Finder};

pub(super) use self::commit::commit;
use self::{app::App, jobs::Act};
use crate::args::{ApplicationArgs, NodeCommand};

/// Carries out a command on the node that has what it is about; `ps` on all that have.
pub(super) async fn run_where_it_is(
    command: NodeCommand,
    application: &ApplicationArgs,
    finder: &Finder<'_>,
    output: &mut Output,
) -> Result<(), Failure> {
    if let NodeCommand::Ps { application: name } = &command {
        return ps::everywhere(&App::named(application, name.as_deref())?, finder, output).await;
    }
    let client = wanted::client(&command, application, finder, output).await?;
    run(command, application, &mut Context { client, output }).await
}

pub(super) async fn run(
    command: NodeCommand,
    application: &ApplicationArgs,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    match command {
        NodeCommand::Load { concurrency, nostart, port, target } => {
            load::run(application, context, &concurrency.joined(), nostart, port, target.as_deref()).await
        }
        NodeCommand::Unload(jobs) => jobs::run(application, context, Act::Unload, &jobs).await,
        NodeCommand::Reload(jobs) => jobs::run(application, context, Act::Reload, &jobs).await,
        NodeCommand::Ps { application: name } => ps::run(&App::named(application, name.as_deref())?, context).await,
        NodeCommand::Scale { words } => scale::run(application, context, &words).await,
        NodeCommand::Apps => {
            let applications = context.client.sessions().await?;
            context.output.list(&applications)
        }
        NodeCommand::Logs { no_follow, lines, jobs, no_color: _, names } => {
            let words: Vec<String> = jobs.into_iter().chain(names).collect();
            logs::run(&App::named(application, None)?, context, &words, lines, !no_follow).await
        }
        NodeCommand::PsStart(jobs) => state::start(application, context, &jobs).await,
        NodeCommand::PsStop(targets) => state::stop(application, context, &targets).await,
        NodeCommand::PsKill { target, signal } => state::kill(application, context, &target, signal).await,
        NodeCommand::PsInfo { target } => info::run(application, context, &target).await,
        NodeCommand::Send { stream, pid, words } => send::run(context, pid, stream, &words, send::End::Dot).await,
        NodeCommand::Recv { process, stream } => recv::run(context, process, stream).await,
    }
}
