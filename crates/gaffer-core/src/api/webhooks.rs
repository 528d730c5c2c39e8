//! Webhooks, as they go over the wire.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who has set up a webhook, and so who can remove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookOrigin {
    /// The configuration of the node.
    Configuration,
    /// Somebody, over the API.
    Api,
}

impl fmt::Display for WebhookOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configuration => "configuration",
            Self::Api => "api",
        })
    }
}

/// A webhook, without what is secret of it, and what has become of its events since it is there, or since the node was
/// started. An event that it was told is `delivered`, `failed`, `dropped` or still `waiting`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebhookInfo {
    /// What it is addressed by.
    pub id: String,
    /// Who has set it up.
    pub origin: WebhookOrigin,
    /// The name that the configuration gives it, if it does.
    #[serde(default)]
    pub name: Option<String>,
    /// Patterns of the events that it wants.
    pub events: Vec<String>,
    /// Where they are sent.
    pub url: String,
    /// Whether they are signed.
    pub signed: bool,
    /// Seconds for one attempt.
    pub timeout: f64,
    /// The file, on the node's machine, of the authorities that are trusted in place of those that the system trusts.
    #[serde(default)]
    pub cacert: Option<String>,
    /// Events that the receiver has taken.
    pub delivered: u64,
    /// Events that were given up: the receiver refused them, or failed again and again.
    pub failed: u64,
    /// Attempts that were made once more.
    pub retried: u64,
    /// Events that were lost because too many waited, or had to be left when the node stopped.
    pub dropped: u64,
    /// Events that are yet to be delivered.
    pub waiting: u64,
    /// What went wrong last, in words.
    #[serde(default)]
    pub last_error: Option<String>,
    /// The last status that the receiver has answered.
    #[serde(default)]
    pub last_status: Option<u16>,
    /// When an event was last taken, in seconds since the epoch.
    #[serde(default)]
    pub last_success: Option<f64>,
}

/// All webhooks of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebhookList {
    /// Those of the configuration, then those of the API, in the order of their making.
    pub webhooks: Vec<WebhookInfo>,
}

/// A webhook that is to be made.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct NewWebhook {
    /// Patterns of the events that it wants.
    pub events: Vec<String>,
    /// Where they are to be sent.
    pub url: String,
    /// What they are to be signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Seconds for one attempt; by default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// A file on the node's machine, PEM: the receiver must have a certificate of one of these authorities; by default of one that the
    /// system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cacert: Option<String>,
}

impl NewWebhook {
    /// One with the usual settings.
    pub fn new(pattern: impl Into<String>, url: impl Into<String>) -> Self {
        Self { events: vec![pattern.into()], url: url.into(), secret: None, timeout: None, cacert: None }
    }
}

impl fmt::Debug for NewWebhook {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewWebhook").field("events", &self.events).field("url", &self.url).finish_non_exhaustive()
    }
}
