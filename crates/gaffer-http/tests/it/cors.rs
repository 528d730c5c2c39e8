//! Web pages from elsewhere.

use gaffer_http::api::{Options, Origins};

use crate::fixture::{Answer, Node};

const EVIL: (&str, &str) = ("origin", "http://evil.example");
const LOCAL: (&str, &str) = ("origin", "http://localhost:8080");

/// What the page is told of what it may do.
fn granted(answer: &Answer) -> [&str; 4] {
    ["origin", "methods", "headers", "credentials"].map(|what| answer.header(&format!("access-control-allow-{what}")))
}

#[tokio::test]
async fn a_page_of_this_machine_may_call() {
    let node = Node::start();
    let preflight =
        node.ask("OPTIONS", "/processes/web/_start", &[LOCAL, ("access-control-request-method", "POST")]).await;
    assert_eq!((preflight.status.as_u16(), preflight.body.as_str()), (204, ""));
    let [origin, methods, headers, credentials] = granted(&preflight);
    assert_eq!((origin, credentials), ("http://localhost:8080", "true"));
    assert_eq!(methods, "POST, GET, PUT, DELETE, OPTIONS");
    assert!(headers.contains("Content-Type") && headers.contains("Authorization"), "{headers}");
    assert_eq!(preflight.header("access-control-max-age"), "86400");

    for (method, path, status) in [("GET", "/processes", 200), ("GET", "/nothing/here", 404), ("PUT", "/ping", 405)] {
        let answer = node.ask(method, path, &[LOCAL]).await;
        assert_eq!((answer.status.as_u16(), granted(&answer)[0]), (status, "http://localhost:8080"), "{method} {path}");
        assert_eq!(answer.header("access-control-expose-headers"), "Last-Event-ID");
        assert!(answer.header("vary").contains("origin"));
    }
    node.stop().await;
}

#[tokio::test]
async fn a_page_from_elsewhere_may_neither_act_nor_read() {
    let node = Node::start();
    let answer = node.ask("GET", "/processes", &[EVIL]).await;
    assert_eq!((answer.status.as_u16(), granted(&answer)), (200, [""; 4]), "the browser keeps it from the page");
    for (method, path) in
        [("POST", "/processes"), ("DELETE", "/processes/web"), ("OPTIONS", "/processes"), ("PUT", "/nothing")]
    {
        let answer = node.ask(method, path, &[EVIL]).await;
        answer.refused(403, "forbidden_origin");
        assert_eq!(granted(&answer), [""; 4]);
    }
    // A websocket is opened without asking, and is a way in.
    let upgrade = [EVIL, ("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")];
    node.ask("GET", "/wstreams/1", &upgrade).await.refused(403, "forbidden_origin");
    node.stop().await;
}

#[tokio::test]
async fn programs_name_no_origin_and_are_not_asked() {
    let node = Node::start();
    let answer = node.ask("GET", "/processes", &[]).await;
    assert_eq!((answer.status.as_u16(), granted(&answer)), (200, [""; 4]));
    assert_eq!(node.ask("OPTIONS", "/processes", &[]).await.status, 204);
    node.stop().await;
}

#[tokio::test]
async fn everybody_may_call_where_that_was_asked_for() {
    let node = Node::with_options(Options { origins: Origins::Any, ..Options::default() });
    let answer = node.ask("POST", "/processes/web/_start", &[EVIL]).await;
    answer.refused(404, "not_found");
    assert_eq!(granted(&answer)[0], "http://evil.example");
    for headers in [&[][..], &[("origin", "null")]] {
        assert_eq!(granted(&node.ask("GET", "/processes", headers).await)[0], "*");
    }
    node.stop().await;
}
