//! What SIGHUP does.

use std::time::Duration;

use gaffer_core::applications::SignalHandler;
use gaffer_http::serve::Certificates;
use tokio::time::timeout;
use tracing::{error, info};

/// Time for all certificates to be read: a file system that hangs is to be told of, too.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads certificates anew at SIGHUP.
pub(crate) fn at_hangup(signals: SignalHandler, certificates: Certificates) -> SignalHandler {
    if certificates.is_empty() {
        return signals; // It says that there is nothing to be done.
    }
    signals.on_reload(move |_| {
        let certificates = certificates.clone();
        Box::pin(async move {
            match timeout(PATIENCE, certificates.reload()).await {
                Ok(Ok(())) => info!(
                    endpoints = certificates.len(),
                    "SIGHUP: certificates were read again, for new connections; the configuration cannot be read again yet"
                ),
                Ok(Err(error)) => error!("SIGHUP: the certificates stay as they were: {error}"),
                Err(_) => error!(
                    "SIGHUP: the certificates stay as they were: they could not be read within {} s; see whether the file \
                     system that they are on hangs",
                    PATIENCE.as_secs()
                ),
            }
        })
    })
}
