//! What an output or an extra pipe of a process is called.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// A label that cannot name a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLabel {
    /// Nothing was given.
    #[error("a stream label cannot be empty")]
    Empty,
    /// A character that labels may not hold, as they stand in URLs.
    #[error("`{0}`: {1:?} cannot stand in a stream label; use letters, digits, `_`, `.`, `@`, `+` and `-`")]
    Character(String, char),
    /// Too long to be of use.
    #[error("a stream label of {0} bytes is too long; at most 64 are allowed")]
    TooLong(usize),
}

/// A labelled output or extra pipe of a process, such as `stdout`; the user chooses the word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamLabel(Arc<str>);

impl StreamLabel {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StreamLabel {
    type Err = InvalidLabel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(InvalidLabel::Empty);
        }
        if text.len() > 64 {
            return Err(InvalidLabel::TooLong(text.len()));
        }
        match text.chars().find(|&c| !(c.is_ascii_alphanumeric() || "_.@+-".contains(c))) {
            Some(wrong) => Err(InvalidLabel::Character(text.to_owned(), wrong)),
            None => Ok(Self(text.into())),
        }
    }
}

impl TryFrom<String> for StreamLabel {
    type Error = InvalidLabel;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StreamLabel> for String {
    fn from(label: StreamLabel) -> Self {
        label.0.as_ref().to_owned()
    }
}
