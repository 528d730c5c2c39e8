//! Polling, and what is said meanwhile.

use super::{pages::offers, site::Site};

#[tokio::test]
async fn pages_may_poll() {
    let site = Site::start().await;
    for name in ["xhr", "xhr_send"] {
        offers(&site, &format!("/echo/abc/abc/{name}"), "OPTIONS, POST").await;
    }
    site.stop().await;
}

#[tokio::test]
async fn messages_go_both_ways_over_requests() {
    let site = Site::start().await;
    let origin = [("Origin", "test")];
    let opened = site.ask("POST", "/echo/000/x/xhr", &origin).await;
    assert_eq!(opened.says(), (200, "o\n"));
    assert_eq!(opened.headers.get("content-type"), "application/javascript; charset=UTF-8");
    opened.headers.shared_with(Some("test"));
    opened.headers.not_cached();

    let said = site.open("POST", "/echo/000/x/xhr_send", &origin, r#"["x"]"#).await.whole().await;
    assert_eq!(said.says(), (204, ""));
    // Some browsers would take it for XML, and complain, even though there is nothing.
    assert_eq!(said.headers.get("content-type"), "text/plain; charset=UTF-8");
    said.headers.shared_with(Some("test"));
    said.headers.not_cached();

    assert_eq!(site.poll("/echo/000/x").await, "a[\"x\"]\n");
    site.stop().await;
}

#[tokio::test]
async fn nothing_can_be_said_on_a_session_that_is_not_there() {
    let site = Site::start().await;
    assert_eq!(site.post("/echo/000/x/xhr_send", r#"["x"]"#).await.status, 404);
    site.stop().await;
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_the_session_goes_on() {
    let site = Site::start().await;
    assert_eq!(site.poll("/echo/000/x").await, "o\n");
    for (payload, why) in
        [(r#"["x"#, "Broken JSON encoding."), ("", "Payload expected."), ("{}", "Broken JSON encoding.")]
    {
        assert_eq!(site.post("/echo/000/x/xhr_send", payload).await.says(), (500, why), "{payload}");
    }
    site.say("/echo/000/x", r#"["a"]"#).await;
    assert_eq!(site.poll("/echo/000/x").await, "a[\"a\"]\n");
    site.stop().await;
}

#[tokio::test]
async fn messages_may_come_with_any_content_type() {
    let site = Site::start().await;
    assert_eq!(site.poll("/echo/000/x").await, "o\n");
    let types = [
        "text/plain",
        "T",
        "application/json",
        "application/xml",
        "",
        "application/json; charset=utf-8",
        "text/xml; charset=utf-8",
        "text/xml",
        "application/x-www-form-urlencoded",
    ];
    for content_type in types {
        let headers = [("Content-Type", content_type)];
        let answer = site.open("POST", "/echo/000/x/xhr_send", &headers, r#"["a"]"#).await.whole().await;
        assert_eq!(answer.says(), (204, ""), "{content_type}");
    }
    // How many come with one poll is not said.
    let mut seen = String::new();
    while seen.matches(r#""a""#).count() < types.len() {
        seen += &site.poll("/echo/000/x").await;
    }
    assert_eq!(seen.matches(r#""a""#).count(), types.len(), "{seen}");
    site.stop().await;
}

#[tokio::test]
async fn headers_that_a_page_wants_to_send_are_granted() {
    let site = Site::start().await;
    for (wanted, granted) in [(Some("a, b, c"), "a, b, c"), (Some(""), ""), (None, "")] {
        let mut headers = vec![("Origin", "test"), ("Access-Control-Request-Method", "POST")];
        headers.extend(wanted.map(|wanted| ("Access-Control-Request-Headers", wanted)));
        let answer = site.ask("OPTIONS", "/echo/000/x/xhr", &headers).await;
        assert_eq!(answer.says(), (204, ""), "{wanted:?}");
        answer.headers.shared_with(Some("test"));
        assert_eq!(answer.headers.get("access-control-allow-headers"), granted, "{wanted:?}");
        assert_eq!(answer.headers.has("access-control-allow-headers"), !granted.is_empty());
    }
    site.stop().await;
}

#[tokio::test]
async fn a_client_may_say_nothing() {
    let site = Site::start().await;
    assert_eq!(site.poll("/echo/000/x").await, "o\n");
    site.say("/echo/000/x", "[]").await;
    site.say("/echo/000/x", r#"["a"]"#).await;
    assert_eq!(site.poll("/echo/000/x").await, "a[\"a\"]\n");
    site.stop().await;
}
