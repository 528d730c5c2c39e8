//! Lookup servers, who registers there, and who asks.

mod cli;
