//! Lookup servers, who registers there, and who asks.

mod cli;
mod fleet;
mod namespaces;
mod original;
mod program;
mod tls;
