//! The shell round the supervisor: one task that owns it, and the handle that everybody else holds.

mod actor;
mod applications;
mod error;
mod handle;
mod launches;
mod live;
mod log;
mod options;
mod records;
mod shared;
mod stats;
mod timers;

pub use error::ManagerError;
pub use handle::{Manager, Restored};
pub(crate) use launches::Launched;
pub use options::ManagerOptions;
pub use records::{JobRecord, ProcessRecord, RecordSender, Records, records};
