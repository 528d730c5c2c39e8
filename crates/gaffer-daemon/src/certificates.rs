//! Certificates that are replaced while a daemon runs.

use std::time::Duration;

use gaffer_http::serve::Certificates;
use tokio::time::timeout;

/// Time for all certificates to be read: a file system that hangs is to be told of, too.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads certificates anew.
///
/// # Errors
/// Why all stay as they were, in a sentence.
pub async fn reread_certificates(certificates: &Certificates) -> Result<(), String> {
    match timeout(PATIENCE, certificates.reload()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("the certificates stay as they were: {error}")),
        Err(_) => Err(format!(
            "the certificates stay as they were: they could not be read within {} s; see whether the file system that they are on hangs",
            PATIENCE.as_secs()
        )),
    }
}
