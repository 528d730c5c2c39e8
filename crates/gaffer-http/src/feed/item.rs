//! What feeds are made of.

use bytes::Bytes;
use gaffer_core::names::StreamLabel;

use super::FeedId;

/// What the items of a source are, which decides over the content type and the form of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// Messages.
    Json,
    /// Bytes of a process.
    Bytes,
}

/// One thing to tell a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A message.
    Message(Message),
    /// So many messages were lost, because the reader was slow.
    MessagesLost(u64),
    /// Something that a process wrote.
    Output(Output),
    /// So many bytes of the stream of this label were lost, because the reader was slow.
    OutputLost(StreamLabel, u64),
    /// The reader goes on with the stream of this label at an id that it was told before.
    Resumed(StreamLabel),
    /// A word to the reader, on one line. Only event streams have a place for it.
    Note(&'static str),
}

/// A message with a payload of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What kind of message it is. Holds no line break.
    pub event: String,
    /// Where a reader that comes back may go on.
    pub id: Option<FeedId>,
    /// The payload, on one line.
    pub json: Bytes,
}

/// Bytes as a process wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The label of the stream.
    pub label: StreamLabel,
    /// The bytes.
    pub data: Bytes,
    /// The position behind the last of them; numbers count bytes.
    pub end: Option<FeedId>,
}
