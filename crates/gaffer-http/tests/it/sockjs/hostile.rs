//! Clients that mean harm.

use std::time::Duration;

use gaffer_http::sockjs::{Options, Session};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::{
    client::Open,
    site::{Site, echo, options},
};
use crate::wire::DEADLINE;

const SCRIPT: &str = r#"["</script><script>alert(1)</script><!--"]"#;

#[tokio::test]
async fn nothing_in_a_message_ends_the_script_that_carries_it() {
    let site = Site::start().await;
    let mut page = site.open("GET", "/echo/000/a/htmlfile?c=f", &[], "").await;
    assert!(page.chunk().await.contains("parent.f;"));
    assert!(page.chunk().await.contains("\"o\""));
    site.say("/echo/000/a", SCRIPT).await;
    let carried = r#"a[\"\u003c/script>\u003cscript>alert(1)\u003c/script>\u003c!--\"]"#;
    page.chunks(&[&format!("<script>\np(\"{carried}\");\n</script>\r\n")]).await;

    assert_eq!(site.get("/echo/000/b/jsonp?c=f").await.body, "/**/f(\"o\");\r\n");
    site.say("/echo/000/b", SCRIPT).await;
    assert_eq!(site.get("/echo/000/b/jsonp?c=f").await.body, format!("/**/f(\"{carried}\");\r\n"));
    drop(page);
    site.stop().await;
}

#[tokio::test]
async fn what_carries_messages_is_taken_for_nothing_else() {
    let site = Site::start().await;
    for (method, path) in [
        ("POST", "/echo/000/a/xhr"),
        ("POST", "/echo/000/b/xhr_streaming"),
        ("GET", "/echo/000/c/eventsource"),
        ("GET", "/echo/000/d/htmlfile?c=f"),
        ("GET", "/echo/000/e/jsonp?c=f"),
        ("GET", "/echo/000/f/jsonp?c=f(%3Cscript%3E"),
        ("POST", "/echo/000/a/xhr_send"),
    ] {
        let answer = site.open(method, path, &[], "<script>").await;
        assert_eq!(answer.headers.get("x-content-type-options"), "nosniff", "{path}");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_callback_is_no_more_than_a_name() {
    let site = Site::start().await;
    let long = "x".repeat(129);
    for callback in
        ["alert(1)%2F%2F", "f%0a", "f%0d%0aX:1", "f;g", "f%3C", "%22", "f%00", "%c3%a9", "f%2Fg", "f=g", long.as_str()]
    {
        for transport in ["htmlfile", "jsonp"] {
            let answer = site.get(&format!("/echo/000/x/{transport}?c={callback}")).await;
            assert_eq!(answer.says(), (500, "invalid \"callback\" parameter"), "{transport} {callback}");
            assert_eq!(answer.headers.get("content-type"), "text/plain; charset=UTF-8");
        }
    }
    let two = site.get("/echo/000/x/jsonp?c=f&c=g").await;
    assert_eq!(two.status, 500);
    site.stop().await;
}

#[tokio::test]
async fn a_name_of_a_session_has_an_end() {
    let site = Site::start().await;
    assert_eq!(site.poll(&format!("/echo/{}/{}", "x".repeat(256), "y".repeat(256))).await, "o\n");
    for name in
        [format!("0/{}", "x".repeat(257)), format!("{}/x", "x".repeat(257)), format!("0/{}", "x".repeat(20_000))]
    {
        assert_eq!(site.post(&format!("/echo/{name}/xhr"), "").await.status, 404);
    }
    site.stop().await;
}

#[tokio::test]
async fn names_are_compared_as_they_are_written() {
    let site = Site::start().await;
    for name in ["a", "%61", "A", "a%2Fb", "%00", "a%0d%0a", "%2e%2e"] {
        assert_eq!(site.poll(&format!("/echo/000/{name}")).await, "o\n", "{name}");
    }
    site.stop().await;
}

#[tokio::test]
async fn half_a_character_is_replaced() {
    let site = Site::start().await;
    let sent = r#"["a\ud800b","\udc00","\ud83d\ude00"]"#;
    let expected = [format!("a{}b", "\u{fffd}".repeat(3)), "\u{fffd}".repeat(3), "😀".to_owned()];
    let read = |frame: &str| serde_json::from_str::<Vec<String>>(frame.strip_prefix('a').unwrap()).unwrap();
    assert_eq!(site.poll("/echo/000/x").await, "o\n");
    site.say("/echo/000/x", sent).await;
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        seen.extend(read(site.poll("/echo/000/x").await.trim_end()));
    }
    assert_eq!(seen, expected);

    let mut socket = site.socket("/echo/000/x/websocket").await;
    assert_eq!(socket.text().await, "o");
    socket.send(sent).await;
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        seen.extend(read(&socket.text().await));
    }
    assert_eq!(seen, expected);
    drop(socket);
    site.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_text_are_replaced_in_a_request() {
    let site = Site::start().await;
    assert_eq!(site.poll("/echo/000/x").await, "o\n");
    assert_eq!(site.post("/echo/000/x/xhr_send", b"[\"a\xff\"]").await.status, 204);
    assert_eq!(site.poll("/echo/000/x").await, "a[\"a\\ufffd\"]\n");
    for noise in [&b"\xff\xfe"[..], b"\0", b"[\"\0\"]x", b"[[[[[[[[[["] {
        assert_eq!(site.post("/echo/000/x/xhr_send", noise).await.status, 500, "{noise:?}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(site.post("/echo/000/x/xhr_send", &deep).await.status, 500);
    site.stop().await;
}

#[tokio::test]
async fn binary_messages_are_read_as_text() {
    let site = Site::start().await;
    let mut socket = site.socket("/echo/000/x/websocket").await;
    assert_eq!(socket.text().await, "o");
    socket.send(Message::binary(&b"[\"a\xff\"]"[..])).await;
    assert_eq!(socket.text().await, r#"a["a\ufffd"]"#);
    socket.send(Message::binary(&b"\xff"[..])).await;
    assert_eq!(socket.closed().await, 1007);

    let mut bare = site.socket("/echo/websocket").await;
    bare.send(Message::binary(&b"a\xff"[..])).await;
    assert_eq!(bare.text().await, "a\u{fffd}");
    drop(bare);
    site.stop().await;
}

#[tokio::test]
async fn many_messages_at_once_are_as_good_as_one() {
    let site = Site::start().await;
    let mut stream = site.stream("/echo/000/x").await;
    stream.chunks(&["o\n"]).await;
    site.say("/echo/000/x", &format!("[{}\"\"]", "\"\",".repeat(16_000))).await;
    let mut seen = 0;
    while seen < 16_001 {
        let frame = stream.chunk().await;
        if frame.is_empty() {
            stream = site.stream("/echo/000/x").await;
        }
        seen += frame.matches("\"\"").count();
    }
    assert_eq!(seen, 16_001);
    drop(stream);
    site.stop().await;
}

#[tokio::test]
async fn sessions_that_are_abandoned_in_any_way_leave_nothing() {
    const MOST: usize = 50;
    let (tell, mut ends) = mpsc::unbounded_channel();
    let service = move |session: Session| {
        let tell = tell.clone();
        async move {
            echo(session).await;
            tell.send(()).unwrap();
        }
    };
    let delay = Duration::from_millis(100);
    let site = Site::of(service, Options { max_sessions: MOST, disconnect_delay: delay, ..options() }).await;
    let mut half_asked = Vec::new();
    for number in 0..MOST {
        let session = format!("/s/000/{number}");
        match number % 5 {
            0 => assert_eq!(site.poll(&session).await, "o\n"),
            1 => drop(site.stream(&session).await),
            // The head of the answer is not even read.
            2 => {
                let mut wire = site.connect().await;
                wire.send(&format!("GET {session}/eventsource HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
                wire.until("200 OK").await;
            }
            3 => {
                assert_eq!(site.poll(&session).await, "o\n");
                drop(site.open("POST", &format!("{session}/xhr"), &[], "").await);
            }
            _ => {
                assert_eq!(site.poll(&session).await, "o\n");
                // It says that it says more, and does not.
                let mut wire = site.connect().await;
                let head =
                    format!("POST {session}/xhr_send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n[");
                wire.send(&head).await;
                half_asked.push(wire);
            }
        }
    }
    for _ in 0..MOST {
        tokio::time::timeout(DEADLINE, ends.recv()).await.expect("the end of each").unwrap();
    }
    // Held, so that they do not make room for each other.
    let mut held: Vec<Open> = Vec::new();
    let filling = async {
        while held.len() < MOST {
            let path = format!("/s/000/again-{}/xhr_streaming", held.len());
            let stream = site.open("POST", &path, &[], "").await;
            if stream.status == 200 {
                held.push(stream);
            }
        }
    };
    tokio::time::timeout(DEADLINE, filling).await.expect("all places are free");
    assert_eq!(site.post("/s/000/one-more/xhr", "").await.status, 503);
    drop((held, half_asked));
    site.stop().await;
}
