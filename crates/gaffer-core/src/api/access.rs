//! Keys, users and log-ins, as they go over the wire.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::access::{KeyId, Permissions};

/// A key, without what is secret of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// Its id.
    pub key: KeyId,
    /// What its maker wrote on it.
    #[serde(default)]
    pub label: Option<String>,
    /// What it permits.
    pub permissions: Permissions,
    /// The key with which it goes, if there is one.
    #[serde(default)]
    pub parent: Option<KeyId>,
    /// The user who got it by logging in, if it came to be so.
    #[serde(default)]
    pub user: Option<String>,
    /// When it was made, in seconds since the epoch.
    #[serde(default)]
    pub created: u64,
    /// Until when it is good, in seconds since the epoch; for ever if nothing is said.
    #[serde(default)]
    pub expires: Option<u64>,
}

/// A key that is to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewKey {
    /// What is written on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What it is to permit.
    pub permissions: Permissions,
    /// With which key it is to go; by default that of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<KeyId>,
    /// For how many seconds it is good; for ever if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
}

/// A key that was made: the only time that it is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeKey {
    /// The key.
    pub api_key: String,
}

impl fmt::Debug for MadeKey {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeKey").finish_non_exhaustive()
    }
}

/// A user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserInfo {
    /// The name.
    pub username: String,
    /// 0 for people who administer, 1 for applications: as the original has it. It says nothing of rights.
    pub user_type: u8,
    /// The key whose rights the user has.
    pub key: Option<KeyId>,
    /// What else was said of the user.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A user who is to be made.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct NewUser {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
    /// As in [`UserInfo`].
    pub user_type: u8,
    /// The key, or its id, whose rights the user is to have.
    pub key: Option<String>,
    /// What else is to be kept.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl NewUser {
    /// A user who may do nothing yet, of type 1.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: password.into(), user_type: 1, key: None, extra: Map::new() }
    }
}

impl fmt::Debug for NewUser {
    /// Without the password and the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser").field("username", &self.username).finish_non_exhaustive()
    }
}
