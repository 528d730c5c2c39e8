//! What paths name.

use gaffer_core::{JobName, ProcessId, names::SessionId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    ApiError,
    access::{Names, Object},
    extract::read_pid,
};

/// A job by its name.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ByName {
    /// Name of a job: `name` or `session.name`.
    name: String,
}

impl ByName {
    pub(super) fn job(&self) -> Result<JobName, ApiError> {
        Ok(self.name.parse()?)
    }
}

impl Names for ByName {
    fn object(&self) -> Result<Object, ApiError> {
        self.job().map(Object::Job)
    }
}

/// A job by its session and its name in it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct InSession {
    /// Name of a session.
    session: String,
    /// Name of a job in it, without the session.
    name: String,
}

impl InSession {
    pub(super) fn job(&self) -> Result<JobName, ApiError> {
        Ok(JobName::new(self.session.parse()?, &self.name)?)
    }
}

impl Names for InSession {
    fn object(&self) -> Result<Object, ApiError> {
        self.job().map(Object::Job)
    }
}

/// A session by its name.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct BySession {
    /// Name of a session.
    session: String,
}

impl BySession {
    pub(super) fn session(&self) -> Result<SessionId, ApiError> {
        Ok(self.session.parse()?)
    }
}

impl Names for BySession {
    fn object(&self) -> Result<Object, ApiError> {
        self.session().map(Object::Session)
    }
}

/// A session by its older word.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ByGroup {
    /// Name of a group.
    group: String,
}

impl ByGroup {
    pub(super) fn session(&self) -> Result<SessionId, ApiError> {
        Ok(self.group.parse()?)
    }
}

impl Names for ByGroup {
    fn object(&self) -> Result<Object, ApiError> {
        self.session().map(Object::Session)
    }
}

/// A process by its pid.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ByPid {
    /// A process.
    #[param(value_type = u64, minimum = 1)]
    pid: String,
}

impl ByPid {
    pub(super) fn process(&self) -> Result<ProcessId, ApiError> {
        read_pid(&self.pid)
    }
}

impl Names for ByPid {
    fn object(&self) -> Result<Object, ApiError> {
        self.process().map(Object::Process)
    }
}
