//! Keys as they are shown, and what is kept of them.

use std::fmt::{self, Write};

use gaffer_core::access::KeyId;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::StateError;

/// A key as its owner gets it, once.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Random bytes in one, of which the first six make the id.
    const BYTES: usize = 32;

    /// Longest text that is looked at: twice what keys have.
    pub const MAX_LENGTH: usize = 4 * Self::BYTES;

    /// Makes one.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn generate() -> Result<Self, StateError> {
        let mut bytes = [0; Self::BYTES];
        getrandom::fill(&mut bytes).map_err(StateError::Random)?;
        let mut text = String::with_capacity(2 * Self::BYTES);
        for byte in bytes {
            // Writing to a string does not fail.
            let _: fmt::Result = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is called.
    pub fn id(&self) -> KeyId {
        // It is made of the digits that ids are made of.
        KeyId::of(&self.0).unwrap_or_else(|_| unreachable!("a key begins with its id"))
    }

    /// What is kept of it.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::of(&self.0)
    }
}

impl fmt::Debug for ApiKey {
    /// Without what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}…)", self.id())
    }
}

/// What is kept of a key: enough to know it, and nothing to have it by. Keys are random, so no slow function is needed.
#[derive(Clone, Copy, Debug)]
pub struct KeyDigest(pub(crate) [u8; 32]);

impl KeyDigest {
    /// That of a text.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Whether they are of the same key. Takes as long whether they are or not.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_are_known_by_their_digest() {
        let (one, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        assert_eq!(one.as_str().len(), 64);
        assert_eq!(one.id().as_str(), &one.as_str()[..12]);
        assert!(one != other && one.digest().matches(&KeyDigest::of(one.as_str())));
        assert!(!one.digest().matches(&other.digest()));
        let shown = format!("{one:?}");
        assert!(shown.contains(one.id().as_str()) && !shown.contains(&one.as_str()[..13]), "{shown}");
    }
}
