//! What a job is: its fields, their checks, and the words of its command line; and what a webhook is.

mod difference;
mod field;
mod flapping;
mod job;
mod json;
mod owner;
mod program;
mod spec;
mod suggest;
mod webhook;
mod words;

pub use difference::KEYS_IN_PLACE;
pub use field::{FieldError, InvalidConfig};
pub use flapping::Flapping;
pub(crate) use flapping::MAX_SPAN;
pub(crate) use flapping::seconds;
pub use job::{JobConfig, MAX_PROCESSES};
pub(crate) use job::{split_words, unfit_variables};
pub use json::FromJson;
pub(crate) use json::OneOffFields;
pub use owner::Owner;
pub use program::ProgramName;
pub(crate) use spec::boolean;
pub use spec::{Args, JOB_KEYS, JobSpec};
pub use suggest::suggest;
pub use webhook::{InvalidSecret, InvalidWebhookUrl, MAX_PATTERNS, Secret, SecretSource, WebhookConfig, WebhookUrl};
pub use words::{CommandLine, UnknownVariable};
