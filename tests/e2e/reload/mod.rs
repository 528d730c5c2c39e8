//! Reading the configuration again while gafferd runs.

mod endpoints;
mod jobs;
mod told;
mod under_fire;
