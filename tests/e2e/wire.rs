//! Requests that no well-behaved client would send.

use gaffer_tests::{Daemon, Setup, http};
use serde_json::json;

#[test]
fn every_error_is_json_with_number_code_and_reason() {
    let daemon = Daemon::start("[process:web]\ncmd = misbehave forever\n");
    daemon.until_running("web", 1);
    for (method, path, status, code) in [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/processes/", 404, "not_found"),
        ("GET", "/processes/nope", 404, "not_found"),
        ("GET", "/status/nope", 404, "not_found"),
        ("GET", "/processes/999", 404, "not_found"),
        ("POST", "/processes/web/_dance", 404, "resource_not_found"),
        ("GET", "/processes/web/_dance", 404, "resource_not_found"),
        ("DELETE", "/processes", 405, "method_not_allowed"),
        ("PATCH", "/processes/web", 405, "method_not_allowed"),
        ("DELETE", "/processes/web/_pids", 405, "method_not_allowed"),
        ("PUT", "/ping", 405, "method_not_allowed"),
        ("GET", "/processes/a%00b", 400, "bad_value"),
        ("GET", "/processes/%2e%2e%2fetc", 400, "bad_value"),
        ("GET", "/processes/a%20b", 400, "bad_value"),
        ("GET", "/processes/%ff%fe", 400, "bad_value"),
        ("GET", "/processes/%C3%A9", 400, "bad_value"),
        ("GET", "/processes/0", 400, "bad_value"),
        ("GET", "/processes/99999999999999999999999999", 400, "bad_value"),
        ("GET", "/status/.", 400, "bad_value"),
        ("GET", "/streams/-1/out", 400, "bad_value"),
    ] {
        let answer = daemon.request(method, path, None);
        let body = answer.json();
        assert_eq!((answer.status, &body["error"]), (status, &json!(code)), "{method} {path}: {answer}");
        assert_eq!(body["errno"], status, "{method} {path}");
        assert!(body["reason"].as_str().is_some_and(|reason| reason.len() > 5), "{method} {path}: {answer}");
        assert!(answer.header("content-type").unwrap().starts_with("application/json"), "{method} {path}: {answer}");
        if status == 405 {
            assert!(answer.header("allow").is_some_and(|allow| allow.contains("GET")), "{method} {path}: {answer}");
        }
    }
}

#[test]
fn a_job_that_does_not_read_is_refused_with_what_is_wrong() {
    let daemon = Setup::new().start();
    let long = "x".repeat(5000);
    for (body, code) in [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("\u{0}", "invalid_json"),
        ("[]", "invalid_process_info"),
        ("null", "invalid_process_info"),
        ("{}", "invalid_process_info"),
        (r#"{"name": "web"}"#, "invalid_process_info"),
        (r#"{"cmd": "x"}"#, "invalid_process_info"),
        (r#"{"name": "a b", "cmd": "x"}"#, "invalid_process_info"),
        (r#"{"name": "a\u0000b", "cmd": "x"}"#, "invalid_process_info"),
        (r#"{"name": "123", "cmd": "x"}"#, "invalid_process_info"),
        (r#"{"name": "web", "cmd": 7}"#, "invalid_process_info"),
        (r#"{"name": "web", "cmd": "a\u0000b"}"#, "invalid_process_info"),
        (r#"{"name": "web", "cmd": "x", "numprocesses": -1}"#, "invalid_process_info"),
        (r#"{"name": "web", "cmd": "x", "numprocesses": 1e9}"#, "invalid_process_info"),
        (r#"{"name": "web", "cmd": "x", "graceful_timeout": -1}"#, "invalid_process_info"),
        (r#"{"name": "web", "cmd": "x", "graceful_timeout": 1e308}"#, "invalid_process_info"),
        (r#"{"name": "web", "cmd": "x", "env": {"A=B": "c"}}"#, "invalid_process_info"),
        (r#"{"name": "web", "cmd": "x", "env": {"A": "b\u0000"}}"#, "invalid_process_info"),
        (r#"{"name": "web", "cmd": "x", "args": 3}"#, "invalid_process_info"),
        (
            r#"{"name": "web", "cmd": "x", "flapping": {"attempts": 0, "window": 1, "retry_in": 1, "max_retry": 1}}"#,
            "invalid_process_info",
        ),
        (&"[".repeat(100_000), "invalid_json"),
        (&format!(r#"{{"name": "{long}", "cmd": "x"}}"#), "invalid_process_info"),
    ] {
        let answer = daemon.request("POST", "/processes", Some(body));
        let short: String = body.chars().take(80).collect();
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!(code)), "{short}: {answer}");
    }
    assert_eq!(daemon.get("/processes"), json!([]), "nothing was half applied");
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let daemon = Setup::new().start();
    let mut connection = daemon.connect();
    connection.send("POST /processes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n");
    let answer = connection.answer("POST");
    assert_eq!((answer.status, &answer.json()["error"]), (413, &json!("too_large")), "{answer}");

    // In chunks there is no telling beforehand.
    let mut connection = daemon.connect();
    connection.send("POST /processes HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    for _ in 0..17 {
        connection.send(&chunk);
    }
    let answer = connection.answer("POST");
    assert_eq!((answer.status, &answer.json()["error"]), (413, &json!("too_large")), "{answer}");
}

#[test]
fn garbage_on_the_wire_hurts_nobody() {
    let daemon = Daemon::start("[process:web]\ncmd = misbehave forever\n");
    daemon.until_running("web", 1);
    let many_headers: String = (0..2000).map(|number| format!("X-{number}: y\r\n")).collect();
    let garbage: [Vec<u8>; 11] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"\0\0\0\0\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n".to_vec(),
        b"POST /processes HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_vec(),
        b"POST /processes HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!".to_vec(),
        b"POST /processes HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec(),
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000)).into_bytes(),
        format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1_000_000)).into_bytes(),
        format!("GET / HTTP/1.1\r\n{many_headers}\r\n").into_bytes(),
    ];
    for bytes in garbage {
        let mut connection = daemon.connect();
        connection.send(&bytes);
        connection.finish();
        let answer = connection.rest();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        assert!(!answer.starts_with("HTTP/1.1 2") && !answer.starts_with("HTTP/1.1 5"), "{shown:?}: {answer}");
    }
    assert_eq!(daemon.request("GET", "/ping", None).text(), "OK");
    daemon.until_running("web", 1);
    assert!(!daemon.log().iter().any(|line| line.text.contains("panicked")));
}

#[test]
fn clients_that_dribble_do_not_keep_others_from_being_served() {
    let daemon = Setup::new().start();
    let mut slow: Vec<_> = (0..200)
        .map(|number| {
            let mut connection = daemon.connect();
            connection.send(if number % 2 == 0 {
                "GET /pi"
            } else {
                "POST /processes HTTP/1.1\r\nContent-Length: 50\r\n\r\n{"
            });
            connection
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(daemon.request("GET", "/ping", None).text(), "OK");
    }
    slow[0].send("ng HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(slow[0].rest().starts_with("HTTP/1.1 200"), "slow is not wrong");
}

#[test]
fn requests_may_be_sent_one_after_the_other_and_all_at_once() {
    let daemon = Setup::new().start();
    let mut connection = daemon.connect();
    for _ in 0..3 {
        connection.request("GET", "/version", &[], None);
    }
    for _ in 0..3 {
        assert_eq!(connection.answer("GET").status, 200);
    }
    connection.request("POST", "/processes", &[], Some(b"{"));
    assert_eq!(connection.answer("POST").status, 400);
    connection.request("GET", "/nowhere", &[], None);
    assert_eq!(connection.answer("GET").status, 404);
    connection.request("GET", "/ping", &[], None);
    assert_eq!(connection.answer("GET").text(), "OK", "an error does not end the connection");
}

#[test]
fn a_client_that_leaves_half_way_changes_nothing() {
    let daemon = Setup::new().start();
    let job = json!({"name": "web", "cmd": "misbehave forever"}).to_string();
    for _ in 0..10 {
        // All of the job, but not all of the body that was announced.
        let mut connection = daemon.connect();
        connection.request("POST", "/processes", &[("Content-Length", &(job.len() + 1).to_string())], None);
        connection.send(&job);
        connection.finish();
        assert!(!connection.rest().starts_with("HTTP/1.1 2"));
    }
    assert_eq!(daemon.get("/processes"), json!([]));
}

#[test]
fn odd_names_are_names() {
    let daemon = Setup::new().start();
    for name in ["a", "_", "a-b", "a_b", "9a", "a@1", "a+b", "x".repeat(64).as_str(), "my.session:job"] {
        daemon.post_body("/processes", json!({"name": name, "cmd": "misbehave forever"}));
        let path = format!("/processes/{}", name.replace('@', "%40"));
        assert_eq!(http::request(daemon.address(), "GET", &path, None).status, 200, "{name}");
        daemon.delete(&path);
    }
}

#[test]
fn a_web_page_from_elsewhere_cannot_act() {
    use std::io::{Read, Write};

    let daemon = Daemon::start("");
    let post = |origin: &str| {
        let mut stream = std::net::TcpStream::connect(daemon.address()).unwrap();
        let body = r#"{"name": "evil", "cmd": "misbehave forever"}"#;
        let length = body.len();
        // As a browser sends it without asking first: no page needs leave for a plain text.
        let head = format!(
            "POST /processes HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\nContent-Type: text/plain\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n",
            daemon.address()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = post("http://evil.example");
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("forbidden_origin"), "{answer}");
    assert_eq!(daemon.get("/processes"), json!([]));
    let answer = post("http://localhost:8080");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn a_client_that_sends_all_before_it_reads_is_told_that_it_was_too_much() {
    let daemon = Daemon::start("");
    for _ in 0..5 {
        let answer = daemon.request("POST", "/processes", Some(&"x".repeat(8_000_000)));
        assert_eq!((answer.status, answer.json()["error"].as_str()), (413, Some("too_large")), "{answer}");
    }
}

#[test]
fn a_body_that_stalls_does_not_hold_up_the_end() {
    let mut daemon = Daemon::start("");
    let mut stalled = daemon.connect();
    stalled.send("POST /processes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
    daemon.get("/processes"); // Whatever came before on the loopback interface is there by now, or will be met by the end.
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    let answer = stalled.answer("POST");
    assert_eq!((answer.status, answer.json()["error"].as_str()), (503, Some("shutting_down")), "{answer}");
    assert_eq!(daemon.wait().code, Some(0));
}
