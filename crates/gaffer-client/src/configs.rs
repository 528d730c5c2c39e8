//! How jobs are configured, as far as the key of a client may know it.

use gaffer_core::{JobConfig, JobName};
use serde_json::{Map, Value};

use crate::{Client, Error};

/// A job's configuration, as far as the key may know it: who may read a job and not manage it is not told the values of its variables.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownConfig {
    /// The configuration, without the variables whose values are hidden: to look at it, and not to load it.
    pub config: JobConfig,
    /// Names of these variables.
    pub hidden: Vec<String>,
}

/// Names of the variables whose values are hidden in a job's configuration, as nodes write it.
pub fn hidden_variables(config: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let variables = config.get("env").and_then(Value::as_object).into_iter().flatten();
    variables.filter(|(_, value)| value.is_null()).map(|(name, _)| name.as_str())
}

impl KnownConfig {
    fn read(mut config: Map<String, Value>) -> Result<Self, gaffer_core::config::InvalidConfig> {
        let hidden = hidden_variables(&config).map(str::to_owned).collect();
        if let Some(Value::Object(variables)) = config.get_mut("env") {
            variables.retain(|_, value| !value.is_null());
        }
        Ok(Self { config: JobConfig::from_json(&config, None, None)?.config, hidden })
    }
}

impl Client {
    /// Asks how a job is configured.
    ///
    /// # Errors
    /// As every call; also when there is no such job. [`Error::Hidden`] if not all of it is told.
    pub async fn config(&self, job: &JobName) -> Result<JobConfig, Error> {
        let KnownConfig { config, hidden } = self.known_config(job).await?;
        if hidden.is_empty() { Ok(config) } else { Err(Error::Hidden { job: job.clone() }) }
    }

    /// Asks how a job is configured, as far as the key may know it.
    ///
    /// # Errors
    /// As every call; also when there is no such job.
    pub async fn known_config(&self, job: &JobName) -> Result<KnownConfig, Error> {
        let call = self.get(&["processes", &job.to_string()]);
        let what = call.what().to_owned();
        KnownConfig::read(call.json().await?).map_err(|error| self.protocol(&what, error.to_string()))
    }

    /// Asks how a job is configured, as the node writes it: also keys that this library does not know. Values of variables that are
    /// hidden from the key are null.
    ///
    /// # Errors
    /// As every call; also when there is no such job.
    pub async fn config_json(&self, job: &JobName) -> Result<Map<String, Value>, Error> {
        self.get(&["processes", &job.to_string()]).json().await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(env: &Value) -> KnownConfig {
        let config = json!({"name": "web", "cmd": "$TOK/x", "env": env, "redirect_output": ["out"]});
        KnownConfig::read(config.as_object().unwrap().clone()).unwrap()
    }

    #[test]
    fn what_is_hidden_of_a_configuration_is_named() {
        let known = read(&json!({"A": "1", "TOK": null}));
        assert_eq!(known.hidden, ["TOK"]);
        assert_eq!(known.config.env().keys().collect::<Vec<_>>(), ["A"]);
        assert_eq!(known.config.command().to_string(), "$TOK/x");
        for env in [json!({"A": "1"}), json!({}), json!(null)] {
            assert!(read(&env).hidden.is_empty());
        }
    }
}
