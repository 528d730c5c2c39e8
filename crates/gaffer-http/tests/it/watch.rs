//! `/watch`.

use std::{collections::HashSet, time::Duration};

use gaffer_core::{
    JobConfig, JobSpec, Manager, ManagerOptions,
    backend::RealBackend,
    events::{Delivery, EventKind, Pattern},
};
use gaffer_http::{HttpHandler, api::Options, serve::Endpoint};
use serde_json::json;

use crate::{
    fixture::{Feed, Node},
    wire::{DEADLINE, Wire},
};

/// Reads events until one of this name has come; names and data.
async fn until(feed: &mut Feed, name: &str) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != name) {
        seen.push(feed.event().await.0);
    }
    seen
}

#[tokio::test]
async fn events_come_in_each_form() {
    let node = Node::start();
    let mut events = node.feed("/watch?feed=eventsource").await;
    assert_eq!(events.content_type, "text/event-stream");
    let mut lines = node.feed("/watch/proc/web?feed=continuous").await;
    assert_eq!(lines.content_type, "application/json");
    let mut poll = node.feed("/watch/spawn").await;
    assert_eq!(poll.content_type, "application/json");
    node.load(json!({"name": "web", "cmd": "sleep 1000"})).await;

    let id = |number: u64| format!("{}-{number}", node.manager.node());
    let create = events.next().await.unwrap();
    let begin = format!("event: create\r\nid: {}\r\ndata: {{\"event\":\"create\",\"name\":\"web\",\"time\":", id(1));
    assert!(create.starts_with(&begin) && create.ends_with("}\r\n\r\n"), "{create:?}");
    let (event, event_id, data) = events.event().await;
    assert_eq!((event, event_id), ("proc.web.create".into(), id(2)));
    assert!(data.starts_with(r#"{"event":"proc.web.create","name":"web","time":1"#), "{data}");
    assert_eq!(until(&mut events, "proc.web.spawn").await, ["start", "proc.web.start", "spawn", "proc.web.spawn"]);
    for event in ["proc.web.create", "proc.web.start", "proc.web.spawn"] {
        assert_eq!(lines.json().await["event"], event);
    }
    let spawn = poll.json().await;
    let os_pid = node.manager.processes().await.unwrap()[0].os_pid.as_raw();
    assert_eq!(spawn["os_pid"], os_pid);
    assert_eq!((&spawn["event"], &spawn["pid"]), (&json!("spawn"), &json!(1)));
    assert_eq!(poll.next().await, None, "a longpoll ends after one event");
    node.stop().await;
}

#[tokio::test]
async fn each_path_selects_its_events() {
    let node = Node::start();
    let mut feeds = Vec::new();
    for (path, expected) in [
        ("/watch/proc/shop.web/exit", "proc.shop.web.exit"),
        ("/watch/job/shop/web", "proc.shop.web.create"),
        ("/watch/job/shop", "proc.shop.web.create"),
        ("/watch/proc/1", "proc.1.spawn"),
        ("/watch/proc/1/exit", "proc.1.exit"),
        ("/watch/STOP_PID", "stop_pid"),
        ("/watch/proc", "proc.shop.web.create"),
        ("/watch/proc/shop%2Eweb/stop%5Fpid", "proc.shop.web.stop_pid"),
    ] {
        feeds.push((path, expected, node.feed(path).await));
    }
    node.load(json!({"name": "shop.web", "cmd": "sleep 1000"})).await;
    node.until(EventKind::Exit, node.post("/processes/shop.web/_stop")).await;
    for (path, expected, mut feed) in feeds {
        assert_eq!(feed.json().await["event"], expected, "{path}");
        assert_eq!(feed.next().await, None, "{path}");
    }
    node.stop().await;
}

#[tokio::test]
async fn what_is_no_event_or_no_feed_is_refused() {
    let node = Node::start();
    for path in ["/watch/spwan", "/watch/proc/web/exti", "/watch/spawn/web", "/watch/proc/a%20b"] {
        let reason = node.get(path).await.refused(404, "bad_event_type");
        assert!(!reason.is_empty(), "{path}");
    }
    assert!(node.get("/watch/spwan").await.refused(404, "bad_event_type").contains("known are create, start"));
    for query in ["feed=push", "heartbeat=often", "history=all", "follow=maybe"] {
        node.get(&format!("/watch?{query}")).await.refused(400, "bad_value");
    }
    node.get("/watch/a/b/c/d").await.refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn history_is_the_last_events_and_what_comes_follows() {
    let node = Node::start();
    node.load(json!({"name": "web", "cmd": "sleep 1000", "start": false})).await;
    let mut events = node.feed("/watch?feed=eventsource&history=1").await;
    assert_eq!(events.event().await.0, "proc.web.create");
    let mut all = node.feed("/watch?feed=continuous&history=100000").await;
    assert_eq!(all.json().await["event"], "create");
    let mut poll = node.feed("/watch/create?history=5").await;
    assert_eq!(poll.json().await["event"], "create");
    assert_eq!(poll.next().await, None);

    node.until(EventKind::Spawn, node.post("/processes/web/_start")).await;
    assert_eq!(events.event().await.0, "start");
    let mut of_process = node.feed("/watch/proc/1?feed=continuous&history=10").await;
    assert_eq!(of_process.json().await["event"], "proc.1.spawn", "processes have their past, too");
    node.stop().await;
}

#[tokio::test]
async fn an_event_stream_goes_on_where_its_reader_was() {
    let node = Node::start();
    let mut events = node.feed("/watch?feed=eventsource").await;
    node.load(json!({"name": "web", "cmd": "sleep 1000"})).await;
    let first = events.event().await;
    drop(events);
    let mut again = node.feed_after("/watch?feed=eventsource&history=1", Some(&first.1)).await;
    assert_eq!(again.event().await.0, "proc.web.create", "the id wins over the history");

    for id in ["fedcba9876543210-1", "nonsense"] {
        let mut other = node.feed_after("/watch?feed=eventsource", Some(id)).await;
        assert!(other.next().await.unwrap().starts_with(": the last event id is not of this run"));
        assert_eq!(other.event().await, first, "all that is kept");
    }
    node.stop().await;
}

#[tokio::test]
async fn an_event_stream_that_broke_before_its_first_event_goes_on_where_it_began() {
    let node = Node::start();
    let id = |number: u64| format!("{}-{number}", node.manager.node());
    let before = node.feed("/watch?feed=eventsource").await;
    assert_eq!(before.begins, id(0));
    node.load(json!({"name": "web", "cmd": "sleep 1000", "start": false})).await;
    let now = node.feed("/watch?feed=eventsource").await;
    let last = node.feed("/watch?feed=eventsource&history=1").await;
    assert_eq!((now.begins.as_str(), last.begins.as_str()), (id(2).as_str(), id(1).as_str()));
    let again = node.feed_after("/watch?feed=eventsource", Some(&id(1))).await;
    assert_eq!(again.begins, id(1));
    let all = node.feed_after("/watch?feed=eventsource", Some("fedcba9876543210-7")).await;
    assert_eq!(all.begins, id(0));
    node.load(json!({"name": "db", "cmd": "sleep 1000", "start": false})).await;
    for (feed, first) in [(before, 1), (now, 3), (last, 2), (again, 2), (all, 1)] {
        let begins = feed.begins.clone();
        drop(feed);
        let mut feed = node.feed_after("/watch?feed=eventsource&history=9", Some(&begins)).await;
        for number in first..=4 {
            assert_eq!(feed.event().await.1, id(number), "after {begins}");
        }
    }
    assert_eq!(node.feed("/watch?feed=continuous&history=1").await.begins, "", "where there are no ids");
    node.stop().await;
}

#[tokio::test]
async fn what_is_kept_is_told_and_then_the_end() {
    let node = Node::start();
    assert_eq!(node.feed("/watch?follow=false").await.next().await, None, "nothing is kept yet");
    node.load(json!({"name": "web", "cmd": "sleep 1000", "start": false})).await;
    for (query, expected) in [
        ("", &["create", "proc.web.create"][..]),
        ("&feed=longpoll", &["create", "proc.web.create"]),
        ("&feed=continuous", &["create", "proc.web.create"]),
        ("&feed=continuous&heartbeat=true&history=1", &["proc.web.create"]),
        ("&history=0", &[]),
    ] {
        let mut feed = node.feed(&format!("/watch?follow=false{query}")).await;
        for event in expected {
            assert_eq!(feed.json().await["event"], *event, "{query}");
        }
        assert_eq!(feed.next().await, None, "{query}");
    }
    assert_eq!(node.feed("/watch/proc/web/exit?follow=false").await.next().await, None);

    let path = "/watch?feed=eventsource&follow=false";
    let mut events = node.feed(path).await;
    let (first, last) = (events.event().await, events.event().await);
    assert_eq!((first.0.as_str(), last.0.as_str(), events.next().await), ("create", "proc.web.create", None));
    let mut rest = node.feed_after(path, Some(&first.1)).await;
    assert_eq!((rest.event().await, rest.next().await), (last.clone(), None));
    let nothing = node.ask("GET", path, &[("last-event-id", &last.1)]).await;
    assert_eq!((nothing.status.as_u16(), nothing.body.as_str()), (200, ""));
    node.stop().await;
}

#[tokio::test]
async fn who_was_away_for_too_long_is_told() {
    let node = Node::start();
    let name = "web".parse().unwrap();
    let mut spec = JobSpec::new(name, "true");
    spec.start = false;
    let job: JobConfig = spec.check().unwrap();
    // Two events each.
    for _ in 0..=Manager::EVENTS_KEPT / 2 {
        node.manager.load(job.clone()).await.unwrap();
        node.manager.unload(job.name()).await.unwrap();
    }
    let first = format!("{}-1", node.manager.node());
    let mut events = node.feed_after("/watch?feed=eventsource", Some(&first)).await;
    assert!(events.next().await.unwrap().starts_with(": events may have been lost"));
    let mut feed = node.feed("/watch?feed=eventsource&history=100000").await;
    assert_eq!(events.event().await, feed.event().await, "the oldest that is kept");
    node.stop().await;
}

#[tokio::test]
async fn a_reader_that_comes_back_again_and_again_sees_each_event_once() {
    let node = Node::start();
    let mut witness = node.manager.subscribe(&Pattern::All);
    let busy = {
        let manager = node.manager.clone();
        tokio::spawn(async move {
            let mut spec = JobSpec::new("web".parse().unwrap(), "true");
            spec.start = false;
            let job = spec.check().unwrap();
            for _ in 0..100 {
                manager.load(job.clone()).await.unwrap();
                manager.unload(job.name()).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    let mut seen: Vec<String> = Vec::new();
    while seen.len() < 400 {
        // The first one begins with what there was.
        let last = seen.last().cloned().unwrap_or_else(|| format!("{}-0", node.manager.node()));
        let mut events = node.feed_after("/watch?feed=eventsource", Some(&last)).await;
        for _ in 0..7.min(400 - seen.len()) {
            seen.push(events.event().await.1);
        }
    }
    busy.await.unwrap();
    let mut expected = Vec::new();
    while let Some(Delivery::Item(told)) = witness.try_recv() {
        expected.push(format!("{}-{}", node.manager.node(), told.id()));
    }
    assert_eq!(seen, expected);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 400);
    node.stop().await;
}

#[tokio::test]
async fn a_reader_that_goes_away_leaves_nothing_behind() {
    let node = Node::start();
    let before = node.manager.subscriptions();
    let feeds = [node.feed("/watch?feed=continuous").await, node.feed("/watch/proc/1?history=3").await];
    assert_eq!(node.manager.subscriptions(), before + 2);
    drop(feeds);
    assert_eq!(node.manager.subscriptions(), before);
    node.stop().await;
}

#[tokio::test]
async fn feeds_end_when_the_server_closes_and_when_the_manager_stops() {
    let node = Node::start();
    let mut feed = node.feed("/watch?feed=eventsource").await;
    node.closing.cancel();
    assert_eq!(feed.next().await, None);
    let node = Node::start();
    let mut feed = node.feed("/watch?feed=eventsource").await;
    node.stop().await;
    assert_eq!(tokio::time::timeout(DEADLINE, feed.next()).await.unwrap(), None);
}

#[tokio::test]
async fn a_client_that_vanishes_is_noticed_at_the_next_heartbeat() {
    let endpoint = Endpoint { bind: "127.0.0.1:0".parse().unwrap(), ..Endpoint::default() };
    let handler = HttpHandler::bind(&[endpoint]).await.unwrap();
    let address = handler.addresses()[0].tcp().unwrap();
    let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
    manager.start_applications(vec![Box::new(handler)]).await.unwrap();
    let before = manager.subscriptions();
    let mut clients = Vec::new();
    for path in ["/watch?feed=eventsource&heartbeat=0.1", "/watch/proc/web?heartbeat=0.1"] {
        let mut client = Wire::connect(address).await;
        // A next request that waits keeps the server from reading on, and so from seeing the end of the connection: only a
        // write can tell that nobody is there.
        client
            .send(&format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\nGET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
            ))
            .await;
        client.until("\r\n\r\n").await;
        clients.push(client);
    }
    assert_eq!(manager.subscriptions(), before + 2);
    drop(clients);
    let gone = async {
        while manager.subscriptions() > before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.expect("their subscriptions end");
    tokio::time::timeout(DEADLINE, manager.stop_now()).await.expect("the manager should stop");
}

#[tokio::test]
async fn a_reader_that_is_slow_is_told_how_many_events_it_lost() {
    let node = Node::of(ManagerOptions { event_queue: 4, ..ManagerOptions::default() }, Options::default());
    let mut lines = node.feed("/watch/proc/web?feed=continuous").await;
    let mut events = node.feed("/watch/proc/web?feed=eventsource").await;
    node.load(json!({"name": "web", "cmd": "true", "numprocesses": 0, "start": false})).await;
    for _ in 0..5 {
        node.post("/processes/web/_start").await;
        node.post("/processes/web/_stop").await;
    }
    let lost = lines.next().await.unwrap();
    let count: u64 = lost.trim_end().trim_start_matches("{\"lagged\":").trim_end_matches('}').parse().expect(&lost);
    assert!(lines.next().await.unwrap().contains("\"proc.web.st"), "then it goes on with the oldest that is left");
    assert_eq!(events.next().await, Some(format!(": {count} events lost\r\n\r\n")));
    node.stop().await;
}

#[tokio::test]
async fn the_feed_of_a_process_ends_with_its_exit() {
    let node = Node::start();
    node.load(json!({"name": "web", "cmd": "sleep 1000"})).await;
    let mut feed = node.feed("/watch/proc/1?feed=continuous").await;
    node.post("/processes/web/_stop").await;
    let mut last = String::new();
    while let Some(chunk) = tokio::time::timeout(DEADLINE, feed.next()).await.expect("an end") {
        last = chunk;
    }
    assert!(last.contains("proc.1.exit"), "{last}");
    node.stop().await;
}
