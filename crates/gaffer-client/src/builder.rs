//! How a client is made.

use std::{fmt, sync::Arc, time::Duration};

use reqwest::{
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};

use crate::{Cause, Client, Endpoint, Error, TlsOptions, transport::Inner};

/// Header that says who calls.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Settings of a [`Client`].
#[derive(Clone)]
pub struct ClientBuilder {
    endpoint: Endpoint,
    tls: TlsOptions,
    api_key: Option<String>,
    connect_timeout: Duration,
    answer_timeout: Duration,
    direct: bool,
}

impl ClientBuilder {
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        Self {
            endpoint: endpoint.clone(),
            tls: TlsOptions::default(),
            api_key: None,
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(60),
            direct: false,
        }
    }

    /// Whom to trust and what to show at `https` endpoints. Default: the system's authorities, and nothing.
    #[must_use]
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = tls;
        self
    }

    /// The key that says who calls. Default: none.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// How long a connection may take to come about. Default: 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, patience: Duration) -> Self {
        self.connect_timeout = patience;
        self
    }

    /// How long the node may take to answer a call to the end; feeds and websockets have no end. Default: 60 s, as a call
    /// may have to wait for processes to be launched.
    #[must_use]
    pub fn answer_timeout(mut self, patience: Duration) -> Self {
        self.answer_timeout = patience;
        self
    }

    /// Whether to connect without the proxies that the environment names. Default: no.
    #[must_use]
    pub fn direct(mut self, direct: bool) -> Self {
        self.direct = direct;
        self
    }

    /// The address.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Makes the client. It connects at its first call.
    ///
    /// Other machines than this one are reached through the proxy that the environment names (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`,
    /// `NO_PROXY`).
    ///
    /// Blocks while it reads the files of [`TlsOptions`], if the endpoint is `https`.
    ///
    /// # Errors
    /// [`Error::Tls`] if these do not serve, [`Error::InvalidKey`] if the key cannot be sent.
    pub fn build(mut self) -> Result<Client, Error> {
        // A call that has no time for more was not carried out, and that is to be told.
        self.connect_timeout = self.connect_timeout.min(self.answer_timeout);
        let mut headers = HeaderMap::new();
        if let Some(key) = &self.api_key {
            let key =
                Some(key).filter(|key| key.bytes().all(|byte| byte.is_ascii_graphic())).ok_or(Error::InvalidKey)?;
            let mut value = HeaderValue::from_str(key).map_err(|_| Error::InvalidKey)?;
            value.set_sensitive(true);
            headers.insert(API_KEY, value);
        }
        let tls = if self.endpoint.is_tls() { self.tls.config()? } else { TlsOptions::unused()? };
        let mut http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .default_headers(headers)
            // Nothing that a node answers lies elsewhere; and keys are not for others.
            .redirect(redirect::Policy::none())
            .connect_timeout(self.connect_timeout)
            // Who writes to a process that does not read waits, however long. Whether a node is there is found out by other means.
            .tcp_user_timeout(None)
            // A call that is sent twice may be carried out twice.
            .retry(reqwest::retry::never());
        if let Some(path) = self.endpoint.unix_path() {
            http = http.unix_socket(path);
        }
        if self.direct || self.endpoint.is_local() {
            // What a proxy takes for itself is another machine.
            http = http.no_proxy();
        }
        let unusable = |error: reqwest::Error| {
            let (endpoint, cause) = (self.endpoint.clone(), Cause::Transport(Arc::new(error)));
            Error::Unreachable { endpoint, cause }
        };
        let http = http.build().map_err(unusable)?;
        let base = self.endpoint.base();
        let Self { endpoint, api_key, connect_timeout, answer_timeout, .. } = self;
        let has_key = api_key.is_some();
        Ok(Client { inner: Arc::new(Inner { endpoint, base, http, has_key, connect_timeout, answer_timeout }) })
    }
}

impl fmt::Debug for ClientBuilder {
    /// Without the key, which is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, tls, api_key, connect_timeout, answer_timeout, direct } = self;
        f.debug_struct("ClientBuilder")
            .field("endpoint", endpoint)
            .field("tls", tls)
            .field("api_key", &api_key.as_ref().map(|_| "…"))
            .field("connect_timeout", connect_timeout)
            .field("answer_timeout", answer_timeout)
            .field("direct", direct)
            .finish()
    }
}
