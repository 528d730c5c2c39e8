//! `/wstreams`.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use gaffer_core::{Manager, ManagerOptions, backend::RealBackend};
use gaffer_http::{
    api,
    serve::{Endpoint, Lifetime, Limits, Listener, Server},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::{fixture::Node, sockets::Listening, wire::DEADLINE};

/// A node with `cat` as process 1.
async fn echo() -> Listening {
    let node = Listening::start().await;
    node.load(json!({"name": "echo", "cmd": "cat", "redirect_output": ["out", "err"], "redirect_input": true})).await;
    node
}

#[tokio::test]
async fn what_is_written_comes_back() {
    let node = echo().await;
    let mut client = node.open("/wstreams/1").await;
    client.send("ECHO\n").await;
    assert_eq!(client.until("\n").await, "ECHO\n");
    client.send(Message::binary(b"caf\xc3".to_vec())).await;
    client.send(Message::binary(b"\xa9 \xff\n".to_vec())).await;
    assert_eq!(client.until("\n").await, "café \u{FFFD}\n", "no character is split");

    let mut bytes = node.open("/wstreams/1?binary=true").await;
    client.send(Message::binary(b"\xff\xfe\n".to_vec())).await;
    assert_eq!(bytes.next().await, Message::binary(b"\xff\xfe\n".to_vec()));
    node.stop().await;
}

#[tokio::test]
async fn it_closes_with_its_process_after_the_last_output() {
    let node = Listening::start().await;
    let job = json!({"name": "web", "cmd": "read line; echo bye; exit 0", "shell": true, "start": true,
        "redirect_output": ["out"], "redirect_input": true});
    node.load(job).await;
    let mut reader = node.open("/wstreams/1?mode=read").await;
    let mut writer = node.open("/wstreams/1?mode=write").await;
    let mut both = node.open("/wstreams/1").await;
    both.send("go\n").await;
    for client in [&mut reader, &mut both] {
        assert_eq!(client.until("\n").await, "bye\n");
    }
    for client in [&mut reader, &mut writer, &mut both] {
        assert_eq!(client.closed().await, 1000);
    }
    node.stop().await;
}

#[tokio::test]
async fn other_streams_are_asked_for_by_label() {
    let node = Listening::start().await;
    let job = json!({"name": "web", "cmd": "echo oops >&2; cat <&3 >&3", "shell": true, "redirect_output": ["out", "err"],
        "custom_streams": ["extra"], "redirect_input": true});
    node.load(job).await;
    let mut err = node.open("/wstreams/1?stream=err&history=5").await;
    assert_eq!(err.until("\n").await, "oops\n");
    let mut extra = node.open("/wstreams/1?stream=extra").await;
    extra.send("ping\n").await;
    assert_eq!(extra.until("\n").await, "ping\n");
    node.stop().await;
}

#[tokio::test]
async fn pings_come_only_if_asked_for() {
    let node = echo().await;
    let mut client = node.open("/wstreams/1?heartbeat=0.1").await;
    assert!(matches!(client.next().await, Message::Ping(_)));
    assert!(matches!(client.next().await, Message::Ping(_)), "the first one was answered");
    client.send("x\n").await;
    let mut message = client.next().await;
    while message.is_ping() {
        message = client.next().await;
    }
    assert_eq!(message, Message::text("x\n"));
    drop(client);
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_is_told_on_the_socket() {
    let node = echo().await;
    node.load(json!({"name": "mute", "cmd": "sleep 1000", "redirect_output": ["out"]})).await;
    node.load(json!({"name": "deaf", "cmd": "cat", "redirect_input": true})).await;
    for (path, errno, code) in [
        ("/wstreams/77", 404, "not_found"),
        ("/wstreams/x", 400, "bad_value"),
        ("/wstreams/99999999999999999999999", 400, "bad_value"),
        ("/wstreams/1?stream=nope", 404, "io_not_found"),
        ("/wstreams/1?mode=7", 400, "bad_value"),
        ("/wstreams/1?history=x", 400, "bad_value"),
        ("/wstreams/1?heartbeat=x", 400, "bad_value"),
        ("/wstreams/1?binary=x", 400, "bad_value"),
        ("/wstreams/2", 403, "forbidden_write"),
        ("/wstreams/3", 400, "io_not_redirected"),
    ] {
        node.open(path).await.refused(errno, code).await;
    }
    let mut reader = node.open("/wstreams/2?mode=1").await;
    reader.send("x").await;
    let reason = reader.refused(403, "forbidden_write").await;
    assert!(reason.contains("`mode=read`"), "{reason}");
    let mut writer = node.open("/wstreams/3?mode=2").await;
    writer.send("x").await;
    node.stop().await;
}

#[tokio::test]
async fn a_process_that_closed_its_input_is_told_apart() {
    let node = Listening::start().await;
    let script = "exec <&-; echo closed; exec sleep 1000";
    let job = json!({"name": "web", "cmd": script, "shell": true, "redirect_input": true, "redirect_output": ["out"]});
    node.load(job).await;
    let mut client = node.open("/wstreams/1?history=1").await;
    assert_eq!(client.until("\n").await, "closed\n");
    client.send("x").await;
    client.refused(409, "stream_closed").await;
    node.stop().await;
}

#[tokio::test]
async fn a_plain_request_is_told_what_this_is() {
    let node = Node::start();
    for path in ["/wstreams/1", "/1/channel", "/1/channel/out"] {
        let answer = node.get(path).await;
        assert_eq!(answer.header("sec-websocket-version"), "13");
        let reason = answer.refused(400, "not_a_websocket");
        assert!(reason.contains("this is a websocket"), "{reason}");
        let answer = node.post(path).await;
        answer.refused(405, "method_not_allowed");
        assert!(answer.header("allow").contains("GET"));
    }
    node.get("/web/channel").await.refused(404, "not_found");
    node.get("/1a/channel/out").await.refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn a_page_from_elsewhere_may_not_open_it() {
    let node = echo().await;
    let ask = |headers: &str| {
        format!(
            "GET /wstreams/1 HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{headers}\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            node.address
        )
    };
    let foreign = node.ask(&ask("Sec-WebSocket-Version: 13\r\nOrigin: http://evil.example\r\n")).await;
    assert!(foreign.starts_with("http/1.1 403 "), "{foreign}");
    let own = format!("Sec-WebSocket-Version: 13\r\nOrigin: http://{}\r\n", node.address);
    let granted = node.ask(&ask(&own)).await;
    assert!(granted.starts_with("http/1.1 101 "), "{granted}");
    assert!(granted.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{granted}");
    let old = node.ask(&ask("Sec-WebSocket-Version: 8\r\n")).await;
    assert!(old.starts_with("http/1.1 400 ") && old.contains("sec-websocket-version: 13"), "{old}");
    node.stop().await;
}

#[tokio::test]
async fn a_client_that_vanishes_frees_its_subscription() {
    let node = echo().await;
    let before = node.manager.subscriptions();
    let mut client = node.open("/wstreams/1").await;
    assert!(node.manager.subscriptions() > before);
    // All that the node sees of a client that is gone; and the end that it makes then is the sign that it has seen it.
    let wire = client.socket.get_mut();
    wire.shutdown().await.unwrap();
    let mut rest = Vec::new();
    timeout(DEADLINE, wire.read_to_end(&mut rest)).await.expect("the end").unwrap();
    assert_eq!(node.manager.subscriptions(), before);
    node.stop().await;
}

#[tokio::test]
async fn what_clients_leave_behind_counts_against_the_limit_of_connections() {
    /// Time for the input of a process to take what a client that is gone had sent.
    const LAST_MESSAGES: Duration = Duration::from_secs(5);
    let node = Listening::with_limits(Limits { max_connections: 2, ..Limits::default() }).await;
    node.load(json!({"name": "deaf", "cmd": "sleep 1000", "redirect_input": true})).await;
    let begun = Instant::now();
    let mut granted = 0;
    for _ in 0..20 {
        let mut client = match node.try_open("/wstreams/1?mode=write").await {
            Ok((client, _)) => client,
            Err(Error::Http(answer)) if answer.status() == 503 => continue,
            Err(error) => panic!("{error}"),
        };
        granted += 1;
        client.send("x".repeat(1024 * 1024)).await; // Nobody takes it.
        client.socket.close(None).await.unwrap();
        // The connection is over, and what was sent on it is not.
        while let Some(Ok(_)) = timeout(DEADLINE, client.socket.next()).await.expect("the end") {}
    }
    let turns = begun.elapsed().div_duration_f64(LAST_MESSAGES).ceil();
    assert!((2.0..=2.0 * turns).contains(&f64::from(granted)), "{granted} in {:?}", begun.elapsed());
    node.stop().await;
}

#[tokio::test]
async fn an_oversized_message_is_refused() {
    let node = echo().await;
    let mut client = node.open("/wstreams/1").await;
    client.send("x".repeat(1024 * 1024 + 1)).await;
    assert_eq!(client.closed().await, 1009);
    drop(client);
    node.stop().await;
}

#[tokio::test]
async fn the_end_of_the_server_is_told() {
    let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
    let endpoint = Endpoint { bind: "127.0.0.1:0".parse().unwrap(), ..Endpoint::default() };
    let listener = Listener::bind(&endpoint).await.unwrap();
    let (address, lifetime) = (listener.listening().tcp().unwrap(), Lifetime::new());
    let router = api::router(manager.clone(), api::Options::default(), lifetime.clone());
    let server = Server::start(vec![listener], router, lifetime);
    let node = Listening { manager, address };
    node.load(json!({"name": "echo", "cmd": "cat", "redirect_output": ["out"], "redirect_input": true})).await;
    node.load(json!({"name": "deaf", "cmd": "sleep 1000", "redirect_input": true})).await;
    let mut clients = Vec::new();
    for path in ["/wstreams/1", "/1/channel", "/wstreams/1?mode=write", "/wstreams/2?mode=write"] {
        clients.push(node.open(path).await);
    }
    clients[3].send("x".repeat(1_000_000)).await; // It is waiting when the end comes.
    let shutdown = tokio::spawn(server.shutdown(DEADLINE));
    for client in &mut clients {
        assert_eq!(client.closed().await, 1001);
    }
    assert_eq!(shutdown.await.unwrap(), 0);
    node.stop().await;
}
