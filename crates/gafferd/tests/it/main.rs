//! The real binary: how it starts, what it says, how it ends.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper fails the test")]

mod daemon;
mod life;
mod refusals;
