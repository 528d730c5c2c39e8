//! Paths that the router cannot tell apart by itself, and what is said of those that are nothing.

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use gaffer_core::ProcessId;
use tower::ServiceExt;

use super::{ApiError, extract::is_digits, frame::no_route};

/// Leaves a path whose first part is a number to the routes below `/{pid}`. That is no route of the main router: there it
/// would match any word, and `POST /nonsense` be told what methods to use instead.
pub(super) async fn by_pid(routes: Router, request: Request) -> Response {
    let first = request.uri().path().split('/').nth(1).unwrap_or_default();
    if is_digits(first) {
        routes.oneshot(request).await.into_response()
    } else {
        no_route(request.uri().clone()).await.into_response()
    }
}

/// Of a path with `_something` that is nothing.
pub(super) async fn unknown_action(uri: Uri) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "resource_not_found", format!("there is no action at {}", uri.path()))
}

/// Of something to be got below a process, which takes nothing but actions.
pub(super) fn only_posts(pid: ProcessId) -> Response {
    let reason = format!("{pid} is a process; it takes actions by POST, and has no list of pids");
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", reason);
    ([(header::ALLOW, HeaderValue::from_static("POST"))], error).into_response()
}
