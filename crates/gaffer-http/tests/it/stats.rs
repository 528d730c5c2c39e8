//! `/stats`, and what `/status` tells of it.

use gaffer_core::events::EventKind;
use serde_json::{Value, json};

use crate::fixture::{Feed, Node};

/// A node with two processes of `web`, one of `shop.db`, and a job that is stopped.
async fn node() -> Node {
    let node = Node::start();
    node.load(json!({"name": "web", "cmd": "sleep 1000", "numprocesses": 2})).await;
    node.load(json!({"name": "shop.db", "cmd": "sleep 1000"})).await;
    node.load(json!({"name": "idle", "cmd": "sleep 1000", "start": false})).await;
    node
}

/// The data of the next event, which must be of this kind.
async fn stat(feed: &mut Feed) -> Value {
    let (event, _, data) = feed.event().await;
    assert_eq!(event, "stat");
    serde_json::from_str(&data).unwrap()
}

#[track_caller]
fn assert_process(process: &Value) {
    let keys = [
        "pid",
        "username",
        "nice",
        "cmdline",
        "cpu",
        "mem",
        "mem_info1",
        "mem_info2",
        "ctime",
        "rss",
        "vms",
        "cpu_time",
        "children",
    ];
    for key in keys {
        assert!(!process[key].is_null(), "{key} in {process}");
    }
    assert_eq!(process["cmdline"], "sleep");
    assert!(process["rss"].as_u64().unwrap() > 0, "{process}");
    assert!(process["ctime"].as_str().unwrap().contains(':'), "{process}");
}

#[tokio::test]
async fn one_look_has_the_old_shapes() {
    let node = node().await;
    let answer = node.get("/stats").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let jobs = answer.json();
    let names: Vec<&str> = jobs.as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["web", "shop.db", "idle"]);
    assert_eq!(jobs[0]["stats"].as_array().unwrap().len(), 2);
    assert_eq!(
        jobs[2],
        json!({
            "name": "idle", "stats": [], "mem": 0.0, "max_mem": 0.0, "min_mem": 0.0, "cpu": 0.0, "max_cpu": 0.0,
            "min_cpu": 0.0, "rss": 0,
        })
    );

    let web = node.get("/stats/web?feed=normal&history=3").await.json();
    assert_eq!(web["name"], "web");
    for (index, process) in web["stats"].as_array().unwrap().iter().enumerate() {
        assert_process(process);
        assert_eq!(process["id"], index + 1);
    }
    assert_eq!(node.get("/stats/shop:db").await.json()["name"], "shop.db");

    let process = node.get("/stats/web/2").await.json();
    assert_process(&process);
    assert_eq!(process.get("id"), None);
    let os_pid = node.manager.process(gaffer_core::ProcessId::new(2)).await.unwrap().os_pid.as_raw();
    assert_eq!(process["pid"], os_pid);
    node.stop().await;
}

#[tokio::test]
async fn a_feed_follows_processes_that_come_and_go() {
    let node = node().await;
    let mut web = node.feed("/stats/web?feed=eventsource").await;
    assert_eq!(web.content_type, "text/event-stream");
    let mut all = node.feed("/stats?feed=continuous").await;
    assert_eq!(all.content_type, "application/json");
    let first = stat(&mut web).await;
    assert_process(&first);
    assert_eq!((&first["name"], &first["id"]), (&json!("web"), &json!(1)));
    assert_eq!(stat(&mut web).await["id"], 2);

    node.post("/processes/web/_add").await;
    while stat(&mut web).await["id"] != 4 {}
    let mut whose = std::collections::BTreeSet::new();
    while whose.len() < 4 {
        let process = all.json().await;
        whose.insert((process["name"].as_str().unwrap().to_owned(), process["id"].as_u64().unwrap()));
    }
    let names: Vec<&str> = whose.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["shop.db", "web", "web", "web"]);

    let mut poll = node.feed("/stats/web?feed=longpoll").await;
    assert_process(&poll.json().await);
    assert_eq!(poll.next().await, None);
    node.stop().await;
}

#[tokio::test]
async fn the_feed_of_a_process_ends_with_it() {
    let node = node().await;
    let before = node.manager.subscriptions();
    let mut feed = node.feed("/stats/web/1?feed=eventsource").await;
    assert_eq!(stat(&mut feed).await["id"], 1);
    node.until(EventKind::Exit, node.post("/processes/web/_stop")).await;
    while let Some(chunk) = feed.next().await {
        assert!(chunk.starts_with("event: stat\r\n"), "{chunk}");
    }
    assert_eq!(node.manager.subscriptions(), before);
    node.stop().await;
}

#[tokio::test]
async fn what_has_no_figures_is_refused() {
    let node = node().await;
    node.get("/stats/nope").await.refused(404, "not_found");
    node.get("/stats/7").await.refused(400, "bad_value");
    node.get("/stats/nope?feed=continuous").await.refused(404, "not_found");
    for query in ["", "?feed=eventsource"] {
        node.get(&format!("/stats/web/3{query}")).await.refused(404, "not_found"); // Of another job.
        node.get(&format!("/stats/web/77{query}")).await.refused(404, "not_found");
        node.get(&format!("/stats/nope/1{query}")).await.refused(404, "not_found");
        node.get(&format!("/stats/web/x{query}")).await.refused(400, "bad_value");
    }
    for query in ["feed=push", "heartbeat=often", "history=x", "feed=eventsource&history=x"] {
        node.get(&format!("/stats?{query}")).await.refused(400, "bad_value");
    }
    assert!(node.get("/stats?feed=push").await.refused(400, "bad_value").contains("normal"));
    for path in ["/stats?feed=longpoll", "/stats/web?feed=continuous", "/stats/web/1?feed=eventsource"] {
        let reason = node.get(&format!("{path}&follow=false")).await.refused(400, "bad_value");
        assert!(reason.contains("`follow=false`"), "{reason}");
    }
    assert_eq!(node.get("/stats?follow=false").await.status, 200, "one look ends anyway");
    node.stop().await;
}

#[tokio::test]
async fn the_status_of_all_tells_what_each_uses() {
    let node = node().await;
    let status = node.get("/status").await.json();
    let jobs = status["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 3);
    assert!(jobs[0]["rss"].as_u64().unwrap() > 0 && jobs[0]["cpu"].is_f64(), "{status}");
    assert_eq!((&jobs[2]["rss"], &jobs[2]["cpu"]), (&json!(0), &json!(0.0)));
    let one = node.get("/status/web").await.json();
    assert_eq!((one.get("rss"), one.get("cpu")), (None, None), "one job's is answered at once");
    node.stop().await;
}

#[tokio::test]
async fn feeds_end_when_the_server_closes() {
    let node = node().await;
    let mut feed = node.feed("/stats/idle?feed=continuous").await;
    node.closing.cancel();
    assert_eq!(feed.next().await, None);
    node.stop().await;
}
