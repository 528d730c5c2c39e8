//! A process that outlived the node that launched it.

use super::Root;

/// A process that is to be taken back by the next run of the node. Plain data, which may come from a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Survivor {
    /// Which process, told apart from a later one with its number.
    pub root: Root,
    /// What it carries as [`MARK`](super::MARK): that of the node that launched it.
    pub mark: String,
}
