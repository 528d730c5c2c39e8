//! What a key is called.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// A text that cannot be the beginning of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("that is no key and no id of one; an id is the first 12 characters of a key, 0 to 9 and a to f")]
pub struct InvalidKeyId;

/// What a key is called where it is not shown: its first characters, which tell nothing of the rest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// Its characters.
    pub const LENGTH: usize = 12;

    /// How long a whole key is.
    pub const KEY_LENGTH: usize = 64;

    /// The id of a key, of which this is the whole, or the id itself. Whether there is such a key is not asked.
    ///
    /// # Errors
    /// When it is neither.
    pub fn of(text: &str) -> Result<Self, InvalidKeyId> {
        let is_whole = text.len() == Self::KEY_LENGTH && text.bytes().all(is_digit);
        let id = if is_whole { text.get(..Self::LENGTH).ok_or(InvalidKeyId)? } else { text };
        id.parse()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_id = text.len() == Self::LENGTH && text.bytes().all(is_digit);
        if is_id { Ok(Self(text.into())) } else { Err(InvalidKeyId) }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0.to_string()
    }
}

impl TryFrom<String> for KeyId {
    type Error = InvalidKeyId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_beginning_of_a_key() {
        let id: KeyId = "0123456789ab".parse().unwrap();
        assert_eq!(KeyId::of("0123456789ab"), Ok(id.clone()));
        assert_eq!(KeyId::of(&format!("0123456789ab{}", "c".repeat(52))), Ok(id));
        for wrong in ["", "0123456789a", "0123456789aB", "0123456789a\u{e9}", "00000000000\u{e9}", "../../../../"] {
            assert_eq!(KeyId::of(wrong), Err(InvalidKeyId), "{wrong}");
        }
        let garbage = format!("0123456789ab{}", "-".repeat(52));
        for neither in ["0123456789abc", &format!("0123456789ab{}", "c".repeat(53)), &garbage] {
            assert_eq!(KeyId::of(neither), Err(InvalidKeyId), "{neither}");
        }
        assert!("0123456789abc".parse::<KeyId>().is_err());
    }
}
