//! A router on its listeners, from start to shutdown.

use std::time::Duration;

use axum::Router;

use super::{Lifetime, Listener, accept::Accepting, connection::Protocols};

/// A router being served. Dropping it lets it go on; end it with [`shutdown`](Self::shutdown).
#[derive(Debug)]
pub struct Server {
    lifetime: Lifetime,
}

impl Server {
    /// Serves `router` on all listeners, in tasks of the current runtime, until `lifetime` ends.
    pub fn start(listeners: Vec<Listener>, router: Router, lifetime: Lifetime) -> Self {
        // Prepares what every request would otherwise have to.
        let router = router.with_state(());
        let protocols = Protocols::new();
        for listener in listeners {
            let accepting = Accepting::new(listener, router.clone(), protocols.clone(), lifetime.clone());
            lifetime.spawn(accepting.run());
        }
        Self { lifetime }
    }

    /// Stops accepting, lets what is under way finish within `drain`, and cuts what is left. Answers how many connections
    /// and websockets that were.
    ///
    /// # Cancel safety
    /// When the future is dropped, the server is closing all the same, but nothing is cut.
    pub async fn shutdown(self, drain: Duration) -> usize {
        self.lifetime.end(drain).await
    }
}
