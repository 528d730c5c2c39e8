//! Lookup servers with real connections: of nodes that speak by hand, and of managers with simulated processes.

#![expect(clippy::unwrap_used, reason = "whatever goes wrong in a test fails it")]

mod changes;
mod clients;
mod cuts;
mod fixture;
mod nodes;
mod proxy;
mod routes;
