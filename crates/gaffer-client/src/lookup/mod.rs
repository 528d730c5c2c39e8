//! Lookup servers: which nodes there are, and which of them has a job.
//!
//! A [`Lookup`] asks any number of servers as if they were one: a server that does not answer is named, and does not keep the others
//! from it. A [`Registrar`] is the other side: it tells servers which jobs a node has.

mod ask;
mod merge;
mod register;

pub use self::{
    ask::{Found, Lookup, NoServer, Silent},
    register::{Registrar, Report},
};
