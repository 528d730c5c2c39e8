//! What surrounds every answer, and the answers to what no route takes.

use std::{
    any::Any,
    hash::{DefaultHasher, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::error;

use super::{ApiError, answer::Whole};

/// Names the server, spares who knows an answer its body, and turns a panic of a handler into an answer: the connection and
/// its other requests live on.
pub(crate) async fn frame(request: Request, next: Next) -> Response {
    let known = may_be_known(&request).then(|| request.headers().get(header::IF_NONE_MATCH).cloned());
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let mut handling = pin!(next.run(request));
    let handled = std::future::poll_fn(|context| {
        // Unwind safe: after a panic the future is not polled again, and what handlers share guards itself.
        match catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    });
    let mut response = handled.await.unwrap_or_else(|panic| {
        let request_line = format!("{method} {}", uri.path());
        error!(request = request_line, panic = panic_text(&*panic), "a handler panicked; this is a bug in gaffer");
        let reason = "an error inside gaffer; its log has more";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", reason).into_response()
    });
    if let Some(known) = known {
        tag(&mut response, known.as_ref());
    }
    let server = HeaderValue::from_static(concat!("gaffer/", env!("CARGO_PKG_VERSION")));
    response.headers_mut().insert(header::SERVER, server);
    response
}

fn may_be_known(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

/// Gives an answer its `ETag`. If that is what the client knows, the body is left out.
fn tag(response: &mut Response, known: Option<&HeaderValue>) {
    if response.status() != StatusCode::OK {
        return;
    }
    let Some(Whole(body)) = response.extensions_mut().remove() else { return };
    let mut hasher = DefaultHasher::new(); // Without a random key: the tag of a body outlives this process.
    hasher.write(&body);
    let Ok(tag) = HeaderValue::from_str(&format!("\"{:016x}\"", hasher.finish())) else { return };
    let matches =
        |known: &str| known.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag);
    if known.and_then(|known| known.to_str().ok()).is_some_and(matches) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    response.headers_mut().insert(header::ETAG, tag);
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

/// Of a path that no route has.
pub(crate) async fn no_route(uri: Uri) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("there is nothing at {}", uri.path()))
}

/// Of a path that does not take this method. The router adds which it takes.
pub(crate) async fn no_method(method: Method, uri: Uri) -> ApiError {
    let reason = format!("{} does not take {method}; the `Allow` header says what it takes", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", reason)
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware, routing::get};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_and_the_router_goes_on() {
        async fn explode() -> &'static str {
            panic!("boom {}", 1)
        }
        let router = Router::new()
            .route("/explode", get(explode))
            .route("/", get(async || "fine"))
            .layer(middleware::from_fn(frame));
        let request = |path: &str| Request::builder().uri(path).body(Body::empty()).unwrap();

        let answer = router.clone().oneshot(request("/explode")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers()["server"], concat!("gaffer/", env!("CARGO_PKG_VERSION")));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((body["errno"].as_u64(), body["error"].as_str()), (Some(500), Some("internal_error")));
        assert!(!body["reason"].as_str().unwrap().contains("boom"), "what went wrong inside is for the log");

        assert_eq!(router.oneshot(request("/")).await.unwrap().status(), StatusCode::OK);
    }
}
