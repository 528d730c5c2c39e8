//! Passwords: what is kept of them, and how they are checked.

use std::{fmt, sync::LazyLock};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash as Phc},
};

use crate::StateError;

/// What is kept of a password: argon2id with its salt, as a PHC string.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Longest password that is taken, in bytes.
    pub const MAX_PASSWORD: usize = 1024;

    /// Makes one, with a salt of its own. Takes a tenth of a second of a processor, and 19 MiB.
    ///
    /// # Errors
    /// When the system has no random bytes or no memory.
    pub fn new(password: &str) -> Result<Self, StateError> {
        let hash = Argon2::default().hash_password(password.as_bytes());
        hash.map(|hash| Self(hash.to_string())).map_err(|error| StateError::Password(error.to_string()))
    }

    /// Takes a PHC string, as it is kept.
    pub(crate) fn from_phc(text: String) -> Self {
        Self(text)
    }

    /// The PHC string.
    pub(crate) fn as_phc(&self) -> &str {
        &self.0
    }

    /// Whether it is of this password. Takes as long as [`new`](Self::new).
    pub fn matches(&self, password: &str) -> bool {
        let hash = Phc::new(&self.0);
        hash.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    }

    /// Takes as long as [`matches`](Self::matches), and is of no password: for users that do not exist.
    pub fn matches_nobody(password: &str) -> bool {
        static DECOY: LazyLock<Option<PasswordHash>> = LazyLock::new(|| PasswordHash::new("").ok());
        let _same = DECOY.as_ref().map(|decoy| decoy.matches(password));
        false
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other_is() {
        let hash = PasswordHash::new("correct horse").unwrap();
        assert!(hash.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_phc());
        assert!(hash.matches("correct horse") && !hash.matches("correct horsf") && !hash.matches(""));
        assert_ne!(hash, PasswordHash::new("correct horse").unwrap(), "salts differ");
        assert!(!PasswordHash::matches_nobody(""));
        assert!(!PasswordHash::from_phc("nonsense".to_owned()).matches("nonsense"));
        assert_eq!(format!("{hash:?}"), "PasswordHash(…)");
    }
}
