use serde_json::{Value, json};

use super::*;

/// Reads the output of a topic until it ends so.
async fn until(line: &mut Line, topic: &str, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let message = line.next_of("gaffer:event").await;
        if message["data"]["topic"] == topic {
            text.push_str(message["data"]["data"].as_str().unwrap());
        }
    }
    text
}

#[tokio::test]
async fn what_is_sent_to_a_process_comes_back() {
    let node = Listening::start().await;
    node.load(echo("shop.web")).await;
    let mut line = Line::open(&node).await;
    line.subscribe("STREAM:1").await;
    line.subscribe("STREAM:1.out").await;
    assert_eq!(line.done("send", json!([1, "hé 😀\u{2028}\0\n"])).await, json!({"ok": true}));
    let message = line.next_of("gaffer:event").await;
    let data = json!({"event": "out", "topic": message["data"]["topic"], "name": "shop.web", "pid": 1,
        "data": "hé 😀\u{2028}\0\n"});
    assert_eq!(message["data"], data);
    assert_eq!(
        until(&mut line, if message["data"]["topic"] == "STREAM:1" { "STREAM:1.out" } else { "STREAM:1" }, "\n").await,
        "hé 😀\u{2028}\0\n"
    );
    line.unsubscribe("STREAM:1.out").await;
    line.done("send", json!([1, ["two", " lines\n", "at once\n"], "stdin"])).await;
    assert_eq!(until(&mut line, "STREAM:1", "once\n").await, "two lines\nat once\n");
    node.stop().await;
}

#[tokio::test]
async fn an_extra_pipe_goes_both_ways() {
    let node = Listening::start().await;
    let cmd = "sh -c 'cat <&3 >&3'";
    node.load(json!({"name": "web", "cmd": cmd, "custom_streams": ["extra"]})).await;
    let mut line = Line::open(&node).await;
    line.subscribe("STREAM:1.extra").await;
    line.done("send", json!([1, "sideways\n", "extra"])).await;
    let message = line.next_of("gaffer:event").await;
    assert_eq!((&message["data"]["event"], &message["data"]["data"]), (&json!("READ"), &json!("sideways\n")));
    node.stop().await;
}

#[tokio::test]
async fn output_ends_with_its_process_after_its_last_word() {
    let node = Listening::start().await;
    let mut job = echo("web");
    job["cmd"] = "sh -c 'read line; printf \"last \\303\"'".into();
    job["flapping"] = json!({"attempts": 1, "window": 1000, "retry_in": 1000, "max_retry": 1});
    node.load(job).await;
    let mut line = Line::open(&node).await;
    line.subscribe("STREAM:1").await;
    line.done("send", json!([1, "\n"])).await;
    // Half a character is what it is.
    assert_eq!(until(&mut line, "STREAM:1", "\u{FFFD}").await, "last \u{FFFD}");
    assert_eq!(line.next_of("gaffer:subscription_end").await["topic"], "STREAM:1");
    node.stop().await;
}

#[tokio::test]
async fn who_comes_back_reads_on_at_the_byte_where_it_was() {
    let node = Listening::start().await;
    node.load(echo("web")).await;
    let mut line = Line::open(&node).await;
    let begun = line.subscribe("STREAM:1").await;
    line.done("send", json!([1, "one\ntwo\n"])).await;
    let mut text = String::new();
    let mut last = Value::Null;
    while !text.ends_with("two\n") {
        let message = line.next_of("gaffer:event").await;
        text.push_str(message["data"]["data"].as_str().unwrap());
        last = message["id"].clone();
    }
    line.done("send", json!([1, "three\n"])).await;
    until(&mut line, "STREAM:1", "three\n").await;
    let mut other = Line::open(&node).await;
    other.subscribe_with(json!({"topic": "STREAM:1", "after": last})).await;
    assert_eq!(until(&mut other, "STREAM:1", "three\n").await, "three\n");
    let mut other = Line::open(&node).await;
    other.subscribe_with(json!({"topic": "STREAM:1", "after": begun["after"]})).await;
    assert_eq!(until(&mut other, "STREAM:1", "three\n").await, "one\ntwo\nthree\n");
    let mut other = Line::open(&node).await;
    other.subscribe_with(json!({"topic": "STREAM:1", "history": 2})).await;
    assert_eq!(until(&mut other, "STREAM:1", "three\n").await, "two\nthree\n");
    node.stop().await;
}
