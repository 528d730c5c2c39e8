//! What happened, told to whoever asked: events, patterns, the emitter, and the journal of the last events.

mod emitter;
mod event;
mod journal;
mod pattern;
mod queue;
mod trie;

pub use emitter::{Delivery, Emitter, Subscription};
pub use event::{Detail, Event, EventKind, EventProcess, Notification};
pub(crate) use journal::Journal;
pub use journal::{EventStart, EventSubscription};
pub use pattern::{InvalidPattern, Pattern, Topic};
