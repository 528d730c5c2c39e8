//! Why the manager did not do what was asked.

use crate::{names::ProcessId, streams::StdinError, supervisor::Refusal};

/// Why the manager did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManagerError {
    /// The supervisor said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The process has no redirected output at all.
    #[error("process {0} has no redirected output; set `redirect_output` in its job")]
    NotRedirected(ProcessId),
    /// The process has no stream of this label.
    #[error("process {pid} has no stream `{label}`; it has {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    UnknownStream {
        /// Which process.
        pid: ProcessId,
        /// What was asked for.
        label: String,
        /// The labels that it has.
        known: Vec<String>,
    },
    /// The process takes no input under this label.
    #[error("process {pid} takes no input as `{label}`; {}", if writable.is_empty() {
        "it takes none; set `redirect_input` or `custom_streams` in its job".to_owned()
    } else {
        format!("it takes input as {}", writable.join(", "))
    })]
    NotWritable {
        /// Which process.
        pid: ProcessId,
        /// What was to be written to.
        label: String,
        /// What can be written to: `stdin`, and the labels of extra pipes.
        writable: Vec<String>,
    },
    /// The process's stdin is not redirected.
    #[error("process {0} does not take input; set `redirect_input` in its job")]
    NoStdin(ProcessId),
    /// Writing to the process failed.
    #[error("process {pid}: {source}")]
    Write {
        /// Which process.
        pid: ProcessId,
        /// Why.
        source: StdinError,
    },
    /// The manager has stopped.
    #[error("the manager has stopped")]
    Stopped,
}
