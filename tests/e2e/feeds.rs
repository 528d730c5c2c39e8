//! Feeds as pages and scripts read them: from the past into what comes, and through lost connections.

use std::{collections::HashSet, path::PathBuf};

use gaffer_tests::{Daemon, EventSource, processes};
use serde_json::{Value, json};

/// A job that never comes to rest.
const STORM: &str = "[process:storm]\ncmd = misbehave exit 0\nnumprocesses = 2\nflapping = 100000, 1, 1, 1\n";

/// Numbers count upwards; each line is one write.
const COUNTER: &str = "[process:counter]\nshell = true\nredirect_output = out\n\
    cmd = i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; exec sleep 86400\n";

fn number(id: &str) -> u64 {
    id.rsplit_once('-').unwrap().1.parse().unwrap()
}

#[test]
fn a_page_whose_connection_is_lost_again_and_again_sees_every_event_once() {
    let daemon = Daemon::start(STORM);
    let path = "/watch?feed=eventsource&history=100000";
    let mut steady = EventSource::open(daemon.address(), path);
    let mut unlucky = EventSource::open(daemon.address(), path);
    let mut seen = Vec::new();
    for round in 0..30 {
        // Some connections are lost at once.
        for _ in 0..round % 12 {
            seen.push(unlucky.next_message());
        }
        unlucky.lose_connection();
    }
    seen.push(unlucky.next_message());
    let expected: Vec<_> = seen.iter().map(|_| steady.next_message()).collect();
    assert_eq!(seen, expected);
    assert!(unlucky.comments().iter().all(|comment| comment == "hb"), "{:?}", unlucky.comments());
    // Both kinds of topic of each event, and those of processes elsewhere: so ids grow, but not by one.
    assert!(seen.windows(2).all(|pair| number(&pair[0].last_event_id) < number(&pair[1].last_event_id)));
    for message in seen {
        let data: Value = serde_json::from_str(&message.data).unwrap();
        assert_eq!((data["event"].as_str(), data["name"].as_str()), (Some(message.event.as_str()), Some("storm")));
    }
}

#[test]
fn whoever_comes_in_the_middle_of_it_has_the_past_and_then_what_comes_without_a_gap() {
    let daemon = Daemon::start(STORM);
    let path = "/watch/proc/storm?feed=eventsource&history=100000";
    let mut first = EventSource::open(daemon.address(), path);
    let mut all = Vec::new();
    for _ in 0..20 {
        all.extend((0..20).map(|_| first.next_message()));
        let mut late = EventSource::open(daemon.address(), path);
        // Past what there was when it came.
        for expected in &all {
            assert_eq!(late.next_message(), *expected);
        }
    }
}

#[test]
fn a_page_whose_connection_is_lost_again_and_again_sees_every_line_once() {
    let daemon = Daemon::start(COUNTER);
    let pid = daemon.until_running("counter", 1)[0];
    let path = format!("/streams/{pid}/out?feed=eventsource&history=100000");
    let mut source = EventSource::open(daemon.address(), &path);
    let mut text = String::new();
    let mut chunks = 0;
    while !text.ends_with("line 2999\n") {
        let message = source.next_message();
        assert_eq!(message.event, "out");
        text.push_str(&message.data);
        text.push('\n');
        chunks += 1;
        if chunks % 3 == 0 && !text.ends_with("line 2999\n") {
            source.lose_connection();
        }
    }
    let expected: String = (0..3000).map(|number| format!("line {number}\n")).collect();
    assert_eq!(text, expected);
    // Others tell where lines end.
    let is_loss = |comment: &String| comment.contains("lost");
    assert!(!source.comments().iter().any(is_loss), "{:?}", source.comments());
}

#[test]
fn the_last_lines_come_first_in_each_form() {
    let daemon = Daemon::start(COUNTER);
    let pid = daemon.until_running("counter", 1)[0];
    let path = format!("/streams/{pid}/out?feed=continuous&history=100000");
    daemon.feed(&path).until("line 2999\n");
    let mut continuous = daemon.feed(&format!("/streams/{pid}/out?feed=continuous&history=2"));
    assert_eq!(continuous.until("2999\n"), "line 2998\nline 2999\n");
    let mut longpoll = daemon.feed(&format!("/streams/{pid}/out?history=1"));
    assert_eq!(longpoll.rest(), "line 2999\n");
    let mut events = EventSource::open(daemon.address(), &format!("/streams/{pid}/out?feed=eventsource&history=1"));
    assert_eq!(events.next_message().data, "line 2999");
    let refused = daemon.request("GET", &format!("/streams/{pid}/out?history=all"), None);
    assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("bad_value")));
}

#[test]
fn a_client_that_is_gone_leaves_nothing_behind() {
    let daemon = Daemon::start("[process:web]\ncmd = misbehave forever\nredirect_output = out\n");
    let pid = daemon.until_running("web", 1)[0];
    let sockets = || -> HashSet<PathBuf> {
        let all = processes::descriptors(daemon.os_pid()).into_iter().map(|(_, path)| path);
        all.filter(|path| path.to_string_lossy().starts_with("socket:")).collect()
    };
    let before = sockets();
    let paths = ["/watch?feed=continuous", "/watch?feed=eventsource", &format!("/streams/{pid}/out?feed=eventsource")]
        .map(|path| format!("{path}&heartbeat=0.1"));
    let feeds: Vec<_> = paths.iter().cycle().take(30).map(|path| daemon.feed(path)).collect();
    let of_feeds = &sockets() - &before;
    assert!(of_feeds.len() >= 30, "{of_feeds:?}");
    drop(feeds);
    daemon.until("its connections are closed", || {
        let left = sockets().intersection(&of_feeds).count();
        if left == 0 { Ok(()) } else { Err(format!("{left} are open")) }
    });
}

#[test]
fn figures_follow_processes_that_come_and_go() {
    let daemon = Daemon::start("[process:web]\ncmd = misbehave forever\n");
    let first = daemon.until_running("web", 1)[0];
    let mut source = EventSource::open(daemon.address(), "/stats/web?feed=eventsource");
    let id = |message: &gaffer_tests::Message| -> u64 {
        assert_eq!(message.event, "stat");
        serde_json::from_str::<Value>(&message.data).unwrap()["id"].as_u64().unwrap()
    };
    assert_eq!(id(&source.next_message()), first);
    daemon.post("/processes/web/_restart");
    while id(&source.next_message()) == first {}
    let status = daemon.get("/status");
    assert!(status["jobs"][0]["rss"].as_u64().unwrap() > 0, "{status}");
}
