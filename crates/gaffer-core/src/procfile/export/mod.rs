//! An application in the form of others.

mod ini;
mod json;
mod systemd;

pub use ini::ini;
pub use json::json;
pub use systemd::systemd;

use super::{Application, Concurrency, Mistakes};
use crate::config::JobConfig;

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedFile {
    /// Its name, without a folder.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// The jobs of all types, or of the one named.
fn jobs(
    application: &Application,
    concurrency: &Concurrency,
    process_type: Option<&str>,
) -> Result<Vec<JobConfig>, Mistakes> {
    application.check_types(process_type)?;
    let mut jobs = application.jobs(concurrency)?;
    jobs.retain(|job| process_type.is_none_or(|name| job.name().name() == name));
    Ok(jobs)
}

#[cfg(test)]
mod tests;
