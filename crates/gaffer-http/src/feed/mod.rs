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
//! is dropped with it. A source is asked for an item only once all before it was taken: whoever does not read costs what the
//! connection's own buffers hold, and falls behind at the source.
//!
//! A heartbeat, if there is to be one, is sent whenever nothing else was for that long: a comment in `eventsource`, an empty line
//! elsewhere. A reader that was too slow is told what it lost: by a comment in `eventsource`, by a `{"lagged": n}` line in
//! a `continuous` feed of messages; never among the bytes of a process.
//!
//! # Output as events
//!
//! The text of a chunk is the data of one event: a `data` line for each of its lines. Readers that join the data of events by line
//! feeds have the lines that the process wrote, except where a line came in several chunks. Therefore a line break at the
//! end of a chunk opens no further `data` line; one at the beginning that ends the line sent last is left out; and a chunk that is
//! nothing but that makes no event. Characters are never split, and what is no UTF-8 becomes U+FFFD.
//!
//! Who wants the very lines heeds [comments](gaffer_core::api::feed), which all others skip: an event whose text does not end in
//! a line break says so after its data, and what was left out of its beginning is told there, too; a chunk that is nothing but
//! that line break is a comment alone.
//!
//! # Going on
//!
//! The `id` of an event is `<incarnation>-<number>`. Of a message, the number counts messages. Of output, it is the position behind the
//! bytes that the event tells, in bytes since the process began: without the line break at its end, and without a character that
//! is not complete yet, so that whoever goes on there gets that character whole and no empty line for that break.
//! [`Beginning`] reads where a feed is to begin.
//!
//! Before the first event a reader has no id. So the head of an event stream says where that begins, as the header `Last-Event-ID`,
//! which is sent back as an id is ([`Seen`]). That reader is told the same from there on, and of output every line break.
//!
//! # What is kept alone
//!
//! With `follow=false` ([`FeedOptions::kept_only`]) a source is to end when it has told what was kept as it was made. A `longpoll`,
//! which would end after the first item, then is a `continuous` feed.

mod beginning;
mod body;
mod encoder;
mod id;
mod item;
mod options;
mod preceded;
mod sse;
mod text;
mod transcript;

pub use beginning::{Beginning, LastEventId};
pub use body::response;
pub use id::{FeedId, Seen};
pub use item::{Item, Media, Message, Output};
pub use options::{FeedKind, FeedOptions, FeedQuery, InvalidFeed};
pub use preceded::Preceded;
pub use text::Utf8Splitter;
