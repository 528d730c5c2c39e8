//! What HTTP/1.0 and 1.1 are told about the end of an answer.

use super::{client::Open, site::Site};

const PRELUDE: usize = 2048 + 1;

#[tokio::test]
async fn over_http_1_0_a_short_answer_says_how_long_it_is() {
    let site = Site::start().await;
    let mut wire = site.connect().await;
    for _ in 0..2 {
        wire.send("GET /echo HTTP/1.0\r\nHost: localhost\r\nConnection: Keep-Alive\r\n\r\n").await;
        let mut answer = Open::read(wire, true).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.headers.has("transfer-encoding"));
        assert_eq!(answer.headers.get("content-length"), "19");
        assert_eq!(answer.headers.get("connection").to_lowercase(), "keep-alive");
        assert_eq!(answer.wire.exact(19).await, "Welcome to SockJS!\n");
        wire = answer.wire;
    }
    drop(wire);
    site.stop().await;
}

#[tokio::test]
async fn over_http_1_0_a_stream_ends_with_its_connection() {
    let site = Site::start().await;
    let mut wire = site.connect().await;
    wire.send("POST /close/000/x/xhr_streaming HTTP/1.0\r\nHost: localhost\r\nConnection: Keep-Alive\r\n\r\n").await;
    let mut answer = Open::read(wire, true).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.headers.has("transfer-encoding") && !answer.headers.has("content-length"));
    assert!(answer.wire.exact(PRELUDE).await.starts_with('h'));
    assert_eq!(answer.wire.rest().await, "o\nc[3000,\"Go away!\"]\n");
    site.stop().await;
}

#[tokio::test]
async fn over_http_1_1_a_connection_takes_the_next_request() {
    let site = Site::start().await;
    let mut wire = site.connect().await;
    for _ in 0..2 {
        let mut answer = Open::ask(wire, "GET", "/echo", &[("Connection", "Keep-Alive")], "").await;
        assert_eq!(answer.status, 200);
        assert!(!answer.headers.has("transfer-encoding"));
        assert!(matches!(answer.headers.get("connection").to_lowercase().as_str(), "" | "keep-alive"));
        assert_eq!(answer.headers.get("content-length"), "19");
        assert_eq!(answer.wire.exact(19).await, "Welcome to SockJS!\n");
        wire = answer.wire;
    }
    drop(wire);
    site.stop().await;
}

#[tokio::test]
async fn over_http_1_1_each_frame_is_a_chunk_and_the_connection_stays() {
    let site = Site::start().await;
    let wire = site.connect().await;
    let mut answer = Open::ask(wire, "POST", "/close/000/x/xhr_streaming", &[], "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers.get("transfer-encoding"), "chunked");
    assert!(!answer.headers.has("content-length"));
    assert_eq!(answer.chunk().await.len(), PRELUDE);
    answer.chunks(&["o\n", "c[3000,\"Go away!\"]\n", ""]).await;
    let again = Open::ask(answer.wire, "POST", "/close/000/x/xhr", &[], "").await;
    assert_eq!(again.whole().await.says(), (200, "c[3000,\"Go away!\"]\n"));
    site.stop().await;
}
