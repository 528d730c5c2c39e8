//! Headers that answers of many paths have.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// How long what does not change may be kept: a year.
const LONG: Duration = Duration::from_secs(31_536_000);

/// What must not be kept anywhere.
pub(super) const NOT_CACHED: (HeaderName, HeaderValue) =
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache, no-transform, must-revalidate, max-age=0"));

/// Headers of what may be kept for long.
pub(super) fn long_lived() -> [(HeaderName, HeaderValue); 2] {
    let expires = httpdate::fmt_http_date(SystemTime::now() + LONG);
    [
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000")),
        // A date is nothing but letters, digits, spaces and colons.
        (header::EXPIRES, HeaderValue::from_str(&expires).unwrap_or(HeaderValue::from_static("0"))),
    ]
}

/// Tells a browser that the page which asks may read the answer. Whether it may was asked before.
pub(super) fn share(response: &mut Response, asked: &HeaderMap) {
    let headers = response.headers_mut();
    // A cache must not give one page's answer to another.
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    match asked.get(header::ORIGIN) {
        Some(origin) => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        None => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
    }
    let wanted = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).filter(|wanted| !wanted.is_empty());
    headers.extend(wanted.map(|wanted| (header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone())));
}

/// Answers what a browser asks before a page's request: which methods there are.
pub(super) fn options(methods: &'static str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.extend(long_lived());
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(LONG.as_secs()));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    response
}

/// Says that another method is needed. The protocol has it without a body.
pub(super) fn no_method(methods: &'static str) -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, methods)]).into_response()
}

/// Whether a method is among those that a path takes. What takes GET takes HEAD too.
pub(super) fn takes(methods: &str, method: &Method) -> bool {
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    methods.split(", ").any(|known| known == method)
}

/// Sets the cookie by which load balancers find the server again: the client's own, or one that only says that there is one.
pub(super) fn set_cookie(response: &mut Response, asked: &HeaderMap) {
    let cookies = asked.get_all(header::COOKIE).into_iter().filter_map(|cookies| cookies.to_str().ok());
    let own = cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(name, value)| (name == "JSESSIONID").then_some(value));
    let cookie = format!("JSESSIONID={}; Path=/", own.unwrap_or("dummy"));
    // It came in a header, or is ours.
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}
