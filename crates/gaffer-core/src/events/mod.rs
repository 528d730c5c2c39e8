//! What happened, told to whoever asked: events, patterns and the emitter.

mod emitter;
mod event;
mod pattern;
mod queue;
mod trie;

pub use emitter::{Delivery, Emitter, Subscription};
pub use event::{Detail, Event, EventKind, EventProcess, Notification};
pub use pattern::{InvalidPattern, Pattern, Topic};
