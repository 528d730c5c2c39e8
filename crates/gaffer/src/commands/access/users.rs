//! `user`, `user:add`, `user:del`, `user:setpassword`, `user:setkey`.

use gaffer_cli::{
    Context, Failure, Format,
    commands::{
        Acts, Entry,
        access::{NewUserArgs, PasswordArgs, Purpose, create_user, user_lines},
    },
};
use gaffer_core::access::KeyId;
use serde_json::json;

use super::{is_meant, missing};
use crate::args::Question;

fn named(name: &str) -> String {
    format!("User '{name}'")
}

pub(super) async fn show(context: &mut Context<'_>, name: &str) -> Result<(), Failure> {
    let user = context.client.user(name).await.map_err(|error| missing(&named(name), error))?;
    match context.output.format() {
        Format::Json => context.output.json(&json!(user)),
        Format::Text => context.output.line(user_lines(&user)),
    }
}

pub(super) async fn add(context: &mut Context<'_>, question: Question, user: &NewUserArgs) -> Result<(), Failure> {
    let name = user.name();
    let new = user.read()?;
    let mut acts = Acts::of_one(context.output);
    acts.remark(user.lines())?;
    if is_meant(&mut acts, question, &format!("Confirm the creation of the user '{name}'"), &format!("'{name}'"))? {
        let done = match create_user(&context.client, &new).await {
            Err(Failure::Call(error)) if error.refusal().is_some_and(|refusal| refusal.status == 409) => {
                Err(Failure::Failed(format!("User '{name}' already exists")))
            }
            done => done,
        };
        acts.acknowledge(Entry::user(name), done, format_args!("User '{name}' created"))?;
    }
    acts.finish()
}

pub(super) async fn delete(context: &mut Context<'_>, question: Question, name: &str) -> Result<(), Failure> {
    let mut acts = Acts::of_one(context.output);
    if is_meant(&mut acts, question, &format!("Confirm deletion of the user '{name}'"), &format!("'{name}'"))? {
        let done = context.client.delete_user(name).await.map_err(|error| missing(&named(name), error));
        acts.acknowledge(Entry::user(name), done, format_args!("User '{name}' deleted"))?;
    }
    acts.finish()
}

pub(super) async fn set_password(
    context: &mut Context<'_>,
    question: Question,
    name: &str,
    password: &PasswordArgs,
) -> Result<(), Failure> {
    let password = password.read(Purpose::Choose)?;
    let mut acts = Acts::of_one(context.output);
    if is_meant(&mut acts, question, &format!("Confirm the change of {name}'s password"), &format!("'{name}'"))? {
        let done = context.client.set_password(name, &password).await.map_err(|error| missing(&named(name), error));
        acts.acknowledge(Entry::user(name), done, format_args!("{name}'s password changed"))?;
    }
    acts.finish()
}

pub(super) async fn set_key(
    context: &mut Context<'_>,
    question: Question,
    name: &str,
    key: Option<&KeyId>,
) -> Result<(), Failure> {
    let mut acts = Acts::of_one(context.output);
    if is_meant(&mut acts, question, &format!("Confirm the change of {name}'s key"), &format!("'{name}'"))? {
        // It may be the key that is not there: the node says which.
        let done = context.client.set_user_key(name, key).await;
        acts.acknowledge(Entry::user(name), done, format_args!("{name}'s key changed"))?;
    }
    acts.finish()
}
