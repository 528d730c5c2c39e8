//! Which web pages may act: none but the node's own and those of this machine.
//!
//! A browser sends any page's simple requests anywhere, without asking, and tells the page's origin. Whoever can POST here
//! can run commands, so that a page from elsewhere must not be able to. Other programs send no `Origin`, and are not asked.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::{
    extract::Request,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::ApiError;

/// Refuses requests that change something if they come from a foreign page.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    if reads || may_act(request.headers()) {
        return next.run(request).await;
    }
    let reason = "a web page from elsewhere may not act here; only pages of this machine or of this node may";
    ApiError::new(StatusCode::FORBIDDEN, "forbidden_origin", reason).into_response()
}

fn may_act(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    // `null`, and what does not read, is the origin of sandboxed pages and local files: of nobody we know.
    let Some(origin) = origin.to_str().ok().and_then(|text| text.parse::<Uri>().ok()) else { return false };
    let Some(authority) = origin.authority() else { return false };
    let own = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    is_loopback(authority.host()) || own.is_some_and(|own| own.eq_ignore_ascii_case(authority.as_str()))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || bare.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_machine_and_of_this_node_may_act() {
        for (origin, host, may) in [
            (None, "127.0.0.1:5000", true),
            (Some("http://localhost:8080"), "127.0.0.1:5000", true),
            (Some("https://127.0.0.2"), "127.0.0.1:5000", true),
            (Some("http://[::1]:5000"), "[::1]:5000", true),
            (Some("http://node.example:5000"), "node.example:5000", true),
            (Some("http://node.example"), "node.example:5000", false),
            (Some("http://evil.example"), "127.0.0.1:5000", false),
            (Some("http://localhost.evil.example"), "127.0.0.1:5000", false),
            (Some("null"), "127.0.0.1:5000", false),
            (Some(""), "127.0.0.1:5000", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(may_act(&headers), may, "{origin:?} at {host}");
        }
    }
}
