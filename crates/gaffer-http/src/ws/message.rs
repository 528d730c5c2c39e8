//! What goes over a websocket.

use std::borrow::Cow;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::{
    Message, Utf8Bytes,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Text.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
}

impl Data {
    /// A text message.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// The bytes of either kind.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// How many bytes it holds.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Data> for Message {
    fn from(data: Data) -> Self {
        match data {
            Data::Text(text) => Self::Text(text),
            Data::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

/// Why a session is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// A code of RFC 6455, or one from 4000 to 4999.
    pub code: u16,
    /// A few words for people; what goes beyond 123 bytes is cut off.
    pub reason: Cow<'static, str>,
}

impl Close {
    /// All was said.
    pub const NORMAL: Self = Self::new(1000, "");
    /// The server ends.
    pub const GOING_AWAY: Self = Self::new(1001, "the server is shutting down");
    pub(super) const PROTOCOL: Self = Self::new(1002, "this breaks the websocket protocol");
    pub(super) const NOT_UTF8: Self = Self::new(1007, "a text message must be UTF-8");
    pub(super) const INTERNAL: Self = Self::new(1011, "an error inside the server");

    /// The most that fits into a control frame, beside the code.
    const MAX_REASON: usize = 123;

    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self { code: 1009, reason: format!("a message may have at most {limit} bytes").into() }
    }

    fn short_reason(&self) -> &str {
        let mut end = self.reason.len().min(Self::MAX_REASON);
        while !self.reason.is_char_boundary(end) {
            end -= 1;
        }
        &self.reason[..end]
    }
}

impl From<Close> for Message {
    fn from(close: Close) -> Self {
        Self::Close(Some(CloseFrame { code: CloseCode::from(close.code), reason: close.short_reason().into() }))
    }
}

/// What a session sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A message.
    Data(Data),
    /// The end: nothing is sent after it.
    Close(Close),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        for (reason, kept) in [("x".repeat(200), 123), ("é".repeat(100), 122), ("short".to_owned(), 5)] {
            let Message::Close(Some(frame)) = (Close { code: 4400, reason: reason.clone().into() }).into() else {
                panic!("no close frame")
            };
            assert_eq!(frame.reason.as_str(), &reason[..kept]);
            assert_eq!(u16::from(frame.code), 4400);
        }
    }
}
