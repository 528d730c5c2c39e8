//! The supervisor against a world that does as told: examples, and random histories held against the invariants.

mod examples;
mod histories;
mod world;
