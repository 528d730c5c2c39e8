//! Cross-origin requests of web pages: what browsers ask and are told.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::ApiError;
use crate::origin::Origins;

/// What a page may do: as gaffer always had it, and also read where an event stream begins.
const GRANTED: [(HeaderName, HeaderValue); 5] = [
    (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET, PUT, DELETE, OPTIONS")),
    (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "X-Requested-With, X-HTTP-Method-Override, Content-Type, Accept, Authorization, X-Api-Key, Last-Event-ID",
        ),
    ),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Last-Event-ID")),
    (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")),
];

/// Answers the question that a browser asks before a page's request, tells it who may read the answers, and refuses what would
/// change something if a page asks for it that may not.
pub(crate) async fn cors(State(origins): State<Arc<Origins>>, request: Request, next: Next) -> Response {
    let allowed = origins.allow(request.headers(), request.uri());
    let granted = if allowed { granted_origin(&origins, request.headers()) } else { None };
    let mut response = if !allowed && acts(&request) {
        let reason = "a web page from elsewhere may not act here; what is set as `cors_origins` says which may";
        ApiError::new(StatusCode::FORBIDDEN, "forbidden_origin", reason).into_response()
    } else if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    // A cache must not give one page's answer to another.
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = granted {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.extend(GRANTED);
    }
    response
}

/// Whether a request does something, or asks whether it may. Websockets do: browsers open them without asking, and what a page
/// sends on them may be a command. So does a log-in: wrong ones count.
fn acts(request: &Request) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    !reads || request.headers().contains_key(header::UPGRADE) || request.uri().path() == "/auth"
}

/// The origin whose pages may read the answer.
fn granted_origin(origins: &Origins, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN).filter(|origin| *origin != "null");
    let everybody = || (*origins == Origins::Any).then(|| HeaderValue::from_static("*"));
    origin.cloned().or_else(everybody)
}
