//! Applications as a Procfile has them: what to run, in which environment, on which ports.
//!
//! ```text
//! Procfile ─┐
//! .env ─────┼─► Application ─► JobConfigs: one a process type, for a node
//! options ──┘        │    └──► Instances: one a process, for the foreground
//!                    └───────► export: ini, JSON, systemd units
//! ```

mod application;
mod command;
mod concurrency;
mod env;
pub mod export;
mod mistake;
mod parse;
mod quoting;
mod text;

pub use application::{Application, Instance, Source};
pub use command::{Form, is_shells_own};
pub use concurrency::{Concurrency, InvalidConcurrency};
pub use env::{EnvSource, get_env};
pub use mistake::{Mistake, Mistakes};
pub use parse::{Entry, Procfile};
pub use quoting::BrokenLine;
