use serde_json::{Value, json};

use super::*;

/// The names of the events of a topic, up to one of them.
async fn until(line: &mut Line, topic: &str, last: &str) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let message = line.next_of("gaffer:event").await;
        if message["data"]["topic"] == topic {
            names.push(message["data"]["event"].as_str().unwrap().to_owned());
            if names.last().unwrap() == last {
                return names;
            }
        }
    }
}

#[tokio::test]
async fn all_events_come_under_their_names_and_under_those_of_their_jobs() {
    let node = Listening::start().await;
    let mut line = Line::open(&node).await;
    line.subscribe("EVENTS").await;
    node.load(idle("shop.web")).await;
    let mut messages = Vec::new();
    while messages.len() < 6 {
        messages.push(told(&line.next().await));
    }
    let expected = ["load", "start", "spawn"].into_iter().flat_map(|kind| {
        let pid = if kind == "spawn" { json!({"pid": 1, "once": false}) } else { json!({}) };
        [kind.to_owned(), format!("job.shop.web.{kind}")].map(|event| {
            let mut message = json!({"event": event, "topic": "EVENTS", "name": "shop.web"});
            message.as_object_mut().unwrap().extend(pid.as_object().unwrap().clone());
            message
        })
    });
    assert_eq!(messages, expected.collect::<Vec<_>>());
    node.stop().await;
}

#[tokio::test]
async fn a_pattern_selects_events_in_the_words_of_either_generation() {
    let node = Listening::start().await;
    node.load(idle("shop.web")).await;
    let mut line = Line::open(&node).await;
    for topic in ["EVENTS:stop_process", "EVENTS:job.shop", "EVENTS:job.shop.web.exit", "EVENTS:proc.shop.web.stop"] {
        line.subscribe(topic).await;
    }
    line.done("stop_job", json!(["shop.web"])).await;
    let expected = [
        ("EVENTS:job.shop", "job.shop.web.exit"),
        ("EVENTS:job.shop", "job.shop.web.stop"),
        ("EVENTS:job.shop", "job.shop.web.stop_process"),
        ("EVENTS:job.shop.web.exit", "job.shop.web.exit"),
        ("EVENTS:proc.shop.web.stop", "job.shop.web.stop"),
        ("EVENTS:stop_process", "stop_process"),
    ];
    let mut seen: Vec<(String, String)> = Vec::new();
    while seen.len() < expected.len() {
        let message = line.next_of("gaffer:event").await;
        let text = |key: &str| message["data"][key].as_str().unwrap().to_owned();
        seen.push((text("topic"), text("event")));
    }
    seen.sort();
    assert_eq!(seen, expected.map(|(topic, event)| (topic.to_owned(), event.to_owned())));
    assert_eq!(line.settle().await, Vec::<Value>::new(), "and no others");
    node.stop().await;
}

#[tokio::test]
async fn a_job_is_followed_through_all_its_processes() {
    let node = Listening::start().await;
    node.load(idle("shop.web")).await;
    node.load(idle("web")).await;
    let mut line = Line::open(&node).await;
    line.subscribe("job:shop.web").await;
    line.done("scale", json!(["web", 1])).await;
    line.done("scale", json!(["shop.web", 1])).await;
    let up = until(&mut line, "job:shop.web", "job.shop.web.spawn").await;
    assert_eq!(up, ["job.shop.web.update", "job.shop.web.spawn"]);
    line.done("scale", json!(["shop.web", "=0"])).await;
    let mut exits = 0;
    while exits < 2 {
        let message = line.next_of("gaffer:event").await;
        exits += usize::from(message["data"]["event"] == "job.shop.web.exit");
    }
    line.done("unload", json!(["web", "shop"])).await;
    assert!(until(&mut line, "job:shop.web", "job.shop.web.unload").await.len() <= 3);
    // It is not forgotten with the job.
    node.load(idle("shop.web")).await;
    assert_eq!(until(&mut line, "job:shop.web", "job.shop.web.spawn").await.len(), 3);
    node.stop().await;
}

#[tokio::test]
async fn the_events_of_a_process_end_with_it() {
    let node = Listening::start().await;
    node.load(idle("web")).await;
    let mut line = Line::open(&node).await;
    line.subscribe("PROCESS:1").await;
    line.done("stop_process", json!([1])).await;
    let names = until(&mut line, "PROCESS:1", "proc.1.exit").await;
    assert_eq!(names, ["proc.1.stop_process", "proc.1.exit"]);
    assert_eq!(line.next().await, json!({"event": "gaffer:subscription_end", "topic": "PROCESS:1"}));
    // It is over: to take it back is nothing, and to make it anew is refused.
    line.unsubscribe("PROCESS:1").await;
    assert_eq!(line.not_subscribed(json!({"topic": "PROCESS:1"})).await, is(404, "not_found"));
    // Who looks back gets what is kept of it, and the end.
    line.subscribe_with(json!({"topic": "PROCESS:1", "history": 10})).await;
    let names = until(&mut line, "PROCESS:1", "proc.1.exit").await;
    assert_eq!(names, ["proc.1.spawn", "proc.1.stop_process", "proc.1.exit"]);
    assert_eq!(line.next().await["event"], "gaffer:subscription_end");
    node.stop().await;
}

#[tokio::test]
async fn what_is_subscribed_to_twice_is_told_once_and_ends_with_the_second_end() {
    let node = Listening::start().await;
    node.load(idle("web")).await;
    let mut line = Line::open(&node).await;
    line.subscribe("EVENTS:update").await;
    line.subscribe("EVENTS:update").await;
    line.done("scale", json!(["web", 1])).await;
    line.unsubscribe("EVENTS:update").await;
    line.done("scale", json!(["web", 1])).await;
    // Another one tells that both were told.
    let mut other = Line::open(&node).await;
    other.subscribe_with(json!({"topic": "EVENTS:update", "history": 9})).await;
    for _ in 0..2 {
        other.next_of("gaffer:event").await;
    }
    line.unsubscribe("EVENTS:update").await;
    line.done("scale", json!(["web", 1])).await;
    other.next_of("gaffer:event").await;
    let told = line.settle().await;
    assert_eq!(told.iter().filter(|message| message["event"] == "gaffer:event").count(), 2, "{told:?}");
    line.unsubscribe("EVENTS:update").await; // One time too many, which is nothing.
    node.stop().await;
}

#[tokio::test]
async fn who_comes_back_goes_on_behind_what_it_saw() {
    let node = Listening::start().await;
    node.load(idle("web")).await;
    let mut line = Line::open(&node).await;
    let begun = line.subscribe("JOB:web").await;
    let run = begun["run"].as_str().unwrap().to_owned();
    assert!(begun["after"].as_str().unwrap().starts_with(&run) && begun.get("gap").is_none());
    line.done("scale", json!(["web", 1])).await;
    let first = line.next_of("gaffer:event").await;
    drop(line);
    node.manager.scale(&"web".parse().unwrap(), 1).await.unwrap();

    // Behind the event that was seen; behind none, where the subscription began.
    for (after, updates) in [(first["id"].clone(), 1), (begun["after"].clone(), 2)] {
        let mut line = Line::open(&node).await;
        let answer = line.subscribe_with(json!({"topic": "JOB:web", "after": after})).await;
        assert_eq!((answer["after"].clone(), answer.get("gap")), (after, None));
        let mut seen = Vec::new();
        while seen.len() < 2 + updates {
            let message = line.next_of("gaffer:event").await;
            seen.push(message["data"]["event"].as_str().unwrap().to_owned());
        }
        assert_eq!(seen.iter().filter(|event| *event == "job.default.web.update").count(), updates);
        assert_eq!(line.settle().await, Vec::<Value>::new());
    }

    // Of another run nothing is known: all that is kept comes, and that there is a gap is told.
    let mut line = Line::open(&node).await;
    let answer = line.subscribe_with(json!({"topic": "EVENTS:load", "after": "another-7"})).await;
    assert_eq!(answer["gap"], true);
    assert_eq!(line.next_of("gaffer:event").await["data"]["event"], "load");
    // And its processes are others.
    for data in [json!({"topic": "PROCESS:1", "after": "another-7"}), json!({"topic": "STATS:1", "run": "another"})] {
        assert_eq!(line.not_subscribed(data).await, is(404, "not_found"));
    }
    line.subscribe_with(json!({"topic": "STATS:1", "run": run})).await;
    node.stop().await;
}

#[tokio::test]
async fn what_a_client_knows_of_another_run_is_never_taken_for_this_one() {
    let node = Listening::start().await;
    node.load(idle("web")).await;
    let mut line = Line::open(&node).await;
    let run = line.subscribe("STATS:1").await["run"].clone();
    // The run alone says whose a pid is, and nothing about where to begin.
    let answer = line.subscribe_with(json!({"topic": "EVENTS:load", "run": "another"})).await;
    assert_eq!(answer.get("gap"), None);
    // An id of another run is that, whatever else is said.
    let answer = line.subscribe_with(json!({"topic": "EVENTS:start", "after": "another-5", "run": run})).await;
    assert_eq!(answer["gap"], true);
    let told = line.find(|message| message["data"]["topic"] == "EVENTS:start").await;
    assert_eq!(told["data"]["event"], "start");
    // Also of what is subscribed to already.
    for data in [json!({"topic": "STATS:1", "after": "another-5"}), json!({"topic": "STATS:1", "run": "another"})] {
        assert_eq!(line.not_subscribed(data).await, is(404, "not_found"));
    }
    assert_eq!(line.not_subscribed(json!({"topic": "STATS:1", "after": "nonsense"})).await, is(400, "bad_value"));
    node.stop().await;
}

#[tokio::test]
async fn one_kind_of_event_of_a_process_ends_with_the_process_too() {
    let node = Listening::start().await;
    node.load(idle("web")).await;
    let mut line = Line::open(&node).await;
    line.subscribe("EVENTS:proc.1.stop_pid").await;
    line.done("stop_process", json!([1])).await;
    assert_eq!(line.next_of("gaffer:event").await["data"]["event"], "proc.1.stop_process");
    assert_eq!(line.next_of("gaffer:subscription_end").await["topic"], "EVENTS:proc.1.stop_pid");
    // One that never was is none, however far it is looked back.
    for topic in ["PROCESS:99", "EVENTS:proc.99.exit"] {
        assert_eq!(line.not_subscribed(json!({"topic": topic, "history": 9})).await, is(404, "not_found"));
    }
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_subscribed_to_is_refused() {
    let node = Listening::start().await;
    node.load(idle("web")).await;
    let mut line = Line::open(&node).await;
    for (topic, expected) in [
        ("NEWS", is(400, "invalid_topic")),
        ("STREAM", is(400, "invalid_topic")),
        ("EVENTS:nonsense", is(400, "bad_value")),
        ("PROCESS:web", is(400, "bad_value")),
        ("JOB:a b", is(400, "bad_value")),
        ("JOB:nope", is(404, "not_found")),
        ("STATS:nope", is(404, "not_found")),
        ("STATS:99", is(404, "not_found")),
        ("PROCESS:99", is(404, "not_found")),
        ("STREAM:99", is(404, "not_found")),
        ("STREAM:1", is(404, "stream_not_found")),
        ("STREAM:1.out", is(404, "stream_not_found")),
    ] {
        assert_eq!(line.not_subscribed(json!({"topic": topic})).await, expected, "{topic}");
    }
    for data in [
        json!({"topic": "EVENTS", "history": -1}),
        json!({"topic": "EVENTS", "history": "all"}),
        json!({"topic": "EVENTS", "after": 7}),
        json!({"topic": "EVENTS", "after": "nonsense"}),
    ] {
        assert_eq!(line.not_subscribed(data).await, is(400, "bad_value"));
    }
    node.stop().await;
}
