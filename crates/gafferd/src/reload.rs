//! What SIGHUP does.

use gaffer_core::applications::SignalHandler;
use gaffer_daemon::{reread_certificates, systemd::Notifier};
use gaffer_http::serve::Endpoints;
use tracing::info;

/// Reads certificates anew at SIGHUP.
pub(crate) fn at_hangup(signals: SignalHandler, endpoints: Endpoints, notifier: Notifier) -> SignalHandler {
    signals.on_reload(move |_| {
        let certificates = endpoints.certificates();
        let reloading = notifier.reloading();
        Box::pin(async move {
            if certificates.is_empty() {
                info!("SIGHUP: the configuration cannot be read again yet; nothing was changed");
            } else if reread_certificates(&certificates).await {
                info!(
                    endpoints = certificates.len(),
                    "SIGHUP: certificates were read again, for new connections; the configuration cannot be read again yet"
                );
            }
            drop(reloading);
        })
    })
}
