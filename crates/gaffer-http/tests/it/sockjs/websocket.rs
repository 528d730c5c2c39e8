//! Sessions over websockets.

use gaffer_http::sockjs::Session;
use tokio_tungstenite::tungstenite::Message;

use super::site::{Site, echo, options};
use crate::sockets::Client;

/// Asserts that what was said comes back, in frames.
async fn echoes(socket: &mut Client, text: &str) {
    socket.send(format!(r#"["{text}"]"#)).await;
    assert_eq!(socket.text().await, format!(r#"a["{text}"]"#));
}

#[tokio::test]
async fn a_plain_request_is_no_websocket() {
    let site = Site::start().await;
    for path in ["/echo/0/0/websocket", "/echo/websocket"] {
        for headers in [&[][..], &[("Upgrade", "WebSocket"), ("Connection", "close")]] {
            let answer = site.ask("GET", path, headers).await;
            assert_eq!(answer.status, 400, "{path}");
            assert!(answer.body.contains("this is a websocket"), "{answer:?}");
            assert_eq!(answer.headers.get("sec-websocket-version"), "13");
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn a_websocket_is_opened_by_no_other_method() {
    let site = Site::start().await;
    for headers in [&[][..], &[("Upgrade", "WebSocket"), ("Connection", "Upgrade")]] {
        let answer = site.ask("POST", "/echo/0/0/websocket", headers).await;
        assert_eq!(answer.says(), (405, ""));
        assert_eq!(answer.headers.get("allow"), "GET");
        assert!(!answer.headers.has("content-type"));
    }
    site.stop().await;
}

#[tokio::test]
async fn the_handshake_is_that_of_version_13() {
    let site = Site::start().await;
    let headers = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw=="),
    ];
    let answer = site.open("GET", "/echo/000/x/websocket", &headers, "").await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.headers.get("sec-websocket-accept"), "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
    assert_eq!(answer.headers.get("connection").to_lowercase(), "upgrade");
    assert_eq!(answer.headers.get("upgrade"), "websocket");
    assert!(!answer.headers.has("content-length"));
    drop(answer);
    site.stop().await;
}

#[tokio::test]
async fn frames_go_both_ways() {
    let site = Site::start().await;
    let mut socket = site.socket("/echo/000/x/websocket").await;
    assert_eq!(socket.text().await, "o");
    echoes(&mut socket, "a").await;
    // One text by itself is a message as well.
    socket.send(r#""b""#).await;
    assert_eq!(socket.text().await, r#"a["b"]"#);
    drop(socket);
    site.stop().await;
}

#[tokio::test]
async fn a_close_is_a_frame_and_then_the_websockets_own() {
    let site = Site::start().await;
    let mut socket = site.socket("/close/000/x/websocket").await;
    assert_eq!(socket.text().await, "o");
    assert_eq!(socket.text().await, r#"c[3000,"Go away!"]"#);
    assert_eq!(socket.closed().await, 3000);
    site.stop().await;
}

#[tokio::test]
async fn frames_with_nothing_in_them_are_passed_over() {
    let site = Site::start().await;
    let mut socket = site.socket("/echo/000/x/websocket").await;
    assert_eq!(socket.text().await, "o");
    for nothing in ["", " \n", "[]"] {
        socket.send(nothing).await;
    }
    echoes(&mut socket, "a").await;
    drop(socket);
    site.stop().await;
}

#[tokio::test]
async fn sessions_over_websockets_share_no_more_than_a_name() {
    let site = Site::start().await;
    let mut first = site.socket("/echo/000/x/websocket").await;
    assert_eq!(first.text().await, "o");
    let mut second = site.socket("/echo/000/x/websocket").await;
    assert_eq!(second.text().await, "o");
    assert_eq!(site.poll("/echo/000/x").await, "o\n");
    echoes(&mut first, "a").await;
    echoes(&mut second, "b").await;
    drop((first, second));
    let mut third = site.socket("/echo/000/x/websocket").await;
    assert_eq!(third.text().await, "o");
    echoes(&mut third, "c").await;
    drop(third);
    site.stop().await;
}

#[tokio::test]
async fn a_broken_frame_ends_the_session() {
    let site = Site::start().await;
    for broken in [r#"["a"#, "[1]", "{}", "null"] {
        let mut socket = site.socket("/echo/000/x/websocket").await;
        assert_eq!(socket.text().await, "o");
        socket.send(broken).await;
        assert_eq!(socket.closed().await, 1007, "{broken}");
    }
    site.stop().await;
}

#[tokio::test]
async fn where_websockets_are_off_there_are_none() {
    let site = Site::start().await;
    for path in ["/disabled_websocket_echo/000/x/websocket", "/disabled_websocket_echo/websocket"] {
        assert_eq!(site.get(path).await.status, 404, "{path}");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_bare_websocket_has_nothing_but_messages() {
    let site = Site::start().await;
    let mut socket = site.socket("/echo/websocket").await;
    for text in ["Hello world!\u{ffff}", "", r#"["a"]"#] {
        socket.send(text).await;
        assert_eq!(socket.text().await, text);
    }
    drop(socket);
    site.stop().await;
}

#[tokio::test]
async fn a_bare_websocket_is_closed_with_the_code_and_the_reason_of_the_service() {
    let site = Site::start().await;
    let mut socket = site.socket("/close/websocket").await;
    let Message::Close(Some(frame)) = socket.next().await else { panic!("no close") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (3000, "Go away!"));
    site.stop().await;
}

#[tokio::test]
async fn a_message_of_the_service_may_be_larger_than_those_of_clients() {
    // Escaped, each character takes six bytes.
    let large = "\u{1}".repeat(300_000);
    let message = large.clone();
    let service = move |session: Session| {
        let message = message.clone();
        async move {
            session.send(message).await.unwrap();
            echo(session).await;
        }
    };
    let site = Site::of(service, options()).await;
    let mut socket = site.socket("/s/000/x/websocket").await;
    assert_eq!(socket.text().await, "o");
    assert_eq!(socket.text().await, format!("a[\"{}\"]", "\\u0001".repeat(300_000)));
    echoes(&mut socket, "a").await;
    drop(socket);
    site.stop().await;
}
