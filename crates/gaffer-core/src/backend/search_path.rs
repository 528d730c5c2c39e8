//! Where a program was searched, as it may be told.

use std::fmt;

/// The `PATH` in which a program was searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchPath {
    /// That of the node, or the usual folders where there is none.
    OfNode(String),
    /// One of the job's own variables, whose values are not told.
    OfJob,
}

impl fmt::Display for SearchPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfNode(path) => write!(f, "PATH ({path})"),
            Self::OfJob => f.write_str("PATH (as its `env` has it)"),
        }
    }
}
