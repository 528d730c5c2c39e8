//! The HTTP face of a gaffer manager, and the parts of it that other servers are made of, too.
//!
//! [`HttpHandler`] is the application to add to a manager. It is made of parts that are of use by themselves: [`serve`] runs
//! any router on any number of listeners, [`feed`] turns a source of items into an endless answer, [`ws`] pumps a websocket both
//! ways, [`front`] surrounds every answer, [`sockjs`] makes sessions with web pages of whatever gets through, [`sites`] serves files, and [`api`] is the router over
//! a [`Manager`](gaffer_core::manager::Manager). [`webhooks`] posts events to whoever wants them. These two alone know a manager.

pub mod api;
pub mod feed;
pub mod front;
mod handler;
pub mod origin;
pub mod serve;
pub mod sites;
pub mod sockjs;
pub mod webhooks;
pub mod ws;

pub use handler::{DEFAULT_DRAIN, HttpHandler};
