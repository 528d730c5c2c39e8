//! The command line of keys, users and log-ins, named as in the original.

use clap::{Args as Group, Subcommand};
use gaffer_cli::commands::access::{KeyWord, NewKeyArgs, NewUserArgs, PERMISSIONS, PasswordArgs, UserKeyArgs};

/// What to do about keys and users.
#[derive(Debug, Subcommand)]
pub(crate) enum AccessCommand {
    /// List the keys of the node that you may know of
    Keys,

    /// Tell what a key permits
    Key {
        /// The key, or its id, which are its first 12 characters
        #[arg(value_name = "KEY|ID")]
        key: KeyWord,
    },

    /// Make a key, and print it, this once only
    #[command(name = "key:create", after_help = PERMISSIONS)]
    KeyCreate {
        #[command(flatten)]
        question: Question,

        #[command(flatten)]
        key: NewKeyArgs,
    },

    /// Revoke a key, and all keys that were made with it
    #[command(name = "key:delete")]
    KeyDelete {
        #[command(flatten)]
        question: Question,

        /// The key, or its id
        #[arg(value_name = "KEY|ID")]
        key: KeyWord,
    },

    /// List the users of the node
    Users,

    /// Tell of a user
    User {
        /// The user
        #[arg(value_name = "USER")]
        name: String,
    },

    /// Make a user
    #[command(name = "user:add")]
    UserAdd {
        #[command(flatten)]
        question: Question,

        #[command(flatten)]
        user: NewUserArgs,
    },

    /// Delete a user
    #[command(name = "user:del")]
    UserDel {
        #[command(flatten)]
        question: Question,

        /// The user
        #[arg(value_name = "USER")]
        name: String,
    },

    /// Give a user another password
    #[command(name = "user:setpassword")]
    UserSetPassword {
        #[command(flatten)]
        question: Question,

        #[command(flatten)]
        password: PasswordArgs,

        /// The user
        #[arg(value_name = "USER")]
        name: String,
    },

    /// Give a user the rights of another key, or none
    #[command(name = "user:setkey")]
    UserSetKey {
        #[command(flatten)]
        question: Question,

        /// The user
        #[arg(value_name = "USER")]
        name: String,

        #[command(flatten)]
        key: UserKeyArgs,
    },
}

/// Whether it is asked for before it is done.
#[derive(Clone, Copy, Debug, Default, Group)]
pub(crate) struct Question {
    /// Do not ask
    #[arg(long)]
    pub(crate) no_input: bool,
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
        let words = ["gaffer"].into_iter().chain(line.split(' '));
        Line::try_parse_from(words).map(|line| line.command).map_err(|error| error.to_string())
    }

    #[test]
    fn a_user_gets_a_key_or_none() {
        let key = |line: &str| match read(line) {
            Ok(AccessCommand::UserSetKey { key, .. }) => Ok(key.id().map(ToString::to_string)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        let id = Some("0123456789ab".to_owned());
        assert_eq!(key("user:setkey anna 0123456789ab"), Ok(id.clone()));
        assert_eq!(key("user:setkey anna -k 0123456789ab"), Ok(id), "as in the original");
        assert_eq!(key("user:setkey anna --none"), Ok(None));
        for line in ["user:setkey anna", "user:setkey anna 0123456789ab --none", "user:setkey anna web"] {
            assert!(key(line).is_err(), "{line}");
        }
    }

    #[test]
    fn what_a_key_is_to_permit_must_read() {
        let Ok(AccessCommand::KeyCreate { key, .. }) = read("key:create shop+rw admin --expires-in 7d --label ci")
        else {
            panic!()
        };
        let permissions = key.permissions();
        assert!(permissions.admin && permissions.read.len() == 1 && permissions.write.len() == 1);
        for (line, named) in [
            ("key:create", "<PERMISSION>"),
            ("key:create mange=shop", "is no permission; write admin"),
            ("key:create admin --expires-in soon", "such as 90s"),
            ("key:delete web", "is no key and no id of one"),
            ("user:add anna -t 2", "2 is not in 0..=1"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}
