//! Requests for a websocket.

use axum::{
    Extension, RequestPartsExt,
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures_core::Stream;

use super::ApiError;
use crate::{
    serve::{Connected, Lifetime},
    ws::{NotAWebsocket, Outgoing, Receiver, Session, Upgrade},
};

/// A request for a websocket. Any other is refused.
#[derive(Debug)]
pub struct Websocket {
    upgrade: Upgrade,
    /// The connection's place among those that are allowed.
    connected: Option<Extension<Connected>>,
}

/// Refuses what is no request for a websocket.
#[derive(Debug)]
pub struct BadUpgrade(NotAWebsocket);

impl IntoResponse for BadUpgrade {
    fn into_response(self) -> Response {
        let error = ApiError::new(StatusCode::BAD_REQUEST, "not_a_websocket", self.0);
        let version = (header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(Upgrade::VERSION));
        ([version], error).into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Websocket {
    type Rejection = BadUpgrade;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, BadUpgrade> {
        let connected = parts.extract().await.ok();
        Ok(Self { upgrade: Upgrade::from_parts(parts).map_err(BadUpgrade)?, connected })
    }
}

impl Websocket {
    /// Who asks, if it came over a connection.
    pub fn peer(&self) -> Option<String> {
        self.connected.as_ref().map(|Extension(connected)| connected.peer().to_string())
    }

    /// Grants it, and speaks on it, as long as its endpoint is served; if it came over none, as long as `lifetime` says.
    pub fn speak<S, R>(self, session: Session<S, R>, lifetime: &Lifetime) -> Response
    where
        S: Stream<Item = Outgoing> + Send + Unpin + 'static,
        R: Receiver,
    {
        let lifetime = self.connected.as_ref().map_or(lifetime, |Extension(connected)| connected.lifetime()).clone();
        self.upgrade.start(session, self.connected, &lifetime)
    }
}
