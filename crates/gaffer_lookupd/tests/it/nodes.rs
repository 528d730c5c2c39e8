//! `/ws`: what nodes say, and what is answered; how it is found out that they are gone.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use gaffer_lookupd::Pings;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::fixture::{Lookupd, State, pings, until};

fn known(entries: &[(&str, &str, &[u64])]) -> State {
    let entry = |(node, job, pids): &(&str, &str, &[u64])| {
        (((*node).to_owned(), (*job).to_owned()), pids.iter().copied().collect())
    };
    entries.iter().map(entry).collect()
}

async fn until_known(lookupd: &Lookupd, entries: &[(&str, &str, &[u64])]) {
    let expected = known(entries);
    until("it is known", async || {
        let state = lookupd.state().await;
        if state == expected { Ok(()) } else { Err(state) }
    })
    .await;
}

#[tokio::test]
async fn every_message_is_answered_with_its_id_in_order() {
    let lookupd = Lookupd::start(pings(15.0)).await;
    let mut node = lookupd.node().await;
    let error = |reply: &Value| (reply["errno"].clone(), reply["error"].clone());
    for kind in ["REGISTER_JOB", "UNREGISTER_JOB", "REGISTER_PROCESS", "UNREGISTER_PROCESS", "SYNCED"] {
        let reply = node.ask(kind, json!({"job_name": "s.x", "pid": 1})).await;
        assert_eq!(error(&reply), (json!(404), json!("not_identified")), "{kind}");
        assert_eq!(reply["reason"], "need to send IDENTIFY message first");
    }
    node.tell("PING", json!({})).await;
    let welcome = node.identify("a", None).await;
    assert_eq!((&welcome["ok"], &welcome["ping_interval"]), (&json!(true), &json!(15.0)));
    assert_eq!(error(&node.identify("a", None).await), (json!(409), json!("conflict")));
    node.register("s.x", &[1]).await;
    assert_eq!(error(&node.ask("REGISTER_JOB", json!({"job_name": "s.x"})).await), (json!(409), json!("conflict")));
    let unknown = node.ask("REGISTER_PROCESS", json!({"job_name": "s.y", "pid": 1})).await;
    assert_eq!(error(&unknown), (json!(404), json!("not_found")));
    node.tell("UNREGISTER_JOB", json!({"job_name": "s.never"})).await;
    node.tell("UNREGISTER_PROCESS", json!({"job_name": "s.x", "pid": 9})).await;
    // Many at once, as a node that does not wait sends them.
    for number in 0..100 {
        node.say(json!({"msgid": number, "type": "PING"}).to_string()).await;
    }
    for number in 0..100 {
        assert_eq!(node.hear().await.unwrap(), json!({"msgid": number, "ok": true}));
    }
    assert_eq!(lookupd.state().await, known(&[("a", "s.x", &[1])]));
    lookupd.stop().await;
}

#[tokio::test]
async fn what_does_not_read_is_answered_and_the_connection_goes_on() {
    let lookupd = Lookupd::start(pings(15.0)).await;
    let mut node = lookupd.node().await;
    for (said, msgid, reason) in [
        ("nonsense", json!(null), "invalid_json"),
        ("[1]", json!(null), "invalid_json"),
        (r#"{"type": "PING"}"#, json!(null), "invalid_message"),
        (r#"{"msgid": "7", "type": "IDENTIFY", "name": 3}"#, json!("7"), "invalid_message"),
        (r#"{"msgid": "8", "type": "HELLO"}"#, json!("8"), "invalid_message_type"),
    ] {
        node.say(said).await;
        let reply = node.hear().await.unwrap();
        let told = (&reply["errno"], &reply["msgid"], &reply["reason"], &reply["error"]);
        assert_eq!(told, (&json!(400), &msgid, &json!(reason), &json!(reason)), "{said}");
        assert!(reply["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    }
    node.tell("PING", json!({})).await;
    node.say("x".repeat(70_000)).await;
    assert_eq!(node.closed().await, Some(1009), "what is far too long is not read");
    lookupd.stop().await;
}

#[tokio::test]
async fn a_node_is_gone_with_its_connection() {
    let lookupd = Lookupd::start(pings(15.0)).await;
    let mut node = lookupd.node().await;
    node.identify("a", Some("run")).await;
    node.register("s.x", &[1]).await;
    assert_eq!(lookupd.state().await, known(&[("a", "s.x", &[1])]));
    drop(node);
    until_known(&lookupd, &[]).await;
    lookupd.stop().await;
}

#[tokio::test]
async fn a_node_that_gives_no_sign_of_life_is_gone_and_one_that_answers_pings_is_not() {
    let lookupd = Lookupd::start(Pings { timeout: Duration::from_secs(3), ..pings(0.2) }).await;
    let (mut silent, mut quiet) = (lookupd.node().await, lookupd.node().await);
    silent.identify("silent", None).await;
    quiet.identify("quiet", None).await;
    silent.register("s.x", &[]).await;
    quiet.register("s.y", &[]).await;
    // It reads, which answers pings, and says nothing. The other one does not read.
    let mut pinged = 0;
    while pinged < 6 {
        if let Some(Ok(Message::Ping(_))) = quiet.socket.next().await {
            pinged += 1;
        }
    }
    let reading = tokio::spawn(async move { while let Some(Ok(_)) = quiet.socket.next().await {} });
    until_known(&lookupd, &[("quiet", "s.y", &[])]).await;
    reading.abort();
    until_known(&lookupd, &[]).await;
    lookupd.stop().await;
}

#[tokio::test]
async fn a_node_that_says_much_and_reads_nothing_is_gone_as_well() {
    let lookupd = Lookupd::start(Pings { timeout: Duration::from_secs(1), ..pings(0.2) }).await;
    let mut node = lookupd.node().await;
    node.identify("a", None).await;
    node.register("s.x", &[]).await;
    // Until nothing fits into the connection any more, either way.
    let ping = json!({"msgid": "x".repeat(50_000), "type": "PING"}).to_string();
    let saying = tokio::spawn(async move { while node.socket.send(Message::text(ping.clone())).await.is_ok() {} });
    until_known(&lookupd, &[]).await;
    saying.await.unwrap();
    lookupd.stop().await;
}

#[tokio::test]
async fn the_same_run_takes_its_place_again_at_once() {
    let lookupd = Lookupd::start(pings(15.0)).await;
    let (mut before, mut after) = (lookupd.node().await, lookupd.node().await);
    before.identify("a", Some("run")).await;
    before.register("s.x", &[1]).await;
    before.register("s.y", &[2]).await;
    assert_eq!(after.identify("a", Some("run")).await["ok"], true);
    assert_eq!(lookupd.state().await, known(&[("a", "s.x", &[1]), ("a", "s.y", &[2])]), "nothing is missed meanwhile");
    assert_eq!(before.closed().await, Some(4409));
    after.register("s.x", &[1, 3]).await;
    after.tell("SYNCED", json!({})).await;
    assert_eq!(lookupd.state().await, known(&[("a", "s.x", &[1, 3])]));
    lookupd.stop().await;
}

#[tokio::test]
async fn another_run_takes_the_place_of_a_dead_connection_only() {
    let lookupd = Lookupd::start(pings(15.0)).await;
    let (mut first, mut second) = (lookupd.node().await, lookupd.node().await);
    first.identify("a", Some("one")).await;
    first.register("s.x", &[1]).await;
    // While it reads, it answers pings.
    let reading = tokio::spawn(async move {
        while let Some(Ok(message)) = first.socket.next().await {
            if message.is_ping() {
                first.socket.flush().await.unwrap(); // Its answer.
                return Ok(first);
            }
        }
        Err("it was never pinged")
    });
    let refused = second.identify("a", Some("two")).await;
    assert_eq!((&refused["errno"], &refused["error"]), (&json!(409), &json!("conflict")));
    assert_eq!(refused["reason"], "another node is registered as `a` at http://a");
    let first = reading.await.unwrap().unwrap();
    assert_eq!(lookupd.state().await, known(&[("a", "s.x", &[1])]));
    // Now it does not read any more, as one behind a cut cable.
    assert_eq!(second.identify("a", Some("two")).await["ok"], true);
    assert_eq!(lookupd.state().await, known(&[]), "it is another run");
    second.register("s.y", &[]).await;
    drop(first);
    let mut third = lookupd.node().await;
    third.identify("b", None).await;
    third.register("s.z", &[]).await;
    assert_eq!(
        lookupd.state().await,
        known(&[("a", "s.y", &[]), ("b", "s.z", &[])]),
        "the end of the first is nothing"
    );
    lookupd.stop().await;
}

#[tokio::test]
async fn nodes_of_one_name_are_told_apart_and_the_conflict_is_told() {
    let lookupd = Lookupd::start(pings(15.0)).await;
    let (mut one, mut other) = (lookupd.node().await, lookupd.node().await);
    for (node, origin) in [(&mut one, "http://b"), (&mut other, "http://a")] {
        node.tell("IDENTIFY", json!({"name": "n", "origin": origin, "version": "0.1"})).await;
    }
    let nodes = lookupd.lookup().nodes().await.unwrap().value;
    assert_eq!(nodes.nodes.len(), 2);
    assert_eq!(json!(nodes.conflicts), json!([{"name": "n", "origins": ["http://a", "http://b"]}]));
    drop(one);
    until("the conflict is over", async || {
        let nodes = lookupd.lookup().nodes().await.unwrap().value;
        if nodes.conflicts.is_empty() { Ok(()) } else { Err(nodes) }
    })
    .await;
    lookupd.stop().await;
}
