//! Servers that are none, and nodes that fail.

use std::{
    io::Write,
    net::{Shutdown, TcpListener},
    sync::mpsc,
    time::Duration,
};

use gaffer_client::{Cause, Client, Error, TlsOptions};
use gaffer_tests::DEADLINE;

use crate::fixture::{answering, client_of, endpoint, node, request, server};

#[tokio::test]
async fn nobody_at_the_address_is_told_with_the_address() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = client_of(address).ping().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("cannot reach gafferd at http://{address}: Connection refused"));
}

#[tokio::test]
async fn a_server_that_is_no_gafferd_is_told_apart() {
    for (answer, problem) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "expected value at line 1 column 1"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n<p>no</p>", "404 Not Found <p>no</p>"),
        ("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "302 Found"),
    ] {
        let error = client_of(answering(answer)).version().await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
        assert!(error.to_string().ends_with(problem), "{error}");
    }
    let error = client_of(answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")).ping().await.unwrap_err();
    assert!(error.to_string().ends_with("`hello`"), "{error}");
}

#[tokio::test]
async fn http_and_https_that_are_mixed_up_are_told_as_such() {
    let client = client_of(answering("\x15\x03\x03\x00\x02\x02\x46"));
    let error = client.ping().await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    assert!(error.to_string().ends_with("it is no HTTP; is it https?"), "{error}");

    let address = server(|mut stream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _all = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let builder = Client::builder(&format!("https://{address}").parse().unwrap());
    let client = builder.tls(TlsOptions { insecure: true, ..TlsOptions::default() }).build().unwrap();
    let error = client.ping().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { cause: Cause::NoTls(_), .. }), "{error:?}");
    assert!(error.to_string().ends_with("what answers there does not speak TLS; is it http?"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_interrupted() {
    let error = client_of(answering("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"name\"")).version().await;
    assert!(matches!(error, Err(Error::Interrupted { .. })), "{error:?}");
    let error = client_of(answering("")).version().await.unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }), "{error:?}");
    assert!(error.to_string().starts_with("GET /version: http://127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn a_node_that_hangs_is_not_waited_for_for_ever() {
    for head in ["", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"] {
        let (kept, _streams) = mpsc::channel();
        let address = server(move |mut stream| {
            request(&stream);
            stream.write_all(head.as_bytes()).unwrap();
            kept.send(stream).unwrap();
        });
        let patience = Duration::from_millis(200);
        let client = Client::builder(&endpoint(address)).answer_timeout(patience).build().unwrap();
        let error = client.version().await.unwrap_err();
        assert!(
            matches!(error, Error::Interrupted { cause: Cause::Timeout(time), .. } if time == patience),
            "{error:?}"
        );
        assert!(error.to_string().ends_with("no answer within 0.2 s"), "{error}");
    }
}

#[tokio::test]
async fn a_call_that_had_no_time_but_to_connect_was_not_carried_out() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let _listener = socket.listen(1).unwrap();
    // Connections that nobody accepts: with two of them no more come about.
    let mut connections = tokio::task::JoinSet::new();
    for _ in 0..8 {
        connections.spawn(tokio::net::TcpStream::connect(address));
    }
    let _first = connections.join_next().await.unwrap().unwrap().unwrap();
    let _second = connections.join_next().await.unwrap().unwrap().unwrap();
    let patience = Duration::from_millis(300);
    let client = Client::builder(&endpoint(address)).answer_timeout(patience).build().unwrap();
    let error = client.ping().await.unwrap_err();
    let is_expected = matches!(error, Error::Unreachable { cause: Cause::Timeout(time), .. } if time == patience);
    assert!(is_expected, "{error:?}");
}

#[tokio::test]
async fn an_answer_cannot_fill_the_memory() {
    let address = server(|mut stream| {
        request(&stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        while stream.write_all(&[b' '; 65536]).is_ok() {}
        let _closed_already = stream.shutdown(Shutdown::Both);
    });
    let error = client_of(address).version().await.unwrap_err();
    assert!(error.to_string().ends_with("more than 64 MiB"), "{error}");
}

#[tokio::test]
async fn what_a_node_refuses_it_explains() {
    let (_daemon, client) = node();
    let error = client.status(&"nope".parse().unwrap()).await.unwrap_err();
    let refusal = error.refusal().unwrap();
    assert_eq!((refusal.status, refusal.error.as_str()), (404, "not_found"));
    assert_eq!(error.to_string(), "no job is named `default.nope`");
    assert!(error.is_not_found());

    let old = "HTTP/1.1 409 Conflict\r\nContent-Length: 20\r\n\r\n{\"error\":\"conflict\"}";
    let error = client_of(answering(old)).version().await.unwrap_err();
    let refusal = error.refusal().unwrap();
    assert_eq!((refusal.status, refusal.error.as_str(), refusal.reason.as_str()), (409, "conflict", "conflict"));
}

#[tokio::test]
async fn the_key_is_sent_and_shown_to_nobody() {
    let (seen, heads) = mpsc::channel();
    let address = server(move |mut stream| {
        seen.send(request(&stream)).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").unwrap();
    });
    let builder = Client::builder(&endpoint(address)).api_key("s3cret");
    assert!(!format!("{builder:?}").contains("s3cret"), "{builder:?}");
    let client = builder.build().unwrap();
    assert!(!format!("{client:?}").contains("s3cret"), "{client:?}");
    client.ping().await.unwrap();
    let head = heads.recv_timeout(DEADLINE).unwrap();
    assert!(head.contains("x-api-key: s3cret\r\n"), "{head}");
    for key in ["line\nbreak", "a\tb", "a b", "é"] {
        let error = Client::builder(&endpoint(address)).api_key(key).build().unwrap_err();
        assert!(matches!(error, Error::InvalidKey), "{error:?}");
    }
}
