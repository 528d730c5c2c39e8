//! What can go wrong with what is kept.

/// What can go wrong with what is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// There are no random bytes to make a key or a salt of.
    #[error("the system has no random bytes: {0}")]
    Random(getrandom::Error),
    /// There is no memory for it, say.
    #[error("a password cannot be hashed: {0}")]
    Password(String),
}
