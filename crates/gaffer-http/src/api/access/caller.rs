//! Who calls.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
};
use futures_util::future::BoxFuture;
use gaffer_core::{
    JobName,
    access::{Resource, Right},
    names::SessionId,
};
use gaffer_state::{BadKey, Key};

use crate::api::ApiError;

/// Who calls, and is known.
#[derive(Clone, Debug)]
pub(in crate::api) enum Caller {
    /// Somebody, where no keys are required: that permits everything.
    Everybody,
    /// Whoever has this key.
    Key(Arc<Key>),
}

/// Who comes in, known or not.
#[derive(Clone, Debug)]
pub(in crate::api) enum Visitor {
    Known(Caller),
    /// Somebody who shows no key, where one is required.
    Nobody,
    /// Somebody who shows what is no good key.
    Refused(ApiError),
}

impl Visitor {
    /// Who called, as [`identify`](super::identify) has found out. Nobody if it was not asked.
    pub(in crate::api) fn of(extensions: &axum::http::Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or(Self::Nobody)
    }

    /// The caller, for what only a known one may do.
    pub(in crate::api) fn known(self) -> Result<Caller, ApiError> {
        match self {
            Self::Known(caller) => Ok(caller),
            Self::Nobody => {
                Err(unauthorized("an API key is needed: as the header `X-Api-Key`, or `Authorization: Bearer`"))
            }
            Self::Refused(error) => Err(error),
        }
    }

    pub(super) fn of_parts(parts: &Parts) -> Self {
        Self::of(&parts.extensions)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of_parts(parts))
    }
}

/// Somebody is not known.
pub(in crate::api) fn unauthorized(reason: impl std::fmt::Display) -> ApiError {
    let bearer = header::HeaderValue::from_static("Bearer realm=\"gaffer\"");
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", reason).with_header(header::WWW_AUTHENTICATE, bearer)
}

/// Somebody is known, and may not.
pub(in crate::api) fn forbidden(reason: impl std::fmt::Display) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", reason)
}

/// What to answer to a key that is no good.
pub(super) fn bad_key(bad: BadKey) -> ApiError {
    match bad {
        BadKey::Unknown => forbidden(bad),
        BadKey::Expired => unauthorized(format_args!("{bad}; log in again, or ask for another")),
    }
}

impl Caller {
    pub(in crate::api) fn allows(&self, right: Right, resource: Resource<'_>) -> bool {
        match self {
            Self::Everybody => true,
            Self::Key(key) => key.allow(right, resource),
        }
    }

    pub(in crate::api) fn reads(&self, job: &JobName) -> bool {
        self.allows(Right::Read, Resource::Job(job))
    }

    pub(in crate::api) fn manages(&self, job: &JobName) -> bool {
        self.allows(Right::Manage, Resource::Job(job))
    }

    /// Whether nothing is to be kept from it: then nothing need be looked at one by one.
    pub(in crate::api) fn reads_everything(&self) -> bool {
        self.allows(Right::Read, Resource::Everything)
    }

    /// Whether it may read some job of a session, if there are such jobs.
    pub(in crate::api) fn reads_some_of(&self, session: &SessionId) -> bool {
        match self {
            Self::Everybody => true,
            Self::Key(key) => key.permissions().allow_some_of(Right::Read, session),
        }
    }

    /// Refuses what the key does not permit.
    pub(in crate::api) fn check(&self, right: Right, resource: Resource<'_>) -> Result<(), ApiError> {
        if self.allows(right, resource) {
            return Ok(());
        }
        let what = match resource {
            Resource::Everything => "all jobs".to_owned(),
            Resource::Session(session) => format!("the session `{session}`"),
            Resource::Job(job) => format!("`{job}`"),
        };
        let deed = match right {
            Right::Read => "read",
            Right::Write => "write to",
            Right::Manage => "manage",
        };
        Err(forbidden(format_args!("your key does not permit to {deed} {what}")))
    }

    /// Whether its key was revoked since, or has expired.
    pub(in crate::api) fn is_gone(&self) -> bool {
        match self {
            Self::Everybody => false,
            Self::Key(key) => key.is_gone(),
        }
    }

    /// Resolves when its key is good no more.
    pub(in crate::api) fn gone(self) -> BoxFuture<'static, ()> {
        match self {
            // It takes no memory: there may be thousands of sessions.
            Self::Everybody => Box::pin(std::future::pending()),
            Self::Key(key) => Box::pin(async move { key.gone().await }),
        }
    }

    /// What to say to whoever goes on and may no more.
    pub(in crate::api) fn gone_error() -> ApiError {
        unauthorized("the key has been revoked, or has expired")
    }
}
