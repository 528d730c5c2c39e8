//! What surrounds every answer, whichever program gives it: who may ask, what browsers are told, errors with one shape, the name of the
//! server, `ETag`s, and no panic that takes the connection down.
//!
//! It knows no manager, so that another program than gafferd can answer in the same way:
//!
//! ```
//! use axum::{Router, routing::get};
//! use gaffer_http::{front, origin::Origins};
//!
//! let routes = Router::new().route("/ping", get(async || front::word("OK")));
//! let routes = front::surround(routes, Origins::default(), front::Hosts::default());
//! # let _: Router = routes;
//! ```

pub(crate) mod answer;
pub(crate) mod cors;
mod error;
pub(crate) mod frame;
pub(crate) mod hosts;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};

pub(crate) use self::error::ErrorBody;
pub use self::{
    answer::{object, word},
    error::ApiError,
    hosts::{Hosts, InvalidHost},
};
use crate::origin::Origins;

/// Surrounds routes, which are those of a program of its own: what they do not take is answered as well.
pub fn surround(routes: Router, origins: Origins, hosts: Hosts) -> Router {
    let hosts = Arc::new(hosts);
    routes
        .fallback(frame::no_route)
        .method_not_allowed_fallback(frame::no_method)
        .layer(middleware::from_fn_with_state(Arc::new(origins), cors::cors))
        .layer(middleware::from_fn_with_state(hosts, addressed))
        .layer(middleware::from_fn(frame::frame))
}

/// Refuses what is addressed to a name that is not this program's.
async fn addressed(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    match hosts::check(&hosts, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}
