//! Where gaffer nodes register, and clients find jobs.

pub mod registry;
