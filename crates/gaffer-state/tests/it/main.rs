//! Integration tests: files as they are on the disk, whoever writes them, and whatever happens meanwhile.

#![expect(clippy::unwrap_used, reason = "whatever goes wrong in a fixture fails the test that uses it")]

mod child;
mod counter;
mod crash;
mod fixture;
mod folder;
mod handle;
mod histories;
mod others;
mod trust;
