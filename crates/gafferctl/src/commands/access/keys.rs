//! `get_key`, `del_key`.

use gaffer_cli::{
    Context, Failure,
    commands::{
        Acts,
        access::{KeyWord, key_facts},
    },
};
use gaffer_client::Error;
use serde_json::json;

use super::{Facts, done, print};

pub(super) async fn get(context: &mut Context<'_>, keys: &[KeyWord]) -> Result<(), Failure> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for key in keys {
        match context.client.key(key.id()).await {
            Ok(info) => found.push(Facts { json: json!(info), text: key_facts(&info) }),
            // The others would fail likewise, after as long a time.
            Err(error @ Error::Unreachable { .. }) => return Err(error.into()),
            Err(error) => failures.push(error.into()),
        }
    }
    print(context.output, &found, &failures)
}

pub(super) async fn delete(context: &mut Context<'_>, keys: &[KeyWord]) -> Result<(), Failure> {
    let mut acts = Acts::of_one(context.output);
    for key in keys {
        let outcome = context.client.revoke_key(key.id()).await;
        acts.acknowledge(key.id(), outcome, done(key.id().as_str(), keys.len() > 1))?;
    }
    acts.finish()
}
