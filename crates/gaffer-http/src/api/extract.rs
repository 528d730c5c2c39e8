//! Reading requests, so that whatever does not read is answered in the one form of errors.

use axum::{
    extract::{FromRequest, Request},
    http::StatusCode,
};
use gaffer_core::{JobName, Manager, ManagerError, ProcessId};
use serde_json::{Map, Value};

use super::{Api, ApiError, access, body::Body};
pub(super) use crate::front::{Path, Query};

/// A body that is a JSON object, whatever its content type says: the original's clients give none.
pub(super) struct Object(pub(super) Map<String, Value>);

impl FromRequest<Api> for Object {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let Body(body) = Body::from_request(request, api).await?;
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
        let reason = format!("the body must be an object, but is {what}");
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
        if is_digits(text) { read_pid(text).map(Self::Process) } else { Ok(Self::Job(text.parse()?)) }
    }
}

impl Target {
    /// To what a call that names it does something.
    pub(super) fn object(self) -> access::Object {
        match self {
            Self::Job(name) => access::Object::Job(name),
            Self::Process(pid) => access::Object::Process(pid),
        }
    }

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

/// Whether a part of a path is a pid, well written or not, and so no name.
pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads a pid.
pub(super) fn read_pid(text: &str) -> Result<ProcessId, ApiError> {
    ProcessId::read(text).ok_or_else(|| ApiError::bad_value(format!("`{text}` is not a pid; pids are numbers from 1")))
}
