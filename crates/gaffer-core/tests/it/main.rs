//! Integration tests: what needs real processes.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test that meets something else has failed")]

mod backend;
mod sinks;
mod stdin;
