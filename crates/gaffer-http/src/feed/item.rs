//! What feeds are made of.

use bytes::Bytes;
use gaffer_core::names::StreamLabel;

/// One thing to tell a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A message.
    Message(Message),
    /// So many messages were lost, because the reader was slow.
    MessagesLost(u64),
    /// Bytes as a process wrote them to the stream of this label.
    Output(StreamLabel, Bytes),
    /// So many bytes of the stream of this label were lost, because the reader was slow.
    OutputLost(StreamLabel, u64),
}

/// A message with a payload of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What kind of message it is. Holds no line break.
    pub event: String,
    /// Where a reader that comes back may go on. Holds no line break.
    pub id: Option<String>,
    /// The payload, on one line.
    pub json: Bytes,
}
