//! The answers of a site.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use percent_encoding::{CONTROLS, utf8_percent_encode};
use tokio::sync::OwnedSemaphorePermit;

use super::{body::FileBody, locate::Opened, media, path::SitePath, range::Part, validators::Validators};

/// Kept by browsers, but asked about each time: a site may change whenever its files do.
const NO_CACHE: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));

/// A file, or a part of it.
pub(super) fn file(
    method: &Method,
    Opened { file, metadata, name }: Opened,
    part: Option<Part>,
    validators: &Validators,
    permit: OwnedSemaphorePermit,
) -> Response {
    let length = metadata.len();
    let sent = part.unwrap_or(Part { first: 0, length });
    let body = match *method {
        Method::HEAD => Body::empty(),
        _ => Body::new(FileBody::new(file, sent, permit)),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.extend([
        (header::CONTENT_TYPE, media::of(&name)),
        (header::CONTENT_LENGTH, sent.length.into()),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        // Whatever its ending says that it is: a text is no script.
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ]);
    tell_version(headers, validators);
    if let Some(part) = part {
        headers.extend(HeaderValue::from_str(&part.of(length)).map(|range| (header::CONTENT_RANGE, range)));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// What the client has of these many bytes is still good.
pub(super) fn known(validators: &Validators, length: u64) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    let headers = response.headers_mut();
    // Said by us, as it would be said to be 0 otherwise, and a cache might believe that of the file.
    headers.insert(header::CONTENT_LENGTH, length.into());
    tell_version(headers, validators);
    response
}

/// Where a folder is served. Not for good: the folder may be a file tomorrow, and browsers never ask again for what moved
/// permanently.
pub(super) fn elsewhere(path: &SitePath, query: Option<&str>) -> Response {
    let mut place = path.with_slash();
    if let Some(query) = query {
        place.extend(["?", &utf8_percent_encode(query, CONTROLS).to_string()]);
    }
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    let location = HeaderValue::from_str(&place).map(|place| (header::LOCATION, place));
    response.headers_mut().extend(location.into_iter().chain([NO_CACHE]));
    response
}

fn tell_version(headers: &mut HeaderMap, validators: &Validators) {
    headers.extend([NO_CACHE]);
    headers.extend(HeaderValue::from_str(&validators.tag).map(|tag| (header::ETAG, tag)));
    let modified = validators.modified.map(httpdate::fmt_http_date);
    headers
        .extend(modified.and_then(|date| HeaderValue::from_str(&date).ok()).map(|date| (header::LAST_MODIFIED, date)));
}
