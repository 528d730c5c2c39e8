//! A job as JSON, read field by field so that each mistake can be named.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use super::{
    FieldError, Flapping, InvalidConfig, JobConfig, Owner,
    flapping::seconds,
    job::unfit_variables,
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
            let bare = object.get("name").and_then(Value::as_str).is_some_and(|text| text == given.name());
            if bare {
                spec.name = JobName::new(session.clone(), given.name()).ok();
            } else if given.session() != session {
                errors.push(FieldError::new(
                    "name",
                    format!("`{given}` is not in session `{session}`; give the bare name"),
                ));
            }
        }
        if let (Some(Value::String(group)), Some(name)) = (object.get("group"), &spec.name)
            && group != name.session().as_str()
        {
            let problem = format!("must be the session of the name, `{}`, but is `{group}`", name.session());
            errors.push(FieldError::new("group", problem));
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

/// What of a job a one-off process may have otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OneOffFields {
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) graceful_timeout: Option<Duration>,
    /// Keys that mean nothing here.
    pub(crate) ignored: Vec<String>,
}

impl OneOffFields {
    /// Reads `env` and `graceful_timeout`, both optional, as a job's are read.
    pub(crate) fn from_json(object: &Map<String, Value>) -> Result<Self, InvalidConfig> {
        let mut spec = JobSpec::default();
        let mut read = Self::default();
        let mut errors = Vec::new();
        for (key, value) in object {
            match key.as_str() {
                "env" | "graceful_timeout" if value.is_null() => {}
                "env" | "graceful_timeout" => match set(&mut spec, key, value) {
                    Ok(_) if key == "graceful_timeout" => read.graceful_timeout = Some(spec.graceful_timeout),
                    Ok(_) => {}
                    Err(error) => errors.push(error),
                },
                _ => read.ignored.push(key.clone()),
            }
        }
        errors.extend(unfit_variables(&spec.env).map(|problem| FieldError::new("env", problem)));
        read.env = spec.env;
        if errors.is_empty() { Ok(read) } else { Err(InvalidConfig(errors)) }
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
        // Held against the name once that is known.
        "group" => drop(value.as_str().ok_or_else(|| expected("a string"))?),
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
        "env" => spec.env = variables(value).map_err(|problem| FieldError::new(key, problem))?,
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

/// Variables. What is wrong with them is told without their values, which may be secret.
fn variables(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let Some(variables) = value.as_object() else {
        return Err(format!("must be an object of strings, but is {}", kind(value)));
    };
    let read = variables.iter().map(|(name, value)| match text(value) {
        Some(text) => Ok((name.clone(), text)),
        None => Err(format!("must be an object of strings, but `{}` in it is {}", name.escape_debug(), kind(value))),
    });
    read.collect()
}

/// What a value is, without itself.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null, as values are that are hidden",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
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
    fn a_bare_name_is_put_in_the_session_and_another_session_is_a_mistake() {
        let session = "shop.eu".parse().unwrap();
        let read = |name: &str| {
            let job = json!({"name": name, "cmd": "true"});
            JobConfig::from_json(job.as_object().unwrap(), None, Some(&session))
                .map(|read| read.config.name().to_string())
        };
        for name in ["web", "shop.eu.web", "shop.eu:web"] {
            assert_eq!(read(name).unwrap(), "shop.eu.web", "{name}");
        }
        for name in ["default.web", "shop.web", "other:web"] {
            let error = read(name).unwrap_err().to_string();
            assert!(error.starts_with("name: ") && error.contains("is not in session `shop.eu`"), "{error}");
        }
    }

    #[test]
    fn a_one_off_reads_as_a_job_does() {
        let read = |value: Value| OneOffFields::from_json(value.as_object().unwrap());
        let fine = read(json!({"env": {"PORT": 80}, "graceful_timeout": 0.5, "colour": "red"})).unwrap();
        let expected = OneOffFields {
            env: [("PORT".into(), "80".into())].into(),
            graceful_timeout: Some(Duration::from_millis(500)),
            ignored: vec!["colour".to_owned()],
        };
        assert_eq!(fine, expected);
        assert_eq!(read(json!({"env": null, "graceful_timeout": null})).unwrap(), OneOffFields::default());
        for (value, field) in [
            (json!({"env": {"A=B": "c"}}), "env: `A=B`"),
            (json!({"env": {"A": "\u{0}"}}), "env: the value of `A`"),
            (json!({"env": ["A"]}), "env: must be"),
            (json!({"graceful_timeout": -1}), "graceful_timeout: "),
            (json!({"graceful_timeout": 1e300}), "graceful_timeout: "),
            (json!({"graceful_timeout": "soon"}), "graceful_timeout: must be a number of seconds"),
        ] {
            let error = read(value).unwrap_err().to_string();
            assert!(error.starts_with(field), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_with_variables_is_told_without_their_values() {
        for (env, told) in [
            (json!("A=secret"), "must be an object of strings, but is a string"),
            (json!({"A": "secret", "B": ["secret"]}), "must be an object of strings, but `B` in it is a list"),
            (json!({"A": {"x": "secret"}}), "must be an object of strings, but `A` in it is an object"),
            (json!({"A": null}), "must be an object of strings, but `A` in it is null, as values are that are hidden"),
        ] {
            let error = read(&json!({"name": "web", "cmd": "true", "env": env})).unwrap_err();
            assert_eq!(error.to_string(), format!("env: {told}"));
        }
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
