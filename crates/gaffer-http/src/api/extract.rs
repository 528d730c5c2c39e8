//! Reading requests, so that whatever does not read is answered in the one form of errors.

use std::time::Duration;

use axum::{
    RequestExt,
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, request::Parts},
};
use bytes::Bytes;
use gaffer_core::{JobName, Manager, ManagerError, ProcessId};
use http_body::Body as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::ApiError;

/// The parts of the path that the route names.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value)).map_err(|error| ApiError::bad_value(error.body_text()))
    }
}

/// The query.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        query.map(|axum::extract::Query(value)| Self(value)).map_err(|error| ApiError::bad_value(error.body_text()))
    }
}

/// Time for the body of a request to arrive: a client that stalls must not hold its place for ever.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// The body as it came, up to the limit.
pub(super) struct Body(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let too_large = || {
            let reason = format!("the body is larger than the {} bytes that are taken", super::BODY_LIMIT);
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", reason)
        };
        // The client said how much it means to send: it is told before it has sent that much, or stalls on the way.
        if request.body().size_hint().lower() > super::BODY_LIMIT as u64 {
            return Err(too_large());
        }
        let read = tokio::time::timeout(BODY_TIMEOUT, request.extract::<Bytes, _>()).await;
        let read = read.map_err(|_| {
            let reason = format!("the body did not arrive within {} seconds", BODY_TIMEOUT.as_secs());
            ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", reason)
        })?;
        read.map(Self).map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            status => ApiError::new(status, "invalid_body", error.body_text()),
        })
    }
}

/// A body that is a JSON object, whatever its content type says: the original's clients give none.
pub(super) struct Object(pub(super) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Object {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Body(body) = Body::from_request(request, state).await?;
        let value = serde_json::from_slice(&body).map_err(|error| {
            ApiError::new(StatusCode::BAD_REQUEST, "invalid_json", format!("the body is not JSON: {error}"))
        })?;
        let what = match value {
            Value::Object(object) => return Ok(Self(object)),
            Value::Null => "null",
            Value::Bool(_) => "a truth value",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
        };
        let reason = format!("the body must be an object with the fields of a job, but is {what}");
        Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid_process_info", reason))
    }
}

/// A job by its name, or a process by its pid. Digits alone are a pid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Job(JobName),
    Process(ProcessId),
}

impl std::str::FromStr for Target {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            read_pid(text).map(Self::Process)
        } else {
            Ok(Self::Job(text.parse()?))
        }
    }
}

impl Target {
    /// The job itself, or that of the process.
    pub(super) async fn job(self, manager: &Manager) -> Result<JobName, ManagerError> {
        match self {
            Self::Job(name) => Ok(name),
            Self::Process(pid) => Ok(manager.process(pid).await?.name),
        }
    }

    /// The job, for what is done to jobs only.
    pub(super) fn job_only(self) -> Result<JobName, ApiError> {
        match self {
            Self::Job(name) => Ok(name),
            Self::Process(pid) => {
                let reason = format!("this is done to jobs, by name; {pid} is a process");
                Err(ApiError::new(StatusCode::NOT_FOUND, "resource_not_found", reason))
            }
        }
    }
}

/// Reads a pid.
pub(super) fn read_pid(text: &str) -> Result<ProcessId, ApiError> {
    let invalid = || ApiError::bad_value(format!("`{text}` is not a pid; pids are numbers from 1"));
    // Rust's own reading also takes a plus sign.
    if text.starts_with('+') { Err(invalid()) } else { text.parse().map_err(|_| invalid()) }
}
