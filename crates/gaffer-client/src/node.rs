//! The node itself.

use gaffer_core::api::plugins::PluginInfo;
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
