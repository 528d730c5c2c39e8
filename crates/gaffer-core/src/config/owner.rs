//! `uid` and `gid`: a number or a name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose rights a process runs with: a number, or a name that is looked up at each launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Owner {
    /// The kernel's number.
    Number(u32),
    /// A name from the user or group database.
    Name(String),
}

impl Owner {
    /// Reads digits as a number and all else as a name; `None` for an empty text, which means "not set".
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.parse() {
            Ok(number) => Some(Self::Number(number)),
            Err(_) if text.is_empty() => None,
            Err(_) => Some(Self::Name(text.to_owned())),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}
