//! A source of items turned into an answer: `longpoll`, `continuous` or `eventsource`.
//!
//! [`response`] does it for any [`Stream`](futures_core::Stream) of [`Item`]s. What each form looks like:
//!
//! | | messages (JSON) | output (bytes of a process) |
//! |---|---|---|
//! | `longpoll` | one line, then the end | the first bytes, then the end |
//! | `continuous` | a line each | the bytes and nothing else |
//! | `eventsource` | `event`, `id` and `data` of one event each | `event: <label>`, text as lines of `data` |
//!
//! Every item is exactly one chunk of the HTTP answer, lines end in CRLF, and an event ends in an empty line: there are clients
//! that depend on each of the three. The head of the answer is sent at once, so a client knows that it is subscribed before
//! the first item comes. An answer ends when its source does, when the server closes, or when the client is gone; the source
//! is dropped with it.
//!
//! A heartbeat, if one was asked for, is sent whenever nothing else was for that long: a comment in `eventsource`, an empty line
//! elsewhere. A reader that was too slow is told what it lost: by a comment in `eventsource`, by a `{"lost": n}` line in
//! a `continuous` feed of messages; never among the bytes of a process.

mod body;
mod encoder;
mod item;
mod options;
mod sse;
mod text;

pub use body::{Media, response};
pub use item::{Item, Message};
pub use options::{FeedKind, FeedOptions, InvalidFeed};
pub use text::Utf8Splitter;
