//! To real nodes.

use std::collections::BTreeSet;

use gaffer_client::{Control, ControlItem, ControlOptions, Error, SubscribeOptions, Subscription, Told};
use gaffer_core::{
    JobSpec,
    api::{JobState, channel::Topic},
    events::Pattern,
    names::Signal,
    stats::Target,
    supervisor::{OneOff, Scale},
};
use gaffer_tests::Daemon;
use rustix::process::{Pid, kill_process};
use serde_json::{Map, Value, json};

use crate::fixture::{JOBS, Proxy, at_socket, client_of, item, job, label, next, next_item, node, pid, soon};

/// A node with jobs that run, and a connection to it.
async fn connected() -> (Daemon, Control) {
    let (daemon, client) = node();
    let control = client.control(&ControlOptions::default()).await.unwrap();
    (daemon, control)
}

/// Nothing of the past.
const NOW: SubscribeOptions = SubscribeOptions { history: 0 };

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap()
}

fn topic(text: &str) -> Topic {
    text.parse().unwrap()
}

fn status(error: &Error) -> Option<u16> {
    error.refusal().map(|refusal| refusal.status)
}

/// Reads output until it has a text.
async fn read_until(output: &mut Subscription<gaffer_client::StreamText>, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        text += &next_item(output).await.text;
    }
    text
}

#[tokio::test]
async fn a_job_lives_from_its_loading_to_its_unloading() {
    let (daemon, control) = connected().await;
    let clock = job("shop.clock");
    let mut spec = JobSpec::new(clock.clone(), "misbehave forever");
    spec.numprocesses = 2;
    control.load(&spec.check().unwrap()).await.unwrap();
    let error = control.load(&json!({"name": "shop.clock", "cmd": "true"})).await.unwrap_err();
    assert_eq!(status(&error), Some(409), "{error:?}");
    assert_eq!(control.sessions().await.unwrap(), ["default", "shop"].map(|name| name.parse().unwrap()));
    assert_eq!(control.jobs().await.unwrap(), ["echo", "shop.api", "shop.clock"].map(job));
    assert_eq!(control.jobs_of(&"shop".parse().unwrap()).await.unwrap(), ["shop.api", "shop.clock"].map(job));

    daemon.until_running("shop.clock", 2);
    assert_eq!(control.pids(&clock).await.unwrap().len(), 2);
    assert_eq!(control.processes().await.unwrap().len(), 4);
    let detail = control.job(&clock).await.unwrap();
    assert_eq!((detail.status.name, detail.status.running), (clock.clone(), 2));
    assert_eq!(control.job_stats(&clock).await.unwrap().stats.len(), 2);
    for (scale, expected) in [(Scale::Add(2), 4), (Scale::Sub(1), 3), (Scale::Set(1), 1)] {
        assert_eq!(control.scale(&clock, scale).await.unwrap(), expected, "{scale:?}");
    }
    control.reload(&clock).await.unwrap();
    daemon.until_running("shop.clock", 2);
    control.update(&json!({"name": "shop.clock", "cmd": "misbehave forever", "numprocesses": 1})).await.unwrap();
    daemon.until_running("shop.clock", 1);
    control.restart(&clock).await.unwrap();
    control.stop_all(&clock).await.unwrap();
    control.stop(&clock).await.unwrap();
    daemon.until_running("shop.clock", 0);
    assert_eq!(control.job(&clock).await.unwrap().status.state, JobState::Stopped);
    control.start(&clock).await.unwrap();
    daemon.until_running("shop.clock", 1);
    control.unload(&clock).await.unwrap();
    let error = control.start(&clock).await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    assert_eq!(error.to_string(), "no job is named `shop.clock`");
}

#[tokio::test]
async fn processes_are_commanded_one_by_one() {
    let (daemon, control) = connected().await;
    let (echo, out) = (job("echo"), label("out"));
    let pid = pid(&daemon, "echo");
    let info = control.process(pid).await.unwrap();
    assert_eq!((info.pid, info.name), (pid, echo.clone()));
    assert_eq!(control.process_stats(pid).await.unwrap().pid, pid);
    let mut output = control.follow_output(pid, Some(&out), &NOW).await.unwrap();
    control.send(pid, None, "as it is").await.unwrap();
    control.send(pid, None, "\n").await.unwrap();
    assert_eq!(read_until(&mut output, "\n").await, "as it is\n");
    let error = control.send(pid, Some(&label("nope")), "x").await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");

    let once = OneOff { env: [("A".to_owned(), "b".to_owned())].into(), ..OneOff::default() };
    let one_off = control.commit(&echo, &once).await.unwrap();
    assert_eq!(control.process(one_off).await.unwrap().env["A"].as_deref(), Some("b"));
    let mut events = control.watch(&Pattern::Process(one_off, None), &NOW).await.unwrap();
    control.stop_process(one_off).await.unwrap();
    assert_eq!(item(next(&mut events).await).event, format!("proc.{one_off}.stop_process"));
    assert_eq!(item(next(&mut events).await).event, format!("proc.{one_off}.exit"));
    assert!(next(&mut events).await.is_none(), "it ends with the process");

    let mut exits = control.watch(&pattern("exit"), &NOW).await.unwrap();
    control.signal_process(pid, "KILL".parse::<Signal>().unwrap()).await.unwrap();
    assert_eq!(item(next(&mut exits).await).term_signal, Some(9));
    daemon.until_running("echo", 1);
    control.signal(&echo, "INT".parse::<Signal>().unwrap()).await.unwrap();
    assert_eq!(item(next(&mut exits).await).term_signal, Some(2));
}

#[tokio::test]
async fn what_a_node_refuses_it_explains() {
    let (daemon, control) = connected().await;
    let refused = |command: &'static str, args: Vec<Value>| {
        let control = control.clone();
        async move { control.command(command, args, Map::new()).await.unwrap_err() }
    };
    let error = refused("dance", vec![]).await;
    assert_eq!(error.refusal().map(|refusal| refusal.error.as_str()), Some("command_not_found"), "{error:?}");
    let error = refused("scale", vec!["echo".into()]).await;
    assert_eq!(error.refusal().map(|refusal| (refusal.status, refusal.error.as_str())), Some((400, "bad_command")));
    assert!(refused("kill", vec![99.into(), 15.into()]).await.is_not_found());
    assert!(refused("info", vec!["nope".into()]).await.is_not_found());
    let named = Map::from_iter([("job".to_owned(), "echo".into()), ("n".to_owned(), "=1".into())]);
    assert_eq!(control.command("scale", Vec::new(), named).await.unwrap(), json!({"numprocesses": 1}));

    for name in ["JOB:nope", "PROCESS:99", "STATS:nope", "STATS:99", "STREAM:99"] {
        let error = control.subscribe(&topic(name), &NOW).await.unwrap_err();
        assert!(error.is_not_found(), "{name}: {error:?}");
    }
    let pid = pid(&daemon, "echo");
    let error = control.follow_output(pid, Some(&label("nope")), &NOW).await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
}

#[tokio::test]
async fn a_connection_has_so_many_topics_and_no_more() {
    let (_daemon, control) = connected().await;
    let mut subscriptions = Vec::new();
    for number in 0..256 {
        subscriptions.push(control.watch(&pattern(&format!("job.s{number}")), &NOW).await.unwrap());
    }
    let error = control.watch(&pattern("job.other"), &NOW).await.unwrap_err();
    assert_eq!(status(&error), Some(400), "{error:?}");
    subscriptions.pop();
    control.watch(&pattern("job.other"), &NOW).await.unwrap();
}

#[tokio::test]
async fn a_command_that_no_node_could_read_is_not_sent() {
    let (_daemon, control) = connected().await;
    let mut nested = serde_json::Value::Null;
    for _ in 0..200 {
        nested = vec![nested].into();
    }
    let error = control.command("jobs", vec![nested], Default::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unsendable { .. }), "{error:?}");
    control.command("jobs", Vec::new(), Default::default()).await.expect("the connection is as good as before");
}

#[tokio::test]
async fn a_job_may_be_larger_than_a_message() {
    let (daemon, control) = connected().await;
    // As large as a body may be: with all else there is to say of it, it is more than a message may have.
    let value = "x".repeat(1024 * 1024 - 100);
    daemon.post_body("/processes", format!(r#"{{"name":"large","cmd":"true","start":false,"env":{{"W":"{value}"}}}}"#));
    let info = control.command("info", vec!["large".into()], Default::default()).await.unwrap();
    assert_eq!(info["info"]["config"]["env"]["W"], value);
}

#[tokio::test]
async fn subscriptions_do_not_wait_for_commands() {
    let (daemon, control) = connected().await;
    daemon.post_body("/processes", r#"{"name": "deaf", "cmd": "sleep 1000", "redirect_input": true}"#);
    let deaf = pid(&daemon, "deaf");
    let waiting: Vec<_> = (0..64)
        .map(|_| {
            let control = control.clone();
            tokio::spawn(async move { control.send(deaf, None, &"x".repeat(100_000)).await })
        })
        .collect();
    soon("it is subscribed", control.watch(&pattern("job.default"), &NOW)).await.unwrap();
    for sending in waiting {
        sending.abort();
    }
}

#[tokio::test]
async fn more_commands_than_are_on_the_way_at_once_are_all_answered() {
    let (daemon, control) = connected().await;
    let pid = pid(&daemon, "echo");
    let mut output = control.follow_output(pid, None, &NOW).await.unwrap();
    let commands: Vec<_> = (0..300)
        .map(|number| {
            let control = control.clone();
            tokio::spawn(async move { control.send(pid, None, &format!("{number:04}\n")).await })
        })
        .collect();
    for command in commands {
        soon("it is answered", command).await.unwrap().unwrap();
    }
    let mut text = String::new();
    while text.len() < 300 * 5 {
        text += &item(next(&mut output).await).text;
    }
    let lines: BTreeSet<_> = text.lines().collect();
    assert_eq!(lines.len(), 300);
}

#[tokio::test]
async fn many_topics_and_commands_share_one_connection() {
    let (daemon, client) = node();
    let proxy = Proxy::to(daemon.address());
    let control = client_of(proxy.address).control(&ControlOptions::default()).await.unwrap();
    let (echo, api) = (pid(&daemon, "echo"), pid(&daemon, "shop.api"));
    let mut names: Vec<String> = [
        "EVENTS",
        "EVENTS:proc",
        "EVENTS:job.default",
        "EVENTS:job.default.echo",
        "EVENTS:job.default.echo.exit",
        "JOB:default.echo",
        "STATS",
        "STATS:default.echo",
        "STATS:shop.api",
    ]
    .map(str::to_owned)
    .into();
    names.extend(["spawn", "exit", "stop_process"].map(|kind| format!("EVENTS:{kind}")));
    names.extend([format!("PROCESS:{echo}"), format!("EVENTS:proc.{echo}"), format!("EVENTS:proc.{echo}.exit")]);
    names.extend([
        format!("STATS:{echo}"),
        format!("STATS:{api}"),
        format!("STREAM:{echo}"),
        format!("STREAM:{echo}.out"),
    ]);
    names.push("EVENTS:job.default.echo.spawn".to_owned());
    assert_eq!(names.len(), 20);
    let mut subscriptions = Vec::new();
    for name in &names {
        subscriptions.push(control.subscribe(&topic(name), &NOW).await.unwrap());
    }
    control.send(echo, None, "hello\n").await.unwrap();
    // Each tells something of its kind; those of the process have told it before that is stopped.
    for (name, subscription) in names.iter().zip(&mut subscriptions).filter(|(name, _)| name.starts_with('S')) {
        let told = item(next(subscription).await);
        let is_output = matches!(&told, ControlItem::Output(text) if text.text == "hello\n");
        assert!(is_output || matches!(told, ControlItem::Stats(_)), "{name}: {told:?}");
        assert_eq!(is_output, name.starts_with("STREAM"), "{name}");
    }
    client.stop_process(echo).await.unwrap();
    for (name, subscription) in names.iter().zip(&mut subscriptions).filter(|(name, _)| !name.starts_with('S')) {
        assert!(matches!(item(next(subscription).await), ControlItem::Event(_)), "{name}");
    }
    assert_eq!(control.sessions().await.unwrap().len(), 2);
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn what_is_of_a_process_ends_with_it() {
    let (daemon, control) = connected().await;
    let pid = pid(&daemon, "echo");
    let mut stats = control.follow_stats(&Target::Process(pid)).await.unwrap();
    let mut output = control.follow_output(pid, None, &NOW).await.unwrap();
    let mut events = control.subscribe(&Topic::Process(pid), &NOW).await.unwrap();
    let sample = item(next(&mut stats).await);
    assert_eq!((sample.job, sample.process.pid), (job("echo"), pid));
    control.send(pid, None, "é\n").await.unwrap();
    let text = item(next(&mut output).await);
    assert_eq!((text.job, text.pid, text.label, text.text.as_str()), (Some(job("echo")), pid, label("out"), "é\n"));
    control.stop_process(pid).await.unwrap();
    while let Some(told) = next(&mut stats).await {
        item(Some(told));
    }
    assert!(next(&mut output).await.is_none());
    let mut last = None;
    while let Some(told) = next(&mut events).await {
        last = Some(item(Some(told)));
    }
    let Some(ControlItem::Event(exit)) = last else { panic!("it has told nothing") };
    assert_eq!(exit.event, format!("proc.{pid}.exit"));

    let mut late = control.follow_output(pid, None, &SubscribeOptions { history: 5 }).await.unwrap();
    assert_eq!(item(next(&mut late).await).text, "é\n");
    assert!(next(&mut late).await.is_none());
    let mut events = control.watch(&pattern("proc.echo"), &SubscribeOptions { history: 2 }).await.unwrap();
    item(next(&mut events).await);
    item(next(&mut events).await);
}

#[tokio::test]
async fn no_event_is_lost_or_told_twice_when_connections_are_cut() {
    let (daemon, client) = node();
    let proxy = Proxy::to(daemon.address());
    let whole = client.control(&ControlOptions::default()).await.unwrap();
    let mut whole = whole.watch(&pattern("."), &NOW).await.unwrap();
    let control = client_of(proxy.address).control(&ControlOptions::default()).await.unwrap();
    let mut cut = control.watch(&pattern("."), &NOW).await.unwrap();
    let mut same = control.watch(&pattern("."), &NOW).await.unwrap();
    // What precedes the first event has some 350 bytes, so that each connection tells an event or two, or a part of one.
    proxy.cut_after(900, 5);
    proxy.cut();
    for _ in 0..5 {
        client.stop(&job("echo")).await.unwrap();
        daemon.until_running("echo", 0);
        client.start(&job("echo")).await.unwrap();
        daemon.until_running("echo", 1);
    }
    for _ in 0..40 {
        let expected = item(next(&mut whole).await);
        assert_eq!(next_item(&mut cut).await, expected);
        assert_eq!(next_item(&mut same).await, expected);
    }
    assert_eq!(proxy.connections(), 7, "the first, five that were cut, and the last");
}

#[tokio::test]
async fn output_goes_on_at_the_character_when_connections_are_cut() {
    let daemon = Daemon::start(JOBS);
    let (pid, client) = (pid(&daemon, "echo"), client_of(daemon.address()));
    let proxy = Proxy::to(daemon.address());
    let control = client_of(proxy.address).control(&ControlOptions::default()).await.unwrap();
    let mut output = control.follow_output(pid, None, &NOW).await.unwrap();
    proxy.cut_after(700, 5);
    proxy.cut();
    let mut expected = String::new();
    for number in 0..60 {
        let line = "é".repeat(number % 7) + &format!(" {number}\n");
        client.send(pid, None, line.clone()).await.unwrap();
        expected += &line;
    }
    assert_eq!(read_until(&mut output, " 59\n").await, expected);
    assert_eq!(proxy.connections(), 7, "the first, five that were cut, and the last");
}

#[tokio::test]
async fn a_loss_before_the_first_event_is_none_and_statistics_come_again() {
    let (daemon, client) = node();
    let proxy = Proxy::to(daemon.address());
    let control = client_of(proxy.address).control(&ControlOptions::default()).await.unwrap();
    let mut stops = control.watch(&pattern("stop"), &NOW).await.unwrap();
    let mut stats = control.follow_stats(&Target::All).await.unwrap();
    proxy.cut();
    client.stop(&job("shop.api")).await.unwrap();
    assert!(matches!(next(&mut stops).await, Some(Ok(Told::Disconnected(Error::Interrupted { .. })))));
    assert!(matches!(next(&mut stops).await, Some(Ok(Told::Reconnected { same_run: true }))));
    assert_eq!(item(next(&mut stops).await).name, job("shop.api"));
    while !matches!(next(&mut stats).await, Some(Ok(Told::Reconnected { same_run: true }))) {}
    item(next(&mut stats).await);
    assert_eq!(control.scale(&job("echo"), Scale::Set(2)).await.unwrap(), 2, "commands go on as well");
}

#[tokio::test]
async fn a_connection_survives_a_node_that_is_killed_and_no_process_is_taken_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("g.sock");
    let (mut first, client) = at_socket(&socket);
    let old = pid(&first, "echo");
    let control = client.control(&ControlOptions::default()).await.unwrap();
    let mut events = control.watch(&pattern("spawn"), &NOW).await.unwrap();
    let mut of_job = control.subscribe(&topic("JOB:echo"), &NOW).await.unwrap();
    let mut stats = control.follow_stats(&Target::All).await.unwrap();
    let mut of_process = control.subscribe(&Topic::Process(old), &NOW).await.unwrap();
    let mut output = control.follow_output(old, None, &NOW).await.unwrap();
    let mut stats_of_process = control.follow_stats(&Target::Process(old)).await.unwrap();
    let gafferd = Pid::from_raw(first.os_pid()).unwrap();
    kill_process(gafferd, rustix::process::Signal::KILL).unwrap();
    first.wait();
    // What a killed node leaves is no matter here.
    first.until("what it left is gone", || match first.descendants() {
        left if left.is_empty() => Ok(()),
        left => {
            for pid in &left {
                let _gone_already = kill_process(Pid::from_raw(*pid).unwrap(), rustix::process::Signal::KILL);
            }
            Err(format!("{left:?}"))
        }
    });
    let Some(Ok(Told::Disconnected(error))) = next(&mut events).await else { panic!("the loss is not told") };
    assert!(matches!(error, Error::Interrupted { .. }), "{error:?}");
    // What is commanded meanwhile waits for the node.
    let waiting = control.clone();
    let waiting = tokio::spawn(async move { waiting.scale(&job("echo"), Scale::Set(1)).await });

    let (second, _) = at_socket(&socket);
    assert_eq!(pid(&second, "echo"), old, "pids begin anew");
    assert_eq!(soon("the node is there", waiting).await.unwrap().unwrap(), 1);
    let mut told = next(&mut events).await;
    while let Some(Ok(Told::Disconnected(_))) = told {
        told = next(&mut events).await;
    }
    assert!(matches!(told, Some(Ok(Told::Reconnected { same_run: false }))), "{told:?}");
    let told = next(&mut events).await;
    assert!(matches!(told, Some(Ok(Told::Lost(_)))), "what the other run did last is not known: {told:?}");
    assert_eq!(item(next(&mut events).await).name, job("echo"), "what is kept follows");
    while !matches!(next(&mut of_job).await, Some(Ok(Told::Reconnected { same_run: false }))) {}
    while !matches!(next(&mut stats).await, Some(Ok(Told::Reconnected { same_run: false }))) {}
    item(next(&mut stats).await);

    control.send(old, None, "new\n").await.unwrap();
    while let Some(told) = next(&mut output).await {
        assert!(matches!(told, Ok(Told::Disconnected(_))), "another process has this pid now: {told:?}");
    }
    while let Some(told) = next(&mut of_process).await {
        assert!(matches!(told, Ok(Told::Disconnected(_))), "{told:?}");
    }
    while let Some(told) = next(&mut stats_of_process).await {
        assert!(matches!(told, Ok(Told::Disconnected(_) | Told::Item(_))), "{told:?}");
    }
}

#[tokio::test]
async fn who_reads_slowly_is_told_what_is_lost_and_holds_up_nobody() {
    let daemon = Daemon::start(
        "[process:job]\ncmd = misbehave until go flood 8000000 print end forever\nredirect_output = out\n",
    );
    let (pid, client) = (pid(&daemon, "job"), client_of(daemon.address()));
    let control = client.control(&ControlOptions::default()).await.unwrap();
    let mut slow = control.follow_output(pid, None, &NOW).await.unwrap();
    let mut other = control.follow_output(pid, None, &NOW).await.unwrap();
    daemon.touch("go");
    let mut seen = BTreeSet::new();
    // One reads all of it while the other reads nothing.
    loop {
        match next(&mut other).await {
            Some(Ok(Told::Item(piece))) if piece.text.ends_with("end\n") => break,
            Some(Ok(Told::Item(_))) => drop(seen.insert("text")),
            Some(Ok(Told::Lost(_))) => drop(seen.insert("loss")),
            told => panic!("{told:?}"),
        }
        assert!(!control.jobs().await.unwrap().is_empty());
    }
    assert!(seen.contains("text"));
    let (mut text, mut lost) = (0, 0);
    loop {
        match next(&mut slow).await {
            Some(Ok(Told::Item(piece))) => {
                text += piece.text.len() as u64;
                if piece.text.ends_with("end\n") {
                    break;
                }
            }
            Some(Ok(Told::Lost(words))) => lost += words.split(' ').next().unwrap().parse::<u64>().unwrap(),
            told => panic!("{told:?}"),
        }
    }
    assert!(text <= 1024 * 1024);
    assert_eq!(text + lost, 8_000_000 + "end\n".len() as u64);
}

#[tokio::test]
async fn who_does_not_want_to_come_back_ends_with_the_connection() {
    let (daemon, _) = node();
    let proxy = Proxy::to(daemon.address());
    let control = client_of(proxy.address).control(&ControlOptions { resume: false }).await.unwrap();
    let mut events = control.watch(&pattern("."), &NOW).await.unwrap();
    proxy.cut();
    assert!(matches!(next(&mut events).await, Some(Err(Error::Interrupted { .. }))));
    assert!(next(&mut events).await.is_none());
    let error = control.sessions().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "nothing was done: {error:?}");
    let error = control.watch(&pattern("."), &NOW).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert_eq!(proxy.connections(), 1);
}
