//! `key`, `key:create`, `key:delete`.

use gaffer_cli::{
    Context, Failure, Format,
    commands::{
        Acts,
        access::{NewKeyArgs, key_lines, permission_lines},
    },
};
use gaffer_core::access::KeyId;
use serde_json::json;

use super::{is_meant, missing};
use crate::args::Question;

fn named(key: &KeyId) -> String {
    format!("Key '{key}'")
}

pub(super) async fn show(context: &mut Context<'_>, key: &KeyId) -> Result<(), Failure> {
    let info = context.client.key(key).await.map_err(|error| missing(&named(key), error))?;
    match context.output.format() {
        Format::Json => context.output.json(&json!(info)),
        Format::Text => context.output.line(key_lines(&info)),
    }
}

pub(super) async fn create(context: &mut Context<'_>, question: Question, key: &NewKeyArgs) -> Result<(), Failure> {
    let mut acts = Acts::of_one(context.output);
    let permissions = permission_lines(&key.permissions());
    acts.remark(format_args!("A key with the following permissions will be created:\n\n{permissions}\n"))?;
    if !is_meant(&mut acts, question, "Create the key", "the key")? {
        return acts.finish();
    }
    key.run(context, |id| Some(format!("The key '{id}' has been created."))).await
}

pub(super) async fn delete(context: &mut Context<'_>, question: Question, key: &KeyId) -> Result<(), Failure> {
    let mut acts = Acts::of_one(context.output);
    if is_meant(&mut acts, question, &format!("Delete the key '{key}'"), &format!("'{key}'"))? {
        let done = context.client.revoke_key(key).await.map_err(|error| missing(&named(key), error));
        acts.acknowledge(key, done, format_args!("The key '{key}' has been deleted."))?;
    }
    acts.finish()
}
