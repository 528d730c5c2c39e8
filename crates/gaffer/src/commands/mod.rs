//! What each command does: one file each, or one for a few that are alike.

mod access;
mod check;
mod export;
mod lookup;
mod node;
mod run;
mod start;

use std::process::ExitCode;

use gaffer_cli::{
    Context, Output,
    commands::access::{login, logout},
    lookup::Finder,
};

use self::export::Export;
use crate::{
    args::{Args, Command},
    foreground::signals::let_early_ones_through,
};

/// Carries out a command.
pub(crate) fn run(args: Args, mut output: Output) -> ExitCode {
    let Args { application, connection, command, .. } = args;
    if !matches!(command, Command::Start(_) | Command::Run(_)) {
        let_early_ones_through();
    }
    if matches!(command, Command::Start(_) | Command::Check { .. } | Command::Export { .. })
        && let Err(failure) = connection.refuse_lookup()
    {
        output.tell(&failure);
        return failure.exit().into();
    }
    match command {
        Command::Start(start) => start::start(&application, start, output),
        Command::Run(command) => run::run(&application, &connection, command, output),
        Command::Check { concurrency, port } => {
            let source = application.source(None, port);
            gaffer_cli::run(output, async move |output| check::run(&source, &concurrency.joined(), output)).into()
        }
        Command::Export { concurrency, format, out, user, port, name } => {
            let (source, concurrency) = (application.source(None, port), concurrency.joined());
            let what = Export { source, concurrency, format, out, user, name };
            gaffer_cli::run(output, async move |output| export::run(&what, output)).into()
        }
        Command::Node(command) => gaffer_cli::run(output, async move |output| {
            if let Some(finder) = Finder::of(&connection, output)? {
                return node::run_where_it_is(command, &application, &finder, output).await;
            }
            let client = connection.client(output)?;
            node::run(command, &application, &mut Context { client, output }).await
        })
        .into(),
        Command::Lookup(command) => gaffer_cli::run(output, async move |output| {
            let lookup = connection.lookup(output)?;
            lookup::run(command.question(), &lookup, output).await
        })
        .into(),
        Command::Access(command) => gaffer_cli::run(output, async move |output| {
            let client = connection.client(output)?;
            access::run(command, &mut Context { client, output }).await
        })
        .into(),
        Command::Login(args) => {
            gaffer_cli::run(output, async move |output| login(&args, &connection, output).await).into()
        }
        Command::Logout => gaffer_cli::run(output, async move |output| logout(&connection, output).await).into(),
    }
}
