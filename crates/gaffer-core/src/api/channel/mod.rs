//! What is spoken on `/channel`: one connection for subscriptions to many [`Topic`]s, and for commands.
//!
//! A client says [`Request`]s, a node [`Reply`]s; each is a message of JSON.

mod reply;
mod request;
mod topic;

pub use reply::{EventData, FailedCommand, Failure, Lost, Misunderstanding, Outcome, Reply, SubscriptionStart};
pub use request::{Command, InvalidRequest, Request, Subscribe};
pub use topic::{InvalidTopic, Topic};
