//! What no route takes, and what comes too late.

use gaffer_http::api::DEFAULT_MAX_BODY;

use crate::fixture::Node;

#[tokio::test]
async fn every_error_has_the_one_form() {
    let node = Node::start();
    let reason = node.get("/nothing/here").await.refused(404, "not_found");
    assert_eq!(reason, "there is nothing at /nothing/here");
    node.get("/processes/").await.refused(404, "not_found");
    node.get("/status/").await.refused(404, "not_found");
    node.get("/processes/%FF").await.refused(400, "bad_value");
    node.get("/processes/a%00b").await.refused(400, "bad_value");
    node.get("/processes/a%20b").await.refused(400, "bad_value");
    node.get("/status/9%5E9").await.refused(400, "bad_value");
    assert_eq!(node.get("/nothing").await.header("server"), format!("gaffer/{}", env!("CARGO_PKG_VERSION")));
    node.stop().await;
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let node = Node::start();
    for (method, path, allow) in [
        ("POST", "/", "GET,HEAD"),
        ("DELETE", "/processes", "GET,HEAD,POST"),
        ("PATCH", "/processes/web", "GET,HEAD,PUT,POST,DELETE"),
        ("GET", "/processes/web/_start", "POST"),
        ("PUT", "/status/web", "GET,HEAD"),
        ("DELETE", "/streams/1/out", "GET,HEAD,POST"),
        ("BREW", "/ping", "GET,HEAD"),
    ] {
        let answer = node.call(method, path, "").await;
        answer.refused(405, "method_not_allowed");
        let sorted = |list: &str| {
            let mut methods: Vec<String> = list.split(',').map(str::to_owned).collect();
            methods.sort();
            methods
        };
        assert_eq!(sorted(answer.header("allow")), sorted(allow), "{method} {path}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let node = Node::start();
    let body = |size: usize| format!("{{\"name\":\"{}\"}}", "x".repeat(size - 11));
    node.call("POST", "/processes", body(DEFAULT_MAX_BODY)).await.refused(400, "invalid_process_info");
    node.call("POST", "/processes", body(DEFAULT_MAX_BODY + 1)).await.refused(413, "too_large");
    node.call("POST", "/streams/1/stdin", "x".repeat(DEFAULT_MAX_BODY + 1)).await.refused(413, "too_large");
    node.stop().await;
}

#[tokio::test]
async fn a_node_that_has_stopped_says_so() {
    let node = Node::start();
    node.manager.stop().await;
    node.get("/processes").await.refused(503, "shutting_down");
    node.call("POST", "/processes", r#"{"name": "web", "cmd": "true"}"#).await.refused(503, "shutting_down");
}
