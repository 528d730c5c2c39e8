//! The HTTP face of a gaffer manager: the only crate that knows status codes.
//!
//! [`HttpHandler`] is the application to add to a manager. It is made of parts that are of use by themselves: [`serve`] runs
//! any router on any number of listeners, [`feed`] turns a source of items into an endless answer, [`ws`] pumps a websocket both
//! ways, [`sockjs`] makes sessions with web pages of whatever gets through, and [`api`] is the router over a
//! [`Manager`](gaffer_core::manager::Manager). The others know no manager.

pub mod api;
pub mod feed;
mod handler;
pub mod origin;
pub mod serve;
pub mod sockjs;
pub mod ws;

pub use handler::{DEFAULT_DRAIN, HttpHandler};
