//! Keys and users.

mod keys;
mod users;

use gaffer_cli::{
    Context, Failure, Format, Output,
    commands::{
        access::{list_keys, list_users},
        facts,
    },
};
use serde_json::Value;

use super::failed;
use crate::args::AccessCommand;

/// Carries out a command.
pub(crate) async fn run(command: AccessCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        AccessCommand::Keys => list_keys(context).await,
        AccessCommand::GetKey { keys } => keys::get(context, &keys).await,
        AccessCommand::AddKey(key) => key.run(context, |_| None).await,
        AccessCommand::DelKey { keys } => keys::delete(context, &keys).await,
        AccessCommand::Users => list_users(context).await,
        AccessCommand::GetUser { names } => users::get(context, &names).await,
        AccessCommand::AddUser(user) => users::add(context, &user).await,
        AccessCommand::DelUser { names } => users::delete(context, &names).await,
        AccessCommand::SetPassword { password, name } => users::set_password(context, &name, &password).await,
        AccessCommand::SetUserKey { name, key } => users::set_key(context, &name, key.id()).await,
    }
}

/// What is known of one thing.
#[derive(Debug)]
struct Facts {
    /// For programs.
    json: Value,
    /// For people, in order.
    text: Vec<(String, String)>,
}

/// Prints what is known of several things, `key: value`, with a blank line between two; or as JSON a list. Then what failed is told.
fn print(output: &mut Output, found: &[Facts], failures: &[Failure]) -> Result<(), Failure> {
    match output.format() {
        Format::Json => output.json(&found.iter().map(|facts| &facts.json).collect::<Vec<_>>())?,
        Format::Text => {
            let paragraphs: Vec<String> = found.iter().map(|facts| facts::lines(&facts.text)).collect();
            if !paragraphs.is_empty() {
                output.line(paragraphs.join("\n\n"))?;
            }
        }
    }
    failed(output, failures)
}

/// Words of an outcome: bare if there is one only, else with what it is of before it.
fn done(of: &str, several: bool) -> String {
    if several { format!("{of}: ok") } else { "ok".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_each_is_named() {
        assert_eq!([done("anna", false), done("anna", true)], ["ok", "anna: ok"]);
    }
}
