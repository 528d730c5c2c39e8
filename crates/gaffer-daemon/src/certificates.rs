//! Certificates that are replaced while a daemon runs.

use std::time::Duration;

use gaffer_http::serve::Certificates;
use tokio::time::timeout;
use tracing::error;

/// Time for all certificates to be read: a file system that hangs is to be told of, too.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads certificates anew, as SIGHUP asks for. Answers whether they were; if not all stay as they were, and the log says why.
pub async fn reread_certificates(certificates: &Certificates) -> bool {
    match timeout(PATIENCE, certificates.reload()).await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => error!("SIGHUP: the certificates stay as they were: {error}"),
        Err(_) => error!(
            "SIGHUP: the certificates stay as they were: they could not be read within {} s; see whether the file system that they are on \
             hangs",
            PATIENCE.as_secs()
        ),
    }
    false
}
