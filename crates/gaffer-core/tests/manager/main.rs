//! The whole manager on simulated processes, in virtual time.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod applications;
mod examples;
mod failures;
mod histories;
mod journal;
mod records;
mod world;
