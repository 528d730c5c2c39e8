//! Typed names and numbers. Holding one proves that it was checked.

mod ids;
mod job_name;
mod label;
mod signal;

pub use ids::{OsPid, ProcessId};
pub use job_name::{InvalidJobName, JobName, SessionId};
pub use label::{InvalidLabel, StreamLabel};
pub use signal::{InvalidSignal, Signal};
