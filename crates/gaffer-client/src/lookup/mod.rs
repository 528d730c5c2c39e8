//! Lookup servers: which nodes there are, and which of them has a job.
//!
//! A [`Lookup`] asks any number of servers as if they were one: a server that does not answer is named, and does not keep the others
//! from it.

mod ask;
mod merge;

pub use self::ask::{Found, Lookup, NoServer, Silent};
