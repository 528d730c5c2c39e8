//! Who may give, see and take back rights. Nobody gives more than they have.

use std::sync::Arc;

use gaffer_core::{access::KeyId, api::access::NewKey};
use serde_json::{Map, Value};

use crate::{ApiKey, Key, KeyRecord, PasswordHash, StateError, UserRecord, access::size_of, register::Register};

/// Why something about keys and users was not done.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The caller may not.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such key.
    #[error("there is no such key")]
    UnknownKey,
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// There is a user of this name.
    #[error("there is a user `{0}` already; choose another name")]
    UserExists(String),
    /// Something that was said does not read.
    #[error("{field}: {problem}")]
    Invalid {
        /// What.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// There are as many as there may be.
    #[error("{0}")]
    TooMany(String),
    /// It cannot be written down.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Keys and users at once: what is in memory is bounded, whoever may make them.
pub(crate) const MOST_KEYS: usize = 50_000;
const MOST_USERS: usize = 10_000;

/// Longest label, name of a user, and whatever else is said of one, in bytes.
const MAX_LABEL: usize = 256;
pub(crate) const MAX_NAME: usize = 255;
const MAX_EXTRA: usize = 4 * 1024;

/// The most that permissions may take, written down.
const MAX_PERMISSIONS: usize = 4 * 1024;

fn invalid(field: &'static str, problem: impl Into<String>) -> AccessError {
    AccessError::Invalid { field, problem: problem.into() }
}

/// Refuses a caller whose key was revoked since it was known.
fn check_good(by: &Key) -> Result<(), AccessError> {
    if by.is_gone() { Err(AccessError::forbidden("your key is good no more")) } else { Ok(()) }
}

/// Whether a key is the caller's to see: it is itself, or goes with it. A log-in sees the key that the user has, and no other log-in that
/// has it.
pub(crate) fn may_see_key(register: &Register, by: &Key, key: &Key) -> bool {
    key.id() == by.identity() || may_revoke_key(register, by, key)
}

/// Whether a key is the caller's to revoke: it is itself, or was made with it. A log-in does not end what others have, too.
fn may_revoke_key(register: &Register, by: &Key, key: &Key) -> bool {
    let permissions = by.permissions();
    let is_others =
        by.user().is_some() && (key.id() == by.identity() || key.user().is_some_and(|user| by.user() != Some(user)));
    permissions.admin
        || key.id() == by.id()
        || !is_others && permissions.create_key && register.is_within(key.id(), by.identity())
}

/// A key that the caller may see.
pub(crate) fn key_to_see<'a>(register: &'a Register, by: &Key, id: &KeyId) -> Result<&'a Arc<Key>, AccessError> {
    key_that(register, by, id, may_see_key)
}

/// A key that the caller may revoke.
pub(crate) fn key_to_revoke<'a>(register: &'a Register, by: &Key, id: &KeyId) -> Result<&'a Arc<Key>, AccessError> {
    key_that(register, by, id, may_revoke_key)
}

/// A key with which the caller may do this. Who may not learns nothing of whether it is there.
fn key_that<'a>(
    register: &'a Register,
    by: &Key,
    id: &KeyId,
    may: fn(&Register, &Key, &Key) -> bool,
) -> Result<&'a Arc<Key>, AccessError> {
    check_good(by)?;
    let found = register.key(id).filter(|key| !key.is_gone());
    match found {
        Some(key) if may(register, by, key) => Ok(key),
        None if by.permissions().admin => Err(AccessError::UnknownKey),
        Some(_) | None => {
            Err(AccessError::forbidden("your key may handle itself and the keys that were made with it, and no other"))
        }
    }
}

/// The key that is to be made.
pub(crate) fn new_key(
    register: &Register,
    by: &Key,
    new: NewKey,
    api_key: &ApiKey,
    now: u64,
) -> Result<KeyRecord, AccessError> {
    check_good(by)?;
    if !by.permissions().admin && !by.permissions().create_key {
        return Err(AccessError::forbidden("your key does not permit to make keys: it has no `create_key`"));
    }
    if !by.permissions().cover(&new.permissions) {
        return Err(AccessError::forbidden(
            "a key may permit no more than the one that it is made with; a job of a session of yours is written `session:job`",
        ));
    }
    let size = serde_json::to_vec(&new.permissions).map_or(usize::MAX, |json| json.len());
    if size > MAX_PERMISSIONS {
        return Err(invalid(
            "permissions",
            format!("are longer than the {MAX_PERMISSIONS} bytes that are kept; name sessions, or `*`"),
        ));
    }
    let identity = by.identity().clone();
    let parent = match new.parent {
        Some(id) => {
            if by.permissions().admin && register.key(&id).is_none() {
                return Err(invalid("parent", format!("there is no key {id}")));
            }
            key_to_see(register, by, &id)?;
            Some(id)
        }
        // The first keys go with nobody: an admin who leaves does not take the node's keys along.
        None if by.permissions().admin => None,
        None => Some(identity),
    };
    let parent = match parent {
        Some(id) => Some(register.key(&id).filter(|key| !key.is_gone()).ok_or(AccessError::UnknownKey)?),
        None => None,
    };
    if parent.is_some_and(|parent| parent.user().is_some()) {
        return Err(invalid("parent", "is a key of a log-in, which is gone soon; name the one that the user has"));
    }
    if register.len() >= MOST_KEYS {
        return Err(AccessError::TooMany(format!("there are {MOST_KEYS} keys; revoke some")));
    }
    if register.key(&api_key.id()).is_some() {
        // It has never happened.
        return Err(AccessError::TooMany("a key of this id is there already; try again".to_owned()));
    }
    let wanted = match new.expires_in {
        Some(0) => return Err(invalid("expires_in", "must be a number of seconds from 1")),
        Some(span) => Some(now.saturating_add(span)),
        None => None,
    };
    let expires = [wanted, parent.and_then(|parent| parent.record().expires)].into_iter().flatten().min();
    Ok(KeyRecord {
        id: api_key.id(),
        digest: api_key.digest(),
        label: new.label,
        permissions: new.permissions,
        parent: parent.map(|parent| parent.id().clone()),
        user: None,
        created: now,
        // More than the file has room for is for ever.
        expires: expires.filter(|expires| i64::try_from(*expires).is_ok()),
    })
}

/// Whether the user is the caller.
fn is_self(by: &Key, user: &UserRecord) -> bool {
    match by.user() {
        Some(name) => name == user.name,
        None => user.key.as_ref() == Some(by.id()),
    }
}

/// Whether a user is the caller's to see and to change: whoever sets a password can log in, and do all that the user may.
pub(crate) fn may_handle_user(register: &Register, by: &Key, user: &UserRecord) -> bool {
    let permissions = by.permissions();
    let covers = || match user.key.as_ref().and_then(|key| register.key(key)) {
        Some(key) => permissions.cover(key.permissions()),
        None => true,
    };
    permissions.admin || is_self(by, user) || permissions.create_user && user.user_type != 0 && covers()
}

/// A user that the caller may see and change. Who can make users is told that there is none of a name, as making one would tell it; others
/// learn nothing.
pub(crate) fn user_to_handle<'a>(
    register: &'a Register,
    by: &Key,
    name: &str,
) -> Result<&'a Arc<UserRecord>, AccessError> {
    check_good(by)?;
    match register.user(name) {
        Some(user) if may_handle_user(register, by, user) => Ok(user),
        None if by.permissions().admin || by.permissions().create_user => Err(AccessError::UnknownUser),
        Some(_) | None => Err(AccessError::forbidden("your key does not permit to handle this user")),
    }
}

pub(crate) fn may_create_user(by: &Key, user_type: u8) -> Result<(), AccessError> {
    if !by.permissions().admin && !by.permissions().create_user {
        return Err(AccessError::forbidden("your key does not permit to make users: it has no `create_user`"));
    }
    may_set_type(by, user_type)
}

pub(crate) fn may_set_type(by: &Key, user_type: u8) -> Result<(), AccessError> {
    match user_type {
        0 if !by.permissions().admin => Err(AccessError::forbidden("only an admin makes a user of type 0")),
        0 | 1 => Ok(()),
        _ => Err(invalid("user_type", format!("must be 0 (admin) or 1 (application), but is {user_type}"))),
    }
}

/// Whether the caller may say whose rights a user has. Users may not say that of themselves: their rights would outlive the key that they
/// were given with.
pub(crate) fn check_may_rekey(by: &Key) -> Result<(), AccessError> {
    if by.permissions().admin || by.permissions().create_user {
        return Ok(());
    }
    Err(AccessError::forbidden("your key does not permit to change whose rights a user has: it has no `create_user`"))
}

/// The key whose rights a user is to get: one that the caller may see, or has, as it shows it whole. To know an id is not to have a key.
pub(crate) fn key_to_give(register: &Register, by: &Key, key: Option<&str>) -> Result<Option<KeyId>, AccessError> {
    check_good(by)?;
    let Some(text) = key else { return Ok(None) };
    let id = KeyId::of(text).map_err(|error| invalid("key", error.to_string()))?;
    let found = register.key(&id).filter(|key| !key.is_gone());
    let found = found.filter(|key| may_see_key(register, by, key) || register.find(text).is_some());
    let key = found.ok_or_else(|| {
        let hint = if by.permissions().admin {
            "make one first"
        } else {
            "show it whole, if it is not one that was made with yours"
        };
        invalid("key", format!("there is no key {id}, or it is not yours to give; {hint}"))
    })?;
    if key.user().is_some() {
        return Err(invalid("key", "is one of a log-in, which is gone soon; make one for the user"));
    }
    if !by.permissions().cover(key.permissions()) {
        return Err(AccessError::forbidden("a user may get no more rights than your key has"));
    }
    Ok(Some(id))
}

pub(crate) fn check_label(label: Option<&str>) -> Result<(), AccessError> {
    let fits = |label: &str| label.len() <= MAX_LABEL && !label.contains(char::is_control);
    if label.is_none_or(fits) {
        return Ok(());
    }
    Err(invalid("label", format!("must be a line of at most {MAX_LABEL} bytes")))
}

pub(crate) fn check_user(name: &str, extra: &Map<String, Value>) -> Result<(), AccessError> {
    let is_fit = |c: char| !c.is_control() && c != ':' && c != '/';
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_fit) {
        return Err(invalid("username", format!("must be 1 to {MAX_NAME} bytes without `:` and `/`")));
    }
    if size_of(extra) > MAX_EXTRA {
        return Err(invalid("username", format!("more is said of it than the {MAX_EXTRA} bytes that are kept")));
    }
    Ok(())
}

pub(crate) fn check_password(password: &str) -> Result<(), AccessError> {
    let most = PasswordHash::MAX_PASSWORD;
    if password.is_empty() || password.len() > most {
        return Err(invalid("password", format!("must be 1 to {most} bytes")));
    }
    Ok(())
}

/// Whether there may be one user more, of this name.
pub(crate) fn check_new_user(register: &Register, name: &str) -> Result<(), AccessError> {
    if register.user(name).is_some() {
        return Err(AccessError::UserExists(name.to_owned()));
    }
    if register.users().count() >= MOST_USERS {
        return Err(AccessError::TooMany(format!("there are {MOST_USERS} users; delete some")));
    }
    Ok(())
}

/// Whose rights a user has after all that is said of it was replaced.
pub(crate) fn rights_after(
    register: &Register,
    by: &Key,
    old: &UserRecord,
    key: Option<&str>,
) -> Result<Option<KeyId>, AccessError> {
    if check_may_rekey(by).is_ok() {
        return key_to_give(register, by, key);
    }
    match key.map(KeyId::of) {
        None => Ok(old.key.clone()),
        Some(Ok(id)) if old.key.as_ref() == Some(&id) => Ok(old.key.clone()),
        Some(_) => check_may_rekey(by).map(|()| None),
    }
}
