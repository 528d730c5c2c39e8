//! The arguments of a command, by their names.

use axum::http::StatusCode;
use gaffer_core::{
    JobName, ProcessId,
    api::channel::Command as Request,
    names::{SessionId, StreamLabel},
};
use serde_json::{Map, Value};

use crate::api::{ApiError, form::Fields, streams::read_input};

/// Arguments that are there, under the names that they have in the documentation.
pub(super) struct Arguments {
    command: String,
    given: Map<String, Value>,
}

fn bad_command(reason: impl std::fmt::Display) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_command", reason)
}

impl Arguments {
    /// Names those that stand in a list, and adds those that have names already. `null` is as if it were not there.
    pub(super) fn new(request: Request, names: &[&str]) -> Result<Self, ApiError> {
        let Request { name: command, args, kwargs, .. } = request;
        let takes = || if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        if args.len() > names.len() {
            let problem = format!("`{command}` takes at most {} arguments: {}", names.len(), takes());
            return Err(bad_command(problem));
        }
        let mut given: Map<String, Value> = names.iter().map(|name| (*name).to_owned()).zip(args).collect();
        for (name, value) in kwargs {
            if !names.contains(&name.as_str()) {
                return Err(bad_command(format!("`{command}` has no argument `{name}`; it takes {}", takes())));
            }
            if given.get(&name).is_some_and(|there| !there.is_null()) && !value.is_null() {
                return Err(bad_command(format!("`{command}`: `{name}` is given twice")));
            }
            if !value.is_null() {
                given.insert(name, value);
            }
        }
        given.retain(|_, value| !value.is_null());
        Ok(Self { command, given })
    }

    fn wrong(&self, name: &str, expected: &str) -> ApiError {
        let found = match self.given.get(name) {
            Some(value) => format!("must be {expected}, but is {value}"),
            None => format!("is missing; give {expected}"),
        };
        bad_command(format!("`{}`: `{name}` {found}", self.command))
    }

    /// A text, if it is there.
    pub(super) fn text(&self, name: &str, expected: &str) -> Result<Option<&str>, ApiError> {
        self.given.get(name).map(|value| value.as_str().ok_or_else(|| self.wrong(name, expected))).transpose()
    }

    /// Takes an object out.
    pub(super) fn object(&mut self, name: &str, expected: &str) -> Result<Map<String, Value>, ApiError> {
        self.optional_object(name, expected)?.ok_or_else(|| self.wrong(name, expected))
    }

    /// Takes an object out, if it is there.
    pub(super) fn optional_object(
        &mut self,
        name: &str,
        expected: &str,
    ) -> Result<Option<Map<String, Value>>, ApiError> {
        if self.given.get(name).is_some_and(|value| !value.is_object()) {
            return Err(self.wrong(name, expected));
        }
        Ok(match self.given.remove(name) {
            Some(Value::Object(object)) => Some(object),
            _ => None,
        })
    }

    /// Takes a value out, whatever it is.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.given.remove(name)
    }

    /// A job.
    pub(super) fn job(&self, name: &str) -> Result<JobName, ApiError> {
        const EXPECTED: &str = "the name of a job";
        let text = self.text(name, EXPECTED)?.ok_or_else(|| self.wrong(name, EXPECTED))?;
        text.parse().map_err(|error| bad_command(format!("`{}`: `{name}`: {error}", self.command)))
    }

    /// A session, if it is there.
    pub(super) fn session(&self) -> Result<Option<SessionId>, ApiError> {
        let text = self.text("sessionid", "the name of a session")?;
        let invalid = |error| bad_command(format!("`{}`: `sessionid`: {error}", self.command));
        text.map(|text| text.parse().map_err(invalid)).transpose()
    }

    /// A job whose session stands beside its name, if not in it.
    pub(super) fn job_in_session(&self) -> Result<JobName, ApiError> {
        let job = self.job("name")?;
        let Some(session) = self.session()? else { return Ok(job) };
        let is_bare = self.given.get("name").and_then(Value::as_str) == Some(job.name());
        if is_bare {
            return JobName::new(session, job.name()).map_err(bad_command);
        }
        if *job.session() == session {
            return Ok(job);
        }
        Err(bad_command(format!("`{}`: `{job}` is not in session `{session}`; give the bare name", self.command)))
    }

    /// A pid: a number, or a text of digits.
    pub(super) fn pid(&self) -> Result<ProcessId, ApiError> {
        const EXPECTED: &str = "a pid, a number from 1";
        let pid = match self.given.get("pid") {
            Some(Value::Number(number)) => number.as_u64().filter(|pid| *pid > 0).map(ProcessId::new),
            Some(Value::String(text)) => ProcessId::read(text),
            _ => None,
        };
        pid.ok_or_else(|| self.wrong("pid", EXPECTED))
    }

    /// An extra pipe, if it is there and not the input by one of its names.
    pub(super) fn stream(&self) -> Result<Option<StreamLabel>, ApiError> {
        let text = self.text("stream", "the label of a stream")?;
        let invalid = |error| bad_command(format!("`{}`: `stream`: {error}", self.command));
        text.map_or(Ok(None), |text| read_input(text).map_err(invalid))
    }

    /// What bodies of calls over HTTP have too.
    pub(super) fn fields<T: Fields>(&self) -> Result<T, ApiError> {
        T::read(&self.given).map_err(|error| bad_command(format!("`{}`: {error}", self.command)))
    }

    /// Texts, one or a list of them, joined.
    pub(super) fn lines(&self) -> Result<String, ApiError> {
        let lines = match self.given.get("lines") {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Array(texts)) => texts.iter().map(Value::as_str).collect(),
            _ => None,
        };
        lines.ok_or_else(|| self.wrong("lines", "a text, or a list of texts"))
    }

    /// Gives an argument the name that a body of HTTP has for it.
    pub(super) fn rename(&mut self, name: &str, new: &str) {
        if let Some(value) = self.given.remove(name) {
            self.given.insert(new.to_owned(), value);
        }
    }
}
