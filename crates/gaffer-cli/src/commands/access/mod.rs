//! Keys, users and log-ins: what programs say differently, they say themselves.

mod grant;
mod keys;
mod password;
mod session;
mod users;

use gaffer_client::{Client, Error};

pub use self::{
    grant::{Grant, PERMISSIONS, words},
    keys::{KeyWord, NewKeyArgs, key_facts, key_lines, list_keys, permission_lines},
    password::{PasswordArgs, Purpose, stdin_line},
    session::{LoginArgs, login, logout},
    users::{NewUserArgs, UserKeyArgs, create_user, list_users, user_facts, user_lines},
};
use crate::Failure;

/// Why a call about keys or users failed that names none: who shows no key is refused only by a node that has none.
fn of_all(client: &Client, error: Error) -> Failure {
    let status = error.refusal().map_or(0, |refusal| refusal.status);
    if status == 404 || (status == 403 && !client.has_key()) {
        return keyless(client);
    }
    error.into()
}

/// There is nothing to be done about keys.
fn keyless(client: &Client) -> Failure {
    let endpoint = client.endpoint();
    Failure::Failed(format!(
        "{endpoint} requires no keys, and so has no users: whoever reaches it may do everything; `gafferd --require-key` changes that"
    ))
}

#[cfg(test)]
mod tests {
    use gaffer_client::{Endpoint, Refusal};

    use super::*;

    #[test]
    fn a_node_without_keys_is_told_from_one_that_refuses() {
        let without = Client::new(&Endpoint::default()).unwrap();
        let with = Client::builder(&Endpoint::default()).api_key("mine").build().unwrap();
        for (client, status, is_keyless) in [
            (&without, 403, true),
            (&with, 403, false),
            (&without, 404, true),
            (&with, 404, true),
            (&without, 401, false),
        ] {
            let [error, reason] = ["forbidden", "because"].map(str::to_owned);
            let told = of_all(client, Refusal { status, error, reason }.into()).to_string();
            assert_eq!(told.starts_with("http://127.0.0.1:5000 requires no keys"), is_keyless, "{told}");
        }
    }
}
