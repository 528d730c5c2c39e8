//! What surrounds every answer, whichever program gives it: who may ask, what browsers are told, errors with one shape, the name of the
//! server, `ETag`s, and no panic that takes the connection down.
//!
//! It knows no manager, so that another program than gafferd can answer in the same way:
//!
//! ```
//! use axum::{Router, routing::get};
//! use gaffer_http::front::{self, Front};
//!
//! let routes = Router::new().route("/ping", get(async || front::word("OK")));
//! let routes = Front::default().surround(routes, Router::new());
//! # let _: Router = routes;
//! ```

pub(crate) mod answer;
pub(crate) mod cors;
mod error;
mod extract;
pub(crate) mod frame;
pub(crate) mod hosts;
mod websocket;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};

pub(crate) use self::error::ErrorBody;
pub use self::{
    answer::{object, ready, word},
    error::ApiError,
    extract::{Path, Query},
    hosts::{Hosts, InvalidHost},
    websocket::{BadUpgrade, Websocket},
};
use crate::origin::Origins;

/// What is let in.
#[derive(Clone, Debug, Default)]
pub struct Front {
    /// Which web pages may call.
    pub origins: Origins,
    /// How requests may address the program.
    pub hosts: Hosts,
}

impl Front {
    /// Surrounds all routes of a program; what they do not take is answered as well. Those of [`sockjs`](crate::sockjs) come apart, as they
    /// have their own answers to pages from elsewhere.
    pub fn surround(self, routes: Router, sockjs: Router) -> Router {
        let cors = middleware::from_fn_with_state(Arc::new(self.origins), cors::cors);
        let hosts = middleware::from_fn_with_state(Arc::new(self.hosts), addressed);
        routes
            .fallback(frame::no_route)
            .method_not_allowed_fallback(frame::no_method)
            .layer(cors)
            .merge(sockjs)
            .layer(hosts)
            .layer(middleware::from_fn(frame::frame))
    }
}

/// Refuses what is addressed to a name that is not this program's.
async fn addressed(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    match hosts::check(&hosts, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Refuses what is wrong with requests for [`sockjs`](crate::sockjs), in the one form of errors.
pub fn refuse(status: StatusCode, reason: &str) -> Response {
    let code = match status {
        // A body that breaks off is read by nobody.
        StatusCode::BAD_REQUEST => "not_a_websocket",
        StatusCode::FORBIDDEN => "forbidden_origin",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::REQUEST_TIMEOUT => "timeout",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        _ => "unavailable",
    };
    ApiError::new(status, code, reason).into_response()
}
