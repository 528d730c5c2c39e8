//! The command line of keys and users.

use clap::Subcommand;
use gaffer_cli::commands::access::{KeyWord, NewKeyArgs, NewUserArgs, PERMISSIONS, PasswordArgs, UserKeyArgs};

/// What to do about keys and users.
#[derive(Debug, Subcommand)]
pub(crate) enum AccessCommand {
    /// List the keys that you may know of
    Keys,

    /// Print what keys permit
    #[command(name = "get_key", alias = "get-key")]
    GetKey {
        /// Keys, or their ids, which are their first 12 characters
        #[arg(value_name = "KEY|ID", required = true)]
        keys: Vec<KeyWord>,
    },

    /// Make a key, and print it, this once only
    #[command(name = "add_key", alias = "add-key", after_help = PERMISSIONS)]
    AddKey(NewKeyArgs),

    /// Revoke keys, and all keys that were made with them
    #[command(name = "del_key", alias = "del-key")]
    DelKey {
        /// Keys, or their ids
        #[arg(value_name = "KEY|ID", required = true)]
        keys: Vec<KeyWord>,
    },

    /// List the users
    Users,

    /// Print what is known of users
    #[command(name = "get_user", alias = "get-user")]
    GetUser {
        /// Users
        #[arg(value_name = "USER", required = true)]
        names: Vec<String>,
    },

    /// Make a user
    #[command(name = "add_user", alias = "add-user")]
    AddUser(NewUserArgs),

    /// Delete users
    #[command(name = "del_user", alias = "del-user")]
    DelUser {
        /// Users
        #[arg(value_name = "USER", required = true)]
        names: Vec<String>,
    },

    /// Give a user another password
    #[command(name = "set_password", alias = "set-password")]
    SetPassword {
        #[command(flatten)]
        password: PasswordArgs,

        /// The user
        #[arg(value_name = "USER")]
        name: String,
    },

    /// Give a user the rights of another key, or none
    #[command(name = "set_user_key", alias = "set-user-key")]
    SetUserKey {
        /// The user
        #[arg(value_name = "USER")]
        name: String,

        #[command(flatten)]
        key: UserKeyArgs,
    },
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: AccessCommand,
    }

    fn read(line: &str) -> Result<AccessCommand, String> {
        let words = ["gafferctl"].into_iter().chain(line.split(' '));
        Line::try_parse_from(words).map(|line| line.command).map_err(|error| error.to_string())
    }

    #[test]
    fn a_user_gets_a_key_or_none() {
        let key = |line: &str| match read(line) {
            Ok(AccessCommand::SetUserKey { key, .. }) => Ok(key.id().map(ToString::to_string)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        let id = Some("0123456789ab".to_owned());
        assert_eq!(key("set_user_key anna 0123456789ab"), Ok(id.clone()));
        assert_eq!(key("set_user_key anna -k 0123456789ab"), Ok(id), "as in the original");
        assert_eq!(key("set_user_key anna --none"), Ok(None));
        for line in ["set_user_key anna", "set_user_key anna 0123456789ab --none", "set_user_key anna web"] {
            assert!(key(line).is_err(), "{line}");
        }
    }

    #[test]
    fn what_a_key_is_to_permit_must_read() {
        let Ok(AccessCommand::AddKey(key)) = read("add_key shop+rw admin --expires-in 7d --label ci") else { panic!() };
        let permissions = key.permissions();
        assert!(permissions.admin && permissions.read.len() == 1 && permissions.write.len() == 1);
        for (line, named) in [
            ("add_key", "<PERMISSION>"),
            ("add_key mange=shop", "is no permission; write admin"),
            ("add_key admin --expires-in soon", "such as 90s"),
            ("del_key web", "is no key and no id of one"),
            ("add_user anna -t 2", "2 is not in 0..=1"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(named), "{line}: {error}");
        }
    }

    #[test]
    fn hyphens_do_as_well() {
        for line in
            ["get-key 0123456789ab", "add-key +a", "del-key 0123456789ab", "get-user a b", "add-user a", "del-user a b"]
        {
            assert!(read(line).is_ok(), "{line}");
        }
        assert!(read("set-password a").is_ok() && read("set-user-key a --none").is_ok());
    }
}
