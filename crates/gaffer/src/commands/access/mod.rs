//! Commands about keys and users, in the original's words.

mod keys;
mod users;

use gaffer_cli::{
    Asker, Context, Failure,
    commands::{
        Acts,
        access::{list_keys, list_users},
    },
};
use gaffer_client::Error;

use crate::args::{AccessCommand, Question};

/// Carries out a command.
pub(super) async fn run(command: AccessCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        AccessCommand::Keys => list_keys(context).await,
        AccessCommand::Key { key } => keys::show(context, key.id()).await,
        AccessCommand::KeyCreate { question, key } => keys::create(context, question, &key).await,
        AccessCommand::KeyDelete { question, key } => keys::delete(context, question, key.id()).await,
        AccessCommand::Users => list_users(context).await,
        AccessCommand::User { name } => users::show(context, &name).await,
        AccessCommand::UserAdd { question, user } => users::add(context, question, &user).await,
        AccessCommand::UserDel { question, name } => users::delete(context, question, &name).await,
        AccessCommand::UserSetPassword { question, password, name } => {
            users::set_password(context, question, &name, &password).await
        }
        AccessCommand::UserSetKey { question, name, key } => users::set_key(context, question, &name, key.id()).await,
    }
}

/// Asks whether to do something, in the original's words; if not, says of what nothing was done.
fn is_meant(acts: &mut Acts<'_>, question: Question, words: &str, what: &str) -> Result<bool, Failure> {
    let is_meant = Asker::new(question.no_input).confirms(words)?;
    if !is_meant {
        acts.remark(format_args!("Ignore {what}"))?;
    }
    Ok(is_meant)
}

/// Why a call failed that is about something of this name.
fn missing(what: &str, error: Error) -> Failure {
    if error.is_not_found() { Failure::NotFound(format!("{what} not found")) } else { error.into() }
}
