use gaffer_core::events::Pattern;
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_connection_has_so_many_topics_and_no_more() {
    let node = Listening::start().await;
    let mut line = Line::open(&node).await;
    for number in 0..256 {
        line.subscribe(&format!("EVENTS:job.session{number}")).await;
    }
    let refused = is(400, "too_many_topics");
    assert_eq!(line.not_subscribed(json!({"topic": "EVENTS"})).await, refused);
    line.subscribe("EVENTS:job.session7").await;
    line.unsubscribe("EVENTS:job.session8").await;
    line.subscribe("EVENTS").await;
    node.stop().await;
}

/// Times that a job is started and stopped, each of which has two topics.
const ROUNDS: usize = 5000;

#[tokio::test]
async fn who_does_not_read_is_told_what_it_lost_and_holds_up_nobody() {
    let node = Listening::start().await;
    // A name that makes much of each event.
    let name = format!("{}.{}", "session".repeat(17), "web".repeat(40));
    let mut job = idle(&name);
    job["numprocesses"] = 0.into();
    job["start"] = false.into();
    node.load(job).await;
    let mut line = Line::open(&node).await;
    line.subscribe("EVENTS").await;
    // Far more than sockets and queues hold: a reader that keeps up is told of each.
    let mut reader = node.manager.subscribe(&Pattern::All);
    let name = name.parse().unwrap();
    let publishing = async {
        for _ in 0..ROUNDS {
            node.manager.start_job(&name).await.unwrap();
            node.manager.stop_job(&name).await.unwrap();
        }
    };
    let reading = async {
        for _ in 0..ROUNDS * 4 {
            assert!(matches!(reader.recv().await, Some(gaffer_core::events::Delivery::Item(_))));
        }
    };
    tokio::time::timeout(crate::wire::DEADLINE, async { tokio::join!(publishing, reading) }).await.expect("it goes on");
    let (mut told, mut lost) = (0, 0);
    while told + lost < ROUNDS * 4 {
        let message = line.next().await;
        match message["event"].as_str().unwrap() {
            "gaffer:event" => told += 1,
            "gaffer:lagged" => lost += usize::try_from(message["data"]["lost"].as_u64().unwrap()).unwrap(),
            other => panic!("{other}"),
        }
    }
    assert_eq!(told + lost, ROUNDS * 4);
    assert!(lost > 0, "all {told} were told: this is no test");
    node.stop().await;
}

/// Topics that tell the same under names of their own.
fn spellings(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| {
        let letters = "EVENTS".chars().enumerate();
        let spell = |(place, letter): (usize, char)| {
            if number >> place & 1 == 1 { letter.to_ascii_lowercase() } else { letter }
        };
        letters.map(spell).collect()
    })
}

#[tokio::test]
async fn the_past_is_asked_for_as_often_as_it_is_taken() {
    let node = Listening::start().await;
    node.load(idle("web")).await;
    let mut line = Line::open(&node).await;
    // Far more than may look back at once: each has its turn when another one was told.
    for topic in spellings(60) {
        line.say(json!({"event": "SUB", "data": {"topic": topic, "history": 6}})).await;
    }
    let (mut granted, mut told) = (0, 0);
    while granted < 60 || told < 60 * 6 {
        match line.next().await["event"].as_str().unwrap() {
            "gaffer:subscription_success" => granted += 1,
            "gaffer:event" => told += 1,
            other => panic!("{other}"),
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn who_asks_without_a_pause_is_told_of_events_all_the_same() {
    let node = Listening::start().await;
    node.load(idle("web")).await;
    let mut line = Line::open(&node).await;
    line.subscribe("STATS:1").await;
    let (mut answers, mut stats) = (0, 0);
    // More is asked whenever something was answered, so that there is always something to hear.
    for _ in 0..64 {
        line.say(json!({"event": "UNSUB", "data": {"topic": "EVENTS"}})).await;
    }
    while stats < 20 {
        match line.next().await["event"].as_str().unwrap() {
            "gaffer:event" => stats += 1,
            _ => {
                answers += 1;
                line.say(json!({"event": "UNSUB", "data": {"topic": "EVENTS"}})).await;
            }
        }
    }
    assert!(answers > 0);
    node.stop().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_as_on_every_websocket() {
    let node = Listening::start().await;
    let mut line = Line::open(&node).await;
    line.socket.send("x".repeat(1024 * 1024 + 1)).await;
    assert_eq!(line.socket.closed().await, 1009);
    node.stop().await;
}
