//! The console over real processes: what is shown, in which order, and what a bad writer cannot do.

pub(super) mod fixture;
mod lossless;
mod puppets;

use self::fixture::{Broken, DEADLINE, Fixture, Screen, Stalled, job, plain, start, stop};
use super::*;
use crate::{
    config::JobSpec,
    events::EventKind,
    streams::{Chunk, Start},
};

#[tokio::test]
async fn a_life_is_shown_from_start_to_exit() {
    let mut console = Fixture::start(plain()).await;
    let script = "printf 'on'; printf 'e\\n\\n  two\\nthree'; echo ready >&2; exec sleep 1000";
    console.manager.load(job("shop.web", script)).await.unwrap();
    console.until("ready").await;
    console.until("two").await;
    let pid = console.manager.pids(None).await.unwrap()[0];
    let os_pid = console.manager.process(pid).await.unwrap().os_pid;
    let mut lines = console.finish().await;
    let ready = lines.iter().position(|line| line == " shop.web | ready").unwrap();
    lines.remove(ready); // The order of two streams is the kernel's affair.
    assert_eq!(
        lines,
        [
            " shop.web | start shop.web".to_owned(),
            format!(" shop.web | spawn process with pid {os_pid}"),
            " shop.web | one".to_owned(),
            " shop.web |   two".to_owned(),
            " shop.web | stop shop.web".to_owned(),
            format!(" shop.web | stop_pid process with pid {os_pid}"),
            " shop.web | three".to_owned(),
            format!(" shop.web | exit process with pid {os_pid}"),
        ]
    );
}

#[tokio::test]
async fn output_of_a_process_that_is_gone_at_once_is_not_lost() {
    let mut console = Fixture::start(plain()).await;
    console.manager.load(job("short", "echo gone")).await.unwrap();
    console.until("short | gone\n").await;
    console.finish().await;
}

#[tokio::test]
async fn each_job_has_its_colour() {
    let settings = ConsoleSettings { actions: vec![EventKind::Spawn], ..ConsoleSettings::default() };
    let mut console = Fixture::start(settings).await;
    for name in ["a", "b"] {
        console.manager.load(job(name, "echo hello; exec sleep 1000")).await.unwrap();
        console.until(&format!("{name} | hello")).await;
    }
    let lines = console.finish().await;
    assert!(lines[0].starts_with("\u{1b}[36m a | spawn process with pid "), "{lines:?}");
    assert!(lines[0].ends_with("\u{1b}[39m"), "{lines:?}");
    assert_eq!(lines[1], "\u{1b}[36m a | hello\u{1b}[39m");
    assert_eq!(lines[3], "\u{1b}[33m b | hello\u{1b}[39m");
    assert_eq!(lines.len(), 4);
}

#[tokio::test]
async fn without_output_streams_only_events_are_shown() {
    let settings = ConsoleSettings { output_streams: false, actions: EventKind::ALL.to_vec(), ..plain() };
    let mut console = Fixture::start(settings).await;
    console.manager.load(job("web", "echo hello; exec sleep 1000")).await.unwrap();
    console.until("spawn process").await;
    let mut nonsense = JobSpec::new("nonsense".parse().unwrap(), "/no/such/program");
    nonsense.redirect_output = vec!["out".parse().unwrap()];
    console.manager.load(nonsense.check().unwrap()).await.unwrap();
    console.until("spawn_error").await;
    let lines = console.finish().await;
    assert!(lines.iter().all(|line| !line.contains("hello")), "{lines:?}");
    assert_eq!(lines[0], " web | create web");
    let error = " nonsense | spawn_error nonsense: there is no program `/no/such/program`";
    assert!(lines.iter().any(|line| line == error), "{lines:?}");
}

#[tokio::test]
async fn a_broken_pipe_hurts_nobody() {
    let manager = start(plain(), Box::new(Broken)).await;
    for name in ["a", "b"] {
        manager.load(job(name, "echo hello; exec sleep 1000")).await.unwrap();
    }
    assert_eq!(manager.pids(None).await.unwrap().len(), 2);
    stop(&manager).await;
}

#[tokio::test]
async fn a_stalled_terminal_stops_neither_processes_nor_the_node_and_is_told_its_loss() {
    let (writer, screen) = Screen::new();
    let (stalled, go, _) = Stalled::new(writer);
    let manager = start(plain(), Box::new(stalled)).await;
    // Far more than the queues and the history hold.
    manager.load(job("loud", "yes | head -n 8000000; echo done >&2; exec sleep 1000")).await.unwrap();
    let pid = manager.pids(None).await.unwrap()[0];
    let mut done = manager.output(pid, "err").await.unwrap().subscribe(Start::Oldest);
    let line = tokio::time::timeout(DEADLINE, done.recv()).await.expect("the process should not be held up");
    assert_eq!(line, Some(Chunk::Data(bytes::Bytes::from_static(b"done\n"))));
    drop(go);
    let mut console = Fixture { manager, screen };
    console.until(" bytes lost\n").await;
    console.finish().await;
}

#[tokio::test]
async fn a_terminal_that_never_wakes_up_does_not_keep_the_node_from_ending() {
    let (stalled, _go, _) = Stalled::new(Screen::new().0);
    let manager = start(plain(), Box::new(stalled)).await;
    manager.load(job("loud", "yes")).await.unwrap();
    stop(&manager).await;
}
