//! What of a gaffer node outlives it: its keys, users and webhooks, in one file.
//!
//! | part | is |
//! | --- | --- |
//! | [`StateFolder`] | where a node keeps it, and the lock that keeps a second node off |
//! | [`StateFile`] | the file: what is acknowledged is on the disk, whatever happens then |
//! | [`Access`] | keys and users as they are asked: in memory, and written before anybody is told |
//! | [`ApiKey`], [`PasswordHash`] | what is shown, what is kept, and how one is told from the other |

mod access;
mod audit;
mod clock;
mod error;
mod file;
mod folder;
mod key;
mod password;
mod records;
mod register;
mod rules;
mod secret;
mod throttle;

pub use access::{Access, BadKey, DEFAULT_SESSION_LIFETIME, LogInError};
pub use audit::{AUDIT_TARGET, Author};
pub use error::StateError;
pub use file::StateFile;
pub use folder::StateFolder;
pub use key::Key;
pub use password::PasswordHash;
pub use records::{Change, KeyRecord, Records, UserRecord, WebhookRecord};
pub use rules::AccessError;
pub use secret::{ApiKey, KeyDigest};
