//! Keys, as options and in tables.

use std::{fmt, str::FromStr, time::Duration};

use anstyle::Style;
use clap::Args;
use gaffer_client::Client;
use gaffer_core::{
    access::{InvalidKeyId, KeyId, Permissions},
    api::access::{KeyInfo, MadeKey, NewKey},
};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;

use super::{
    Grant,
    grant::{scopes, words},
    of_all,
};
use crate::{
    Context, Failure, Format, Table,
    commands::{Acts, facts::NOTHING},
    read_span, span,
};

/// A key that is named: whole, or by its id. Only the id is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyWord(KeyId);

impl KeyWord {
    /// Its id.
    pub fn id(&self) -> &KeyId {
        &self.0
    }
}

impl FromStr for KeyWord {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        KeyId::of(text).map(Self)
    }
}

impl fmt::Display for KeyWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key that is to be made, as options.
#[derive(Clone, Debug, Args)]
pub struct NewKeyArgs {
    /// What is written on it, to know it by
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,

    /// For how long it is good: 90s, 30m, 12h, 7d, 2w [default: until it is revoked]
    #[arg(long, value_name = "SPAN", value_parser = read_span)]
    expires_in: Option<Duration>,

    /// What it permits: see below
    #[arg(value_name = "PERMISSION", required = true)]
    permissions: Vec<Grant>,
}

impl NewKeyArgs {
    /// What it is to permit.
    pub fn permissions(&self) -> Permissions {
        Grant::all(&self.permissions)
    }

    /// Makes it.
    ///
    /// # Errors
    /// When the node says no.
    pub async fn make(&self, client: &Client) -> Result<(KeyId, MadeKey), Failure> {
        let new = NewKey {
            label: self.label.clone(),
            permissions: self.permissions(),
            parent: None,
            expires_in: self.expires_in.map(|span| span.as_secs()),
        };
        let made = client.create_key(&new).await.map_err(|error| of_all(client, error))?;
        let id = KeyId::of(&made.api_key)
            .map_err(|_| Failure::Failed("the node has made something that is no key".to_owned()))?;
        Ok((id, made))
    }

    /// Makes it, and prints it: the words before it, which get its id, and the key alone on a line of its own.
    ///
    /// # Errors
    /// When the node says no.
    pub async fn run(
        &self,
        context: &mut Context<'_>,
        words: impl FnOnce(&KeyId) -> Option<String>,
    ) -> Result<(), Failure> {
        let (id, made) = self.make(&context.client).await?;
        let mut acts = Acts::of_one(context.output);
        if let Some(words) = words(&id) {
            acts.remark(words)?;
        }
        acts.result(&id, "api_key", Ok::<_, Failure>(made.api_key), String::clone)?;
        acts.output().hint("keep the key: it is not shown again");
        acts.finish()
    }
}

/// What a key permits, in the original's lines.
pub fn permission_lines(permissions: &Permissions) -> String {
    let Permissions { admin, create_key, create_user, manage, write, read } = permissions;
    let list = |list| match (admin, scopes(list)) {
        (true, _) => "*".to_owned(),
        (false, text) if text.is_empty() => NOTHING.to_owned(),
        (false, text) => text,
    };
    format!(
        "  admin: {admin}\n  create_user: {}\n  create_key: {}\n  manage: {}\n  read: {}\n  write: {}",
        admin | create_user,
        admin | create_key,
        list(manage),
        list(read),
        list(write)
    )
}

/// What is known of a key, in the original's lines and a few more.
pub fn key_lines(key: &KeyInfo) -> String {
    let KeyInfo { key: id, label, permissions, parent, user, created, expires } = key;
    let mut text = format!(
        "Key '{id}' found.\nLabel: {}\nPermissions:\n{}",
        crate::escaped(label.as_deref().unwrap_or(NOTHING)),
        permission_lines(permissions)
    );
    if let Some(parent) = parent {
        text += &format!("\nParent: {parent}");
    }
    if let Some(user) = user {
        text += &format!("\nUser: {}", crate::escaped(user));
    }
    text + &format!("\nCreated: {}\nExpires: {}", moment(*created), expires.map_or("never".to_owned(), moment))
}

/// What is known of a key, as facts.
pub fn key_facts(key: &KeyInfo) -> Vec<(String, String)> {
    let KeyInfo { key: id, label, permissions, parent, user, created, expires } = key;
    let or_nothing = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| NOTHING.to_owned());
    let facts = [
        ("key", id.to_string()),
        ("label", or_nothing(label.clone())),
        ("permissions", or_nothing(Some(words(permissions).join(" ")))),
        ("parent", or_nothing(parent.as_ref().map(ToString::to_string))),
        ("user", or_nothing(user.clone())),
        ("created", moment(*created)),
        ("expires", expires.map_or("never".to_owned(), moment)),
    ];
    facts.map(|(key, value)| (key.to_owned(), value)).into()
}

/// A time, as it is here.
fn moment(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or(NOTHING.to_owned(), |time| {
        time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %z").to_string()
    })
}

/// In how long a time comes, which is counted from `now` on.
fn until(seconds: u64, now: i64) -> String {
    match i64::try_from(seconds).unwrap_or(i64::MAX).saturating_sub(now) {
        left @ 1.. => format!("in {}", span(left as f64)),
        _ => "expired".to_owned(),
    }
}

/// Prints the keys: a table, or as JSON a list of what is known of each.
///
/// # Errors
/// When the node says no.
pub async fn list_keys(context: &mut Context<'_>) -> Result<(), Failure> {
    let keys = context.client.keys().await.map_err(|error| of_all(&context.client, error))?;
    match context.output.format() {
        Format::Json => context.output.json(&json!(keys)),
        Format::Text => context.output.table(table(&keys, Timestamp::now().as_second())),
    }
}

fn table(keys: &[KeyInfo], now: i64) -> Table {
    let mut table = Table::new(&["KEY", "LABEL", "USER", "PARENT", "EXPIRES", "PERMISSIONS"]);
    let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
    for key in keys {
        let permissions = words(&key.permissions).join(" ");
        let row = [
            key.key.to_string(),
            or_nothing(key.label.clone()),
            or_nothing(key.user.clone()),
            or_nothing(key.parent.as_ref().map(ToString::to_string)),
            key.expires.map_or("never".to_owned(), |expires| until(expires, now)),
            or_nothing(Some(permissions).filter(|words| !words.is_empty())),
        ];
        table.row(Style::new(), row);
    }
    table
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    fn key(value: serde_json::Value) -> KeyInfo {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_table_has_a_row_for_each_key() {
        let keys = [
            key(json!({"key": "0123456789ab", "permissions": {"admin": true}, "created": 1})),
            key(
                json!({"key": "ba9876543210", "label": "ci\u{1b}", "permissions": {"manage": ["shop"], "create_key": true},
                "parent": "0123456789ab", "created": 1, "expires": 100}),
            ),
            key(json!({"key": "aaaaaaaaaaaa", "permissions": {}, "user": "anna", "created": 1, "expires": 90_010})),
        ];
        assert_eq!(
            strip_str(&table(&keys, 100).to_string()).to_string(),
            "KEY           LABEL     USER  PARENT        EXPIRES  PERMISSIONS\n\
             0123456789ab  -         -     -             never    admin\n\
             ba9876543210  ci\\u{1b}  -     0123456789ab  expired  create_key manage=shop\n\
             aaaaaaaaaaaa  -         anna  -             in 1d    -"
        );
    }

    #[test]
    fn a_key_is_told_in_the_original_s_lines() {
        let admin = key(json!({"key": "0123456789ab", "permissions": {"admin": true}, "created": 0}));
        assert!(key_lines(&admin).starts_with(
            "Key '0123456789ab' found.\nLabel: -\nPermissions:\n  admin: true\n  create_user: true\n  create_key: true\n  \
             manage: *\n  read: *\n  write: *\nCreated: "
        ));
        let other = key(json!({"key": "0123456789ab", "label": "two\nlines", "permissions": {"read": ["a", "b.c"]},
            "parent": "ba9876543210", "user": "anna", "created": 0, "expires": u64::MAX}));
        let text = key_lines(&other);
        assert!(
            text.contains("Label: two\\nlines\n")
                && text.contains("\n  create_key: false\n  manage: -\n  read: a,b.c\n")
        );
        assert!(
            text.contains("\nParent: ba9876543210\nUser: anna\nCreated: 19") && text.ends_with("\nExpires: -"),
            "{text}"
        );
    }

    #[test]
    fn what_is_known_of_a_key_stands_in_order() {
        let key =
            key(json!({"key": "0123456789ab", "label": "ci", "permissions": {"read": ["b", "a"], "create_user": true},
            "created": u64::MAX, "user": "anna"}));
        assert_eq!(
            crate::commands::facts::lines(&key_facts(&key)),
            "key: 0123456789ab\nlabel: ci\npermissions: create_user read=a,b\nparent: -\nuser: anna\ncreated: -\nexpires: never"
        );
    }

    #[test]
    fn a_key_is_known_by_its_beginning_and_the_rest_is_not_kept() {
        let word: KeyWord = format!("0123456789ab{}", "c".repeat(52)).parse().unwrap();
        assert_eq!(word.to_string(), "0123456789ab");
        assert!("web".parse::<KeyWord>().is_err());
    }
}
