//! Plugins of a node: what stands in their folder, and the applications that run for them.
//!
//! [`PluginSet::read`] looks at a folder and says what is wrong with it; nothing is done yet. [`Plugins`] is the application of the
//! manager that runs a set: each plugin's program is a job of the session `_plugin`, so that it is supervised as any other, and
//! talks with gafferd in lines of JSON on stdin and stdout, which docs/plugins.md describes.
//!
//! | part | knows |
//! | --- | --- |
//! | `folder`, `order` | what plugins there are, and which is needed by which |
//! | `job` | as what a plugin's program runs |
//! | `host` | which processes there are, and who talks with them |
//! | `talk` | one process: its lines in, and what it is told |
//! | `message` | what the lines say |
//! | `outbox` | what waits to be written |
//! | `conduct`, `lines`, `budget`, `chatter` | how much a program may say: in a line, wrong, and to the log |
//!
//! A program that misbehaves costs a bounded amount of memory, and time of its own: it is read no faster than what it asks for is
//! done, what it does not read is dropped and counted, and it is never waited for.

mod budget;
mod chatter;
mod conduct;
mod folder;
mod host;
mod job;
mod lines;
mod message;
mod order;
mod outbox;
mod talk;

pub use folder::{Plugin, PluginSet};
pub use host::{Applied, Plugins};
