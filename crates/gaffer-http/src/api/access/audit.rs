//! Lines of the log about rights: who was refused what, and who gave or took which. Nothing secret is in them.

use std::fmt::Display;

use axum::{
    extract::Request,
    http::{Method, Uri},
};
use gaffer_core::access::KeyId;
use gaffer_state::Key;
use tracing::{info, warn};

use super::{Caller, Visitor};
use crate::{api::ApiError, serve::Connected};

/// The target of all these lines, for filters.
pub(in crate::api) const TARGET: &str = "gaffer::audit";

/// The codes of refusals that are about rights, and not about what a process is ready for.
const REFUSALS: [&str; 5] = ["unauthorized", "forbidden", "forbidden_origin", "forbidden_host", "too_many_attempts"];

/// The longest path, and the longest name, that is written down.
const MAX_PATH: usize = 200;

/// A request, as a refusal of it is told.
pub(in crate::api) struct Entry {
    method: Method,
    uri: Uri,
    visitor: Visitor,
    connected: Option<Connected>,
}

impl Entry {
    pub(in crate::api) fn of(request: &Request, visitor: &Visitor) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            visitor: visitor.clone(),
            connected: request.extensions().get().cloned(),
        }
    }

    /// Tells of the refusal, if it is one that is about rights.
    pub(in crate::api) fn refused(&self, error: &ApiError) {
        if REFUSALS.contains(&error.code()) {
            let Self { method, uri, visitor, connected } = self;
            let (path, caller) = (without_secrets(uri.path()), name(visitor));
            let peer = connected.as_ref().map(|connected| connected.peer().to_string()).unwrap_or_default();
            let reason = error.reason();
            warn!(target: TARGET, %peer, caller, %method, path, error = error.code(), "refused: {reason}");
        }
    }
}

/// Who calls, by what may be shown.
fn name(visitor: &Visitor) -> String {
    match visitor {
        Visitor::Known(Caller::Everybody) => "everybody".to_owned(),
        Visitor::Known(Caller::Key(key)) => name_of(key),
        Visitor::Nobody => "nobody".to_owned(),
        Visitor::Refused(_) => "a bad key".to_owned(),
    }
}

/// A key by its id, and its user.
fn name_of(key: &Key) -> String {
    match key.user() {
        Some(user) => format!("{user} (key {})", key.id()),
        None => format!("key {}", key.id()),
    }
}

/// A path in which keys are their ids.
fn without_secrets(path: &str) -> String {
    let mut text = path.to_owned();
    if let Some((before, key)) = path.split_once("/keys/") {
        let id: String = key.chars().take(KeyId::LENGTH).collect();
        text = format!("{before}/keys/{id}");
    }
    shortened(&text).to_owned()
}

fn shortened(text: &str) -> &str {
    let mut end = text.len().min(MAX_PATH);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Tells of a change of rights.
pub(in crate::api) fn changed(by: &Key, source: &str, what: impl Display) {
    info!(target: TARGET, peer = source, caller = name_of(by), "{what}");
}

/// Tells of a log-in.
pub(in crate::api) fn logged_in(user: &str, source: &str, key: Option<&KeyId>) {
    let key = key.map_or("none", KeyId::as_str);
    info!(target: TARGET, peer = source, user, key, "logged in");
}

/// Tells of a log-in that failed. What was tried as a password is nobody's business: it may be that of something else.
pub(in crate::api) fn not_logged_in(user: &str, source: &str, reason: impl Display) {
    warn!(target: TARGET, peer = source, user = shortened(user), "refused: {reason}");
}

/// Tells of a message on a websocket that was refused.
pub(in crate::api) fn refused_message(caller: Option<&Caller>, what: &str, error: &ApiError) {
    if REFUSALS.contains(&error.code()) {
        let caller = caller.map_or_else(|| "nobody".to_owned(), |caller| name(&Visitor::Known(caller.clone())));
        let reason = error.reason();
        warn!(target: TARGET, caller, message = what, error = error.code(), "refused: {reason}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_paths_are_told_by_their_ids() {
        let key = "0123456789ab".to_owned() + &"c".repeat(52);
        assert_eq!(without_secrets(&format!("/keys/{key}")), "/keys/0123456789ab");
        assert_eq!(without_secrets(&format!("/keys/{key}/x")), "/keys/0123456789ab");
        assert_eq!(without_secrets("/jobs/a/keys"), "/jobs/a/keys");
        assert_eq!(without_secrets(&"é".repeat(300)).len(), MAX_PATH);
    }
}
