//! What SIGHUP does.

use gaffer_core::applications::SignalHandler;
use gaffer_daemon::reread_certificates;
use gaffer_http::serve::Certificates;
use tracing::info;

/// Reads certificates anew at SIGHUP.
pub(crate) fn at_hangup(signals: SignalHandler, certificates: Certificates) -> SignalHandler {
    if certificates.is_empty() {
        return signals; // It says that there is nothing to be done.
    }
    signals.on_reload(move |_| {
        let certificates = certificates.clone();
        Box::pin(async move {
            if reread_certificates(&certificates).await {
                info!(
                    endpoints = certificates.len(),
                    "SIGHUP: certificates were read again, for new connections; the configuration cannot be read again yet"
                );
            }
        })
    })
}
