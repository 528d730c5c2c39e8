//! `/streams`.

use axum::body::Body;
use gaffer_core::events::EventKind;
use http_body_util::BodyExt;
use serde_json::json;

use crate::{fixture::Node, wire::DEADLINE};

/// The next chunk of a feed as text; `None` at its end.
async fn next(body: &mut Body) -> Option<String> {
    let frame = tokio::time::timeout(DEADLINE, body.frame()).await.expect("a chunk or the end")?;
    Some(String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
}

/// A node with `cat` as process 1.
async fn echo() -> Node {
    let node = Node::start();
    node.load(json!({"name": "echo", "cmd": "cat", "redirect_output": ["out", "err"], "redirect_input": true})).await;
    node
}

#[tokio::test]
async fn what_is_written_to_stdin_comes_back_in_each_form() {
    let node = echo().await;
    let (_, headers, mut raw) = node.open("GET", "/streams/1/out?feed=continuous", "").await;
    assert_eq!(headers["content-type"], "application/octet-stream");
    let (_, headers, mut events) = node.open("GET", "/streams/1/out?feed=eventsource", "").await;
    assert_eq!(headers["content-type"], "text/event-stream");
    let (_, headers, mut poll) = node.open("GET", "/streams/1/out", "").await;
    assert_eq!(headers["content-type"], "application/octet-stream");

    assert_eq!(node.call("POST", "/streams/1/stdin", "one\n").await.json(), json!({"ok": true}));
    assert_eq!(next(&mut raw).await.as_deref(), Some("one\n"));
    assert_eq!(next(&mut events).await.as_deref(), Some("event: out\r\ndata: one\r\n\r\n"));
    assert_eq!(next(&mut poll).await.as_deref(), Some("one\n"));
    assert_eq!(next(&mut poll).await, None);
    assert_eq!(node.call("POST", "/streams/1/ttin", "two\nthree\n").await.json(), json!({"ok": true}));
    assert_eq!(next(&mut raw).await.as_deref(), Some("two\nthree\n"));
    assert_eq!(next(&mut events).await.as_deref(), Some("event: out\r\ndata: two\r\ndata: three\r\n\r\n"));

    node.until(EventKind::Exit, node.post("/processes/echo/_stop")).await;
    assert_eq!(next(&mut raw).await, None, "a feed ends with its process");
    assert_eq!(next(&mut events).await, None);
    node.stop().await;
}

#[tokio::test]
async fn feeds_end_when_the_server_closes() {
    let node = echo().await;
    let (_, _, mut feed) = node.open("GET", "/streams/1/err?feed=continuous", "").await;
    node.closing.cancel();
    assert_eq!(next(&mut feed).await, None);
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_or_written_is_refused() {
    let node = echo().await;
    node.load(json!({"name": "deaf", "cmd": "sleep 1000"})).await;
    node.get("/streams/x/out").await.refused(400, "bad_value");
    node.get("/streams/+1/out").await.refused(400, "bad_value");
    node.get("/streams/77/out").await.refused(404, "not_found");
    node.get("/streams/2/out").await.refused(400, "io_not_redirected");
    let reason = node.get("/streams/1/nope").await.refused(404, "io_not_found");
    assert!(reason.contains("out, err"), "{reason}");
    node.get("/streams/1/out?feed=push").await.refused(400, "bad_value");
    node.get("/streams/1/out?heartbeat=often").await.refused(400, "bad_value");

    node.call("POST", "/streams/x/stdin", "").await.refused(400, "bad_value");
    node.call("POST", "/streams/77/stdin", "").await.refused(404, "not_found");
    node.call("POST", "/streams/2/stdin", "x").await.refused(403, "forbidden_write");
    node.call("POST", "/streams/1/out", "x").await.refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn an_extra_pipe_is_read_and_written_by_its_label() {
    let node = Node::start();
    node.load(json!({"name": "web", "cmd": "cat <&3 >&3", "shell": true, "custom_streams": ["extra"]})).await;
    let (_, _, mut feed) = node.open("GET", "/streams/1/extra?feed=continuous", "").await;
    assert_eq!(node.call("POST", "/streams/1/extra", "ping\n").await.json(), json!({"ok": true}));
    assert_eq!(next(&mut feed).await.as_deref(), Some("ping\n"));
    node.stop().await;
}

#[tokio::test]
async fn a_process_that_closed_its_input_is_told_apart() {
    let node = Node::start();
    let script = "exec <&-; echo closed; exec sleep 1000";
    let job = json!({"name": "web", "cmd": script, "shell": true, "redirect_input": true, "redirect_output": ["out"]});
    node.load(job).await;
    let output = node.manager.output(gaffer_core::ProcessId::new(1), "out").await.unwrap();
    let closed = output.subscribe(gaffer_core::streams::Start::Oldest).recv().await;
    assert!(closed.is_some());
    node.call("POST", "/streams/1/stdin", "x").await.refused(409, "stream_closed");
    node.stop().await;
}
