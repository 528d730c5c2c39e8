//! One connection for subscriptions and commands, to nodes that say what no real one would, or when none would.

use std::time::Duration;

use futures_util::{FutureExt, SinkExt};
use gaffer_client::{
    Cause, Client, Control, ControlOptions, Error, SocketOptions, SubscribeOptions, Subscription, Told,
};
use gaffer_core::{ProcessId, api::EventMessage, events::Pattern};
use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

use super::script::{Peer, Script, script};
use crate::fixture::{Proxy, answering, client_of, endpoint, item, next, soon};

/// Nothing of the past.
const NOW: SubscribeOptions = SubscribeOptions { history: 0 };

/// Subscribes to spawns, on a node that agrees and says so.
async fn spawns(control: &Control, peer: &mut Peer, start: Value) -> Subscription<EventMessage> {
    let pattern: Pattern = "spawn".parse().unwrap();
    let (opened, ()) = tokio::join!(control.watch(&pattern, &SubscribeOptions { history: 3 }), async {
        let asked = peer.subscribe().await;
        assert_eq!((asked.topic.as_str(), asked.history, asked.after), ("EVENTS:spawn", Some(3), None));
        peer.agree("EVENTS:spawn", start).await;
    });
    opened.unwrap()
}

async fn command(control: &Control, name: &str) -> Result<Value, Error> {
    soon("it is answered", control.command(name, Vec::new(), Map::new())).await
}

async fn name(events: &mut Subscription<EventMessage>) -> String {
    item(next(events).await).name.to_string()
}

#[tokio::test]
async fn a_topic_is_asked_for_once_however_many_listen_and_taken_back_with_the_last() {
    let (_script, control, mut peer) = script().await;
    let mut first = spawns(&control, &mut peer, json!({"run": "n", "after": "n-1"})).await;
    let pattern = "spawn".parse().unwrap();
    let mut second = soon("no answer is waited for", control.watch(&pattern, &NOW)).await.unwrap();
    peer.spawn("EVENTS:spawn", "n-2", "a").await;
    assert_eq!([name(&mut first).await, name(&mut second).await], ["default.a", "default.a"]);
    drop(first);
    peer.spawn("EVENTS:spawn", "n-3", "b").await;
    assert_eq!(name(&mut second).await, "default.b");
    drop(second);
    peer.unsubscribe("EVENTS:spawn").await;

    // One who comes while it is taken back asks anew, and hears nothing of what was under way.
    let opening = control.watch(&pattern, &NOW);
    let answering = async {
        peer.spawn("EVENTS:spawn", "n-4", "old").await;
        peer.say(json!({"event": "gaffer:subscription_end", "topic": "EVENTS:spawn"})).await;
        peer.agree("EVENTS:spawn", json!({})).await;
        let asked = peer.subscribe().await;
        assert_eq!((asked.history, asked.after, asked.run), (None, None, None));
        peer.agree("EVENTS:spawn", json!({"run": "n", "after": "n-4"})).await;
        peer.spawn("EVENTS:spawn", "n-5", "new").await;
    };
    let (opened, ()) = tokio::join!(opening, answering);
    assert_eq!(name(&mut opened.unwrap()).await, "default.new");
}

#[tokio::test]
async fn who_gives_up_before_the_answer_is_not_subscribed() {
    let (_script, control, mut peer) = script().await;
    let pattern = "spawn".parse().unwrap();
    {
        let mut opening = std::pin::pin!(control.watch(&pattern, &NOW));
        tokio::select! {
            opened = &mut opening => panic!("nobody has answered: {opened:?}"),
            asked = peer.subscribe() => assert_eq!(asked.topic, "EVENTS:spawn"),
        }
    }
    peer.agree("EVENTS:spawn", json!({})).await;
    peer.unsubscribe("EVENTS:spawn").await;
}

#[tokio::test]
async fn with_the_last_handle_and_subscription_the_connection_is_closed() {
    let (_script, control, mut peer) = script().await;
    let mut events = spawns(&control, &mut peer, json!({})).await;
    let other = control.clone();
    drop(control);
    drop(other);
    peer.spawn("EVENTS:spawn", "n-1", "a").await;
    assert_eq!(name(&mut events).await, "default.a", "a subscription alone holds it");
    drop(events);
    loop {
        match peer.message().await {
            Some(Message::Close(_)) => break,
            Some(_) => {}
            None => panic!("it has not said farewell"),
        }
    }
}

#[tokio::test]
async fn a_lost_connection_goes_on_behind_what_was_seen() {
    let (script, control, mut peer) = script().await;
    let mut seen = spawns(&control, &mut peer, json!({"run": "n", "after": "n-1"})).await;
    let exits = "exit".parse().unwrap();
    let (options, pid) = (SubscribeOptions { history: 9 }, ProcessId::new(7));
    let (unseen, output, ()) =
        tokio::join!(control.watch(&exits, &options), control.follow_output(pid, None, &options), async {
            for _ in 0..2 {
                let topic = peer.subscribe().await.topic;
                peer.agree(&topic, json!({"run": "n", "after": "n-5"})).await;
            }
        });
    let (mut unseen, mut output) = (unseen.unwrap(), output.unwrap());
    peer.spawn("EVENTS:spawn", "n-7", "a").await;
    assert_eq!(name(&mut seen).await, "default.a");
    peer.close(1001).await;

    let mut peer = script.accept().await;
    for _ in 0..3 {
        let asked = peer.subscribe().await;
        let expected = match asked.topic.as_str() {
            "EVENTS:spawn" => (None, Some("n-7"), None),
            "EVENTS:exit" => (None, Some("n-5"), None),
            "STREAM:7" => (None, Some("n-5"), Some("n")),
            other => panic!("nobody wants {other}"),
        };
        assert_eq!((asked.history, asked.after.as_deref(), asked.run.as_deref()), expected);
        let gap = asked.topic == "EVENTS:exit";
        peer.agree(&asked.topic, json!({"run": "n", "after": asked.after, "gap": gap})).await;
    }
    peer.spawn("EVENTS:spawn", "n-8", "b").await;
    peer.say(json!({"event": "gaffer:lagged", "topic": "STREAM:7", "data": {"lost": 12}})).await;
    let words = |told: Option<Result<Told<_>, Error>>| match told {
        Some(Ok(Told::Lost(words))) => words,
        _ => panic!("it is no loss"),
    };
    assert!(matches!(
        next(&mut seen).await,
        Some(Ok(Told::Disconnected(Error::Interrupted { cause: Cause::Closed, .. })))
    ));
    assert!(matches!(next(&mut seen).await, Some(Ok(Told::Reconnected { same_run: true }))));
    assert_eq!(name(&mut seen).await, "default.b");
    assert!(matches!(next(&mut unseen).await, Some(Ok(Told::Disconnected(_)))));
    assert!(matches!(next(&mut unseen).await, Some(Ok(Told::Reconnected { same_run: true }))));
    assert!(words(next(&mut unseen).await).starts_with("events may have been lost"));
    assert!(matches!(next(&mut output).await, Some(Ok(Told::Disconnected(_)))));
    assert!(matches!(next(&mut output).await, Some(Ok(Told::Reconnected { same_run: true }))));
    let Some(Ok(Told::Lost(lost))) = next(&mut output).await else { panic!("the loss is not told") };
    assert_eq!(lost, "12 bytes of output lost");
}

#[tokio::test]
async fn what_comes_of_asking_again_decides_how_a_subscription_goes_on() {
    enum Answer {
        Agree(Value),
        Refuse(u16),
    }
    use Answer::{Agree, Refuse};
    let same = || json!({"run": "n", "after": "n-1"});
    for (first, answer, events, output) in [
        (same(), Agree(same()), "same run", "same run"),
        (same(), Agree(json!({"run": "m", "after": "m-1", "gap": true})), "another run, lost", "end"),
        (same(), Agree(json!({})), "another run, lost", "end"),
        (same(), Refuse(404), "refused 404", "end"),
        (same(), Refuse(403), "refused 403", "refused 403"),
        // A node that is not well is asked again, on another connection.
        (same(), Refuse(503), "disconnected, same run", "disconnected, same run"),
        // Without a run nobody knows whose pid it is.
        (json!({}), Agree(json!({})), "another run, lost", "interrupted"),
    ] {
        for (is_output, expected) in [(false, events), (true, output)] {
            let (script, control, mut peer) = script().await;
            let topic = if is_output { "STREAM:7" } else { "EVENTS" }.parse().unwrap();
            let (opened, _) = tokio::join!(control.subscribe(&topic, &SubscribeOptions { history: 0 }), async {
                peer.subscribe().await;
                peer.agree(&topic.to_string(), first.clone()).await;
            });
            let mut told = opened.unwrap();
            drop(peer);
            let mut peer = script.accept().await;
            let mut words = Vec::new();
            if expected != "interrupted" {
                peer.subscribe().await;
                match &answer {
                    Agree(start) => peer.agree(&topic.to_string(), start.clone()).await,
                    Refuse(503) => {
                        peer.refuse(&topic.to_string(), 503).await;
                        peer = script.accept().await;
                        peer.subscribe().await;
                        peer.agree(&topic.to_string(), same()).await;
                    }
                    Refuse(status) => peer.refuse(&topic.to_string(), *status).await,
                }
                assert!(matches!(next(&mut told).await, Some(Ok(Told::Disconnected(_)))));
            }
            while words.join(", ").len() < expected.len() {
                words.push(match next(&mut told).await {
                    Some(Ok(Told::Item(_))) => "item".to_owned(),
                    Some(Ok(Told::Lost(_))) => "lost".to_owned(),
                    Some(Ok(Told::Disconnected(_))) => "disconnected".to_owned(),
                    Some(Ok(Told::Reconnected { same_run: true })) => "same run".to_owned(),
                    Some(Ok(Told::Reconnected { same_run: false })) => "another run".to_owned(),
                    Some(Err(Error::Refused(refusal))) => format!("refused {}", refusal.status),
                    Some(Err(Error::Interrupted { .. })) => "interrupted".to_owned(),
                    Some(Err(error)) => panic!("{error}"),
                    None => "end".to_owned(),
                });
            }
            assert_eq!(words.join(", "), expected, "is it output: {is_output}");
        }
    }
}

#[tokio::test]
async fn answers_find_their_commands_whatever_their_order() {
    let (_script, control, mut peer) = script().await;
    let (one, two, three, ()) =
        tokio::join!(command(&control, "one"), command(&control, "two"), command(&control, "three"), async {
            let mut asked = Vec::new();
            for _ in 0..3 {
                asked.push(peer.command().await);
            }
            // What nobody has asked for is for nobody.
            for identity in [json!("1"), json!(99), json!(-1), json!(1.5), json!("")] {
                peer.say(json!({"event": "gaffer:command_success", "data": {"id": identity, "result": "wrong"}})).await;
            }
            for command in asked.iter().rev() {
                if command.name == "two" {
                    let error = json!({"errno": 409, "error": "conflict", "reason": "it is busy"});
                    peer.say(
                        json!({"event": "gaffer:command_error", "data": {"id": command.identity, "error": error}}),
                    )
                    .await;
                } else {
                    peer.answer(command, json!({"was": command.name})).await;
                }
                peer.answer(command, json!("twice")).await;
            }
        });
    assert_eq!(one.unwrap(), json!({"was": "one"}));
    assert_eq!(three.unwrap(), json!({"was": "three"}));
    let error = two.unwrap_err();
    let refusal = error.refusal().unwrap();
    assert_eq!((refusal.status, refusal.error.as_str(), refusal.reason.as_str()), (409, "conflict", "it is busy"));
}

#[tokio::test]
async fn a_command_without_an_answer_is_interrupted_and_one_that_waits_for_a_connection_is_carried_out() {
    let (script, control, mut peer) = script().await;
    let (lost, ()) = tokio::join!(command(&control, "lost"), async {
        assert_eq!(peer.command().await.name, "lost");
        peer.close(1001).await;
    });
    let error = lost.unwrap_err();
    assert!(matches!(&error, Error::Interrupted { call, cause: Cause::Closed, .. } if call == "CMD lost"), "{error:?}");
    let (waited, ()) = tokio::join!(command(&control, "waits"), async {
        let mut peer = script.accept().await;
        let asked = peer.command().await;
        assert_eq!(asked.name, "waits");
        peer.answer(&asked, json!(1)).await;
        assert!(peer.message().now_or_never().is_none(), "and nothing else is sent");
    });
    assert_eq!(waited.unwrap(), 1);
}

fn impatient(script: &Script) -> Client {
    let address = script.client().endpoint().to_string();
    Client::builder(&address.parse().unwrap()).answer_timeout(Duration::from_millis(300)).build().unwrap()
}

#[tokio::test]
async fn a_command_that_takes_too_long_says_whether_it_was_sent() {
    let script = Script::new().await;
    let (control, mut peer) = script.connected(&impatient(&script), &ControlOptions::default()).await;
    let (sent, asked) = tokio::join!(command(&control, "slow"), peer.command());
    assert!(matches!(sent, Err(Error::Interrupted { cause: Cause::Timeout(_), .. })), "{sent:?}");
    peer.answer(&asked, json!("too late")).await;
    let pattern = "spawn".parse().unwrap();
    let (opened, _) = tokio::join!(control.watch(&pattern, &NOW), peer.subscribe());
    assert!(matches!(opened, Err(Error::Interrupted { cause: Cause::Timeout(_), .. })), "{opened:?}");
    drop((peer, script));
    // Until it is noticed that the node is gone, a command may be sent.
    let unsent = soon("it is noticed", async {
        loop {
            match control.command("unsent", Vec::new(), Map::new()).await {
                Err(Error::Interrupted { .. }) => {}
                other => return other,
            }
        }
    });
    let unsent = unsent.await;
    assert!(matches!(unsent, Err(Error::Unreachable { cause: Cause::Timeout(_), .. })), "{unsent:?}");
}

#[tokio::test]
async fn a_command_that_was_given_up_before_it_was_sent_is_not_sent() {
    let (script, control, peer) = script().await;
    peer.close(1001).await;
    assert!(control.command("given-up", Vec::new(), Map::new()).now_or_never().is_none());
    let (answered, ()) = tokio::join!(command(&control, "wanted"), async {
        let mut peer = script.accept().await;
        let asked = peer.command().await;
        assert_eq!(asked.name, "wanted");
        peer.answer(&asked, json!(1)).await;
    });
    assert_eq!(answered.unwrap(), 1);
}

#[tokio::test]
async fn a_command_that_no_message_can_carry_is_not_sent() {
    let (_script, control, _peer) = script().await;
    let text = "x".repeat(1024 * 1024);
    let error = control.send(ProcessId::new(1), None, &text).await.unwrap_err();
    assert!(matches!(error, Error::Unsendable { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "CMD send: what is to be sent cannot be written as a request: it has more than 1 MiB"
    );
}

#[tokio::test]
async fn what_is_no_message_of_a_node_ends_everything_with_its_reason() {
    let text = "x".repeat(200);
    for (message, problem) in [
        ("hello".to_owned(), "`hello`: expected value at line 1 column 1"),
        ("[]".to_owned(), "`[]`: "),
        (r#"{"event": "gaffer:event", "data": {}}"#.to_owned(), "missing field `event`"),
        (text.clone(), "x`: expected value at line 1 column 1"),
        (
            r#"{"event": "gaffer:error", "data": {"error": "invalid_msg", "reason": "invalid_json", "detail": "no object"}}"#
                .to_owned(),
            "it does not understand this client: invalid_json no object",
        ),
    ] {
        let (_script, control, mut peer) = script().await;
        let mut events = spawns(&control, &mut peer, json!({"run": "n"})).await;
        peer.say_text(r#"{"event": "gaffer:news", "data": 7}"#).await;
        peer.say_text(r#"{"event": "gaffer:subscription_end", "topic": "EVENTS:never"}"#).await;
        peer.spawn("EVENTS:never", "n-1", "a").await;
        peer.agree("EVENTS:never", json!({})).await;
        peer.refuse("EVENTS:never", 503).await;
        let (answered, ()) = tokio::join!(command(&control, "waits"), async {
            peer.command().await;
            peer.say_text(&message).await;
        });
        let of_command = answered.unwrap_err();
        let of_events = next(&mut events).await.unwrap().unwrap_err();
        let later = command(&control, "later").await.unwrap_err();
        for error in [of_command, of_events, later] {
            assert!(matches!(error, Error::Protocol { .. }), "{message}: {error:?}");
            assert!(error.to_string().contains(problem) && error.to_string().len() < 300, "{message}: {error}");
        }
        assert!(next(&mut events).await.is_none());
    }
}

#[tokio::test]
async fn an_event_that_does_not_read_ends_its_subscription_and_no_other() {
    let (_script, control, mut peer) = script().await;
    let mut events = spawns(&control, &mut peer, json!({})).await;
    let all = ".".parse().unwrap();
    let (opened, ()) = tokio::join!(control.watch(&all, &NOW), async {
        peer.subscribe().await;
        peer.agree("EVENTS", json!({})).await;
    });
    peer.say(json!({"event": "gaffer:event", "data": {"event": "spawn", "topic": "EVENTS", "name": 7}})).await;
    let error = next(&mut opened.unwrap()).await.unwrap().unwrap_err();
    assert!(error.to_string().starts_with("SUB EVENTS: the answer of"), "{error}");
    peer.unsubscribe("EVENTS").await;
    peer.spawn("EVENTS:spawn", "n-1", "a").await;
    assert_eq!(name(&mut events).await, "default.a");
}

#[tokio::test]
async fn a_node_that_takes_the_connection_back_for_good_is_not_asked_again() {
    for status in [401, 403, 404] {
        let (script, control, mut peer) = script().await;
        let mut events = spawns(&control, &mut peer, json!({"run": "n"})).await;
        drop(peer);
        let mut stream = script.stream().await;
        let body = r#"{"error": "no", "reason": "not any more"}"#;
        let answer =
            format!("HTTP/1.1 {status} No\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
        assert!(matches!(next(&mut events).await, Some(Ok(Told::Disconnected(_)))));
        let error = next(&mut events).await.unwrap().unwrap_err();
        assert_eq!(error.refusal().map(|refusal| refusal.status), Some(status), "{error:?}");
        let error = command(&control, "later").await.unwrap_err();
        assert_eq!(error.refusal().map(|refusal| refusal.reason.as_str()), Some("not any more"), "{error:?}");
    }
}

#[tokio::test]
async fn a_node_that_wants_another_key_is_not_asked_again() {
    let words = |status: u16, reason: &str| {
        Some(json!({"event": "gaffer:error", "data": {"error": "AUTH_REQUIRED", "reason": reason, "errno": status}}))
    };
    let of_original = |status: u16| {
        let reason = json!({"errno": status, "error": "unauthorized"}).to_string();
        Some(json!({"event": "gaffer:error", "data": {"error": "AUTH_REQUIRED", "reason": reason}}))
    };
    for (status, said) in [
        (401, words(401, "the key was revoked")),
        (403, words(403, "the key permits nothing here")),
        (401, of_original(401)),
        (403, of_original(403)),
        (401, None),
        (403, None),
    ] {
        let (script, control, mut peer) = script().await;
        let mut events = spawns(&control, &mut peer, json!({"run": "n"})).await;
        let (answered, ()) = tokio::join!(command(&control, "waits"), async {
            peer.command().await;
            if let Some(said) = &said {
                peer.say(said.clone()).await;
            }
            peer.close(4000 + status).await;
        });
        let of_command = answered.unwrap_err();
        let of_events = next(&mut events).await.unwrap().unwrap_err();
        let later = command(&control, "later").await.unwrap_err();
        if said.is_some() {
            assert_eq!(of_command.refusal().map(|refusal| refusal.status), Some(status), "{said:?}: {of_command:?}");
        }
        for error in [of_events, later] {
            assert_eq!(error.refusal().map(|refusal| refusal.status), Some(status), "{said:?}: {error:?}");
        }
        assert!(next(&mut events).await.is_none());
        assert!(script.stream().now_or_never().is_none(), "it does not come again");
    }
}

#[tokio::test]
async fn the_key_goes_with_the_opening_of_every_connection() {
    let (seen, heads) = std::sync::mpsc::channel();
    let address = crate::fixture::server(move |stream| {
        seen.send(crate::fixture::request(&stream)).unwrap();
        let answer = b"HTTP/1.1 401 No\r\nContent-Length: 39\r\nConnection: close\r\n\r\n{\"errno\":401,\"error\":\"x\",\"reason\":\"no\"}";
        std::io::Write::write_all(&mut &stream, answer).unwrap();
    });
    let client = Client::builder(&endpoint(address)).api_key("s3cret").build().unwrap();
    let control = client.control(&ControlOptions::default()).await.map(drop);
    let stdio = client.stdio(ProcessId::new(1), &SocketOptions::default()).await.map(drop);
    let channel = client.channel(ProcessId::new(1), &SocketOptions::default()).await.map(drop);
    for outcome in [control, stdio, channel] {
        let error = outcome.unwrap_err();
        assert_eq!(error.refusal().map(|refusal| refusal.status), Some(401), "{error:?}");
        let head = heads.recv_timeout(gaffer_tests::DEADLINE).unwrap();
        assert!(head.contains("upgrade: websocket") && head.contains("x-api-key: s3cret\r\n"), "{head}");
    }
}

#[tokio::test]
async fn a_node_that_does_not_know_it_says_so() {
    let address = answering(
        "HTTP/1.1 404 Not Found\r\nContent-Length: 45\r\n\r\n{\"error\":\"not_found\",\"reason\":\"no such path\"}",
    );
    let error = client_of(address).control(&ControlOptions::default()).await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = Client::new(&endpoint(address)).unwrap().control(&ControlOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_reason_is_told_once_and_another_one_anew() {
    let (script, control, mut peer) = script().await;
    let mut events = spawns(&control, &mut peer, json!({"run": "n"})).await;
    drop(peer);
    for _ in 0..3 {
        let mut stream = script.stream().await;
        stream
            .write_all(b"HTTP/1.1 503 No\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{\"error\":\"no\"}")
            .await
            .unwrap();
    }
    let mut peer = script.accept().await;
    peer.subscribe().await;
    peer.agree("EVENTS:spawn", json!({"run": "n", "after": "n-1"})).await;
    assert!(matches!(next(&mut events).await, Some(Ok(Told::Disconnected(Error::Interrupted { .. })))));
    assert!(matches!(next(&mut events).await, Some(Ok(Told::Disconnected(Error::Refused(_))))));
    assert!(matches!(next(&mut events).await, Some(Ok(Told::Reconnected { same_run: true }))));
}

#[tokio::test]
async fn a_node_that_closes_again_and_again_is_not_asked_without_a_pause() {
    let (script, control, peer) = script().await;
    drop(peer);
    let begun = std::time::Instant::now();
    for _ in 0..3 {
        drop(script.accept().await);
    }
    // Pauses of at least 50, 100 and 200 ms lie between them.
    assert!(begun.elapsed() >= Duration::from_millis(350), "{:?}", begun.elapsed());
    drop(control);
}

#[tokio::test]
async fn what_a_topic_tells_comes_though_the_node_does_not_listen() {
    let (_script, control, mut peer) = script().await;
    let mut events = spawns(&control, &mut peer, json!({})).await;
    let pid = ProcessId::new(7);
    // More than the kernel takes.
    let commands: Vec<_> = (0..40)
        .map(|_| {
            let control = control.clone();
            tokio::spawn(async move { control.send(pid, None, &"x".repeat(1_000_000)).await })
        })
        .collect();
    let mut socket = peer.into_inner();
    for number in 0..1000 {
        let data =
            json!({"event": "spawn", "topic": "EVENTS:spawn", "name": format!("j{number}"), "more": "x".repeat(5000)});
        socket.send(Message::text(json!({"event": "gaffer:event", "data": data}).to_string())).await.unwrap();
        if number % 100 == 99 {
            loop {
                match next(&mut events).await {
                    Some(Ok(Told::Item(event))) if event.name.name() == format!("j{number}") => break,
                    Some(Ok(Told::Item(_))) => {}
                    told => panic!("{told:?}"),
                }
            }
        }
    }
    assert!(commands.iter().all(|command| !command.is_finished()));
    drop(socket);
    for command in commands {
        command.abort();
    }
}

#[tokio::test]
async fn what_nobody_reads_is_bounded_and_the_newest_of_it_is_told() {
    let (_script, control, mut peer) = script().await;
    let mut slow = spawns(&control, &mut peer, json!({})).await;
    let text = "x".repeat(10_000);
    for number in 0..1000 {
        let data = json!({"event": "spawn", "topic": "EVENTS:spawn", "name": format!("j{number}"), "reason": text});
        peer.say(json!({"event": "gaffer:event", "data": data})).await;
    }
    let (answered, ()) = tokio::join!(command(&control, "behind-them"), async {
        let asked = peer.command().await;
        peer.answer(&asked, json!(1)).await;
    });
    answered.unwrap();
    let Some(Ok(Told::Lost(words))) = next(&mut slow).await else { panic!("the loss is not told") };
    let lost: u64 = words.strip_suffix(" events lost").unwrap().parse().unwrap();
    assert!(lost > 890, "{words}");
    for number in lost..1000 {
        assert_eq!(item(next(&mut slow).await).name.name(), format!("j{number}"));
    }
    drop(control);
}

#[test]
fn who_listens_beyond_the_runtime_of_a_connection_does_not_wait_for_ever() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let (control, mut events) = first.block_on(async {
        let (_script, control, mut peer) = script().await;
        let events = spawns(&control, &mut peer, json!({"run": "n"})).await;
        (control, events)
    });
    drop(first);
    second.block_on(async {
        let told = next(&mut events).await;
        assert!(matches!(told, Some(Err(Error::Interrupted { .. }))), "{told:?}");
        assert!(next(&mut events).await.is_none());
        let error = command(&control, "later").await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    });
}

#[tokio::test]
async fn a_silent_node_is_given_up() {
    let (script, control, mut peer) = script().await;
    let mut events = spawns(&control, &mut peer, json!({"run": "n"})).await;
    let silent = peer.into_inner();
    tokio::time::pause();
    let Some(Ok(Told::Disconnected(error))) = futures_util::StreamExt::next(&mut events).await else {
        panic!("the loss is not told")
    };
    assert!(error.to_string().ends_with("nothing was heard for 90 s"), "{error}");
    drop((silent, script));
}

#[tokio::test]
async fn a_proxy_in_between_changes_nothing() {
    let script = Script::new().await;
    let address = script.client().endpoint().to_string();
    let proxy = Proxy::to(address.strip_prefix("http://").unwrap().parse().unwrap());
    let client = client_of(proxy.address);
    let (control, mut peer) = script.connected(&client, &ControlOptions::default()).await;
    let mut events = spawns(&control, &mut peer, json!({"run": "n", "after": "n-1"})).await;
    proxy.cut();
    let mut peer = script.accept().await;
    assert_eq!(peer.subscribe().await.after.as_deref(), Some("n-1"));
    peer.agree("EVENTS:spawn", json!({"run": "n", "after": "n-1"})).await;
    assert!(matches!(next(&mut events).await, Some(Ok(Told::Disconnected(_)))));
    assert!(matches!(next(&mut events).await, Some(Ok(Told::Reconnected { same_run: true }))));
}
