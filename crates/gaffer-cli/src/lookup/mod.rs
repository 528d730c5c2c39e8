//! Lookup servers: which node has what a command is about.

mod finder;
mod known;
mod wanted;

pub use self::{
    finder::{Finder, heard},
    known::{Known, NotOne},
    wanted::{Want, a_process, names_no_job, wanted},
};
