//! Lines of the log about who was refused what. Nothing secret is in them. Changes of rights are told of where they are made.

use axum::{
    extract::Request,
    http::{Method, Uri},
};
use gaffer_core::access::KeyId;
use gaffer_state::AUDIT_TARGET as TARGET;
use tracing::{info, warn};

use super::{Caller, Visitor, basic};
use crate::{api::ApiError, serve::Connected};

/// The codes of refusals that are about rights, and not about what a process is ready for.
const REFUSALS: [&str; 5] = ["unauthorized", "forbidden", "forbidden_origin", "forbidden_host", "too_many_attempts"];

/// The longest path, and the longest name, that is written down.
const MAX_PATH: usize = 200;

/// A request, as a refusal of it is told.
pub(in crate::api) struct Entry {
    method: Method,
    uri: Uri,
    visitor: Visitor,
    /// The name of somebody who logs in.
    user: Option<String>,
    connected: Option<Connected>,
}

impl Entry {
    pub(in crate::api) fn of(request: &Request, visitor: &Visitor) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            visitor: visitor.clone(),
            user: (request.uri().path() == "/auth").then(|| basic(request.headers())).flatten().map(|(user, _)| user),
            connected: request.extensions().get().cloned(),
        }
    }

    /// Tells of the refusal, if it is one that is about rights.
    pub(in crate::api) fn refused(&self, error: &ApiError) {
        if REFUSALS.contains(&error.code()) {
            let Self { method, uri, visitor, user, connected } = self;
            let path = without_secrets(uri.path());
            let caller = match user {
                Some(user) => format!("somebody as user {:?}", shortened(user)),
                None => name(visitor),
            };
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
        Visitor::Known(Caller::Key(key)) => key.holder(),
        Visitor::Nobody => "nobody".to_owned(),
        Visitor::Refused(_) => "a bad key".to_owned(),
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

/// Tells of something that was done, and that somebody may want to know of later.
pub(in crate::api) fn done(caller: &Caller, what: impl std::fmt::Display) {
    let caller = name(&Visitor::Known(caller.clone()));
    info!(target: TARGET, caller, "{what}");
}

/// Tells of what was refused on a websocket. `peer` is who is at its other end, `what` what was wanted.
pub(in crate::api) fn refused_message(peer: &str, caller: Option<&Caller>, what: &str, error: &ApiError) {
    if REFUSALS.contains(&error.code()) {
        let caller = caller.map_or_else(|| "nobody".to_owned(), |caller| name(&Visitor::Known(caller.clone())));
        let reason = error.reason();
        let what = shortened(what);
        warn!(target: TARGET, peer, caller, what, error = error.code(), "refused: {reason}");
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
