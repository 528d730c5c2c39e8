//! From the errors of the manager, and of reading requests, to statuses and codes.

use std::fmt::Display;

use axum::{
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use gaffer_core::{
    ManagerError,
    api::channel::Failure,
    config::InvalidConfig,
    names::{InvalidJobName, InvalidLabel, InvalidSignal},
    supervisor::Refusal,
};
use gaffer_state::{AccessError, StateError};
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

use super::{answer, family};
use crate::feed::InvalidFeed;

/// An answer that says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    reason: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// Joins a status, the code that programs look at, and the sentence that people read.
    pub fn new(status: StatusCode, code: &'static str, reason: impl Display) -> Self {
        Self { status, code, reason: reason.to_string(), header: None }
    }

    /// A part of the path or the query that does not read.
    pub(super) fn bad_value(reason: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_value", reason)
    }

    /// A body that reads as JSON, and not as what is wanted.
    pub(super) fn bad_request(reason: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", reason)
    }

    /// What cannot be kept.
    pub(super) fn of_state(error: &StateError) -> Self {
        error!(error = error as &dyn std::error::Error, "keys and users cannot be kept");
        let reason = "an error inside gaffer; its log has more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", reason)
    }

    /// The same answer under another code.
    pub(super) fn with_code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// The same answer with a header.
    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// The sentence that people read.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// The code that programs look at.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The status, for answers that have none of their own.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The same in the words of the sessions family, as messages of `/channel` carry it.
    pub(super) fn failure(&self) -> Failure {
        let code = family::in_sessions(self.code).unwrap_or(self.code);
        Failure { errno: self.status.as_u16(), error: code.to_owned(), reason: self.reason.clone() }
    }

    /// The body, for where it does not come as an answer.
    pub(super) fn body(&self) -> ErrorBody<'_> {
        ErrorBody { errno: self.status.as_u16(), error: self.code, reason: &self.reason }
    }
}

/// The body of every error.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorBody<'a> {
    /// The status.
    errno: u16,
    /// What is wrong, for programs.
    error: &'static str,
    /// What is wrong, for people.
    reason: &'a str,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, answer::object(&self.body())).into_response();
        response.headers_mut().extend(self.header.clone());
        response.extensions_mut().insert(self); // For who gives it another code.
        response
    }
}

impl From<ManagerError> for ApiError {
    fn from(error: ManagerError) -> Self {
        // No `_` arm: a new variant must choose its status.
        let (status, code) = match &error {
            ManagerError::Refused(refusal) => match refusal {
                Refusal::UnknownJob(_) | Refusal::UnknownSession(_) | Refusal::UnknownProcess(_) => {
                    (StatusCode::NOT_FOUND, "not_found")
                }
                Refusal::AlreadyLoaded(_) => (StatusCode::CONFLICT, "conflict"),
                Refusal::NotStarted { .. } | Refusal::NotLaunched { .. } => {
                    (StatusCode::UNPROCESSABLE_ENTITY, "not_started")
                }
                Refusal::Superseded(_) => (StatusCode::CONFLICT, "superseded"),
                Refusal::TooMany { .. } => (StatusCode::BAD_REQUEST, "bad_value"),
                Refusal::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
            },
            ManagerError::NotRedirected(_) => (StatusCode::BAD_REQUEST, "io_not_redirected"),
            ManagerError::UnknownStream { .. } => (StatusCode::NOT_FOUND, "io_not_found"),
            ManagerError::NotWritable { .. } => (StatusCode::NOT_FOUND, "not_found"),
            ManagerError::NoStdin(_) => (StatusCode::FORBIDDEN, "forbidden_write"),
            ManagerError::Write { .. } => (StatusCode::CONFLICT, "stream_closed"),
            ManagerError::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
        };
        Self::new(status, code, error)
    }
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        let (status, code) = match &error {
            AccessError::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            AccessError::UnknownKey | AccessError::UnknownUser => (StatusCode::NOT_FOUND, "not_found"),
            AccessError::TooMany(_) => (StatusCode::CONFLICT, "too_many"),
            AccessError::UserExists(_) => (StatusCode::CONFLICT, "user_conflict"),
            AccessError::State(error) => return Self::of_state(error),
            AccessError::Invalid { .. } => (StatusCode::BAD_REQUEST, "bad_request"),
        };
        Self::new(status, code, error)
    }
}

impl From<InvalidConfig> for ApiError {
    fn from(error: InvalidConfig) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_process_info", error)
    }
}

impl From<InvalidJobName> for ApiError {
    fn from(error: InvalidJobName) -> Self {
        Self::bad_value(error)
    }
}

impl From<InvalidSignal> for ApiError {
    fn from(error: InvalidSignal) -> Self {
        Self::bad_value(error)
    }
}

impl From<InvalidLabel> for ApiError {
    fn from(error: InvalidLabel) -> Self {
        Self::bad_value(error)
    }
}

impl From<InvalidFeed> for ApiError {
    fn from(error: InvalidFeed) -> Self {
        Self::bad_value(error)
    }
}
