//! Jobs, supervision, processes, streams, events and stats of gaffer: everything but HTTP.
//!
//! gaffer keeps applications running and lets people and programs control them. This crate is what its programs are
//! made of, and can be embedded in others. It serves nothing and reads no command line.
//!
//! | to | use |
//! | --- | --- |
//! | run and control jobs | [`Manager`] on a [`RealBackend`](backend::RealBackend) |
//! | say what a job is | [`JobSpec`], checked into a [`JobConfig`] |
//! | read a node's ini file | [`ini::NodeConfig`] |
//! | read a Procfile and its variables | [`procfile::Application`] |
//! | say what a key permits | [`access::Permissions`] |
//! | hear what happens | [`Manager::subscribe`] with a [`Pattern`](events::Pattern) |
//! | read a process's output, write to its stdin | [`Manager::monitor_io`], [`Manager::send`] |
//! | know what processes use | [`Manager::stats`], [`Manager::monitor`] |
//! | extend a manager | [`Application`](applications::Application) |
//! | test against processes that do as told | [`backend::simulated`] |
//!
//! # How it works
//!
//! The [`Supervisor`](supervisor::Supervisor) decides: how many processes to run, what to do when one exits, whether a
//! job flaps, what a shutdown waits for. It is pure: facts and the time go in, effects come out. The [`Manager`] is the
//! shell around it, one task that carries the effects out and feeds the results back; clients hold cheap handles to it.
//!
//! The shell reaches the operating system through one seam, [`Backend`](backend::Backend). The real one launches
//! processes, watches them through pidfds and ends their whole trees. The simulated one has processes that do as they are told, so
//! that hours of supervision are tested in milliseconds.
//!
//! ```no_run
//! use gaffer_core::{JobSpec, Manager, ManagerOptions, backend::RealBackend};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let manager = Manager::start(ManagerOptions::default(), RealBackend::start)?;
//! manager.load(JobSpec::new("web".parse()?, "./server --port 8080").check()?).await?;
//! println!("{:?}", manager.info(&"web".parse()?).await?.pids);
//! manager.stop().await;
//! # Ok(())
//! # }
//! ```

pub mod access;
pub mod api;
pub mod applications;
pub mod backend;
pub mod config;
pub mod events;
pub mod ini;
pub mod manager;
pub mod names;
pub mod os;
pub mod pidfile;
pub mod procfile;
pub mod proctitle;
pub mod stats;
pub mod streams;
pub mod supervisor;
mod sync;
#[cfg(test)]
mod test_scale;
pub mod voice;

pub use config::{JobConfig, JobSpec};
pub use manager::{Manager, ManagerError, ManagerOptions};
pub use names::{InvalidJobName, JobName, ProcessId, SessionId};
