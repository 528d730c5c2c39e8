use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn what_is_no_request_is_answered_and_the_connection_goes_on() {
    let node = Listening::start().await;
    let mut line = Line::open(&node).await;
    for (message, code) in [
        ("hello", "invalid_json"),
        ("[]", "invalid_json"),
        ("7", "invalid_json"),
        ("{}", "event_missing"),
        (r#"{"event": "NEWS"}"#, "event_missing"),
        (r#"{"event": "SUB"}"#, "data_missing"),
        (r#"{"event": "SUB", "data": {}}"#, "topic_missing"),
        (r#"{"event": "CMD", "data": {"identity": 1}}"#, "cmd_name_missing"),
        (r#"{"event": "CMD", "data": {"name": "jobs"}}"#, "cmd_identity_missing"),
    ] {
        line.socket.send(message).await;
        let answer = line.next().await;
        assert_eq!(answer["event"], "gaffer:error");
        let Value::Object(error) = &answer["data"] else { panic!("{answer}") };
        assert_eq!((error["error"].as_str(), error["reason"].as_str()), (Some("invalid_msg"), Some(code)), "{message}");
        assert!(error["detail"].is_string() && error["errno"] == 400);
    }
    line.socket.send(vec![0xff, 0xfe]).await;
    assert_eq!(line.next().await["event"], "gaffer:error");
    assert_eq!(line.done("sessions", json!([])).await, json!({"sessions": []}));
    node.stop().await;
}

#[tokio::test]
async fn a_sign_of_life_and_a_key_are_not_answered() {
    let node = Listening::start().await;
    let mut line = Line::open(&node).await;
    line.socket.send("AUTH:0123456789abcdef").await;
    line.say(json!({"event": "NOP"})).await;
    line.socket.send("").await;
    assert_eq!(line.settle().await, Vec::<Value>::new());
    node.stop().await;
}

#[tokio::test]
async fn what_a_client_said_before_it_went_is_done() {
    let node = Listening::start().await;
    node.load(idle("web")).await;
    let mut line = Line::open(&node).await;
    for _ in 0..20 {
        line.say(json!({"event": "CMD", "data": {"identity": 1, "name": "scale", "args": ["web", 1]}})).await;
    }
    line.socket.socket.close(None).await.unwrap();
    drop(line);
    let name = "web".parse().unwrap();
    let mut updates = node.manager.subscribe(&"update".parse().unwrap());
    while node.manager.info(&name).await.unwrap().max_processes < 21 {
        tokio::time::timeout(crate::wire::DEADLINE, updates.recv()).await.expect("an update");
    }
    node.stop().await;
}

#[tokio::test]
async fn subscriptions_of_a_client_that_went_are_gone() {
    let node = Listening::start().await;
    node.load(echo("web")).await;
    let before = node.manager.subscriptions();
    let mut line = Line::open(&node).await;
    for topic in ["EVENTS", "JOB:web", "PROCESS:1", "STATS:1", "STREAM:1"] {
        line.subscribe(topic).await;
    }
    assert!(node.manager.subscriptions() > before);
    drop(line);
    let gone = async {
        while node.manager.subscriptions() > before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::wire::DEADLINE, gone).await.expect("no subscription is left");
    node.stop().await;
}
