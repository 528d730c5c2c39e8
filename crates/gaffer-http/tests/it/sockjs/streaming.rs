//! Answers that go on: lines, events and scripts in a page.

use super::{pages::offers, site::Site};

#[tokio::test]
async fn pages_may_stream() {
    let site = Site::start().await;
    offers(&site, "/echo/abc/abc/xhr_streaming", "OPTIONS, POST").await;
    site.stop().await;
}

#[tokio::test]
async fn a_stream_begins_with_padding_and_has_a_frame_a_chunk() {
    let site = Site::start().await;
    let mut stream = site.open("POST", "/echo/000/x/xhr_streaming", &[("Origin", "test")], "").await;
    assert_eq!(stream.status, 200);
    assert_eq!(stream.headers.get("content-type"), "application/javascript; charset=UTF-8");
    stream.headers.shared_with(Some("test"));
    stream.headers.not_cached();
    stream.chunks(&[&("h".repeat(2048) + "\n"), "o\n"]).await;
    for text in ["x", "y"] {
        site.say("/echo/000/x", &format!(r#"["{text}"]"#)).await;
        stream.chunks(&[&format!("a[\"{text}\"]\n")]).await;
    }
    drop(stream);
    site.stop().await;
}

#[tokio::test]
async fn a_stream_ends_once_it_is_long_enough_and_the_next_goes_on() {
    let site = Site::start().await;
    let mut stream = site.stream("/echo/000/x").await;
    stream.chunks(&["o\n"]).await;
    let message = format!("[\"{}\"]", "x".repeat(128));
    for _ in 0..31 {
        site.say("/echo/000/x", &message).await;
        stream.chunks(&[&format!("a{message}\n")]).await;
    }
    stream.chunks(&[""]).await;
    site.say("/echo/000/x", r#"["next"]"#).await;
    site.stream("/echo/000/x").await.chunks(&["a[\"next\"]\n"]).await;
    site.stop().await;
}

#[tokio::test]
async fn events_carry_frames() {
    let site = Site::start().await;
    let mut events = site.open("GET", "/echo/000/x/eventsource", &[], "").await;
    assert_eq!(events.status, 200);
    assert_eq!(events.headers.get("content-type"), "text/event-stream");
    events.headers.not_cached();
    events.chunks(&["\r\n", "data: o\r\n\r\n"]).await;
    site.say("/echo/000/x", r#"["x"]"#).await;
    events.chunks(&["data: a[\"x\"]\r\n\r\n"]).await;
    // Nothing in a message is a line of its own.
    site.say("/echo/000/x", r#"["  \u0000\n\r "]"#).await;
    events.chunks(&["data: a[\"  \\u0000\\n\\r \"]\r\n\r\n"]).await;
    drop(events);
    site.stop().await;
}

#[tokio::test]
async fn events_end_once_they_are_long_enough() {
    let site = Site::start().await;
    let mut events = site.open("GET", "/echo/000/x/eventsource", &[], "").await;
    events.chunks(&["\r\n", "data: o\r\n\r\n"]).await;
    let message = format!("[\"{}\"]", "x".repeat(4096));
    site.say("/echo/000/x", &message).await;
    events.chunks(&[&format!("data: a{message}\r\n\r\n"), ""]).await;
    site.stop().await;
}

fn page(callback: &str) -> String {
    format!(
        r#"<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.{callback};
    c.start();
    function p(d) {{c.message(d);}};
    window.onload = function() {{c.stop();}};
  </script>"#
    )
}

#[tokio::test]
async fn scripts_in_a_page_carry_frames() {
    let site = Site::start().await;
    for (id, query) in [("a", "c=%63allback"), ("b", "callback=callback")] {
        let session = format!("/echo/000/{id}");
        let mut answer = site.open("GET", &format!("{session}/htmlfile?{query}"), &[], "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers.get("content-type"), "text/html; charset=UTF-8");
        answer.headers.not_cached();
        let head = answer.chunk().await;
        assert_eq!(head.trim_end(), page("callback"));
        assert!(head.len() > 1024, "a browser would wait for more");
        answer.chunks(&["<script>\np(\"o\");\n</script>\r\n"]).await;
        site.say(&session, r#"["x"]"#).await;
        answer.chunks(&["<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n"]).await;
    }
    site.stop().await;
}

#[tokio::test]
async fn a_page_ends_once_it_is_long_enough() {
    let site = Site::start().await;
    let mut answer = site.open("GET", "/echo/000/x/htmlfile?c=callback", &[], "").await;
    assert!(answer.chunk().await.starts_with("<!doctype html>"));
    answer.chunks(&["<script>\np(\"o\");\n</script>\r\n"]).await;
    let text = "x".repeat(4096);
    site.say("/echo/000/x", &format!("[\"{text}\"]")).await;
    answer.chunks(&[&format!("<script>\np(\"a[\\\"{text}\\\"]\");\n</script>\r\n"), ""]).await;
    site.stop().await;
}

#[tokio::test]
async fn pages_and_scripts_need_the_name_of_a_function() {
    let site = Site::start().await;
    for transport in ["htmlfile", "jsonp"] {
        let path = format!("/echo/a/a/{transport}");
        for query in ["", "?c=", "?x=callback"] {
            let answer = site.get(&format!("{path}{query}")).await;
            assert_eq!(answer.says(), (500, "\"callback\" parameter required"), "{path}{query}");
        }
        for callback in ["%20", "*", "abc(", "abc%28"] {
            let answer = site.get(&format!("{path}?c={callback}")).await;
            assert_eq!(answer.says(), (500, "invalid \"callback\" parameter"), "{path} {callback}");
        }
    }
    // None of it has begun a session.
    assert_eq!(site.post("/echo/a/a/xhr_send", r#"["x"]"#).await.status, 404);
    site.stop().await;
}
