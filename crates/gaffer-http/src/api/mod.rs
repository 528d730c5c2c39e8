//! The routes over a [`Manager`]: each handler extracts, asks, answers.
//!
//! Every error, also of a route that does not exist, has the body
//! `{"errno": <status>, "error": "<code>", "reason": "<sentence>"}`.

mod answer;
mod cors;
mod error;
mod extract;
mod frame;
mod openapi;
mod origin;
mod processes;
mod root;
mod schema;
mod status;
mod streams;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, FromRef},
    middleware,
    routing::{get, post},
};
pub use error::ApiError;
use gaffer_core::Manager;
pub use origin::{InvalidOrigin, Origin, Origins};
use tokio_util::sync::CancellationToken;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Most bytes of a request's body: far more than any job, and a fair piece of a process's input.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// What handlers ask.
#[derive(Clone)]
struct Api {
    manager: Manager,
    /// Cancelled when endless answers must end.
    closing: CancellationToken,
}

impl FromRef<Api> for Manager {
    fn from_ref(api: &Api) -> Self {
        api.manager.clone()
    }
}

/// What there is to choose about the API.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which web pages may call.
    pub origins: Origins,
    /// Routes of the embedder's own. They come before ours, so that they may replace some. A fallback has no effect.
    pub routes: Router,
}

/// Makes the router over a manager. Its feeds end when `closing` is cancelled.
pub fn router(manager: Manager, options: Options, closing: CancellationToken) -> Router {
    let (routes, document) = described().split_for_parts();
    let ours = routes
        .merge(undescribed())
        .fallback(frame::no_route)
        .method_not_allowed_fallback(frame::no_method)
        .layer(Extension(openapi::Document::new(document)))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Api { manager, closing });
    let all = if options.routes.has_routes() {
        options.routes.method_not_allowed_fallback(frame::no_method).fallback_service(ours)
    } else {
        ours
    };
    all.layer(middleware::from_fn_with_state(Arc::new(options.origins), cors::cors))
        .layer(middleware::from_fn(frame::frame))
}

/// Every call, with its description.
fn described() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(root::welcome))
        .routes(routes!(root::ping))
        .routes(routes!(root::version))
        .routes(routes!(openapi::document))
        .routes(routes!(processes::list, processes::load))
        .routes(routes!(processes::config, processes::update, processes::update_by_post, processes::unload_or_stop))
        .routes(routes!(processes::pids))
        .routes(routes!(processes::start))
        .routes(routes!(processes::stop))
        .routes(routes!(processes::restart))
        .routes(routes!(processes::add_one))
        .routes(routes!(processes::add))
        .routes(routes!(processes::sub_one))
        .routes(routes!(processes::sub))
        .routes(routes!(processes::signal))
        .routes(routes!(status::all))
        .routes(routes!(status::one))
        .routes(routes!(streams::read, streams::write))
}

/// What only says, better than a bare 404 would, that there is no such call.
fn undescribed() -> Router<Api> {
    let unknown_action = get(frame::unknown_action).post(frame::unknown_action);
    Router::new()
        .route("/processes/{name_or_pid}/_signal", post(processes::no_signal))
        .route("/processes/{name_or_pid}/{action}", unknown_action.clone())
        .route("/processes/{name_or_pid}/{action}/{argument}", unknown_action)
}
