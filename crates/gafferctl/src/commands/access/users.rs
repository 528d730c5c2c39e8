//! `get_user`, `add_user`, `del_user`, `set_password`, `set_user_key`.

use gaffer_cli::{
    Context, Failure,
    commands::{
        Acts, Entry,
        access::{NewUserArgs, PasswordArgs, Purpose, create_user, user_facts},
    },
};
use gaffer_client::Error;
use gaffer_core::access::KeyId;
use serde_json::json;

use super::{Facts, done, print};

pub(super) async fn get(context: &mut Context<'_>, names: &[String]) -> Result<(), Failure> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        match context.client.user(name).await {
            Ok(info) => found.push(Facts { json: json!(info), text: user_facts(&info) }),
            // The others would fail likewise, after as long a time.
            Err(error @ Error::Unreachable { .. }) => return Err(error.into()),
            Err(error) => failures.push(error.into()),
        }
    }
    print(context.output, &found, &failures)
}

pub(super) async fn add(context: &mut Context<'_>, user: &NewUserArgs) -> Result<(), Failure> {
    let new = user.read()?;
    let outcome = create_user(&context.client, &new).await;
    tell(context, user.name(), outcome)
}

pub(super) async fn delete(context: &mut Context<'_>, names: &[String]) -> Result<(), Failure> {
    let mut acts = Acts::of_one(context.output);
    for name in names {
        let outcome = context.client.delete_user(name).await;
        acts.acknowledge(Entry::user(name), outcome, done(name, names.len() > 1))?;
    }
    acts.finish()
}

pub(super) async fn set_password(
    context: &mut Context<'_>,
    name: &str,
    password: &PasswordArgs,
) -> Result<(), Failure> {
    let password = password.read(Purpose::Choose)?;
    let outcome = context.client.set_password(name, &password).await;
    tell(context, name, outcome)
}

pub(super) async fn set_key(context: &mut Context<'_>, name: &str, key: Option<&KeyId>) -> Result<(), Failure> {
    let outcome = context.client.set_user_key(name, key).await;
    tell(context, name, outcome)
}

/// Tells what came of it.
fn tell<E: Into<Failure>>(context: &mut Context<'_>, name: &str, outcome: Result<(), E>) -> Result<(), Failure> {
    let mut acts = Acts::of_one(context.output);
    acts.acknowledge(Entry::user(name), outcome, done(name, false))?;
    acts.finish()
}
