//! The routes over a [`Manager`]: each handler extracts, asks, answers.
//!
//! Every error, also of a route that does not exist, has the body
//! `{"errno": <status>, "error": "<code>", "reason": "<sentence>"}`.

mod answer;
mod error;
mod extract;
mod frame;
mod jobs;
mod origin;
mod root;
mod status;
mod streams;

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRef},
    middleware,
    routing::{get, post},
};
pub use error::ApiError;
use gaffer_core::Manager;
use tokio_util::sync::CancellationToken;

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

/// Makes the router over a manager. Its feeds end when `closing` is cancelled.
pub fn router(manager: Manager, closing: CancellationToken) -> Router {
    let unknown_action = get(frame::unknown_action).post(frame::unknown_action);
    Router::new()
        .route("/", get(root::welcome))
        .route("/ping", get(root::ping))
        .route("/version", get(root::version))
        .route("/processes", get(jobs::list).post(jobs::load))
        .route(
            "/processes/{target}",
            get(jobs::config).put(jobs::update).post(jobs::update).delete(jobs::unload_or_stop),
        )
        .route("/processes/{target}/_pids", get(jobs::pids))
        .route("/processes/{target}/_start", post(jobs::start))
        .route("/processes/{target}/_stop", post(jobs::stop))
        .route("/processes/{target}/_restart", post(jobs::restart))
        .route("/processes/{target}/_add", post(jobs::add))
        .route("/processes/{target}/_add/{number}", post(jobs::add))
        .route("/processes/{target}/_sub", post(jobs::sub))
        .route("/processes/{target}/_sub/{number}", post(jobs::sub))
        .route("/processes/{target}/_signal", post(jobs::signal))
        .route("/processes/{target}/_signal/{signal}", post(jobs::signal))
        .route("/processes/{target}/{action}", unknown_action.clone())
        .route("/processes/{target}/{action}/{argument}", unknown_action)
        .route("/status", get(status::all))
        .route("/status/{name}", get(status::one))
        .route("/streams/{pid}/{label}", get(streams::read).post(streams::write))
        .fallback(frame::no_route)
        .method_not_allowed_fallback(frame::no_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(origin::guard))
        .layer(middleware::from_fn(frame::frame))
        .with_state(Api { manager, closing })
}
