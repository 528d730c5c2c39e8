//! `/streams`.

use gaffer_core::events::EventKind;
use serde_json::json;

use crate::{fixture::Node, wire::DEADLINE};

/// A node with `cat` as process 1.
async fn echo() -> Node {
    let node = Node::start();
    node.load(json!({"name": "echo", "cmd": "cat", "redirect_output": ["out", "err"], "redirect_input": true})).await;
    node
}

#[tokio::test]
async fn what_is_written_to_stdin_comes_back_in_each_form() {
    let node = echo().await;
    let mut raw = node.feed("/streams/1/out?feed=continuous").await;
    assert_eq!(raw.content_type, "application/octet-stream");
    let mut events = node.feed("/streams/1/out?feed=eventsource").await;
    assert_eq!(events.content_type, "text/event-stream");
    let mut poll = node.feed("/streams/1/out").await;
    assert_eq!(poll.content_type, "application/octet-stream");

    assert_eq!(node.call("POST", "/streams/1/stdin", "one\n").await.json(), json!({"ok": true}));
    let id = |position: u64| format!("{}-{position}", node.manager.node());
    assert_eq!(raw.next().await.as_deref(), Some("one\n"));
    let first = format!("event: out\r\nid: {}\r\ndata: one\r\n\r\n", id(3));
    assert_eq!(events.next().await, Some(first));
    assert_eq!(poll.next().await.as_deref(), Some("one\n"));
    assert_eq!(poll.next().await, None);
    assert_eq!(node.call("POST", "/streams/1/ttin", "two\nthree\n").await.json(), json!({"ok": true}));
    assert_eq!(raw.next().await.as_deref(), Some("two\nthree\n"));
    let second = format!("event: out\r\nid: {}\r\ndata: two\r\ndata: three\r\n\r\n", id(13));
    assert_eq!(events.next().await, Some(second));

    node.until(EventKind::Exit, node.post("/processes/echo/_stop")).await;
    assert_eq!(raw.next().await, None, "a feed ends with its process");
    assert_eq!(events.next().await, None);
    node.stop().await;
}

/// Has the process of [`echo`] write something, and waits until it is there.
async fn write(node: &Node, text: &'static str) {
    let output = node.manager.output(gaffer_core::ProcessId::new(1), "out").await.unwrap();
    let wanted = output.total() + text.len() as u64;
    let mut reader = output.subscribe(gaffer_core::streams::Start::Now);
    node.call("POST", "/streams/1/stdin", text).await;
    while output.total() < wanted {
        tokio::time::timeout(DEADLINE, reader.recv()).await.expect("what was written");
    }
}

#[tokio::test]
async fn history_is_the_last_lines_that_are_kept() {
    let node = echo().await;
    write(&node, "one\ntwo\nthree\n").await;
    for (feed, expected) in [
        ("continuous&history=2", "two\nthree\n"),
        ("longpoll&history=1", "three\n"),
        ("continuous&history=100000", "one\ntwo\nthree\n"),
    ] {
        let mut feed = node.feed(&format!("/streams/1/out?feed={feed}")).await;
        assert_eq!(feed.next().await.as_deref(), Some(expected));
    }
    let mut events = node.feed("/streams/1/out?feed=eventsource&history=2").await;
    let id = |position: u64| format!("{}-{position}", node.manager.node());
    assert_eq!(events.event().await, ("out".into(), id(13), "two\nthree".into()));
    write(&node, "four\n").await;
    assert_eq!(events.event().await, ("out".into(), id(18), "four".into()));

    for history in ["-1", "x", "100001"] {
        let reason = node.get(&format!("/streams/1/out?history={history}")).await.refused(400, "bad_value");
        assert!(reason.contains("`history`"), "{reason}");
    }
    node.stop().await;
}

#[tokio::test]
async fn an_event_stream_goes_on_where_its_reader_was() {
    let node = echo().await;
    write(&node, "one\n\ntwo\n").await;
    let mut events = node.feed("/streams/1/out?feed=eventsource&history=10").await;
    let (_, id, data) = events.event().await;
    assert_eq!(data, "one\n\ntwo");
    drop(events);

    write(&node, "three\n").await;
    let path = "/streams/1/out?feed=eventsource&history=10";
    let mut events = node.feed_after(path, Some(&id)).await;
    assert_eq!(events.event().await.2, "three", "not what it has, and no empty line");
    let mut other = node.feed_after(path, Some("0123456789abcdef-3")).await;
    assert!(other.next().await.unwrap().starts_with(": the last event id is not of this run"));
    assert_eq!(other.event().await.2, "one\n\ntwo\nthree", "all that is kept");
    node.stop().await;
}

#[tokio::test]
async fn an_event_stream_that_broke_before_its_first_event_goes_on_where_it_began() {
    let node = echo().await;
    let at = |position: u64| format!("{}-@{position}", node.manager.node());
    let path = "/streams/1/out?feed=eventsource";
    let empty = node.feed(path).await.begins;
    write(&node, "\none\n").await;
    let now = node.feed(path).await.begins;
    let last = node.feed(&format!("{path}&history=1")).await.begins;
    assert_eq!([&empty, &now, &last], [&at(0), &at(5), &at(1)]);
    write(&node, "\ntwo\n").await;
    for (begins, expected) in [(empty, "\none\n\ntwo"), (now, "\ntwo"), (last, "one\n\ntwo")] {
        let mut feed = node.feed_after(&format!("{path}&history=9"), Some(&begins)).await;
        assert_eq!(feed.begins, begins);
        assert_eq!(feed.event().await.2, expected, "every line after {begins}, also those that are empty");
    }
    let end = format!("{}-4", node.manager.node());
    let feed = node.feed_after(path, Some(&end)).await;
    assert_eq!(feed.begins, end, "who has seen an event does not want the rest of its line");
    assert_eq!(node.feed("/streams/1/out?feed=continuous").await.begins, "", "where there are no ids");
    node.stop().await;
}

#[tokio::test]
async fn what_is_kept_is_told_and_then_the_end() {
    let node = echo().await;
    let nothing = node.get("/streams/1/out?follow=false").await;
    assert_eq!((nothing.status.as_u16(), nothing.body.as_str()), (200, ""));
    write(&node, "one\ntwo\n").await;
    for (query, expected) in [
        ("", "one\ntwo\n"),
        ("&feed=longpoll&history=1", "two\n"),
        ("&feed=continuous&heartbeat=0.1", "one\ntwo\n"),
        ("&history=0", ""),
    ] {
        assert_eq!(node.get(&format!("/streams/1/out?follow=false{query}")).await.body, expected, "{query}");
    }
    let path = "/streams/1/out?feed=eventsource&follow=false";
    let mut events = node.feed(path).await;
    let (_, id, data) = events.event().await;
    assert_eq!((data.as_str(), events.next().await), ("one\ntwo", None));
    write(&node, "three\n").await;
    let mut rest = node.feed_after(path, Some(&id)).await;
    assert_eq!((rest.event().await.2.as_str(), rest.next().await), ("three", None));
    node.get("/streams/1/out?follow=yes").await.refused(400, "bad_value");
    node.stop().await;
}

#[tokio::test]
async fn a_reader_that_was_away_too_long_is_told_what_it_lost() {
    let node = Node::start();
    let script = "echo first; read go; head -c 300000 /dev/zero | tr '\\0' x; read end";
    node.load(json!({
        "name": "web", "cmd": script, "shell": true, "redirect_input": true, "redirect_output": ["out"],
    }))
    .await;
    let mut events = node.feed("/streams/1/out?feed=eventsource&history=1").await;
    let (_, id, data) = events.event().await;
    assert_eq!(data, "first");
    drop(events);
    let output = node.manager.output(gaffer_core::ProcessId::new(1), "out").await.unwrap();
    let mut all = output.subscribe(gaffer_core::streams::Start::Now);
    node.call("POST", "/streams/1/stdin", "go\n").await;
    while output.total() < 300_006 {
        tokio::time::timeout(DEADLINE, all.recv()).await.expect("the flood");
    }
    while all.try_recv().is_some() {}

    let mut events = node.feed_after("/streams/1/out?feed=eventsource", Some(&id)).await;
    let told = events.next().await.unwrap();
    let lost: u64 =
        told.strip_prefix(": ").and_then(|rest| rest.split_once(" bytes of out lost\r\n")).unwrap().0.parse().unwrap();
    let mut rest = 0;
    while 5 + lost + rest < 300_006 {
        rest += events.event().await.2.len() as u64;
    }
    assert_eq!(5 + lost + rest, 300_006, "what was told as lost, and what was sent, is all there was");
    node.stop().await;
}

#[tokio::test]
async fn feeds_end_when_the_server_closes() {
    let node = echo().await;
    let mut feed = node.feed("/streams/1/err?feed=continuous").await;
    node.closing.cancel();
    assert_eq!(feed.next().await, None);
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_or_written_is_refused() {
    let node = echo().await;
    node.load(json!({"name": "deaf", "cmd": "sleep 1000"})).await;
    node.get("/streams/x/out").await.refused(400, "bad_value");
    node.get("/streams/+1/out").await.refused(400, "bad_value");
    node.get("/streams/77/out").await.refused(404, "not_found");
    node.get("/streams/2/out").await.refused(400, "io_not_redirected");
    let reason = node.get("/streams/1/nope").await.refused(404, "io_not_found");
    assert!(reason.contains("out, err"), "{reason}");
    node.get("/streams/1/out?feed=push").await.refused(400, "bad_value");
    node.get("/streams/1/out?heartbeat=often").await.refused(400, "bad_value");

    node.call("POST", "/streams/x/stdin", "").await.refused(400, "bad_value");
    node.call("POST", "/streams/77/stdin", "").await.refused(404, "not_found");
    node.call("POST", "/streams/2/stdin", "x").await.refused(403, "forbidden_write");
    let reason = node.call("POST", "/streams/1/out", "x").await.refused(404, "not_found");
    assert_eq!(reason, "process 1 takes no input as `out`; it takes input as stdin");
    let reason = node.call("POST", "/streams/2/nope", "x").await.refused(404, "not_found");
    assert!(reason.ends_with("it takes none; set `redirect_input` or `custom_streams` in its job"), "{reason}");
    node.stop().await;
}

#[tokio::test]
async fn an_extra_pipe_is_read_and_written_by_its_label() {
    let node = Node::start();
    node.load(json!({"name": "web", "cmd": "cat <&3 >&3", "shell": true, "custom_streams": ["extra"]})).await;
    let mut feed = node.feed("/streams/1/extra?feed=continuous").await;
    assert_eq!(node.call("POST", "/streams/1/extra", "ping\n").await.json(), json!({"ok": true}));
    assert_eq!(feed.next().await.as_deref(), Some("ping\n"));
    node.stop().await;
}

#[tokio::test]
async fn a_process_that_closed_its_input_is_told_apart() {
    let node = Node::start();
    let script = "exec <&-; echo closed; exec sleep 1000";
    let job = json!({"name": "web", "cmd": script, "shell": true, "redirect_input": true, "redirect_output": ["out"]});
    node.load(job).await;
    let output = node.manager.output(gaffer_core::ProcessId::new(1), "out").await.unwrap();
    let mut closed = output.subscribe(gaffer_core::streams::Start::Oldest);
    assert!(tokio::time::timeout(DEADLINE, closed.recv()).await.expect("a word").is_some());
    // Another test's child may hold the other end between its clone and its exec, and so take some in.
    let refusal = async {
        loop {
            let answer = node.call("POST", "/streams/1/stdin", "x").await;
            if answer.status != 200 {
                return answer;
            }
        }
    };
    tokio::time::timeout(DEADLINE, refusal).await.expect("a refusal").refused(409, "stream_closed");
    node.stop().await;
}

#[tokio::test]
async fn the_last_words_of_a_process_are_read_when_it_is_gone() {
    let node = Node::start();
    let script = "echo one; read line; echo two";
    let job = json!({"name": "web", "cmd": script, "shell": true, "redirect_input": true, "redirect_output": ["out"]});
    node.load(job).await;
    let mut feed = node.feed("/streams/1/out?feed=eventsource&history=9").await;
    let first = feed.next().await.unwrap();
    let id = |event: &str| event.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    drop(feed);
    node.until(EventKind::Exit, node.call("POST", "/streams/1/stdin", "go\n")).await;
    let gone = async { while node.get("/1").await.status == 200 {} };
    tokio::time::timeout(DEADLINE, gone).await.expect("it is gone wholly");
    node.get("/streams/1/out?feed=continuous").await.refused(404, "not_found");

    let path = "/streams/1/out?feed=eventsource";
    let mut rest = node.feed_after(path, Some(&id(&first))).await;
    let last = rest.next().await.unwrap();
    assert!(last.contains("\r\ndata: two\r\n"), "{last}");
    assert_eq!(rest.next().await, None);
    let answer = node.ask("GET", path, &[("last-event-id", &id(&last))]).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""), "so that a browser asks no more");
    for query in ["feed=continuous&history=9", "follow=false"] {
        assert_eq!(node.get(&format!("/streams/1/out?{query}")).await.body, "one\ntwo\n", "{query}");
    }
    for (position, status) in [(7, 200), (8, 204)] {
        let begins = format!("{}-@{position}", node.manager.node());
        assert_eq!(node.ask("GET", path, &[("last-event-id", &begins)]).await.status, status, "{begins}");
    }
    node.stop().await;
}

#[tokio::test]
async fn input_that_nobody_reads_takes_a_bounded_room() {
    let node = std::sync::Arc::new(Node::start());
    node.load(json!({"name": "deaf", "cmd": "sleep 1000", "redirect_input": true})).await;
    let mut waiting = tokio::task::JoinSet::new();
    // What fits into the pipe and its queue is taken in; the others wait.
    for _ in 0..66 {
        let node = node.clone();
        waiting.spawn(async move { node.call("POST", "/streams/1/stdin", "x".repeat(1024 * 1024)).await });
    }
    let refused = async {
        loop {
            let answer = waiting.join_next().await.expect("some are refused").unwrap();
            if answer.status != 200 {
                return answer;
            }
        }
    };
    let refused = tokio::time::timeout(DEADLINE, refused).await.expect("a refusal");
    refused.refused(503, "input_waits");
    // Who went away takes no room.
    waiting.shutdown().await;
    let small = async { node.call("POST", "/streams/1/stdin", "x").await };
    assert!(futures_now(small).await.is_none(), "it waits like the first ones");
    node.manager.stop_now().await;
}

/// What a future comes to by itself, without waiting for anything outside for long.
async fn futures_now<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = future => Some(done),
        () = async { for _ in 0..1000 { tokio::task::yield_now().await } } => None,
    }
}
