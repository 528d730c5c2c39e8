//! The application that serves a manager over HTTP.

use std::net::SocketAddr;

use gaffer_core::{
    Manager,
    applications::{Application, ApplicationError, BoxFuture},
};
use tokio_util::sync::CancellationToken;

use crate::{
    api,
    serve::{BindError, Endpoint, Limits, Listener, Server},
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
/// println!("listening on {}", handler.addresses()[0].1);
/// // manager.start_applications(vec![Box::new(handler)]).await
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct HttpHandler {
    addresses: Vec<(String, SocketAddr)>,
    /// Until the start.
    listeners: Vec<Listener>,
    limits: Limits,
    options: api::Options,
    /// From the start to the stop.
    server: Option<Server>,
}

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
        let addresses = listeners.iter().map(|listener| (listener.name().to_owned(), listener.local_addr())).collect();
        Ok(Self { addresses, listeners, limits: Limits::default(), options: api::Options::default(), server: None })
    }

    /// Replaces what clients may cost.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Replaces who may call, and adds routes of the embedder's own.
    #[must_use]
    pub fn with_options(mut self, options: api::Options) -> Self {
        self.options = options;
        self
    }

    /// Name and real address of each endpoint, in the order given.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }
}

impl Application for HttpHandler {
    fn name(&self) -> &str {
        "http"
    }

    fn start(&mut self, manager: Manager) -> BoxFuture<'_, Result<(), ApplicationError>> {
        Box::pin(async move {
            let closing = CancellationToken::new();
            let router = api::router(manager, std::mem::take(&mut self.options), closing.clone());
            let listeners = std::mem::take(&mut self.listeners);
            self.server = Some(Server::start(listeners, router, &self.limits, closing));
            Ok(())
        })
    }

    fn stop(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(server) = self.server.take() {
                server.shutdown().await;
            }
        })
    }
}
