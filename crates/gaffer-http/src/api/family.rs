//! What tells the sessions family apart: the codes of its errors.

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::ApiError;

/// Gives errors the codes that clients of gaffer 0.5 know.
pub(super) async fn codes(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let error = response.extensions().get::<ApiError>();
    if let Some((error, code)) = error.and_then(|error| Some((error, in_sessions(error.code())?))) {
        *response.body_mut() = error.clone().with_code(code).into_response().into_body();
    }
    response
}

/// The family's code for what the `/processes` family calls by this one, if it has another.
pub(super) fn in_sessions(code: &str) -> Option<&'static str> {
    match code {
        "conflict" => Some("process_conflict"),
        "invalid_body" | "invalid_json" | "invalid_process_info" => Some("bad_request"),
        _ => None,
    }
}
