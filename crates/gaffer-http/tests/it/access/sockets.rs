//! Websockets and SockJS: a key comes with the request or as the first message, and may be revoked in the middle.

use std::collections::BTreeSet;

use gaffer_core::api::frame::{Frame, Kind};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Keys, job};
use crate::sockets::{Client, Listening};

async fn node(keys: &Keys) -> Listening {
    let node = Listening::with_options(keys.options()).await;
    for name in ["s.web", "t.web"] {
        node.load(job(name)).await;
    }
    node
}

async fn next(client: &mut Client) -> Value {
    serde_json::from_str(&client.text().await).unwrap()
}

/// The client is told that it may not be here, and the connection ends.
async fn thrown_out(mut client: Client, errno: u16, code: &str) {
    let told = loop {
        let told = next(&mut client).await;
        if told["event"] == "gaffer:error" {
            break told;
        }
        assert_eq!(told["event"], "gaffer:event", "{told}");
    };
    assert_eq!((&told["data"]["error"], &told["data"]["reason"]), (&json!("AUTH_REQUIRED"), &json!(code)), "{told}");
    assert_eq!(told["data"]["errno"], errno);
    assert_eq!(client.closed().await, 4000 + errno);
}

fn command(name: &str, args: Value) -> String {
    json!({"event": "CMD", "data": {"identity": 1, "name": name, "args": args}}).to_string()
}

#[tokio::test]
async fn the_channel_hears_nothing_before_a_key() {
    let keys = Keys::new().await;
    let node = node(&keys).await;
    for message in [
        command("sessions", json!([])),
        json!({"event": "SUB", "data": {"topic": "EVENTS"}}).to_string(),
        json!({"event": "UNSUB", "data": {"topic": "EVENTS"}}).to_string(),
        "nonsense".to_owned(),
        "auth:nonsense".to_owned(),
        keys.admin.clone(),
    ] {
        let mut client = node.open("/channel/websocket").await;
        client.send(message.clone()).await;
        client.send(command("stop_job", json!(["s.web"]))).await;
        thrown_out(client, 401, "unauthorized").await;
    }
    for key in ["nonsense", "", &format!("{}{}", &keys.admin[..12], "0".repeat(52))] {
        let mut client = node.open("/channel/websocket").await;
        client.send(format!("AUTH:{key}")).await;
        client.send(command("stop_job", json!(["s.web"]))).await;
        thrown_out(client, 403, "forbidden").await;
    }
    assert!(node.manager.info(&"s.web".parse().unwrap()).await.unwrap().active, "no command was carried out");
    node.stop().await;
}

#[tokio::test]
async fn the_channel_takes_a_key_in_the_request_or_as_the_first_message() {
    let keys = Keys::new().await;
    let node = node(&keys).await;
    let reader = keys.make(json!({"read": ["s"]})).await;
    let (with_header, _) = node.try_open_with("/channel/websocket", &[("x-api-key", &reader)]).await.unwrap();
    let mut with_message = node.open("/channel/websocket").await;
    with_message.send(r#"{"event": "NOP"}"#).await;
    with_message.send(format!("AUTH:{reader}")).await;
    for mut client in [with_header, with_message] {
        // Who is known stays who it is: the original's clients became admins by their second message.
        for _ in 0..2 {
            client.send(command("jobs", json!([]))).await;
            assert_eq!(next(&mut client).await["data"]["result"], json!({"jobs": ["s.web"]}));
            client.send(command("stop_job", json!(["s.web"]))).await;
            assert_eq!(next(&mut client).await["data"]["error"]["errno"], 403);
            client.send(format!("AUTH:{}", keys.admin)).await;
            client.send("AUTH:nonsense").await;
        }
    }
    assert!(node.manager.info(&"s.web".parse().unwrap()).await.unwrap().active);
    let (client, _) = node.try_open_with("/channel/websocket", &[("x-api-key", "nonsense")]).await.unwrap();
    thrown_out(client, 403, "forbidden").await;
    node.stop().await;
}

/// What is needed for a command of the channel, and arguments.
#[rustfmt::skip]
const COMMANDS: &[(&str, &str, &str)] = &[
    ("sessions", "key", "[]"),
    ("jobs", "key", "[]"),
    ("pids", "key", "[]"),
    ("load", "manage session", r#"[{"name": "s.new", "cmd": "sleep 9"}]"#),
    ("update", "manage", r#"[{"name": "s.web", "cmd": "sleep 9"}]"#),
    ("unload", "manage", r#"["s.web"]"#),
    ("reload", "manage", r#"["s.web"]"#),
    ("start_job", "manage", r#"["s.web"]"#),
    ("stop_job", "manage", r#"["s.web"]"#),
    ("restart_job", "manage", r#"["s.web"]"#),
    ("stopall", "manage", r#"["s.web"]"#),
    ("scale", "manage", r#"["s.web", 1]"#),
    ("info", "read", r#"["s.web"]"#),
    ("stats", "read", r#"["s.web"]"#),
    ("killall", "manage", r#"["s.web", "CONT"]"#),
    ("commit", "manage session", r#"["s.web"]"#),
    ("process_info", "read", "[1]"),
    ("process_stats", "read", "[1]"),
    ("stop_process", "manage", "[1]"),
    ("kill", "manage", r#"[1, "CONT"]"#),
    ("send", "write", r#"[1, "x\n"]"#),
];

/// Callers, and which of the rights they have.
const CALLERS: [(&str, &[&str]); 6] = [
    (r#"{}"#, &["key"]),
    (r#"{"read": ["s.web"]}"#, &["key", "read"]),
    (r#"{"write": ["s.web"]}"#, &["key", "read", "write"]),
    (r#"{"manage": ["t"]}"#, &["key"]),
    (r#"{"manage": ["s.web"]}"#, &["key", "read", "write", "manage"]),
    (r#"{"manage": ["s"]}"#, &["key", "read", "write", "manage", "manage session"]),
];

#[tokio::test]
async fn every_command_answers_every_kind_of_caller_as_the_table_says() {
    let keys = Keys::new().await;
    let node = node(&keys).await;
    for (permissions, rights) in CALLERS {
        let key = keys.make(serde_json::from_str(permissions).unwrap()).await;
        let (mut client, _) = node.try_open_with("/channel/websocket", &[("x-api-key", &key)]).await.unwrap();
        for (name, _, args) in COMMANDS.iter().filter(|(_, need, _)| !rights.contains(need)) {
            client.send(command(name, serde_json::from_str(args).unwrap())).await;
            let told = next(&mut client).await;
            assert_eq!(told["event"], "gaffer:command_error", "{name} by {permissions}: {told}");
            let error = &told["data"]["error"];
            assert_eq!((&error["errno"], &error["error"]), (&json!(403), &json!("forbidden")), "{name}: {told}");
        }
    }
    node.stop().await;
    for (permissions, rights) in CALLERS {
        for (name, need, args) in COMMANDS.iter().filter(|(_, need, _)| rights.contains(need)) {
            let node = self::node(&keys).await;
            let key = keys.make(serde_json::from_str(permissions).unwrap()).await;
            let (mut client, _) = node.try_open_with("/channel/websocket", &[("x-api-key", &key)]).await.unwrap();
            client.send(command(name, serde_json::from_str(args).unwrap())).await;
            let told = next(&mut client).await;
            assert_eq!(told["event"], "gaffer:command_success", "{name} ({need}) by {permissions}: {told}");
            node.stop().await;
        }
    }
}

#[tokio::test]
async fn every_command_is_in_the_table() {
    let manual = include_str!("../../../../../docs/channel.md");
    let (_, commands) = manual.split_once("\n## Commands\n").unwrap();
    let (commands, _) = commands.split_once("\n## ").unwrap();
    let rows = commands.lines().filter(|line| line.starts_with("| `"));
    // The unit tests see to it that all are there.
    let documented: BTreeSet<&str> =
        rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2)).collect();
    let told: BTreeSet<&str> = COMMANDS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(documented, told, "who may give it? Say so in the table");
}

#[tokio::test]
async fn topics_are_for_those_who_may_read() {
    let keys = Keys::new().await;
    let node = node(&keys).await;
    let key = keys.make(json!({"read": ["s"]})).await;
    let (mut client, _) = node.try_open_with("/channel/websocket", &[("x-api-key", &key)]).await.unwrap();
    for (topic, granted) in [
        ("EVENTS:job.t", false),
        ("EVENTS:job.t.web", false),
        ("EVENTS:proc.2", false),
        ("JOB:t.web", false),
        ("JOB:t.nope", false),
        ("PROCESS:2", false),
        ("STATS:t.web", false),
        ("STATS:2", false),
        ("STREAM:2", false),
        ("STREAM:2.out", false),
        ("EVENTS:job.s", true),
        ("EVENTS:stop", true),
        ("JOB:s.web", true),
        ("PROCESS:1", true),
        ("STREAM:1", true),
        ("EVENTS", true),
    ] {
        client.send(json!({"event": "SUB", "data": {"topic": topic}}).to_string()).await;
        let told = next(&mut client).await;
        let expected = if granted { "gaffer:subscription_success" } else { "gaffer:subscription_error" };
        assert_eq!((&told["event"], &told["topic"]), (&json!(expected), &json!(topic)), "{told}");
        if !granted {
            assert_eq!(told["data"]["errno"], 403, "{told}");
        }
    }
    for name in ["t.web", "s.web"] {
        node.manager.stop_job(&name.parse().unwrap()).await.unwrap();
    }
    loop {
        let told = next(&mut client).await;
        assert_eq!(told["data"]["name"], "s.web", "{told}");
        if told["data"]["topic"] == "EVENTS" && told["data"]["event"] == "job.s.web.stop" {
            break;
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn the_channel_ends_when_its_key_is_revoked() {
    let keys = Keys::new().await;
    let node = node(&keys).await;
    let key = keys.make(json!({"manage": ["s"]})).await;
    let (mut client, _) = node.try_open_with("/channel/websocket", &[("x-api-key", &key)]).await.unwrap();
    client.send(json!({"event": "SUB", "data": {"topic": "STATS:s.web"}}).to_string()).await;
    next(&mut client).await;
    keys.revoke(&key).await;
    thrown_out(client, 401, "unauthorized").await;
    node.stop().await;
}

fn framed(body: &str) -> String {
    Frame::head(Kind::Message, "1") + body
}

#[tokio::test]
async fn a_process_is_talked_to_after_a_key() {
    let keys = Keys::new().await;
    let node = node(&keys).await;
    let writer = keys.make(json!({"write": ["s"]})).await;
    // With the request.
    let (mut client, _) = node.try_open_with("/wstreams/1", &[("x-api-key", &writer)]).await.unwrap();
    client.send("one\n").await;
    assert_eq!(client.until("one\n").await, "one\n");
    // As the first message.
    let mut client = node.open("/wstreams/1").await;
    client.send(format!("AUTH:{writer}")).await;
    client.send("two\n").await;
    assert_eq!(client.until("two\n").await, "two\n");
    // Both, as a client may do that does not know whether the header got through.
    let (mut client, _) = node.try_open_with("/wstreams/1", &[("x-api-key", &writer)]).await.unwrap();
    client.send(format!("AUTH:{writer}")).await;
    client.send("both\n").await;
    assert_eq!(client.until("\n").await, "both\n", "a key is nothing for the process");
    let mut client = node.open("/1/channel").await;
    client.send(framed(&format!("AUTH:{writer}"))).await;
    assert_eq!(client.text().await, "V1 response 1\0OK", "a frame is answered");
    for key in [writer.clone(), framed(&format!("AUTH:{writer}"))] {
        let mut client = node.open("/1/channel").await;
        client.send(if key.contains('\0') { key } else { format!("AUTH:{key}") }).await;
        client.send(framed("three\n")).await;
        let mut said = client.text().await;
        while !said.contains("three\n") {
            said += &client.text().await;
        }
        assert!(said.contains("V1 response 1\0OK"), "{said:?}");
        assert!(!said.contains(&writer), "{said:?}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_process_hears_nothing_of_those_who_may_not_write() {
    let keys = Keys::new().await;
    let node = node(&keys).await;
    let reader = keys.make(json!({"read": ["s"]})).await;
    let stranger = keys.make(json!({"manage": ["t"]})).await;
    for (first, errno, code) in [
        ("hello\n".to_owned(), 401, "unauthorized"),
        ("AUTH:nonsense".to_owned(), 403, "forbidden"),
        (format!("AUTH:{reader}"), 403, "forbidden"),
        (format!("AUTH:{stranger}"), 403, "forbidden"),
    ] {
        let mut client = node.open("/wstreams/1").await;
        client.send(first).await;
        client.send("evil\n").await;
        client.refused(errno, code).await;
    }
    let (mut client, _) = node.try_open_with("/wstreams/1", &[("x-api-key", &reader)]).await.unwrap();
    client.refused(403, "forbidden").await;
    let refused = node.try_open_with("/wstreams/1", &[("x-api-key", "nonsense")]).await;
    assert!(matches!(refused, Err(Error::Http(ref answer)) if answer.status() == 403), "{:?}", refused.err());
    // Who may only read, and asks for no more, is let in.
    let (mut client, _) =
        node.try_open_with("/wstreams/1?mode=read&history=9", &[("x-api-key", &reader)]).await.unwrap();
    client.send("evil\n").await;
    client.refused(403, "forbidden_write").await;
    let mut client = node.open("/wstreams/1?mode=read").await;
    client.send(format!("AUTH:{reader}")).await;
    let mut writer = node.try_open_with("/wstreams/1", &[("x-api-key", &keys.admin)]).await.unwrap().0;
    writer.send("good\n").await;
    assert_eq!(client.until("\n").await, "good\n", "nothing else was written");
    let unknown = node.try_open_with("/wstreams/99", &[("x-api-key", &reader)]).await.unwrap();
    { unknown }.0.refused(404, "not_found").await;
    node.stop().await;
}

#[tokio::test]
async fn talk_ends_when_the_key_is_revoked() {
    let keys = Keys::new().await;
    let node = node(&keys).await;
    let writer = keys.make(json!({"write": ["s"]})).await;
    let (with_header, _) = node.try_open_with("/wstreams/1", &[("x-api-key", &writer)]).await.unwrap();
    let mut with_message = node.open("/wstreams/1").await;
    with_message.send(format!("AUTH:{writer}")).await;
    let mut clients = [with_header, with_message];
    for client in &mut clients {
        client.send("x\n").await;
    }
    for client in &mut clients {
        assert_eq!(client.until("x\nx\n").await, "x\nx\n");
    }
    keys.revoke(&writer).await;
    for mut client in clients {
        client.refused(401, "unauthorized").await;
    }
    node.stop().await;
}

#[tokio::test]
async fn sockjs_takes_a_key_over_every_transport() {
    let keys = Keys::new().await;
    let node = node(&keys).await;
    let mut client = node.open("/channel/0/x/websocket").await;
    assert_eq!(client.text().await, "o");
    client.send(json!([format!("AUTH:{}", keys.admin), command("sessions", json!([]))]).to_string()).await;
    let told = client.text().await;
    assert!(told.starts_with("a[") && told.contains("gaffer:command_success"), "{told}");

    let address = node.address;
    let ask = async |line: &str, headers: &str, body: &str| {
        let mut wire = crate::wire::Wire::connect(address).await;
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        wire.send(&request).await;
        wire.rest().await
    };
    // The request that begins a session may show the key.
    let header = format!("X-Api-Key: {}\r\n", keys.admin);
    assert!(ask("POST /channel/0/a/xhr", &header, "").await.contains("\r\no\n"));
    let message = json!([command("sessions", json!([]))]).to_string();
    // Then the session is for requests with that key, whoever knows its id.
    let other = format!("X-Api-Key: {}\r\n", keys.make(json!({"manage": ["*"]})).await);
    for stranger in ["", "X-Api-Key: nonsense\r\n", &other] {
        for line in ["POST /channel/0/a/xhr_send", "POST /channel/0/a/xhr", "GET /channel/1/a/eventsource"] {
            let told = ask(line, stranger, &message).await;
            assert!(told.starts_with("HTTP/1.1 404"), "{line} {stranger}: {told}");
        }
    }
    assert!(ask("POST /channel/0/a/xhr_send", &header, &message).await.starts_with("HTTP/1.1 204"));
    assert!(ask("POST /channel/0/a/xhr", &header, "").await.contains("gaffer:command_success"));
    // Without one the session ends at the first word.
    assert!(ask("POST /channel/0/b/xhr", "", "").await.contains("\r\no\n"));
    assert!(ask("POST /channel/0/b/xhr_send", "", &message).await.starts_with("HTTP/1.1 204"));
    let told = ask("POST /channel/0/b/xhr", "", "").await;
    assert!(told.contains("AUTH_REQUIRED"), "{told}");
    assert!(ask("POST /channel/0/b/xhr", "", "").await.contains("c[4401,"), "it is over");
    node.stop().await;
}

#[tokio::test]
async fn a_first_message_without_keys_is_no_input() {
    let node = Listening::start().await;
    node.load(job("s.web")).await;
    let mut client = node.open("/1/channel").await;
    client.send(framed("AUTH:whatever")).await;
    client.send(framed("hello\n")).await;
    let mut said = String::new();
    while !said.contains("hello") {
        said += &client.text().await;
    }
    assert!(!said.contains("AUTH"), "{said:?}");
    let mut client = node.open("/channel/websocket").await;
    client.send(Message::text("AUTH:whatever")).await;
    client.send(command("sessions", json!([]))).await;
    assert_eq!(next(&mut client).await["event"], "gaffer:command_success");
    node.stop().await;
}
