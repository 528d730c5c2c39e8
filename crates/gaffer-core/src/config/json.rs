//! A job as JSON, read field by field so that each mistake can be named.

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use super::{
    FieldError, Flapping, InvalidConfig, JobConfig, Owner,
    flapping::seconds,
    spec::{Args, JobSpec, labels},
};
use crate::names::{JobName, SessionId};

/// A job that arrived as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromJson {
    /// The job.
    pub config: JobConfig,
    /// Keys that no job has. They are left out, and named in the answer.
    pub ignored: Vec<String>,
}

impl JobConfig {
    /// Reads a job from a JSON object. A `null` means "not given".
    ///
    /// `name` overrides the object's own, for requests whose path names the job. A bare name is put in `session`
    /// when one is given; a `group` key that only repeats the name's session, as this crate writes it, is accepted.
    ///
    /// # Errors
    /// All mistakes at once, each with its field, the value found and what was expected.
    pub fn from_json(
        object: &Map<String, Value>,
        name: Option<JobName>,
        session: Option<&SessionId>,
    ) -> Result<FromJson, InvalidConfig> {
        let mut spec = JobSpec::default();
        let mut ignored = Vec::new();
        let mut errors = Vec::new();
        for (key, value) in object {
            if value.is_null() {
                if !super::JOB_KEYS.contains(&key.as_str()) && key != "group" {
                    ignored.push(key.clone());
                }
                continue;
            }
            match set(&mut spec, key, value) {
                Ok(true) => {}
                Ok(false) => ignored.push(key.clone()),
                Err(error) => errors.push(error),
            }
        }
        if name.is_some() {
            spec.name = name;
        } else if let (Some(given), Some(session)) = (spec.name.clone(), session) {
            if given.session().is_default() {
                spec.name = JobName::new(session.clone(), given.name()).ok();
            } else if given.session() != session {
                errors.push(FieldError::new(
                    "name",
                    format!("`{given}` is not in session `{session}`; give the bare name"),
                ));
            }
        }
        if errors.is_empty() {
            Ok(FromJson { config: spec.check()?, ignored })
        } else {
            // Fields that did not read would only be reported a second time as missing.
            if let Err(InvalidConfig(more)) = spec.check() {
                let told: Vec<String> = errors.iter().map(|error| error.field.clone()).collect();
                errors.extend(more.into_iter().filter(|error| !told.contains(&error.field)));
            }
            Err(InvalidConfig(errors))
        }
    }
}

impl<'de> Deserialize<'de> for JobConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Map::deserialize(deserializer)?;
        Self::from_json(&object, None, None).map(|read| read.config).map_err(de::Error::custom)
    }
}

fn set(spec: &mut JobSpec, key: &str, value: &Value) -> Result<bool, FieldError> {
    let expected = |what: &str| FieldError::new(key, format!("must be {what}, but is {value}"));
    match key {
        "name" => {
            let text = value.as_str().ok_or_else(|| expected("a string"))?;
            spec.name = Some(text.parse().map_err(|error| FieldError::new(key, format!("{error}")))?);
        }
        "group" => match (value.as_str(), &spec.name) {
            // Keys come in the order of the map, which sorts `group` before `name`: only its form is checked here.
            (Some(text), _) if text.parse::<SessionId>().is_ok() => {}
            _ => return Err(expected("the session that the name begins with")),
        },
        "cmd" => spec.cmd = Some(value.as_str().ok_or_else(|| expected("a string"))?.to_owned()),
        "args" => {
            spec.args = Some(match value {
                Value::String(line) => Args::Line(line.clone()),
                Value::Array(words) => Args::List(
                    words
                        .iter()
                        .map(text)
                        .collect::<Option<_>>()
                        .ok_or_else(|| expected("a string or a list of strings"))?,
                ),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                    return Err(expected("a string or a list of strings"));
                }
            });
        }
        "env" => {
            let what = "an object of strings";
            spec.env = value
                .as_object()
                .ok_or_else(|| expected(what))?
                .iter()
                .map(|(name, value)| text(value).map(|text| (name.clone(), text)))
                .collect::<Option<_>>()
                .ok_or_else(|| expected(what))?;
        }
        "uid" => spec.uid = owner(value).ok_or_else(|| expected("a user's number or name"))?,
        "gid" => spec.gid = owner(value).ok_or_else(|| expected("a group's number or name"))?,
        "cwd" => {
            spec.cwd =
                Some(value.as_str().ok_or_else(|| expected("a path"))?).filter(|path| !path.is_empty()).map(Into::into)
        }
        "numprocesses" => spec.numprocesses = whole(value).ok_or_else(|| expected("a whole number of 0 or more"))?,
        "priority" => spec.priority = Some(whole(value).ok_or_else(|| expected("a whole number of 0 or more"))?),
        "graceful_timeout" => {
            let value = value.as_f64().ok_or_else(|| expected("a number of seconds"))?;
            spec.graceful_timeout = seconds(value).map_err(|problem| FieldError::new(key, problem))?;
        }
        "flapping" => spec.flapping = Some(flapping(value)?),
        "redirect_output" | "custom_streams" => {
            let words: Vec<&str> = match value {
                Value::Array(words) => words.iter().map(Value::as_str).collect::<Option<_>>(),
                Value::String(line) => Some(line.split(',').collect()),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
            }
            .ok_or_else(|| expected("a list of labels"))?;
            let labels = labels(words.into_iter()).map_err(|problem| FieldError::new(key, problem))?;
            if key == "redirect_output" {
                spec.redirect_output = labels;
            } else {
                spec.custom_streams = labels;
            }
        }
        "detach" | "shell" | "os_env" | "redirect_input" | "start" => {
            let truth = value.as_bool().ok_or_else(|| expected("true or false"))?;
            let field = match key {
                "detach" => &mut spec.detach,
                "shell" => &mut spec.shell,
                "os_env" => &mut spec.os_env,
                "redirect_input" => &mut spec.redirect_input,
                _ => &mut spec.start,
            };
            *field = truth;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// A string, or a number or truth value as its text: people write `"PORT": 80`.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn whole(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| number.try_into().ok())
}

/// The outer `None` is a mistake, the inner one "not set": the original's programs send an empty string for that.
fn owner(value: &Value) -> Option<Option<Owner>> {
    match value.as_str() {
        Some(text) => Some(Owner::from_text(text)),
        None => whole(value).map(|number| Some(Owner::Number(number))),
    }
}

fn flapping(value: &Value) -> Result<Flapping, FieldError> {
    let expected = |problem: String| FieldError::new("flapping", problem);
    match value {
        Value::String(text) => Flapping::from_text(text),
        Value::Object(parts) => {
            let known = ["attempts", "window", "retry_in", "max_retry"];
            if let Some(unknown) = parts.keys().find(|key| !known.contains(&key.as_str())) {
                return Err(expected(format!(
                    "has no part `{unknown}`; it takes attempts, window, retry_in and max_retry"
                )));
            }
            let mut numbers = [None; 4];
            for (slot, part) in numbers.iter_mut().zip(known) {
                *slot = match parts.get(part) {
                    None | Some(Value::Null) => None,
                    Some(number) => Some(
                        number.as_f64().ok_or_else(|| expected(format!("{part} must be a number, but is {number}")))?,
                    ),
                };
            }
            Flapping::from_numbers(numbers)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            Err(expected(format!("must be an object with attempts, window, retry_in and max_retry, but is {value}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<FromJson, InvalidConfig> {
        JobConfig::from_json(value.as_object().unwrap(), None, None)
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let read = read(&json!({
            "name": "shop.web", "cmd": "./web", "args": ["-x", 1], "env": {"PORT": 80}, "uid": "nobody", "gid": 7, "cwd": "/tmp",
            "detach": true, "shell": false, "os_env": false, "numprocesses": 3, "redirect_output": ["o", "e"],
            "flapping": {"attempts": 3, "window": 0.5, "retry_in": 2, "max_retry": 1}, "redirect_input": true,
            "custom_streams": ["extra"], "graceful_timeout": 1.5, "priority": 4, "start": false, "colour": "red",
        }))
        .unwrap();
        assert_eq!(read.ignored, ["colour"]);
        let written = serde_json::to_value(&read.config).unwrap();
        assert_eq!(written["group"], "shop");
        assert_eq!(written["flapping"]["window"], 0.5);
        let again: JobConfig = serde_json::from_value(written).unwrap();
        assert_eq!(again, read.config);
    }

    #[test]
    fn defaults_read_back_the_same_too() {
        let config = read(&json!({"name": "web", "cmd": "true"})).unwrap().config;
        let again: JobConfig = serde_json::from_value(serde_json::to_value(&config).unwrap()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn each_mistake_names_its_field_and_what_was_found() {
        let error =
            read(&json!({"name": "a b", "cmd": 7, "numprocesses": -1, "start": "yes", "flapping": {"atempts": 1}}));
        let InvalidConfig(errors) = error.unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["cmd", "flapping", "name", "numprocesses", "start"]);
        assert_eq!(errors[3].problem, "must be a whole number of 0 or more, but is -1");
    }
}
