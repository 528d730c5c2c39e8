//! The node itself.

use gaffer_core::api::{Reconfiguration, plugins::PluginInfo};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Client, Error};

/// Which program a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Version {
    /// `gaffer`.
    pub name: String,
    /// Its version.
    pub version: String,
}

#[derive(Deserialize)]
struct Plugins {
    plugins: Vec<PluginInfo>,
}

impl Client {
    /// Asks whether the node answers.
    ///
    /// # Errors
    /// As every call: when the node cannot be reached, says no, or is none.
    pub async fn ping(&self) -> Result<(), Error> {
        let call = self.get(&["ping"]);
        match call.text().await?.as_str() {
            "OK" => Ok(()),
            other => Err(self.protocol("GET /ping", format!("`{}`", other.chars().take(60).collect::<String>()))),
        }
    }

    /// Asks for the node's version.
    ///
    /// # Errors
    /// As every call.
    pub async fn version(&self) -> Result<Version, Error> {
        self.get(&["version"]).json().await
    }

    /// Asks what the node would change if it read its configuration again. Nothing is done.
    ///
    /// # Errors
    /// As every call; also when the node has no configuration file, or when it has mistakes, which the error lists.
    pub async fn plan_reconfiguration(&self) -> Result<Reconfiguration, Error> {
        self.get(&["_reload"]).json().await
    }

    /// Has the node read its configuration again, and be as it says. Answers when that is done, but for what is said to have failed.
    ///
    /// # Errors
    /// As every call; also when the node has no configuration file, or when it has mistakes, which the error lists. Nothing is done then.
    pub async fn reconfigure(&self) -> Result<Reconfiguration, Error> {
        self.post(&["_reload"]).json().await
    }

    /// Lists the plugins, in the order of their names.
    ///
    /// # Errors
    /// As every call; also when the key does not permit to read everything.
    pub async fn plugins(&self) -> Result<Vec<PluginInfo>, Error> {
        Ok(self.get(&["plugins"]).json::<Plugins>().await?.plugins)
    }

    /// Asks for the description of every call: OpenAPI 3.1.
    ///
    /// # Errors
    /// As every call.
    pub async fn openapi(&self) -> Result<Value, Error> {
        self.get(&["openapi.json"]).json().await
    }
}
