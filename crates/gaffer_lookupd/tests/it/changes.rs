//! `/lookup`: what those are told who watch.

use serde_json::{Value, json};

use crate::fixture::{Lookupd, Node, pings};

async fn hear(watcher: &mut Node, number: usize) -> Vec<Value> {
    let mut heard = Vec::new();
    while heard.len() < number {
        heard.push(watcher.hear().await.expect("it goes on"));
    }
    heard
}

#[tokio::test]
async fn changes_are_told_in_order_and_as_ever() {
    let lookupd = Lookupd::start(pings(15.0)).await;
    let mut watcher = Node::connect(lookupd.address, "/lookup/websocket").await;
    watcher.say("what a client says is for nobody").await;
    let mut node = lookupd.node().await;
    node.identify("a", Some("run")).await;
    node.register("s.x", &[1]).await;
    node.tell("UNREGISTER_PROCESS", json!({"job_name": "s.x", "pid": 1})).await;
    node.tell("UNREGISTER_JOB", json!({"job_name": "s.x"})).await;
    node.register("s.y", &[2]).await;
    drop(node);
    let info = json!({"name": "a", "origin": "http://a", "version": "0.1"});
    let with = |event: &str, more: Value| {
        let mut told = json!({"event": event});
        told.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        told
    };
    let expected = [
        json!({"event": "add_node", "name": null, "origin": null, "version": null}),
        with("identify", info.clone()),
        json!({"event": "add_job", "node": info, "job_name": "s.x"}),
        json!({"event": "add_process", "node": info, "job_name": "s.x", "pid": 1}),
        json!({"event": "remove_process", "node": info, "job_name": "s.x", "pid": 1}),
        json!({"event": "remove_job", "node": info, "job_name": "s.x"}),
        json!({"event": "add_job", "node": info, "job_name": "s.y"}),
        json!({"event": "add_process", "node": info, "job_name": "s.y", "pid": 2}),
        with("remove_node", info.clone()),
    ];
    assert_eq!(hear(&mut watcher, expected.len()).await, expected);
    lookupd.stop().await;
}

#[tokio::test]
async fn pages_hear_them_over_sockjs() {
    let lookupd = Lookupd::start(pings(15.0)).await;
    let poll = async || lookupd.request("POST", "/lookup/000/session/xhr").await;
    assert_eq!(poll().await, "o\n");
    let mut node = lookupd.node().await;
    node.identify("a", None).await;
    let mut heard = String::new();
    while !heard.contains("identify") {
        heard.push_str(&poll().await);
    }
    assert!(heard.starts_with("a[\"{\\\"event\\\":\\\"add_node\\\""), "{heard}");
    lookupd.stop().await;
}

#[tokio::test]
async fn who_is_too_slow_is_told_what_it_lost_and_costs_no_more() {
    let lookupd = Lookupd::start(pings(15.0)).await;
    let mut watcher = Node::connect(lookupd.address, "/lookup/websocket").await;
    let mut node = lookupd.node().await;
    node.identify("a", None).await;
    // More than sockets and queues hold, while nobody reads.
    const ROUNDS: u64 = 30_000;
    let job = "s.".to_owned() + &"x".repeat(500);
    let (mut said, mut heard) = (0, 0);
    node.tell("REGISTER_JOB", json!({"job_name": job})).await;
    while heard < ROUNDS {
        while said < ROUNDS && said < heard + 500 {
            let kind = if said % 2 == 0 { "REGISTER_PROCESS" } else { "UNREGISTER_PROCESS" };
            node.say(json!({"msgid": said, "type": kind, "job_name": job, "pid": 1}).to_string()).await;
            said += 1;
        }
        assert_eq!(node.hear().await.unwrap()["ok"], true);
        heard += 1;
    }
    node.tell("REGISTER_JOB", json!({"job_name": "s.last"})).await;
    let (mut told, mut lost) = (0, 0);
    loop {
        let change = watcher.hear().await.expect("it goes on");
        match change["event"].as_str().unwrap() {
            "lost" => lost += change["lost"].as_u64().unwrap(),
            "add_job" if change["job_name"] == "s.last" => break,
            _ => told += 1,
        }
    }
    assert!(lost > 0, "{told} were told");
    assert_eq!(told + lost, ROUNDS + 3, "what was not told was counted");
    lookupd.stop().await;
}
