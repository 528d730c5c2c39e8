//! What commands of several programs are made of.

pub mod access;
mod acts;
pub mod facts;
mod job_file;
mod link;
pub mod logs;
pub mod send;

pub use acts::{Acts, Entry, failed};
pub use job_file::{FileJob, JobFile, JobText, Problem, is_taken};
pub use link::{Link, may_pass};
