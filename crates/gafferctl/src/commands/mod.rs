//! What each command does: one file each, or one for a few that are alike.

pub(crate) mod access;
mod configure;
mod info;
mod jobs;
mod kill;
mod load;
mod logs;
mod node;
mod plugins;
mod processes;
mod reconfigure;
mod sessions;
mod settings;
mod show;
mod state;
mod stats;
mod status;
mod wait;
mod wanted;
mod watch;
pub(crate) mod webhooks;

use gaffer_cli::{
    Context, Failure,
    commands::{Acts, failed, logs::Extent, send},
};
use gaffer_core::supervisor::Scale;

pub(crate) use self::wanted::wanted;
use crate::args::NodeCommand;

/// Carries out a command.
pub(crate) async fn run(command: NodeCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        NodeCommand::Processes { running } => processes::run(context, running).await,
        NodeCommand::LoadProcess { start, file } => load::run(context, &file, start).await,
        NodeCommand::AddProcess { start, settings, name, words } => {
            configure::add(context, start, &settings, &name, &words).await
        }
        NodeCommand::GetProcess(jobs) => configure::get(context, &jobs.names).await,
        NodeCommand::UpdateProcess { settings, name, words } => {
            configure::update(context, &settings, &name, &words).await
        }
        NodeCommand::DelProcess(jobs) => jobs::unload(context, &jobs.names).await,
        NodeCommand::Add(change) => jobs::scale(context, &change.names, Scale::Add(change.number)).await,
        NodeCommand::Sub(change) => jobs::scale(context, &change.names, Scale::Sub(change.number)).await,
        NodeCommand::Start { names, wait } => state::start(context, &names.names, &wait).await,
        NodeCommand::Stop { targets, wait } => state::stop(context, &targets.targets, &wait).await,
        NodeCommand::Restart { names, wait } => state::restart(context, &names.names, &wait).await,
        NodeCommand::Kill { signal, words } => kill::run(context, signal, &words).await,
        NodeCommand::Numprocesses(jobs) => jobs::numprocesses(context, &jobs.names).await,
        NodeCommand::Pids(jobs) => jobs::pids(context, &jobs.names).await,
        NodeCommand::Running(jobs) => jobs::running(context, &jobs.names).await,
        NodeCommand::Send { stream, pid, words } => send::run(context, pid, stream, &words, send::End::OfFile).await,
        NodeCommand::Groups { group } => sessions::run(context, group.as_deref()).await,
        NodeCommand::Sessions { session } => sessions::run(context, session.as_deref()).await,
        NodeCommand::Plugins => plugins::run(context).await,
        NodeCommand::Version => node::version(context).await,
        NodeCommand::Status { names } => status::run(context, &names).await,
        NodeCommand::Watch { pattern, history, colorize, heartbeat: _ } => {
            watch::run(context, &pattern, history, colorize).await
        }
        NodeCommand::Logs { follow, lines, stream, targets } => {
            let extent = Extent { lines, stream: stream.as_ref() };
            logs::run(context, &targets, follow, extent).await
        }
        NodeCommand::Stats { follow: true, interval, targets } => stats::follow(context, &targets, interval).await,
        NodeCommand::Stats { follow: false, interval: _, targets } => stats::once(context, &targets).await,
        NodeCommand::Info { targets } => info::run(context, &targets).await,
        NodeCommand::ReloadConfig => reconfigure::apply(context).await,
        NodeCommand::Diff => reconfigure::diff(context).await,
        NodeCommand::Ping => node::ping(context).await,
    }
}
