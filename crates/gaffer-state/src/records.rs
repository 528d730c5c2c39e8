//! What is kept.

use std::{fmt, time::Duration};

use gaffer_core::{
    JobName,
    access::{KeyId, Permissions},
};
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

/// A job, as it is to be when the node comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredJob {
    /// What it is called.
    pub name: JobName,
    /// Its whole configuration as JSON, for a job that was loaded at run time; `None` for one of the node's configuration, which says it
    /// itself.
    pub config: Option<String>,
    /// How many processes were configured: if the node's configuration says another number by now, `number` is out of date.
    pub numprocesses: u32,
    /// Whether it was configured to start: as with the number.
    pub start: bool,
    /// Whether it is to run.
    pub started: bool,
    /// How many processes it wants.
    pub number: u32,
}

/// A webhook of the API. What it says is checked by who makes it, and again by who reads it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRecord {
    /// What it is addressed by.
    pub id: String,
    /// Patterns of the events that it wants.
    pub events: Vec<String>,
    /// Where they are sent.
    pub url: String,
    /// What they are signed with. It is of no use but as it is, and so is kept as it is.
    pub secret: Option<String>,
    /// Time for one attempt. It is kept in milliseconds.
    pub timeout: Duration,
    /// The file of the authorities that are trusted, if not those of the system.
    pub cacert: Option<String>,
}

impl fmt::Debug for WebhookRecord {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookRecord")
            .field("id", &self.id)
            .field("events", &self.events)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// All that is kept.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// The keys, in the order of their making.
    pub keys: Vec<KeyRecord>,
    /// The users, in the order of their making.
    pub users: Vec<UserRecord>,
    /// The jobs, in the order of their loading.
    pub jobs: Vec<StoredJob>,
    /// The webhooks of the API, in the order of their making.
    pub webhooks: Vec<WebhookRecord>,
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
    /// A job is loaded, or stands otherwise.
    PutJob(StoredJob),
    /// A job is forgotten, if it is there.
    DeleteJob(JobName),
    /// A webhook is made, or replaced.
    PutWebhook(WebhookRecord),
    /// The webhook of this id is forgotten, if it is there.
    DeleteWebhook(String),
}
