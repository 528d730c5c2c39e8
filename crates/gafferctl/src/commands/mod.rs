//! What each command does: one file each, or one for a few that are alike.

mod configure;
mod info;
mod jobs;
mod kill;
mod load;
mod logs;
mod node;
mod processes;
mod sessions;
mod settings;
mod show;
mod state;
mod stats;
mod status;
mod wait;
mod watch;

use gaffer_cli::{
    Context, Failure,
    commands::{Acts, failed, logs::Extent, send},
};
use gaffer_core::supervisor::Scale;

use crate::args::Command;

/// Carries out a command.
pub(crate) async fn run(command: Command, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        Command::Processes { running } => processes::run(context, running).await,
        Command::LoadProcess { start, file } => load::run(context, &file, start).await,
        Command::AddProcess { start, settings, name, words } => {
            configure::add(context, start, &settings, &name, &words).await
        }
        Command::GetProcess(jobs) => configure::get(context, &jobs.names).await,
        Command::UpdateProcess { settings, name, words } => configure::update(context, &settings, &name, &words).await,
        Command::DelProcess(jobs) => jobs::unload(context, &jobs.names).await,
        Command::Add(change) => jobs::scale(context, &change.names, Scale::Add(change.number)).await,
        Command::Sub(change) => jobs::scale(context, &change.names, Scale::Sub(change.number)).await,
        Command::Start { names, wait } => state::start(context, &names.names, &wait).await,
        Command::Stop { targets, wait } => state::stop(context, &targets.targets, &wait).await,
        Command::Restart { names, wait } => state::restart(context, &names.names, &wait).await,
        Command::Kill { signal, words } => kill::run(context, signal, &words).await,
        Command::Numprocesses(jobs) => jobs::numprocesses(context, &jobs.names).await,
        Command::Pids(jobs) => jobs::pids(context, &jobs.names).await,
        Command::Running(jobs) => jobs::running(context, &jobs.names).await,
        Command::Send { stream, pid, words } => send::run(context, pid, stream, &words, send::End::OfFile).await,
        Command::Groups { group } => sessions::run(context, group.as_deref()).await,
        Command::Sessions { session } => sessions::run(context, session.as_deref()).await,
        Command::Version => node::version(context).await,
        Command::Status { names } => status::run(context, &names).await,
        Command::Watch { pattern, history, colorize, heartbeat: _ } => {
            watch::run(context, &pattern, history, colorize).await
        }
        Command::Logs { follow, lines, stream, targets } => {
            let extent = Extent { lines, stream: stream.as_ref() };
            logs::run(context, &targets, follow, extent).await
        }
        Command::Stats { follow: true, interval, targets } => stats::follow(context, &targets, interval).await,
        Command::Stats { follow: false, interval: _, targets } => stats::once(context, &targets).await,
        Command::Info { targets } => info::run(context, &targets).await,
        Command::Ping => node::ping(context).await,
    }
}
