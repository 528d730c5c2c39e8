//! Lookup servers: which nodes there are, and which of them has a job.
//!
//! A [`Lookup`] asks any number of servers as if they were one: a server that does not answer is named, and does not keep the others
//! from it. [`Lookup::watch`] tells what changes, and a [`Follower`] stays with a job as it moves.
//!
//! A [`Registrar`] is the other side: it tells servers which jobs a node has.

mod ask;
mod follow;
mod merge;
mod register;
mod union;
mod watch;

pub use self::{
    ask::{Found, Lookup, NoServer, Silent},
    follow::Follower,
    register::{Registrar, Report},
    watch::{Told, Watch},
};
