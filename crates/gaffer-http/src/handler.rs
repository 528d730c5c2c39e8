//! The application that serves a manager over HTTP.

use std::time::Duration;

use gaffer_core::{
    Manager,
    applications::{Application, ApplicationError, BoxFuture},
};

use crate::{
    api,
    serve::{BindError, Certificates, Endpoint, Endpoints, Lifetime, Listener, Listening, Server},
};

/// Serves a manager over HTTP, on any number of endpoints.
///
/// It is made with its sockets bound, so that an address that is taken is known before any job is started, and clients that
/// come early wait instead of being refused.
///
/// ```
/// # async fn example() -> Result<(), gaffer_http::serve::BindError> {
/// use gaffer_http::{HttpHandler, serve::Endpoint};
///
/// let endpoint = Endpoint { bind: "127.0.0.1:0".parse().unwrap(), ..Endpoint::default() };
/// let handler = HttpHandler::bind(&[endpoint]).await?;
/// println!("listening on {}", handler.addresses()[0]);
/// // manager.start_applications(vec![Box::new(handler)]).await
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct HttpHandler {
    addresses: Vec<Listening>,
    endpoints: Endpoints,
    drain: Duration,
    options: api::Options,
    /// From the start to the stop.
    server: Option<Server>,
}

/// Time for answers that are under way to finish at a stop, where nothing else is set; then they are cut.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(3);

impl HttpHandler {
    /// Listens on all endpoints, or on none.
    ///
    /// # Errors
    /// The first endpoint that cannot be listened on.
    pub async fn bind(endpoints: &[Endpoint]) -> Result<Self, BindError> {
        let mut listeners = Vec::with_capacity(endpoints.len());
        for endpoint in endpoints {
            listeners.push(Listener::bind(endpoint).await?);
        }
        Ok(Self::new(listeners))
    }

    /// Serves on sockets that listen already.
    pub fn new(listeners: Vec<Listener>) -> Self {
        let addresses = listeners.iter().map(|listener| listener.listening().clone()).collect();
        let endpoints = Endpoints::new(listeners);
        Self { addresses, endpoints, drain: DEFAULT_DRAIN, options: api::Options::default(), server: None }
    }

    /// Replaces the time that answers under way are given to finish at the stop; by default [`DEFAULT_DRAIN`].
    #[must_use]
    pub fn with_drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Replaces what there is to choose about the API.
    #[must_use]
    pub fn with_options(mut self, options: api::Options) -> Self {
        self.options = options;
        self
    }

    /// Where each endpoint really listens at first, in the order given.
    pub fn addresses(&self) -> &[Listening] {
        &self.addresses
    }

    /// The certificates of all endpoints that speak TLS, to be read anew.
    pub fn certificates(&self) -> Certificates {
        self.endpoints.certificates()
    }

    /// The endpoints, to be replaced while they are served.
    pub fn endpoints(&self) -> Endpoints {
        self.endpoints.clone()
    }
}

impl Application for HttpHandler {
    fn name(&self) -> &str {
        "http"
    }

    fn start(&mut self, manager: Manager) -> BoxFuture<'_, Result<(), ApplicationError>> {
        Box::pin(async move {
            let lifetime = Lifetime::new();
            let router = api::router(manager, std::mem::take(&mut self.options), lifetime.clone());
            self.server = Some(Server::on(self.endpoints.clone(), router, lifetime));
            Ok(())
        })
    }

    fn stop(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(server) = self.server.take() {
                server.shutdown(self.drain).await;
            }
        })
    }
}
