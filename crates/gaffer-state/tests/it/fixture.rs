//! Records that say themselves what they must be.

use std::{env, fs::Permissions, os::unix::fs::PermissionsExt as _, sync::LazyLock};

use gaffer_state::{Change, KeyDigest, KeyRecord, PasswordHash, Records, StateFile, UserRecord};
use serde_json::json;
use tempfile::TempDir;

/// So many cases or rounds, or ten times as many if `GAFFER_TEST_SCALE=full`.
pub(crate) fn cases(cases: u32) -> u32 {
    let full = env::var_os("GAFFER_TEST_SCALE").is_some_and(|scale| scale == "full");
    if full { cases * 10 } else { cases }
}

/// A folder that is fit for a state folder, whatever modes are usual here.
pub(crate) fn private_folder() -> TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap()
}

/// Passwords of which hashes are made once, as each takes long.
pub(crate) static PASSWORDS: LazyLock<[PasswordHash; 2]> =
    LazyLock::new(|| ["one", "two"].map(|password| PasswordHash::new(password).unwrap()));

/// A key, all of which follows from its number. It takes more than a page, so that it cannot be written at one stroke.
pub(crate) fn key(number: u64) -> KeyRecord {
    let text = number.to_string();
    let permissions =
        json!({"manage": [format!("session{number}")], "read": ["*"], "create_key": number.is_multiple_of(2)});
    KeyRecord {
        id: format!("{number:012x}").parse().unwrap(),
        digest: KeyDigest::of(&text),
        label: Some(text.repeat(2000)),
        permissions: serde_json::from_value(permissions).unwrap(),
        parent: (number > 0).then(|| format!("{:012x}", number - 1).parse().unwrap()),
        user: number.is_multiple_of(3).then(|| format!("user{number}")),
        created: number,
        expires: number.is_multiple_of(5).then_some(number + 1),
    }
}

/// A user, all of whom but the password follows from the number.
pub(crate) fn user(number: u64, password: &PasswordHash) -> UserRecord {
    UserRecord {
        name: format!("user{number}"),
        password: password.clone(),
        user_type: (number % 2) as u8,
        key: Some(key(number).id),
        extra: [("number".to_owned(), json!([number]))].into_iter().collect(),
    }
}

/// Makes a key and its user.
pub(crate) fn both(number: u64, password: &PasswordHash) -> Vec<Change> {
    vec![Change::PutKey(key(number)), Change::PutUser(user(number, password))]
}

/// Everything in some records but the passwords, which do not show themselves.
pub(crate) fn shown(records: &Records) -> Vec<String> {
    let keys = records.keys.iter().map(|key| format!("{key:?}"));
    let webhooks = records.webhooks.iter().map(|webhook| format!("{webhook:?}"));
    keys.chain(records.users.iter().map(|user| format!("{user:?}"))).chain(webhooks).collect()
}

/// The numbers of the keys, in their order, after a look whether they and their users are whole and belong together.
pub(crate) async fn numbers(file: &StateFile) -> Vec<u64> {
    let records = file.read().await.unwrap();
    let numbers = records.keys.iter().map(|key| u64::from_str_radix(key.id.as_str(), 16).unwrap()).collect::<Vec<_>>();
    assert_eq!(records.users.len(), numbers.len());
    let users = records.users.iter().zip(&numbers).map(|(kept, number)| user(*number, &kept.password)).collect();
    let expected = Records { keys: numbers.iter().copied().map(key).collect(), users, ..Records::default() };
    for (kept, expected) in shown(&records).into_iter().zip(shown(&expected)) {
        assert_eq!(kept, expected);
    }
    numbers
}
