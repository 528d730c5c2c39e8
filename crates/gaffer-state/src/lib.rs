//! What of a gaffer node outlives it: its keys, users, jobs and webhooks, in one file; and which processes it has launched, in another.
//!
//! | part | is |
//! | --- | --- |
//! | [`StateFolder`] | where a node keeps it, and the lock that keeps a second node off |
//! | [`StateFile`] | the file: what is acknowledged is on the disk, whatever happens then |
//! | [`Access`] | keys and users as they are asked: in memory, and written before anybody is told |
//! | [`keep_jobs`] | keeps how the jobs of a manager stand, before its clients are answered |
//! | [`ProcessLog`] | which processes run, for the next run of a node that was killed |
//! | [`ApiKey`], [`PasswordHash`] | what is shown, what is kept, and how one is told from the other |

mod access;
mod audit;
mod clock;
mod error;
mod file;
mod folder;
mod jobs;
mod key;
mod password;
mod processes;
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
pub use jobs::keep_jobs;
pub use key::Key;
pub use password::PasswordHash;
pub use processes::{PastError, PastProcess, PastRun, ProcessLog};
pub use records::{Change, KeyRecord, Records, StoredJob, UserRecord, WebhookRecord};
pub use rules::AccessError;
pub use secret::{ApiKey, KeyDigest};
