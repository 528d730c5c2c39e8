//! What is served beside sessions: the greeting, what a client asks first, and the page in a frame.

use std::{
    hash::{BuildHasher, DefaultHasher, Hasher, RandomState},
    time::SystemTime,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    Options,
    headers::{NOT_CACHED, long_lived},
};

/// The page of a service itself.
pub(super) fn greeting() -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=UTF-8")], "Welcome to SockJS!\n").into_response()
}

/// What a client asks before it connects; the time that it takes tells it how far away the server is.
pub(super) fn info(options: &Options) -> Response {
    // Browsers had no good source of random numbers once. Keys of a hash are such a source.
    let entropy = RandomState::new().hash_one(SystemTime::now()) as u32;
    let body = format!(
        r#"{{"websocket":{},"origins":["*:*"],"cookie_needed":{},"entropy":{entropy}}}"#,
        options.websocket, options.cookie
    );
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    ([content_type, NOT_CACHED], body).into_response()
}

/// The page in a frame, through which browsers of old connect to another server than their page's.
///
/// It speaks for the server that it comes from, whoever holds it in a frame. So only pages that may connect may.
pub(super) fn iframe(options: &Options, headers: &HeaderMap) -> Response {
    let address = options.client_url.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let page = format!(
        r#"<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="{address}"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>
"#
    );
    let policy = options.origins.frame_ancestors();
    let mut hasher = DefaultHasher::new(); // Without a random key: the tag outlives this process.
    hasher.write(page.as_bytes());
    hasher.write(policy.as_ref().map_or(&[], HeaderValue::as_bytes));
    let tag = format!("\"{:016x}\"", hasher.finish());
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if is_known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        ([(header::CONTENT_TYPE, "text/html; charset=UTF-8")], page).into_response()
    };
    let headers = response.headers_mut();
    headers.extend(long_lived());
    // Hexadecimal digits in quotes.
    headers.insert(header::ETAG, HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\"")));
    headers.extend(policy.map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
    response
}
