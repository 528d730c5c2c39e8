//! Answers that say no.

use std::fmt::Display;

use axum::{
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer;
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
    pub(crate) fn bad_value(reason: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_value", reason)
    }

    /// A body that reads as JSON, and not as what is wanted.
    pub(crate) fn bad_request(reason: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", reason)
    }

    /// The same answer under another code.
    pub(crate) fn with_code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// The same answer with a header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// The sentence that people read.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    /// The code that programs look at.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The status, for answers that have none of their own.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The body, for where it does not come as an answer.
    pub(crate) fn body(&self) -> ErrorBody<'_> {
        ErrorBody { errno: self.status.as_u16(), error: self.code, reason: &self.reason }
    }
}

/// The body of every error.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct ErrorBody<'a> {
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

impl From<InvalidFeed> for ApiError {
    fn from(error: InvalidFeed) -> Self {
        Self::bad_value(error)
    }
}
