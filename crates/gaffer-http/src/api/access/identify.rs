//! From the headers of a request to its caller.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderName, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use gaffer_state::{Access, Author};

use super::{
    Caller, Visitor, audit,
    caller::{bad_key, forbidden, unauthorized},
};
use crate::{
    api::{Api, ApiError, Hosts, hosts},
    serve::Connected,
};

pub(in crate::api) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Who lets callers in.
#[derive(Clone, Debug)]
pub(in crate::api) struct Doorkeeper {
    /// `None` where no keys are required.
    pub(in crate::api) access: Option<Access>,
    pub(in crate::api) hosts: Arc<Hosts>,
}

impl Doorkeeper {
    /// Who shows a key.
    pub(in crate::api) async fn show(&self, key: &str) -> Result<Caller, ApiError> {
        match &self.access {
            None => Ok(Caller::Everybody),
            Some(access) => access.key(key).await.map(Caller::Key).map_err(bad_key),
        }
    }

    /// Who calls with these headers.
    async fn look(&self, headers: &HeaderMap) -> Visitor {
        if self.access.is_none() {
            return Visitor::Known(Caller::Everybody);
        }
        match key_of(headers) {
            Ok(None) => Visitor::Nobody,
            Ok(Some(key)) => self.show(key).await.map_or_else(Visitor::Refused, Visitor::Known),
            Err(error) => Visitor::Refused(error),
        }
    }

    /// The keys and users, where there are any.
    pub(in crate::api) fn access(&self) -> Result<&Access, ApiError> {
        let none = || {
            forbidden(
                "this node requires no keys, and so has none; start gafferd with --require-key, or `require_key = true`",
            )
        };
        self.access.as_ref().ok_or_else(none)
    }
}

/// Refuses who calls the node by another name; finds out who calls, for whatever comes after it; and leaves a line of the log if the
/// answer is a refusal.
pub(in crate::api) async fn identify(
    State(doorkeeper): State<Doorkeeper>,
    mut request: Request,
    next: Next,
) -> Response {
    let visitor = doorkeeper.look(request.headers()).await;
    let entry = audit::Entry::of(&request, &visitor);
    let response = match hosts::check(&doorkeeper.hosts, &request) {
        Ok(()) => {
            request.extensions_mut().insert(visitor);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    };
    if let Some(error) = response.extensions().get::<ApiError>() {
        entry.refused(error);
    }
    response
}

/// The key that a request shows. More than one would let what is in front of a node, and the node, see another caller.
fn key_of(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let unreadable = || forbidden("the key is unknown here");
    let mut shown = Vec::new();
    for value in headers.get_all(API_KEY) {
        shown.push(value.to_str().map_err(|_| unreadable())?.trim());
    }
    for value in headers.get_all(header::AUTHORIZATION) {
        let Some((scheme, rest)) = value.to_str().ok().and_then(|text| text.trim().split_once(' ')) else { continue };
        if scheme.eq_ignore_ascii_case("bearer") {
            shown.push(rest.trim());
        }
    }
    match shown[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(unauthorized("more than one key is shown; show one")),
    }
}

/// A name and a password, in the header `Authorization`.
pub(in crate::api) fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, rest) = value.to_str().ok()?.trim().split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("basic").then(|| BASE64_STANDARD.decode(rest.trim()).ok())??;
    let text = String::from_utf8(decoded).ok()?;
    // A password may hold colons, a name may not.
    text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}

/// A caller who is known by a key, where keys are required; and these.
pub(in crate::api) struct KeysRequired {
    pub(in crate::api) access: Access,
    pub(in crate::api) author: Author,
}

/// From where a request comes.
#[derive(Clone, Debug)]
pub(in crate::api) struct Place(pub(in crate::api) String);

impl Place {
    /// The peer's address, without its port; `""` if it is not known.
    pub(in crate::api) fn of(extensions: &axum::http::Extensions) -> Self {
        Self(extensions.get::<Connected>().map(|connected| connected.peer().place()).unwrap_or_default())
    }
}

impl FromRequestParts<Api> for KeysRequired {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let access = api.doorkeeper.access()?.clone();
        let Place(source) = Place::of(&parts.extensions);
        match Visitor::of_parts(parts).known()? {
            Caller::Key(key) => Ok(Self { access, author: Author { key, source } }),
            Caller::Everybody => Err(unauthorized("an API key is needed")), // Not reached: there are keys.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_key_is_shown_in_either_header_and_only_once() {
        let shown = |list: &[(HeaderName, &str)]| key_of(&headers(list)).map(|key| key.map(str::to_owned));
        assert_eq!(shown(&[]), Ok(None));
        assert_eq!(shown(&[(API_KEY, " k ")]), Ok(Some("k".to_owned())));
        assert_eq!(shown(&[(header::AUTHORIZATION, "bearer k")]), Ok(Some("k".to_owned())));
        assert_eq!(shown(&[(header::AUTHORIZATION, "Basic eDp5")]), Ok(None));
        for twice in [
            [(API_KEY, "k"), (API_KEY, "k")],
            [(API_KEY, "k"), (header::AUTHORIZATION, "Bearer k")],
            [(header::AUTHORIZATION, "Bearer a"), (header::AUTHORIZATION, "Bearer b")],
        ] {
            assert_eq!(shown(&twice).unwrap_err().code(), "unauthorized", "{twice:?}");
        }
    }

    #[test]
    fn a_password_may_hold_colons() {
        let read = |text: &str| basic(&headers(&[(header::AUTHORIZATION, text)]));
        let encoded = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        assert_eq!(read(&encoded("bob:a:b:c")), Some(("bob".to_owned(), "a:b:c".to_owned())));
        assert_eq!(read(&encoded("bob:")), Some(("bob".to_owned(), String::new())));
        for wrong in ["Basic", "Basic !!!", "Bearer eDp5", &encoded("bob"), "Basic /w=="] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let twice = headers(&[(header::AUTHORIZATION, &encoded("a:b")), (header::AUTHORIZATION, &encoded("a:b"))]);
        assert_eq!(basic(&twice), None);
    }
}
