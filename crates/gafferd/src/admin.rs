//! What is done without a node: with keys and users, as whoever may write the state file may do everything; systemd units; and a look at the configuration.

use std::{
    io::{self, BufRead, IsTerminal, Read, Write},
    process::ExitCode,
};

use anyhow::{Context, bail};
use gaffer_core::ini::LogLevel;
use gaffer_daemon::log::Log;
use gaffer_state::{AccessError, PasswordHash};
use tokio::runtime;

use crate::{args::Args, check, settings::Settings, unit::Unit};

/// The longest line that is read. What it is for is no longer, which is told by whoever takes it.
const MAX_LINE: u64 = 64 * 1024;

/// What is to be done instead of running a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    CreateAdmin,
    ListAdmins,
    PrintUnit(Unit),
    CheckConfig,
}

impl Errand {
    /// What the command line asks for.
    pub(crate) fn of(args: &Args) -> Option<Self> {
        if args.create_admin_user {
            return Some(Self::CreateAdmin);
        }
        if args.list_admins {
            return Some(Self::ListAdmins);
        }
        if args.check_config {
            return Some(Self::CheckConfig);
        }
        args.systemd_unit.map(Self::PrintUnit)
    }
}

/// Does it.
pub(crate) fn run(args: &Args, errand: Errand) -> anyhow::Result<ExitCode> {
    // Who does something by hand sees what came of it.
    let _log = Log::install(&args.log.over(None, None, LogLevel::Warning))?;
    if let Errand::PrintUnit(unit) = errand {
        say(unit.text(args)?.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let settings = Settings::read(args)?;
    if errand == Errand::CheckConfig {
        check::tell(&settings)?;
        return Ok(ExitCode::SUCCESS);
    }
    let state = settings.state;
    let runtime = runtime::Builder::new_current_thread().build().context("cannot start the runtime")?;
    match errand {
        Errand::CreateAdmin => {
            let name = args.username.clone().map_or_else(ask_name, Ok)?;
            let password = args.password.clone().map_or_else(ask_password, Ok)?;
            let key = runtime.block_on(async { Ok(state.open_beside().await?.create_admin(&name, password).await) });
            match key.map_err(|error: anyhow::Error| error)? {
                Ok(key) => say(&format!("User '{name}' created.\nAPI Key: {}", key.as_str()))?,
                Err(AccessError::UserExists(_)) => {
                    bail!("username '{name}' already exists. Please choose another")
                }
                Err(error) => return Err(error.into()),
            }
        }
        Errand::PrintUnit(_) | Errand::CheckConfig => {} // Done.
        Errand::ListAdmins => {
            let access = runtime.block_on(state.open_existing())?;
            for (name, key) in access.map(|access| access.admins()).unwrap_or_default() {
                say(&format!("{name} - {key}"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}").context("cannot write to stdout")
}

fn ask_name() -> anyhow::Result<String> {
    if io::stdin().is_terminal() {
        let mut stderr = io::stderr();
        write!(stderr, "username: ").and_then(|()| stderr.flush()).context("cannot ask for a name")?;
    }
    line_of_stdin("a name; give --username")
}

/// Asks twice, unseen; or takes a line of stdin, where that is no terminal.
fn ask_password() -> anyhow::Result<String> {
    if !io::stdin().is_terminal() {
        return line_of_stdin("a password; give --password, or a line of stdin");
    }
    let ask = |prompt| rpassword::prompt_password(prompt).context("cannot ask for a password");
    let password = ask("password: ")?;
    if password.is_empty() || password.len() > PasswordHash::MAX_PASSWORD {
        bail!("a password must be 1 to {} bytes", PasswordHash::MAX_PASSWORD);
    }
    if ask("password again: ")? != password {
        bail!("the passwords differ; nothing was done");
    }
    Ok(password)
}

fn line_of_stdin(wanted: &str) -> anyhow::Result<String> {
    let mut line = String::new();
    io::stdin().lock().take(MAX_LINE).read_line(&mut line).context("cannot read stdin")?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        bail!("there must be {wanted}");
    }
    Ok(line.to_owned())
}
