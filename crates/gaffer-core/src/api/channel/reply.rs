//! What nodes say.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A message of a node. Clients of the original do not mind events that they do not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Reply {
    /// A subscription was made, or taken back.
    #[serde(rename = "gaffer:subscription_success")]
    Subscribed {
        /// The topic, as the client wrote it.
        topic: String,
        /// Where the subscription begins; nothing if it was taken back.
        #[serde(flatten)]
        start: SubscriptionStart,
    },
    /// A subscription was not made.
    #[serde(rename = "gaffer:subscription_error")]
    NotSubscribed {
        /// The topic, as the client wrote it.
        topic: String,
        /// Why.
        data: Failure,
    },
    /// Nothing more will come of a topic: the subscription is over.
    #[serde(rename = "gaffer:subscription_end")]
    Ended {
        /// The topic, as the client wrote it.
        topic: String,
    },
    /// Something of a topic was lost, because the client was slow.
    #[serde(rename = "gaffer:lagged")]
    Lagged {
        /// The topic, as the client wrote it.
        topic: String,
        /// How much.
        data: Lost,
    },
    /// Something about a topic.
    #[serde(rename = "gaffer:event")]
    Event {
        /// Where a client that comes back may go on, for topics that can be resumed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// What.
        data: EventData,
    },
    /// A command is done.
    #[serde(rename = "gaffer:command_success")]
    Done {
        /// Which, and what came of it.
        data: Outcome,
    },
    /// A command failed.
    #[serde(rename = "gaffer:command_error")]
    Failed {
        /// Which, and why.
        data: FailedCommand,
    },
    /// A message of the client is no request.
    #[serde(rename = "gaffer:error")]
    Invalid {
        /// Why.
        data: Misunderstanding,
    },
    /// What this version does not know.
    #[serde(other, skip_serializing)]
    Unknown,
}

/// Where a subscription begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionStart {
    /// Which run of the node tells it: another one whenever gafferd was started anew. Pids are those of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The id of what stands before its first message, for topics that can be resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Whether something that followed the `after` which the client gave is not known any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gap: bool,
}

/// How much was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Messages; of output, bytes.
    pub lost: u64,
}

/// Something about a topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventData {
    /// What kind of thing: an event's name, `stat`, or a stream's label.
    pub event: String,
    /// The topic, as the client wrote it.
    pub topic: String,
    /// All else there is to say.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The command's identity.
    pub id: Value,
    /// Its result.
    pub result: Value,
}

/// A command that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailedCommand {
    /// The command's identity.
    pub id: Value,
    /// Why.
    pub error: Failure,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The status that a call over HTTP would have.
    pub errno: u16,
    /// The code that programs look at.
    #[serde(default)]
    pub error: String,
    /// The sentence that people read.
    #[serde(default)]
    pub reason: String,
}

/// Why a message was no request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misunderstanding {
    /// `invalid_msg`.
    pub error: String,
    /// The code that programs look at, where the original has it.
    pub reason: String,
    /// The status that a call over HTTP would have.
    #[serde(default)]
    pub errno: u16,
    /// The sentence that people read.
    #[serde(default)]
    pub detail: String,
}

impl Reply {
    /// Writes it as it is read.
    pub fn to_text(&self) -> String {
        // Strings and numbers always serialise; what is not known is not written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn replies_look_as_in_the_original_and_read_as_they_are_written() {
        let topic = || "EVENTS".to_owned();
        let failure = || Failure { errno: 404, error: "not_found".to_owned(), reason: "no".to_owned() };
        let start = SubscriptionStart { run: Some("n".to_owned()), after: Some("n-7".to_owned()), gap: true };
        let fields = Map::from_iter([("name".to_owned(), "shop.web".into())]);
        for (reply, expected) in [
            (
                Reply::Subscribed { topic: topic(), start: SubscriptionStart::default() },
                json!({"event": "gaffer:subscription_success", "topic": "EVENTS"}),
            ),
            (
                Reply::Subscribed { topic: topic(), start },
                json!({"event": "gaffer:subscription_success", "topic": "EVENTS", "run": "n", "after": "n-7", "gap": true}),
            ),
            (
                Reply::NotSubscribed { topic: topic(), data: failure() },
                json!({"event": "gaffer:subscription_error", "topic": "EVENTS", "data": failure()}),
            ),
            (Reply::Ended { topic: topic() }, json!({"event": "gaffer:subscription_end", "topic": "EVENTS"})),
            (
                Reply::Lagged { topic: topic(), data: Lost { lost: 3 } },
                json!({"event": "gaffer:lagged", "topic": "EVENTS", "data": {"lost": 3}}),
            ),
            (
                Reply::Event { id: None, data: EventData { event: "spawn".to_owned(), topic: topic(), fields } },
                json!({"event": "gaffer:event", "data": {"event": "spawn", "topic": "EVENTS", "name": "shop.web"}}),
            ),
            (
                Reply::Done { data: Outcome { id: "5f".into(), result: json!({"ok": true}) } },
                json!({"event": "gaffer:command_success", "data": {"id": "5f", "result": {"ok": true}}}),
            ),
            (
                Reply::Failed { data: FailedCommand { id: 5.into(), error: failure() } },
                json!({"event": "gaffer:command_error", "data": {"id": 5, "error": failure()}}),
            ),
            (
                Reply::Invalid {
                    data: Misunderstanding {
                        error: "invalid_msg".to_owned(),
                        reason: "data_missing".to_owned(),
                        errno: 400,
                        detail: "no".to_owned(),
                    },
                },
                json!({"event": "gaffer:error", "data":
                    {"error": "invalid_msg", "reason": "data_missing", "errno": 400, "detail": "no"}}),
            ),
        ] {
            let text = reply.to_text();
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
            assert_eq!(serde_json::from_str::<Reply>(&text).unwrap(), reply);
        }
        let news = r#"{"event": "gaffer:news", "data": [1]}"#;
        assert_eq!(serde_json::from_str::<Reply>(news).unwrap(), Reply::Unknown);
    }
}
