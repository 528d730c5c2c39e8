//! A router on its listeners, from start to shutdown.

use std::time::Duration;

use axum::Router;

use super::{Endpoints, Lifetime, Listener};

/// A router being served. Dropping it lets it go on; end it with [`shutdown`](Self::shutdown).
#[derive(Debug)]
pub struct Server {
    endpoints: Endpoints,
    lifetime: Lifetime,
}

impl Server {
    /// Serves `router` on all listeners, in tasks of the current runtime, until `lifetime` ends.
    pub fn start(listeners: Vec<Listener>, router: Router, lifetime: Lifetime) -> Self {
        Self::on(Endpoints::new(listeners), router, lifetime)
    }

    /// The same, on endpoints that somebody may replace meanwhile. They are for one server.
    pub fn on(endpoints: Endpoints, router: Router, lifetime: Lifetime) -> Self {
        endpoints.serve(router, lifetime.clone());
        Self { endpoints, lifetime }
    }

    /// What it is served on.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
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
