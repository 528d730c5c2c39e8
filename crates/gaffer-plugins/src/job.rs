//! As what a plugin's program runs.

use std::{path::Path, time::Duration};

use gaffer_core::{
    InvalidJobName, JobConfig, JobName, JobSpec, SessionId, config::InvalidConfig, ini::PluginFile, names::StreamLabel,
};

/// The name of the job.
pub(crate) fn name(plugin: &str) -> Result<JobName, InvalidJobName> {
    JobName::new(SessionId::PLUGINS.parse()?, plugin)
}

/// The labels of stdout and stderr.
pub(crate) const OUTPUT: &str = "stdout";
pub(crate) const ERRORS: &str = "stderr";

/// The job of an application. Those that others need have the lower `depth`: they are launched first, and stopped last.
///
/// # Errors
/// When its command line, or a variable, cannot be one.
pub(crate) fn of(
    name: JobName,
    app: &str,
    file: &PluginFile,
    folder: &Path,
    depth: u32,
) -> Result<JobConfig, InvalidConfig> {
    let labels: Result<Vec<StreamLabel>, _> = [OUTPUT, ERRORS].iter().map(|label| label.parse()).collect();
    let spec = JobSpec {
        cwd: Some(folder.to_owned()),
        env: file.env.clone(),
        redirect_output: labels.unwrap_or_default(), // Both are labels.
        redirect_input: true,
        graceful_timeout: file.stop_timeout,
        priority: Some(depth),
        ..JobSpec::new(name, app)
    };
    Ok(spec.check()?.owned())
}

/// How long an application that was told to stop may go on before it gets a SIGTERM as well.
pub(crate) fn patience(config: &JobConfig) -> Duration {
    config.graceful_timeout() / 2
}
