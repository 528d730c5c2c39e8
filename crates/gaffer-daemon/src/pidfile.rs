//! The file that names a daemon as long as it runs.

use std::path::PathBuf;

use gaffer_core::{
    names::OsPid,
    pidfile::{Pidfile, PidfileError},
};
use tracing::warn;

/// A pidfile that names this process. Dropping it removes the file.
#[derive(Debug)]
pub struct HeldPidfile(Pidfile);

/// Names this process in a file, if there is to be one.
///
/// # Errors
/// When another running process is named there, or the file cannot be written.
pub fn hold_pidfile(path: Option<&PathBuf>) -> Result<Option<HeldPidfile>, PidfileError> {
    let own = i32::try_from(std::process::id()).ok().and_then(OsPid::new);
    let Some((path, own)) = path.zip(own) else { return Ok(None) };
    let mut pidfile = Pidfile::new(path);
    pidfile.create(own)?;
    Ok(Some(HeldPidfile(pidfile)))
}

impl Drop for HeldPidfile {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlink() {
            warn!(error = &error as &dyn std::error::Error, "a pidfile is left");
        }
    }
}
