//! What is served beside sessions.

use serde_json::Value;

use super::{
    client::{Answer, Headers},
    site::Site,
};

const IFRAME: &str = r#"<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="CLIENT"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>"#;

/// Asserts that pages of any origin are told that they may use these methods, for long.
pub(crate) async fn offers(site: &Site, path: &str, methods: &str) {
    for origin in ["test", "null"] {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", methods)];
        let answer = site.ask("OPTIONS", path, &headers).await;
        assert_eq!(answer.says(), (204, ""), "{path}");
        answer.headers.long_lived();
        answer.headers.shared_with(Some(origin));
        assert_eq!(answer.headers.get("access-control-max-age"), "31536000");
        assert_eq!(answer.headers.get("access-control-allow-methods"), methods);
    }
}

#[tokio::test]
async fn a_service_greets() {
    let site = Site::start().await;
    for path in ["/echo", "/echo/"] {
        let answer = site.get(path).await;
        assert_eq!(answer.says(), (200, "Welcome to SockJS!\n"), "{path}");
        assert_eq!(answer.headers.get("content-type"), "text/plain; charset=UTF-8");
        assert!(!answer.headers.has("set-cookie"));
    }
    site.stop().await;
}

#[tokio::test]
async fn other_paths_are_not_found() {
    let site = Site::start().await;
    for path in ["/a", "/a.html", "//", "///", "/a/a", "/a/a/", "/a/", "/info/", "/websocket/"] {
        assert_eq!(site.get(&format!("/echo{path}")).await.status, 404, "{path}");
    }
    site.stop().await;
}

#[tokio::test]
async fn other_methods_are_refused_with_those_that_there_are() {
    let site = Site::start().await;
    for (method, path, methods) in [
        ("POST", "/echo", "GET"),
        ("POST", "/echo/iframe.html", "GET"),
        ("DELETE", "/echo/info", "OPTIONS, GET"),
        ("GET", "/echo/0/x/xhr", "OPTIONS, POST"),
        ("GET", "/echo/0/x/xhr_streaming", "OPTIONS, POST"),
        ("GET", "/echo/0/x/xhr_send", "OPTIONS, POST"),
        ("GET", "/echo/0/x/jsonp_send", "POST"),
        ("POST", "/echo/0/x/jsonp", "GET"),
        ("POST", "/echo/0/x/eventsource", "GET"),
        ("POST", "/echo/0/x/htmlfile", "GET"),
        ("POST", "/echo/websocket", "GET"),
    ] {
        let answer = site.ask(method, path, &[]).await;
        assert_eq!(answer.says(), (405, ""), "{method} {path}");
        assert_eq!(answer.headers.get("allow"), methods, "{method} {path}");
        assert!(!answer.headers.has("content-type"), "{method} {path}");
    }
    site.stop().await;
}

#[tokio::test]
async fn the_page_in_a_frame_is_the_same_under_all_its_names() {
    let site = Site::start().await;
    let mut tags = Vec::new();
    for name in [
        "iframe.html",
        "iframe-a.html",
        "iframe-.html",
        "iframe-0.1.2.html",
        "iframe-0.1.2abc-dirty.2144.html",
        "iframe-a.html?t=1234",
        "iframe-0.1.2abc-dirty.2144.html?t=qweqweq123",
    ] {
        let Answer { status, headers, body } = site.get(&format!("/echo/{name}")).await;
        assert_eq!(status, 200, "{name}");
        assert_eq!(headers.get("content-type"), "text/html; charset=UTF-8");
        let client = body.split("<script src=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
        assert!(client.starts_with("https://"), "{client}");
        assert_eq!(body.trim_end(), IFRAME.replace("CLIENT", &client), "{name}");
        headers.long_lived();
        assert!(!headers.has("set-cookie"));
        tags.push(headers.get("etag").to_owned());
    }
    assert!(!tags[0].is_empty() && tags.iter().all(|tag| *tag == tags[0]), "{tags:?}");
    site.stop().await;
}

#[tokio::test]
async fn what_is_nearly_the_page_is_not_found() {
    let site = Site::start().await;
    for name in ["iframe.htm", "iframe", "IFRAME.HTML", "IFRAME", "iframe.HTML", "iframe.xml", "iframe-/.html"] {
        assert_eq!(site.get(&format!("/echo/{name}")).await.status, 404, "{name}");
    }
    site.stop().await;
}

#[tokio::test]
async fn who_has_the_page_is_told_so() {
    let site = Site::start().await;
    let tag = site.get("/echo/iframe.html").await.headers.get("etag").to_owned();
    let again = site.ask("GET", "/echo/iframe.html", &[("If-None-Match", &tag)]).await;
    assert_eq!(again.says(), (304, ""));
    assert!(!again.headers.has("content-type"));
    again.headers.long_lived();
    let other = site.ask("GET", "/echo/iframe.html", &[("If-None-Match", "\"x\"")]).await;
    assert_eq!(other.status, 200);
    site.stop().await;
}

fn info(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn a_client_learns_what_there_is() {
    let site = Site::start().await;
    let answer = site.ask("GET", "/echo/info", &[("Origin", "test")]).await;
    let headers: &Headers = &answer.headers;
    assert_eq!(headers.get("content-type"), "application/json; charset=UTF-8");
    assert!(!headers.has("set-cookie"));
    headers.not_cached();
    headers.shared_with(Some("test"));
    let mut body = info(&answer);
    assert!(body["entropy"].take().as_u64().unwrap() <= u32::MAX.into());
    let expected = serde_json::json!({
        "websocket": true, "cookie_needed": false, "origins": ["*:*"], "entropy": null,
    });
    assert_eq!(body, expected);
    assert_eq!(info(&site.get("/disabled_websocket_echo/info").await)["websocket"], false);
    assert_eq!(info(&site.get("/cookie_needed_echo/info").await)["cookie_needed"], true);
    site.stop().await;
}

#[tokio::test]
async fn each_client_is_given_another_random_number() {
    let site = Site::start().await;
    let mut numbers = std::collections::HashSet::new();
    for _ in 0..8 {
        numbers.insert(info(&site.get("/echo/info").await)["entropy"].as_u64().unwrap());
    }
    // Two may be alike once in hundreds of millions of runs.
    assert!(numbers.len() >= 7, "{numbers:?}");
    site.stop().await;
}

#[tokio::test]
async fn pages_may_ask_what_there_is() {
    let site = Site::start().await;
    offers(&site, "/echo/info", "OPTIONS, GET").await;
    site.get("/echo/info").await.headers.shared_with(None);
    site.stop().await;
}
