//! Lines of the log about changes of rights: who changed what, and from where. Nothing secret is in them.

use std::{collections::HashSet, sync::Arc};

use gaffer_core::access::KeyId;
use tracing::info;

use crate::{Change, Key, KeyRecord, UserRecord, register::Register};

/// The target of these lines, for filters.
pub const AUDIT_TARGET: &str = "gaffer::audit";

/// Who changes something, and from where.
#[derive(Clone, Debug)]
pub struct Author {
    /// By what it is known.
    pub key: Arc<Key>,
    /// From where, for the log: an address, say.
    pub source: String,
}

/// Whose doing a change is.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    Author(Author),
    /// Somebody logs in, from there.
    LogIn(String),
    /// Whoever can write the state file: this program on its command line, or another one.
    Owner,
    /// Time.
    Upkeep,
}

impl Cause {
    fn caller(&self) -> String {
        match self {
            Self::Author(Author { key, .. }) => key.holder(),
            Self::LogIn(_) => "a log-in".to_owned(),
            Self::Owner => "the owner of the state file".to_owned(),
            Self::Upkeep => "upkeep".to_owned(),
        }
    }

    fn source(&self) -> &str {
        match self {
            Self::Author(Author { source, .. }) | Self::LogIn(source) => source,
            Self::Owner | Self::Upkeep => "",
        }
    }
}

/// The most of what a key permits that is written down.
const MAX_PERMISSIONS: usize = 400;

/// Tells of changes, one a line. `before` is how all stood.
pub(crate) fn changed(cause: &Cause, before: &Register, changes: &[Change]) {
    let (caller, peer) = (cause.caller(), cause.source());
    for what in changes.iter().flat_map(|change| told(before, change)) {
        info!(target: AUDIT_TARGET, peer, caller, "{what}");
    }
}

fn told(before: &Register, change: &Change) -> Vec<String> {
    match change {
        Change::PutKey(KeyRecord { id, user: Some(user), .. }) => {
            vec![format!("user {user:?} logged in, with key {id}")]
        }
        Change::PutKey(KeyRecord { id, permissions, .. }) => {
            let mut permissions = serde_json::to_string(permissions).unwrap_or_default();
            if permissions.len() > MAX_PERMISSIONS {
                // Scopes are ASCII.
                permissions.truncate(MAX_PERMISSIONS);
                permissions.push('…');
            }
            vec![format!("made key {id} with {permissions}")]
        }
        Change::DeleteKey(id) => match before.key(id).and_then(|key| key.user()) {
            Some(user) => vec![format!("ended the log-in of user {user:?} with key {id}")],
            None => vec![format!("revoked key {id}")],
        },
        Change::PutUser(user) => match before.user(&user.name) {
            None => vec![format!("made user {:?} with {}", user.name, rights(user))],
            Some(old) => differences(old, user),
        },
        Change::DeleteUser(name) => vec![format!("deleted user {name:?}")],
        // None of these gives anybody a right.
        Change::PutJob(_) | Change::DeleteJob(_) => Vec::new(),
        // They say nothing of rights, and whoever keeps them tells of them.
        Change::PutWebhook(_) | Change::DeleteWebhook(_) => Vec::new(),
    }
}

fn rights(user: &UserRecord) -> String {
    match &user.key {
        Some(key) => format!("the rights of key {key}"),
        None => "no rights".to_owned(),
    }
}

fn differences(old: &UserRecord, new: &UserRecord) -> Vec<String> {
    let mut told = Vec::new();
    if old.password != new.password {
        told.push(format!("gave user {:?} another password", new.name));
    }
    if old.key != new.key {
        told.push(format!("gave user {:?} {}", new.name, rights(new)));
    }
    if (old.user_type, &old.extra) != (new.user_type, &new.extra) {
        told.push(format!("changed what is said of user {:?}", new.name));
    }
    told
}

/// What another program has done, as changes.
pub(crate) fn differences_of(before: &Register, now: &crate::Records) -> Vec<Change> {
    let mut changes = Vec::new();
    // There may be many, and everybody waits meanwhile.
    let keys: HashSet<&KeyId> = now.keys.iter().map(|key| &key.id).collect();
    let users: HashSet<&str> = now.users.iter().map(|user| user.name.as_str()).collect();
    for key in before.keys() {
        if !keys.contains(key.id()) {
            changes.push(Change::DeleteKey(key.id().clone()));
        }
    }
    changes.extend(now.keys.iter().filter(|key| before.key(&key.id).is_none()).cloned().map(Change::PutKey));
    for user in before.users() {
        if !users.contains(user.name.as_str()) {
            changes.push(Change::DeleteUser(user.name.clone()));
        }
    }
    changes.extend(now.users.iter().cloned().map(Change::PutUser));
    changes
}
