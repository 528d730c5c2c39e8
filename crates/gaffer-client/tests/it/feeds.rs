//! Feeds, and what they survive.

use std::{
    io::Write,
    net::{Shutdown, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use gaffer_client::{Cause, Client, Error, FeedOptions, StatsOf, Told};
use gaffer_core::{ProcessId, api::EventMessage, events::Pattern, supervisor::OneOff};
use gaffer_tests::Daemon;

use crate::fixture::{
    JOBS, Proxy, answering, at_socket, client_of, item, job, label, lines, next, next_item, node, pid, request, server,
    soon,
};

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap()
}

fn with_history(history: usize) -> FeedOptions {
    FeedOptions { history, ..FeedOptions::default() }
}

fn names(events: &[EventMessage]) -> Vec<&str> {
    events.iter().map(|event| event.event.as_str()).collect()
}

#[tokio::test]
async fn what_happens_once_a_feed_is_open_is_told() {
    let (daemon, client) = node();
    let mut feed = client.watch(&pattern("proc.echo"), &FeedOptions::default()).await.unwrap();
    client.stop(&job("echo")).await.unwrap();
    let stop = item(next(&mut feed).await);
    assert_eq!((stop.event.as_str(), stop.name), ("proc.echo.stop", job("echo")));
    drop(daemon);
}

#[tokio::test]
async fn a_history_comes_first_and_recent_events_are_it_alone() {
    let (_daemon, client) = node();
    let recent = client.recent_events(&pattern("proc.echo"), 2).await.unwrap();
    assert_eq!(names(&recent), ["proc.echo.start", "proc.echo.spawn"]);
    let mut feed = client.watch(&pattern("proc.echo"), &with_history(2)).await.unwrap();
    assert_eq!([item(next(&mut feed).await), item(next(&mut feed).await)], recent[..]);
    assert_eq!(client.recent_events(&pattern("proc.echo"), 0).await.unwrap(), []);
    assert_eq!(client.recent_events(&pattern("flap"), 1000).await.unwrap(), []);
    let error = client.recent_events(&pattern("proc.nope.nope"), 1).await;
    assert!(error.is_ok(), "a job need not be there: {error:?}");
}

#[tokio::test]
async fn a_feed_of_a_process_ends_with_it() {
    let (daemon, client) = node();
    let pid = pid(&daemon, "echo");
    let mut feed = client.watch(&Pattern::Process(pid, None), &FeedOptions::default()).await.unwrap();
    let mut stats = client.follow_stats(&StatsOf::Process(job("echo"), pid), &FeedOptions::default()).await.unwrap();
    let sample = item(next(&mut stats).await);
    assert_eq!((sample.job, sample.process.pid), (job("echo"), pid));
    client.stop_process(pid).await.unwrap();
    let mut last = item(next(&mut feed).await);
    while let Some(told) = next(&mut feed).await {
        last = item(Some(told));
    }
    assert_eq!(last.event, format!("proc.{pid}.exit"));
    while let Some(told) = next(&mut stats).await {
        item(Some(told));
    }
}

#[tokio::test]
async fn no_event_is_lost_or_told_twice_when_connections_are_cut() {
    let (daemon, client) = node();
    let proxy = Proxy::to(daemon.address());
    let mut whole = client.watch(&pattern("."), &FeedOptions::default()).await.unwrap();
    let mut cut = client_of(proxy.address).watch(&pattern("."), &FeedOptions::default()).await.unwrap();
    // The head of an answer has some 250 bytes, so that each connection tells an event or two.
    proxy.cut_after(800, 5);
    proxy.cut();
    for _ in 0..5 {
        client.stop(&job("echo")).await.unwrap();
        daemon.until_running("echo", 0);
        client.start(&job("echo")).await.unwrap();
        daemon.until_running("echo", 1);
    }
    for _ in 0..30 {
        assert_eq!(next_item(&mut cut).await, item(next(&mut whole).await));
    }
    assert_eq!(proxy.connections(), 7, "the first, five that were cut, and the last");
}

#[tokio::test]
async fn output_goes_on_at_the_byte_when_connections_are_cut() {
    let daemon = Daemon::start(JOBS);
    let (pid, client) = (pid(&daemon, "echo"), client_of(daemon.address()));
    let proxy = Proxy::to(daemon.address());
    let mut feed = client_of(proxy.address).follow_output(pid, &label("out"), &FeedOptions::default()).await.unwrap();
    proxy.cut_after(700, 5);
    proxy.cut();
    let mut expected = Vec::new();
    for number in 0..40 {
        // Lines in pieces, empty ones, and characters of several bytes.
        let line = "é".repeat(number % 7) + &format!(" {number}");
        client.send(pid, None, line.clone()).await.unwrap();
        client.send(pid, None, if number % 5 == 0 { "\n\n" } else { "\n" }).await.unwrap();
        expected.push(line);
        expected.extend((number % 5 == 0).then(String::new));
    }
    let mut pieces = Vec::new();
    while lines(&pieces).len() < expected.len() || !pieces.last().is_some_and(|piece| piece.ends_line) {
        pieces.push(next_item(&mut feed).await);
    }
    assert_eq!(lines(&pieces), expected);
    assert_eq!(proxy.connections(), 7, "the first, five that were cut, and the last");
}

#[tokio::test]
async fn a_loss_before_the_first_event_is_none() {
    let (daemon, client) = node();
    let proxy = Proxy::to(daemon.address());
    let through = client_of(proxy.address);
    let mut events = through.watch(&pattern("stop"), &FeedOptions::default()).await.unwrap();
    let pid = pid(&daemon, "echo");
    let mut output = through.follow_output(pid, &label("out"), &FeedOptions::default()).await.unwrap();
    proxy.cut();
    client.send(pid, None, "\nfirst\n").await.unwrap();
    client.stop(&job("shop.api")).await.unwrap();
    assert!(matches!(next(&mut events).await, Some(Ok(Told::Disconnected(Error::Interrupted { .. })))));
    assert!(matches!(next(&mut events).await, Some(Ok(Told::Reconnected { same_run: true }))));
    assert_eq!(item(next(&mut events).await).name, job("shop.api"));
    let mut pieces = vec![next_item(&mut output).await];
    while lines(&pieces).len() < 2 {
        pieces.push(next_item(&mut output).await);
    }
    assert_eq!(lines(&pieces), ["", "first"]);
}

#[tokio::test]
async fn who_does_not_want_to_come_back_ends_with_the_connection() {
    let (daemon, _) = node();
    let proxy = Proxy::to(daemon.address());
    let options = FeedOptions { resume: false, ..FeedOptions::default() };
    let mut feed = client_of(proxy.address).watch(&pattern("."), &options).await.unwrap();
    proxy.cut();
    assert!(matches!(next(&mut feed).await, Some(Err(Error::Interrupted { .. }))));
    assert!(next(&mut feed).await.is_none());
}

#[tokio::test]
async fn a_feed_survives_the_node_and_no_process_is_taken_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("g.sock");
    let (mut first, client) = at_socket(&socket);
    let old = pid(&first, "echo");
    let options = FeedOptions::default();
    let mut events = client.watch(&pattern("spawn"), &options).await.unwrap();
    let mut stats = client.follow_stats(&StatsOf::All, &options).await.unwrap();
    let mut of_process = client.watch(&Pattern::Process(old, Some("flap".parse().unwrap())), &options).await.unwrap();
    let mut output = client.follow_output(old, &label("out"), &options).await.unwrap();
    let mut stats_of_process = client.follow_stats(&StatsOf::Process(job("echo"), old), &options).await.unwrap();
    item(next(&mut stats_of_process).await);
    client.send(old, None, "old\n").await.unwrap();
    assert_eq!(item(next(&mut output).await).text, "old");
    first.stop();
    let Some(Ok(Told::Disconnected(error))) = next(&mut events).await else { panic!("the loss is not told") };
    assert!(matches!(error, Error::Interrupted { cause: Cause::Closed, .. }), "{error:?}");
    let error = client.ping().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");

    let (second, _) = at_socket(&socket);
    assert_eq!(pid(&second, "echo"), old, "pids begin anew");
    assert!(matches!(next(&mut events).await, Some(Ok(Told::Reconnected { same_run: false }))));
    assert_eq!(item(next(&mut events).await).name, job("echo"), "what is kept follows, and that is no loss");

    while !matches!(next(&mut stats).await, Some(Ok(Told::Reconnected { same_run: false }))) {}
    item(next(&mut stats).await);

    client.send(old, None, "new\n").await.unwrap();
    for told in [next(&mut output).await, next(&mut output).await] {
        assert!(matches!(told, Some(Ok(Told::Disconnected(_))) | None), "{told:?}");
    }
    assert!(next(&mut output).await.is_none(), "another process has this pid now");
    while let Some(told) = next(&mut of_process).await {
        assert!(matches!(told, Ok(Told::Disconnected(_))), "{told:?}");
    }
    while let Some(told) = next(&mut stats_of_process).await {
        assert!(matches!(told, Ok(Told::Disconnected(_) | Told::Item(_))), "{told:?}");
    }
}

#[tokio::test]
async fn output_is_told_to_its_end_and_for_a_while_after_it() {
    let daemon = Daemon::start(
        "[process:job]\ncmd = misbehave print one until go print two eprint three\nredirect_output = out\nstart = false\n",
    );
    let client = client_of(daemon.address());
    let pid = commit(&client, "job").await;
    let mut feed = client.follow_output(pid, &label("out"), &with_history(10)).await.unwrap();
    assert_eq!(item(next(&mut feed).await).text, "one");
    daemon.touch("go");
    let mut pieces = vec![item(next(&mut feed).await)];
    while let Some(told) = next(&mut feed).await {
        pieces.push(item(Some(told)));
    }
    assert_eq!(lines(&pieces), ["two"], "and no loss of a connection is told");
    assert_eq!(client.recent_output(pid, &label("out"), 10).await.unwrap(), "one\ntwo\n");
    assert_eq!(client.recent_output(pid, &label("out"), 1).await.unwrap(), "two\n");
    let mut late = client.follow_output(pid, &label("out"), &with_history(1)).await.unwrap();
    assert_eq!(item(next(&mut late).await).text, "two");
    assert!(next(&mut late).await.is_none());

    let error = client.follow_output(pid, &label("nope"), &with_history(1)).await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    let error = client.recent_output(ProcessId::new(99), &label("out"), 1).await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    let error = client.follow_stats(&StatsOf::Job(job("nope")), &FeedOptions::default()).await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
}

/// Launches a one-off process of a job that may not be loaded yet.
async fn commit(client: &Client, name: &str) -> ProcessId {
    soon("the job is loaded", async {
        loop {
            match client.commit(&job(name), &OneOff::default()).await {
                Err(error) if error.is_not_found() => tokio::task::yield_now().await,
                launched => return launched.unwrap(),
            }
        }
    })
    .await
}

#[tokio::test]
async fn who_reads_too_slowly_is_told_what_is_lost() {
    let daemon = Daemon::start(
        "[process:job]\ncmd = misbehave until go flood 8000000 print end forever\nredirect_output = out\n",
    );
    let client = client_of(daemon.address());
    let pid = pid(&daemon, "job");
    let mut feed = client.follow_output(pid, &label("out"), &FeedOptions::default()).await.unwrap();
    daemon.touch("go");
    daemon.until("much was written", || match client_lost(&daemon, pid) {
        0 => Err("nothing is lost"),
        lost => Ok(lost),
    });
    let mut lost = Vec::new();
    loop {
        match next(&mut feed).await {
            Some(Ok(Told::Item(piece))) if piece.text.ends_with("end") => break,
            Some(Ok(Told::Item(_))) => {}
            Some(Ok(Told::Lost(text))) => lost.push(text),
            other => panic!("{other:?}"),
        }
    }
    assert!(lost[0].ends_with("bytes of out lost"), "{lost:?}");
}

/// Bytes that slow readers of a process lost.
fn client_lost(daemon: &Daemon, pid: ProcessId) -> u64 {
    daemon.get(&format!("/{pid}"))["lost"].as_u64().unwrap()
}

#[tokio::test]
async fn a_node_that_is_silent_for_too_long_is_lost_though_nobody_closes() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nLast-Event-ID: n-1\r\n\r\n: hb\r\n\r\n";
    let (gone, connections) = std::sync::mpsc::channel();
    let address = server(move |mut stream| {
        request(&stream);
        stream.write_all(head.as_bytes()).unwrap();
        gone.send(stream).unwrap(); // Kept open.
    });
    let mut feed = client_of(address).watch(&pattern("."), &FeedOptions::default()).await.unwrap();
    tokio::time::pause(); // From here on time passes as soon as everybody waits.
    let begun = tokio::time::Instant::now();
    let Some(Ok(Told::Disconnected(error))) = feed_next(&mut feed).await else { panic!("it is not told") };
    assert!(error.to_string().ends_with("nothing was heard for 40 s"), "{error}");
    assert!(begun.elapsed() >= Duration::from_secs(40));
    drop(connections);
}

/// Without a deadline, as time is nothing real.
async fn feed_next<T>(feed: &mut gaffer_client::Feed<T>) -> Option<Result<Told<T>, Error>> {
    futures_util::StreamExt::next(feed).await
}

#[tokio::test]
async fn what_comes_of_asking_again_decides_how_a_feed_goes_on() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nLast-Event-ID: n-1\r\nConnection: close\r\n\r\n";
    let refusal = |status: u16| {
        let body = format!(r#"{{"errno":{status},"error":"no","reason":"because"}}"#);
        format!("HTTP/1.1 {status} No\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    };
    let gone = "HTTP/1.1 204 No Content\r\n\r\n".to_owned();
    let proxys = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\nConnection: close\r\n\r\n<p/>".to_owned();
    let other = ok.replace("n-1", "m-1");
    let unknown = ok.replace("Last-Event-ID: n-1\r\n", "");
    // What is answered after the first time, one after the other; and what a feed of events and one of output tell.
    for (answers, events, output) in [
        (vec![gone.clone()], "disconnected, end", "end"),
        (vec![refusal(404)], "disconnected, refused 404", "end"),
        (vec![refusal(403)], "disconnected, refused 403", "refused 403"),
        (
            vec![refusal(503), proxys, gone.clone()],
            "disconnected, disconnected, disconnected, end",
            "disconnected, disconnected, end",
        ),
        (vec![other.clone(), gone.clone()], "disconnected, another run, disconnected, end", "end"),
        (
            vec![other.clone(), other, gone.clone()],
            "disconnected, another run, disconnected, same run, disconnected, end",
            "end",
        ),
        (vec![unknown, gone.clone()], "disconnected, another run, disconnected, end", "protocol"),
        // The reason is told anew when it is another one.
        (vec![refusal(503), refusal(503), gone.clone()], "disconnected, disconnected, end", "disconnected, end"),
        (vec![ok.to_owned(), gone.clone()], "disconnected, same run, disconnected, end", "disconnected, end"),
    ] {
        for (is_output, expected) in [(false, events), (true, output)] {
            let mut answers = std::iter::once(ok.to_owned()).chain(answers.clone());
            let address = server(move |mut stream| {
                request(&stream);
                let answer = answers.next().unwrap_or_else(|| "HTTP/1.1 418 Too Often\r\n\r\n".to_owned());
                stream.write_all(answer.as_bytes()).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            });
            let client = client_of(address);
            let told = if is_output {
                let feed = client.follow_output(ProcessId::new(1), &label("out"), &FeedOptions::default()).await;
                all(feed.unwrap()).await
            } else {
                all(client.watch(&pattern("."), &FeedOptions::default()).await.unwrap()).await
            };
            assert_eq!(told, expected, "is it output: {is_output}");
        }
    }
}

/// What a feed tells to its end, in words.
async fn all<T>(mut feed: gaffer_client::Feed<T>) -> String {
    let mut words = Vec::new();
    while let Some(told) = next(&mut feed).await {
        words.push(match told {
            Ok(Told::Item(_)) => "item".to_owned(),
            Ok(Told::Lost(text)) => format!("lost {text}"),
            Ok(Told::Disconnected(_)) => "disconnected".to_owned(),
            Ok(Told::Reconnected { same_run: true }) => "same run".to_owned(),
            Ok(Told::Reconnected { same_run: false }) => "another run".to_owned(),
            Err(Error::Refused(refusal)) => {
                return [words.join(", "), format!("refused {}", refusal.status)]
                    .into_iter()
                    .filter(|word| !word.is_empty())
                    .collect::<Vec<_>>()
                    .join(", ");
            }
            Err(Error::Protocol { .. }) => return [words, vec!["protocol".to_owned()]].concat().join(", "),
            Err(error) => panic!("{error}"),
        });
    }
    words.push("end".to_owned());
    words.join(", ")
}

/// What a server says at each of its connections, and how often it was called.
fn repeating(answer: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let address = server(move |mut stream| {
        request(&stream);
        counter.fetch_add(1, Ordering::SeqCst);
        let _gone_already = stream.write_all(answer.as_bytes());
        let _gone_already = stream.shutdown(Shutdown::Write);
    });
    (address, calls)
}

const SPAWN: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nLast-Event-ID: n-1\r\nConnection: close\r\n\r\n\
                     event: out\nid: n-2\ndata: {\"event\":\"spawn\",\"name\":\"web\"}\n\n";

#[tokio::test]
async fn a_node_that_ends_a_feed_again_and_again_is_not_asked_without_a_pause() {
    let beat =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nLast-Event-ID: n-1\r\nConnection: close\r\n\r\n: hb\n\n";
    for answer in [beat, SPAWN] {
        let (address, calls) = repeating(answer);
        let options = FeedOptions::default();
        let mut feed = client_of(address).follow_output(ProcessId::new(1), &label("out"), &options).await.unwrap();
        let begun = std::time::Instant::now();
        let mut lost = 0;
        while lost < 4 {
            lost += usize::from(matches!(next(&mut feed).await, Some(Ok(Told::Disconnected(_)))));
        }
        // Pauses of at least 50, 100 and 200 ms lie between them; the first end is looked into at once.
        assert!(begun.elapsed() >= Duration::from_millis(350), "{:?}", begun.elapsed());
        assert_eq!(calls.load(Ordering::SeqCst), 5);
    }
}

#[tokio::test]
async fn unknown_comments_are_skipped_and_known_losses_are_told() {
    let (address, _) = repeating(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nLast-Event-ID: n-1\r\nConnection: close\r\n\r\n\
         : keep-alive\n\n: 7 events lost\n\n",
    );
    let options = FeedOptions { resume: false, ..FeedOptions::default() };
    let feed = client_of(address).watch(&pattern("."), &options).await.unwrap();
    assert_eq!(all(feed).await, "lost 7 events lost, end");
}

#[tokio::test]
async fn what_comes_before_an_event_that_is_too_large_is_told() {
    let address = server(|mut stream| {
        request(&stream);
        let text = [SPAWN.as_bytes(), b"data: ", &vec![b'x'; 9 * 1024 * 1024]].concat();
        let _gone_already = stream.write_all(&text);
    });
    let mut feed = client_of(address).watch(&pattern("."), &FeedOptions::default()).await.unwrap();
    assert_eq!(item(next(&mut feed).await).event, "spawn");
    let error = next(&mut feed).await.unwrap().unwrap_err();
    assert!(error.to_string().ends_with("an event of more than 8 MiB"), "{error}");
}

#[tokio::test]
async fn an_id_that_no_request_can_carry_is_none() {
    let (seen, heads) = std::sync::mpsc::channel();
    let mut answers = ["a\u{1}-7", "n-7"].into_iter().cycle();
    let address = server(move |mut stream| {
        seen.send(request(&stream)).unwrap();
        let answer = SPAWN.replace("id: n-2", &format!("id: {}", answers.next().unwrap()));
        stream.write_all(answer.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    });
    let mut feed = client_of(address).watch(&pattern("."), &FeedOptions::default()).await.unwrap();
    for _ in 0..2 {
        item(next(&mut feed).await);
        assert!(matches!(next(&mut feed).await, Some(Ok(Told::Disconnected(_)))));
        assert!(matches!(next(&mut feed).await, Some(Ok(Told::Reconnected { same_run: true }))));
    }
    let heads: Vec<_> = heads.iter().take(3).collect();
    assert!(!heads[1].contains("last-event-id"), "{heads:?}");
    assert!(heads[2].contains("last-event-id: n-7"), "{heads:?}");
}

#[tokio::test]
async fn what_is_no_event_of_a_node_ends_a_feed() {
    for (answer, problem) in [
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>hello</p>", "it is no event stream"),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: <p>hello</p>\r\n\r\n",
            "`<p>hello</p>`: expected value at line 1 column 1",
        ),
    ] {
        let client = client_of(answering(answer));
        let error = match client.watch(&pattern("."), &FeedOptions::default()).await {
            Ok(mut feed) => next(&mut feed).await.unwrap().unwrap_err(),
            Err(error) => error,
        };
        assert!(matches!(&error, Error::Protocol { .. }), "{error:?}");
        assert!(error.to_string().ends_with(problem), "{error}");
    }
}

#[tokio::test]
async fn samples_come_again_and_again() {
    let (daemon, client) = node();
    let pid = pid(&daemon, "echo");
    let mut of_job = client.follow_stats(&StatsOf::Job(job("echo")), &FeedOptions::default()).await.unwrap();
    for _ in 0..3 {
        let sample = item(next(&mut of_job).await);
        assert_eq!((sample.job, sample.process.pid), (job("echo"), pid));
        assert!(sample.process.usage.rss.is_some_and(|bytes| bytes > 0));
    }
    let mut all = client.follow_stats(&StatsOf::All, &FeedOptions::default()).await.unwrap();
    let mut seen = std::collections::HashSet::new();
    while seen.len() < 2 {
        seen.insert(item(next(&mut all).await).job);
    }
    client.send(pid, None, Bytes::from_static(b"x")).await.unwrap();
    soon("the feeds are dropped", async { drop((of_job, all)) }).await;
}
