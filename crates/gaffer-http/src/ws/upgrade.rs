//! From a request to a websocket.

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, Method, StatusCode, Version,
        header::{self, HeaderName},
        request::Parts,
    },
    response::Response,
};
use futures_core::Stream;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tracing::debug;

use super::{Outgoing, Receiver, Session};
use crate::serve::Lifetime;

/// Why a request is no proper beginning of a websocket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAWebsocket {
    /// An ordinary request.
    #[error("this is a websocket; connect to it with the scheme ws:// or wss://, not with a plain request")]
    Plain,
    /// HTTP/1.0 and HTTP/2 have no such upgrade.
    #[error("this is a websocket, which is opened by a GET of HTTP/1.1, not by a {0} of {1:?}")]
    Protocol(Method, Version),
    /// Another version of the websocket protocol.
    #[error("this is a websocket of version 13, which `Sec-WebSocket-Version` must say")]
    Version,
    /// There is nothing to sign.
    #[error("this is a websocket; the header `Sec-WebSocket-Key` is missing")]
    Key,
    /// A proxy of ours, or a test, has not kept the connection.
    #[error("this is a websocket, but the connection cannot become one")]
    Connection,
}

/// A request for a websocket that can be granted.
#[derive(Debug)]
pub struct Upgrade {
    upgrading: OnUpgrade,
    accept: HeaderValue,
}

impl Upgrade {
    /// The version of the websocket protocol: the only one in use, that of RFC 6455.
    pub const VERSION: &'static str = "13";

    /// Recognises a request for a websocket, of HTTP/1.1.
    ///
    /// # Errors
    /// When it is none, or not a proper one.
    pub fn from_parts(parts: &mut Parts) -> Result<Self, NotAWebsocket> {
        let headers = &parts.headers;
        if !has_token(headers, header::CONNECTION, "upgrade") || !has_token(headers, header::UPGRADE, "websocket") {
            return Err(NotAWebsocket::Plain);
        }
        if parts.method != Method::GET || parts.version != Version::HTTP_11 {
            return Err(NotAWebsocket::Protocol(parts.method.clone(), parts.version));
        }
        if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != Self::VERSION) {
            return Err(NotAWebsocket::Version);
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(NotAWebsocket::Key)?;
        let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| NotAWebsocket::Key)?;
        let upgrading = parts.extensions.remove::<OnUpgrade>().ok_or(NotAWebsocket::Connection)?;
        Ok(Self { upgrading, accept })
    }

    /// Grants it: answers 101 and holds the session in a task that shares the server's life.
    ///
    /// `kept` is dropped when the connection is closed and what came on it is taken or given up, such as its place among the
    /// connections that are allowed.
    pub fn start<S, R, K>(self, session: Session<S, R>, kept: K, lifetime: &Lifetime) -> Response
    where
        S: Stream<Item = Outgoing> + Send + Unpin + 'static,
        R: Receiver,
        K: Send + 'static,
    {
        let Self { upgrading, accept } = self;
        let closing = lifetime.closing().clone();
        lifetime.spawn(async move {
            match upgrading.await {
                Ok(connection) => session.run(TokioIo::new(connection), kept, closing).await,
                Err(error) => {
                    debug!(error = &error as &dyn std::error::Error, "a connection ended before it was a websocket")
                }
            }
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        response
    }
}

/// Whether a header that is a list holds a word, in letters of any case.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let values = headers.get_all(name);
    let mut tokens = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    tokens.any(|word| word.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn ask(method: &str, version: Version, headers: &[(&str, &str)]) -> NotAWebsocket {
        let mut request = Request::builder().method(method).version(version).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        Upgrade::from_parts(&mut parts).unwrap_err()
    }

    #[test]
    fn what_is_wrong_with_a_request_is_told() {
        let without = |name: &str| GOOD.into_iter().filter(|(known, _)| *known != name).collect::<Vec<_>>();
        for (wrong, error) in [
            ("connection", NotAWebsocket::Plain),
            ("upgrade", NotAWebsocket::Plain),
            ("sec-websocket-version", NotAWebsocket::Version),
            ("sec-websocket-key", NotAWebsocket::Key),
        ] {
            assert_eq!(ask("GET", Version::HTTP_11, &without(wrong)), error, "without {wrong}");
        }
        assert_eq!(ask("POST", Version::HTTP_11, &GOOD), NotAWebsocket::Protocol(Method::POST, Version::HTTP_11));
        assert_eq!(ask("GET", Version::HTTP_10, &GOOD), NotAWebsocket::Protocol(Method::GET, Version::HTTP_10));
        assert_eq!(ask("GET", Version::HTTP_11, &GOOD), NotAWebsocket::Connection, "nothing else is wrong");
        assert!(NotAWebsocket::Plain.to_string().contains("this is a websocket"));
    }
}
