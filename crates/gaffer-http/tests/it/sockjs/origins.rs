//! Web pages from elsewhere.

use gaffer_http::sockjs::Options;

use super::site::{Site, echo};

/// Everything below a service that does something for whoever asks.
const GUARDED: [(&str, &str); 12] = [
    ("GET", "info"),
    ("OPTIONS", "info"),
    ("GET", "websocket"),
    ("GET", "000/x/websocket"),
    ("POST", "000/x/xhr"),
    ("OPTIONS", "000/x/xhr"),
    ("POST", "000/x/xhr_streaming"),
    ("POST", "000/x/xhr_send"),
    ("GET", "000/x/eventsource"),
    ("GET", "000/x/htmlfile?c=f"),
    ("GET", "000/x/jsonp?c=f"),
    ("POST", "000/x/jsonp_send"),
];

const HANDSHAKE: [(&str, &str); 4] = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw=="),
];

/// The status of what a page asks that its browser describes so.
async fn status(site: &Site, method: &str, path: &str, page: &[(&str, &str)]) -> u16 {
    let mut headers = page.to_vec();
    if path.ends_with("websocket") {
        headers.extend(HANDSHAKE);
    }
    let answer = site.open(method, &format!("/s/{path}"), &headers, r#"["x"]"#).await;
    if answer.status == 403 {
        assert!(!answer.headers.has("access-control-allow-origin"), "{method} {path}");
    }
    answer.status
}

#[tokio::test]
async fn pages_from_elsewhere_are_refused_whatever_they_ask() {
    let site = Site::of(echo, Options::default()).await;
    for (method, path) in GUARDED {
        for page in [
            &[("Origin", "http://evil.example")][..],
            &[("Origin", "null")],
            &[("Origin", "")],
            &[("Origin", "http://localhost.evil.example")],
            &[("Origin", "http://evil.example"), ("Referer", "http://localhost/")],
        ] {
            assert_eq!(status(&site, method, path, page).await, 403, "{method} {path} {page:?}");
        }
    }
    // None of it has begun a session.
    assert_eq!(site.post("/s/000/x/xhr_send", r#"["x"]"#).await.status, 404);
    site.stop().await;
}

#[tokio::test]
async fn what_a_page_asks_without_an_origin_is_refused_if_it_is_from_elsewhere() {
    let site = Site::of(echo, Options::default()).await;
    for (method, path) in GUARDED {
        for page in [
            &[("Sec-Fetch-Site", "cross-site")][..],
            &[("Sec-Fetch-Site", "same-site")],
            &[("Sec-Fetch-Site", "cross-site"), ("Referer", "http://evil.example/?http://localhost/")],
        ] {
            assert_eq!(status(&site, method, path, page).await, 403, "{method} {path} {page:?}");
        }
    }
    assert_eq!(site.post("/s/000/x/xhr_send", r#"["x"]"#).await.status, 404);
    site.stop().await;
}

#[tokio::test]
async fn a_name_that_somebody_has_resolve_here_is_elsewhere() {
    let site = Site::of(echo, Options::default()).await;
    let mut wire = site.connect().await;
    let page = "Host: evil.example\r\nSec-Fetch-Site: same-origin\r\n";
    wire.send(&format!("GET /s/000/x/jsonp?c=f HTTP/1.1\r\n{page}\r\n")).await;
    assert!(wire.until("\r\n\r\n").await.starts_with("HTTP/1.1 403 "));
    drop(wire);
    site.stop().await;
}

#[tokio::test]
async fn pages_of_this_machine_and_programs_connect() {
    let site = Site::of(echo, Options::default()).await;
    for (method, path) in GUARDED {
        for (number, page) in [
            &[][..],
            &[("Origin", "http://localhost:3000")],
            &[("Sec-Fetch-Site", "none")],
            &[("Sec-Fetch-Site", "same-origin")],
            &[("Sec-Fetch-Site", "cross-site"), ("Referer", "http://localhost:3000/a")],
        ]
        .into_iter()
        .enumerate()
        {
            let path = path.replace("/x/", &format!("/{number}/"));
            let status = status(&site, method, &path, page).await;
            assert!(matches!(status, 101 | 200 | 204 | 404 | 500), "{status}: {method} {path} {page:?}");
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn only_pages_that_may_connect_may_hold_the_page_in_a_frame() {
    let site = Site::of(echo, Options::default()).await;
    let policy = "frame-ancestors 'self' http://localhost:* http://127.0.0.1:* https://localhost:* https://127.0.0.1:*";
    let answer = site.ask("GET", "/s/iframe.html", &[("Sec-Fetch-Site", "cross-site")]).await;
    assert_eq!((answer.status, answer.headers.get("content-security-policy")), (200, policy));
    let tag = answer.headers.get("etag").to_owned();
    let again = site.ask("GET", "/s/iframe.html", &[("If-None-Match", &tag)]).await;
    assert_eq!((again.status, again.headers.get("content-security-policy")), (304, policy));
    site.stop().await;

    let anybody = Site::start().await;
    assert!(!anybody.get("/echo/iframe.html").await.headers.has("content-security-policy"));
    anybody.stop().await;
}

#[tokio::test]
async fn whoever_may_connect_may_read_the_answer_and_no_cache_mixes_them_up() {
    let site = Site::of(echo, Options::default()).await;
    let own = site.ask("POST", "/s/000/x/xhr", &[("Origin", "http://localhost:3000")]).await;
    own.headers.shared_with(Some("http://localhost:3000"));
    assert_eq!(own.headers.get("vary"), "origin");
    assert_eq!(own.headers.get("x-content-type-options"), "nosniff");
    site.stop().await;
}
