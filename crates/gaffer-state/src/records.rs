//! What is kept.

use gaffer_core::access::{KeyId, Permissions};
use serde_json::{Map, Value};

use crate::{KeyDigest, PasswordHash};

/// A key.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// What it is called.
    pub id: KeyId,
    /// What it is known by.
    pub digest: KeyDigest,
    /// What its maker wrote on it.
    pub label: Option<String>,
    /// What it permits.
    pub permissions: Permissions,
    /// The key with which it goes.
    pub parent: Option<KeyId>,
    /// The user who got it by logging in.
    pub user: Option<String>,
    /// When it was made, in seconds since the epoch.
    pub created: u64,
    /// From when on it is good no more, in seconds since the epoch.
    pub expires: Option<u64>,
}

/// A user.
#[derive(Clone, Debug)]
pub struct UserRecord {
    /// The name.
    pub name: String,
    /// What is kept of the password.
    pub password: PasswordHash,
    /// 0 for people who administer, 1 for applications.
    pub user_type: u8,
    /// The key whose rights the user has.
    pub key: Option<KeyId>,
    /// What else was said of the user.
    pub extra: Map<String, Value>,
}

/// All that is kept.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// The keys, in the order of their making.
    pub keys: Vec<KeyRecord>,
    /// The users, in the order of their making.
    pub users: Vec<UserRecord>,
}

/// Something that is to be kept otherwise.
#[derive(Clone, Debug)]
pub enum Change {
    /// A key is made, or replaced.
    PutKey(KeyRecord),
    /// A key is forgotten, if it is there.
    DeleteKey(KeyId),
    /// A user is made, or replaced.
    PutUser(UserRecord),
    /// A user is forgotten, if there is such a one.
    DeleteUser(String),
}
