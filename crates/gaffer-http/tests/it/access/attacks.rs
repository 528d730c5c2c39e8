//! Callers who mean harm.

use gaffer_http::api::{self, Hosts};
use serde_json::json;

use super::{Keys, job};
use crate::{fixture::Node, sockets::Listening, wire::Wire};

/// The status and the body that are answered to a request, byte for byte as it is given.
async fn answer(node: &Listening, request: &str) -> (u16, String) {
    let mut wire = Wire::connect(node.address).await;
    wire.send(request).await;
    let text = wire.rest().await;
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{text}"));
    (status, text)
}

#[tokio::test]
async fn a_name_that_somebody_has_resolve_to_this_machine_is_refused() {
    let node = Listening::start().await;
    let ask = async |head: &str| answer(&node, &format!("{head}\r\nConnection: close\r\n\r\n")).await;
    for host in ["evil.example", "evil.example:5000", "127.0.0.1.evil.example", "localhost.evil.example:80", "x"] {
        for line in ["GET /pids", "GET /ping", "POST /processes", "GET /channel/info", "GET /channel/0/x/jsonp?c=f"] {
            let (status, text) = ask(&format!("{line} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0")).await;
            assert_eq!(status, 403, "{line} at {host}: {text}");
            assert!(text.contains("forbidden_host") && !text.contains("access-control-allow-origin"), "{text}");
        }
    }
    for host in ["localhost", "127.0.0.1:1234", "[::1]", "LOCALHOST:80"] {
        let (status, text) = ask(&format!("GET /pids HTTP/1.1\r\nHost: {host}")).await;
        assert_eq!(status, 200, "{host}: {text}");
    }
    let (status, _) = ask("GET http://evil.example/pids HTTP/1.1\r\nHost: localhost").await;
    assert_eq!(status, 403);
    let (status, _) = ask("GET /pids HTTP/1.1\r\nHost: localhost\r\nHost: evil.example").await;
    assert_eq!(status, 400);
    let (status, _) = answer(&node, "GET /pids HTTP/1.0\r\n\r\n").await;
    assert_eq!(status, 200, "no browser leaves the host out");
    node.stop().await;
}

#[tokio::test]
async fn a_node_on_all_addresses_is_addressed_from_this_machine_by_its_own_names() {
    let node = Listening::on("0.0.0.0:0").await;
    for (host, expected) in [("evil.example", 403), ("127.0.0.1", 200), ("localhost:80", 200)] {
        let request = format!("GET /pids HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(answer(&node, &request).await.0, expected, "{host}");
    }
    node.stop().await;
}

#[tokio::test]
async fn names_that_are_allowed_are_answered() {
    let hosts = Hosts::from_list(&["gaffer.example"]).unwrap();
    let node = Listening::with_options(api::Options { hosts, ..api::Options::default() }).await;
    for (host, expected) in [("gaffer.example:5000", 200), ("other.example", 403), ("localhost", 200)] {
        let request = format!("GET /pids HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(answer(&node, &request).await.0, expected, "{host}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_page_from_elsewhere_can_do_nothing_even_with_a_key() {
    let keys = Keys::new().await;
    let node = keys.node();
    let key = ("X-Api-Key", keys.admin.as_str());
    for (method, path) in
        [("POST", "/processes"), ("DELETE", "/keys/0123456789ab"), ("PUT", "/users/root"), ("OPTIONS", "/keys")]
    {
        let answer = node.ask(method, path, &[key, ("Origin", "http://evil.example")]).await;
        answer.refused(403, "forbidden_origin");
    }
    let answer = node.ask("OPTIONS", "/keys", &[("Origin", "http://localhost:8080")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (204, "http://localhost:8080"));
    let allowed = answer.header("access-control-allow-headers").to_lowercase();
    assert!(allowed.contains("x-api-key") && allowed.contains("authorization"), "{allowed}");
    // A page that may call is told why it is refused, too.
    let answer = node.ask("GET", "/pids", &[("Origin", "http://localhost:8080")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (401, "http://localhost:8080"));
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"gaffer\"");
    node.stop().await;
}

#[tokio::test]
async fn paths_lead_to_what_they_say_and_nowhere_else() {
    let keys = Keys::new().await;
    let node = keys.node();
    for name in ["a.b", "s.web"] {
        let answer = node.call_as(Some(&keys.admin), "POST", "/processes", job(name).to_string()).await;
        assert_eq!(answer.status, 200);
    }
    let key = keys.make(json!({"manage": ["a"]})).await;
    for path in [
        "/jobs/a%2fb",
        "/jobs/a%2Fb/web",
        "/jobs/a/..%2fs%2fweb",
        "/jobs/../s/web",
        "/jobs/a/../s/web",
        "/jobs/s/web",
        "/jobs/s%00/web",
        "/jobs/a/web%00",
        "/jobs/a/%2e%2e",
        "/jobs/a/s.web",
        "/jobs/a%3as/web",
        "/processes/a%2f..%2fs.web",
        "/processes/a:s.web",
        "/processes/s%2fweb",
        "/processes/s:web",
        "/processes/s.web",
        "/processes/a%00.b",
        "//jobs/a",
        "/./jobs",
        "/status/s.web%20",
        "/keys/..%2f..",
        "/keys/%00",
        "/users/..",
        "/users/a%2fb",
        "/_plugin/..%2f..%2fetc/passwd",
    ] {
        for method in ["GET", "DELETE"] {
            let answer = node.call_as(Some(&key), method, path, "").await;
            assert!(answer.status.is_client_error(), "{method} {path}: {answer:?}");
        }
    }
    // Nothing of that has done anything.
    assert_eq!(node.call_as(Some(&keys.admin), "GET", "/jobs", "").await.json(), json!({"jobs": ["a.b", "s.web"]}));
    node.stop().await;
}

#[tokio::test]
async fn only_one_key_that_is_one_is_taken() {
    let keys = Keys::new().await;
    let node = keys.node();
    let good = keys.admin.clone();
    let refused = async |headers: &[(&str, &str)], status: u16| {
        let answer = node.ask("GET", "/pids", headers).await;
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
        assert!(!answer.body.contains(&good[..20]), "{answer:?}");
    };
    let bearer = format!("Bearer {good}");
    assert_eq!(node.ask("GET", "/pids", &[("Authorization", &bearer)]).await.status, 200);
    assert_eq!(node.ask("GET", "/pids", &[("X-API-KEY", &good)]).await.status, 200);
    for (wrong, status) in [
        (String::new(), 403),
        (" ".to_owned(), 403),
        (good[..12].to_owned(), 403),
        (good[..63].to_owned(), 403),
        (format!("{good}0"), 403),
        (format!("{good}{good}"), 403),
        (good.to_uppercase(), 403),
        ("x".repeat(30_000), 403),
        (format!("{good}, {good}"), 403),
        (format!("{}{}", &good[..12], "0".repeat(52)), 403),
        ("' OR 1=1 --".to_owned(), 403),
    ] {
        refused(&[("X-Api-Key", &wrong)], status).await;
    }
    refused(&[("X-Api-Key", &good), ("X-Api-Key", &good)], 401).await;
    refused(&[("X-Api-Key", &good), ("Authorization", &bearer)], 401).await;
    refused(&[("X-Api-Key", "nonsense"), ("Authorization", &bearer)], 401).await;
    refused(&[("Authorization", "Basic cm9vdDpzZWNyZXQ=")], 401).await;
    refused(&[("Cookie", &format!("X-Api-Key={good}"))], 401).await;
    node.call("GET", &format!("/pids?api_key={good}"), "").await.refused(401, "unauthorized");
    node.stop().await;
}

#[tokio::test]
async fn a_request_that_is_framed_two_ways_is_no_request() {
    let keys = Keys::new().await;
    let node = Listening::with_options(keys.options()).await;
    let smuggled = format!("POST /processes HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {}\r\n", keys.admin);
    let inner = format!("{smuggled}Content-Length: 34\r\n\r\n{{\"name\": \"evil\", \"cmd\": \"sleep 99\"}}");
    for framing in [
        "Content-Length: 5\r\nContent-Length: 500\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length: +5\r\n",
        "X-Api-Key: a\r\n X-Api-Key: b\r\n",
    ] {
        let request =
            format!("GET /ping HTTP/1.1\r\nHost: localhost\r\n{framing}Connection: close\r\n\r\n0\r\n\r\n{inner}");
        let mut wire = Wire::connect(node.address).await;
        wire.send(&request).await;
        let text = wire.rest().await;
        assert!(text.matches("HTTP/1.1 ").count() <= 1, "{framing:?}: {text}");
        assert!(node.manager.jobs(None).await.unwrap().is_empty(), "{framing:?}");
    }
    node.stop().await;
}

#[tokio::test]
async fn who_is_revoked_before_the_body_is_there_does_nothing() {
    let keys = Keys::new().await;
    let node = Listening::with_options(keys.options()).await;
    node.load(job("s.web")).await;
    let manager = keys.make(json!({"manage": ["s"]})).await;
    let mut half = Vec::new();
    for (line, body) in [
        ("POST /jobs/s", r#"{"name": "evil", "cmd": "sleep 99"}"#),
        ("POST /processes", r#"{"name": "s.evil", "cmd": "sleep 99"}"#),
        ("PUT /jobs/s/web", r#"{"cmd": "sleep 99"}"#),
        ("POST /jobs/s/web/state", "0"),
        ("POST /jobs/s/web/numprocesses", r#"{"scale": 5}"#),
        ("POST /streams/1/stdin", "evil\n"),
    ] {
        let (first, rest) = body.split_at(body.len() - 1);
        let mut wire = Wire::connect(node.address).await;
        let length = body.len();
        let head =
            format!("{line} HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {manager}\r\nContent-Length: {length}\r\n");
        // That it says `continue` tells that the handler waits for the body.
        wire.send(&format!("{head}Expect: 100-continue\r\nConnection: close\r\n\r\n")).await;
        wire.until("100 Continue\r\n\r\n").await;
        wire.send(first).await;
        half.push((line, wire, rest));
    }
    keys.revoke(&manager).await;
    for (line, mut wire, rest) in half {
        wire.send(rest).await;
        let answer = wire.rest().await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{line}: {answer}");
    }
    let jobs: Vec<String> = node.manager.jobs(None).await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(jobs, ["s.web"]);
    let info = node.manager.info(&"s.web".parse().unwrap()).await.unwrap();
    assert!(info.active && info.max_processes == 1);
    node.stop().await;
}

#[tokio::test]
async fn keys_are_bounded_in_size() {
    let keys = Keys::new().await;
    let node = keys.node();
    let scopes: Vec<String> = (0..900).map(|number| format!("session{number}")).collect();
    let body = json!({"permissions": {"read": scopes}}).to_string();
    let refused = node.call_as(Some(&keys.admin), "POST", "/keys", body).await.refused(400, "bad_request");
    assert!(refused.contains("permissions: are longer than"), "{refused}");
    node.stop().await;
}

#[tokio::test]
async fn without_keys_everything_is_as_it_ever_was() {
    let node = Node::start();
    for key in [None, Some("nonsense")] {
        assert_eq!(node.call_as(key, "GET", "/pids", "").await.status, 200);
    }
    node.stop().await;
}
