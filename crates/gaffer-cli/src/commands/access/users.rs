//! Users, as options and in tables.

use std::fmt;

use anstyle::Style;
use clap::Args;
use gaffer_client::Client;
use gaffer_core::{
    access::KeyId,
    api::access::{NewUser, UserInfo},
};
use serde_json::json;

use super::{KeyWord, PasswordArgs, Purpose, of_all};
use crate::{
    Context, Failure, Format, Table,
    commands::facts::{self, NOTHING},
};

/// A user who is to be made, as options.
#[derive(Clone, Debug, Args)]
pub struct NewUserArgs {
    /// The name
    #[arg(value_name = "USER")]
    name: String,

    #[command(flatten)]
    password: PasswordArgs,

    /// The key, or its id, whose rights the user is to have [default: none, so that nobody can log in as the user yet]
    #[arg(short, long, value_name = "KEY|ID")]
    key: Option<KeyWord>,

    /// 0 for people who administer, 1 for applications; it says nothing of rights
    #[arg(short = 't', long = "type", value_name = "TYPE", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    user_type: u8,
}

impl NewUserArgs {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is known beforehand, in the original's lines.
    pub fn lines(&self) -> String {
        let Self { name, key, user_type, .. } = self;
        let key = key.as_ref().map_or(NOTHING.to_owned(), KeyWord::to_string);
        format!("Creating the user '{name}' with the following infos:\nAPI Key: {key}\nType: {user_type}\n")
    }

    /// The user, with the password, for which the person may be asked.
    ///
    /// # Errors
    /// When there is no password.
    pub fn read(&self) -> Result<NewUser, Failure> {
        let password = self.password.read(Purpose::Choose)?;
        let key = self.key.as_ref().map(|key| key.id().to_string());
        Ok(NewUser { user_type: self.user_type, key, ..NewUser::new(&self.name, password) })
    }
}

/// Makes a user.
///
/// # Errors
/// When the node says no.
pub async fn create_user(client: &Client, user: &NewUser) -> Result<(), Failure> {
    let made = client.create_user(user).await;
    // If it is the key that is not there, that is another thing.
    let names_key = user.key.is_some();
    made.map_err(|error| if names_key && error.is_not_found() { error.into() } else { of_all(client, error) })
}

/// The key that a user is to have, or none.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct UserKeyArgs {
    /// The key, or its id, whose rights the user is to have
    #[arg(value_name = "KEY|ID")]
    key: Option<KeyWord>,

    /// None: the user may do nothing
    #[arg(long)]
    none: bool,

    /// The original's way to name the key
    #[arg(short = 'k', hide = true, value_name = "KEY|ID")]
    key_option: Option<KeyWord>,
}

impl UserKeyArgs {
    /// Its id.
    pub fn id(&self) -> Option<&KeyId> {
        self.key.as_ref().or(self.key_option.as_ref()).map(KeyWord::id)
    }
}

/// What is known of a user, in the original's lines and one more.
pub fn user_lines(user: &UserInfo) -> impl fmt::Display {
    let UserInfo { username, user_type, key, .. } = user;
    let key = key.as_ref().map_or(NOTHING.to_owned(), KeyId::to_string);
    format!("User '{}' found\nAPI Key: {key}\nType: {user_type}", crate::escaped(username))
}

/// What is known of a user, as facts.
pub fn user_facts(user: &UserInfo) -> Vec<(String, String)> {
    let UserInfo { username, user_type, key, extra } = user;
    let key = key.as_ref().map_or(NOTHING.to_owned(), KeyId::to_string);
    let facts = [("username", username.clone()), ("user_type", user_type.to_string()), ("key", key)];
    let facts = facts.map(|(key, value)| (key.to_owned(), value)).into_iter();
    facts.chain(extra.iter().flat_map(|(key, value)| facts::of_field(key, value))).collect()
}

/// Prints the users: a table, or as JSON a list of what is known of each.
///
/// # Errors
/// When the node says no.
pub async fn list_users(context: &mut Context<'_>) -> Result<(), Failure> {
    let users = context.client.users().await.map_err(|error| of_all(&context.client, error))?;
    match context.output.format() {
        Format::Json => context.output.json(&json!(users)),
        Format::Text => context.output.table(table(&users)),
    }
}

fn table(users: &[UserInfo]) -> Table {
    let mut table = Table::new(&["USER", "TYPE", "KEY"]).numbers(&[1]);
    for UserInfo { username, user_type, key, .. } in users {
        let key = key.as_ref().map_or(NOTHING.to_owned(), KeyId::to_string);
        table.row(Style::new(), [username.clone(), user_type.to_string(), key]);
    }
    table
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn users_are_told_with_the_ids_of_their_keys() {
        let users: Vec<UserInfo> = serde_json::from_value(json!([
            {"username": "anna", "user_type": 0, "key": "0123456789ab", "mail": "x"},
            {"username": "b\u{1b}", "user_type": 1, "key": null},
        ]))
        .unwrap();
        let text = strip_str(&table(&users).to_string()).to_string();
        assert_eq!(text, "USER     TYPE  KEY\nanna        0  0123456789ab\nb\\u{1b}     1  -");
        let facts = facts::lines(&user_facts(&users[0]));
        assert_eq!(facts, "username: anna\nuser_type: 0\nkey: 0123456789ab\nmail: x");
        assert_eq!(user_lines(&users[0]).to_string(), "User 'anna' found\nAPI Key: 0123456789ab\nType: 0");
        assert_eq!(user_lines(&users[1]).to_string(), "User 'b\\u{1b}' found\nAPI Key: -\nType: 1");
    }
}
