//! What processes write, and what is written to them.

use gaffer_tests::{Daemon, heavy, http::Feed, processes};
use serde_json::json;

const ECHO: &str = "[process:echo]\ncmd = misbehave cat\nredirect_output = out, err\nredirect_input = true\n";

#[test]
fn a_line_sent_to_stdin_comes_back_in_each_form_of_feed() {
    let daemon = Daemon::start(ECHO);
    let pid = daemon.until_running("echo", 1)[0];
    let input = format!("/streams/{pid}/stdin");

    let mut longpoll = daemon.feed(&format!("/streams/{pid}/out?feed=longpoll"));
    let mut unnamed = daemon.feed(&format!("/streams/{pid}/out"));
    let mut continuous = daemon.feed(&format!("/streams/{pid}/out?feed=continuous"));
    let mut events = daemon.feed(&format!("/streams/{pid}/out?feed=eventsource"));
    assert_eq!(daemon.post_body(&input, "first\n"), json!({"ok": true}));
    assert_eq!(longpoll.rest(), "first\n");
    assert_eq!(unnamed.rest(), "first\n");
    continuous.until("first\n");
    let first = events.until("\r\n\r\n");
    assert!(first.starts_with("event: out\r\nid: ") && first.ends_with("-5\r\ndata: first\r\n\r\n"), "{first:?}");

    daemon.post_body(&format!("/streams/{pid}/ttin"), "second\n");
    continuous.until("second\n");
    let second = events.until("\r\n\r\n");
    assert!(second.ends_with("-12\r\ndata: second\r\n\r\n"), "{second:?}");
    for feed in [&longpoll, &continuous] {
        assert_eq!(feed.head.header("content-type"), Some("application/octet-stream"));
    }
    assert_eq!(events.head.header("content-type"), Some("text/event-stream"));
}

#[test]
fn a_feed_ends_when_its_process_does() {
    let daemon = Daemon::start(
        "[process:web]\ncmd = misbehave until go print bye eprint oops exit 0\nredirect_output = out, err\n",
    );
    let pid = daemon.until_running("web", 1)[0];
    let mut out = daemon.feed(&format!("/streams/{pid}/out?feed=continuous"));
    let mut err = daemon.feed(&format!("/streams/{pid}/err?feed=eventsource"));
    daemon.touch("go");
    assert_eq!(out.rest(), "bye\n", "the last words are not lost");
    let err = err.rest();
    assert!(err.starts_with("event: err\r\nid: ") && err.ends_with("\r\ndata: oops\r\n\r\n"), "{err:?}");
}

#[test]
fn bytes_stay_bytes() {
    let daemon = Daemon::start(ECHO);
    let pid = daemon.until_running("echo", 1)[0];
    let mut feed = daemon.feed(&format!("/streams/{pid}/out?feed=continuous"));
    let bytes: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').chain([b'\n']).collect();
    let answer = gaffer_tests::http::request(daemon.address(), "POST", &format!("/streams/{pid}/stdin"), Some(&bytes));
    assert_eq!(answer.status, 200, "{answer}");
    let mut seen = Vec::new();
    while seen.len() < bytes.len() {
        seen.extend(feed.next_chunk().unwrap());
    }
    assert_eq!(seen, bytes);
}

#[test]
fn a_silent_feed_shows_that_it_lives_if_asked() {
    let daemon = Daemon::start(ECHO);
    let pid = daemon.until_running("echo", 1)[0];
    let mut continuous = daemon.feed(&format!("/streams/{pid}/out?feed=continuous&heartbeat=0.1"));
    let mut events = daemon.feed(&format!("/streams/{pid}/out?feed=eventsource&heartbeat=0.1"));
    assert_eq!(continuous.next_chunk().unwrap(), b"\n");
    assert_eq!(events.next_chunk().unwrap(), b": hb\r\n\r\n");
}

#[test]
fn what_cannot_be_read_or_written_is_refused() {
    let daemon = Daemon::start(&format!("{ECHO}[process:mute]\ncmd = misbehave forever\n"));
    let echo = daemon.until_running("echo", 1)[0];
    let mute = daemon.until_running("mute", 1)[0];
    for (method, path, status, code) in [
        ("GET", format!("/streams/{mute}/out"), 400, "io_not_redirected"),
        ("GET", format!("/streams/{echo}/nope"), 404, "io_not_found"),
        ("GET", "/streams/999/out".to_owned(), 404, "not_found"),
        ("GET", "/streams/x/out".to_owned(), 400, "bad_value"),
        ("GET", format!("/streams/{echo}/out?feed=nope"), 400, "bad_value"),
        ("GET", format!("/streams/{echo}/out?feed=continuous&heartbeat=never"), 400, "bad_value"),
        ("POST", format!("/streams/{mute}/stdin"), 403, "forbidden_write"),
        ("POST", format!("/streams/{echo}/out"), 404, "not_found"),
        ("POST", "/streams/999/stdin".to_owned(), 404, "not_found"),
    ] {
        let answer = daemon.request(method, &path, (method == "POST").then_some("x"));
        assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(code)), "{method} {path}: {answer}");
        assert_eq!(answer.json()["errno"], status);
        assert!(!answer.json()["reason"].as_str().unwrap().is_empty());
    }
}

#[test]
fn a_writer_to_a_process_that_does_not_read_waits_and_is_told_when_that_ends() {
    let daemon = Daemon::start("[process:deaf]\ncmd = misbehave forever\nredirect_input = true\n");
    let (pid, os_pid) = daemon.only_process("deaf");
    let address = daemon.address();
    // More than any pipe and queue hold.
    let writers: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                let body = vec![b'x'; 1_000_000];
                gaffer_tests::http::request(address, "POST", &format!("/streams/{pid}/stdin"), Some(&body)).status
            })
        })
        .collect();
    daemon.until("the pipe is full", || {
        // Others are answered meanwhile.
        assert_eq!(daemon.status("deaf")["running"], 1);
        if pipe_is_full(os_pid) { Ok(()) } else { Err("not yet") }
    });
    processes::signal(os_pid, nix::sys::signal::Signal::SIGKILL);
    let statuses: Vec<u16> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    assert!(statuses.contains(&409), "{statuses:?}");
    // One may come only when the process is gone already.
    assert!(statuses.iter().all(|status| [409, 404].contains(status)), "{statuses:?}");
}

/// Whether nothing more can be written to the pipe at a process's stdin.
pub(crate) fn pipe_is_full(os_pid: i32) -> bool {
    use std::os::unix::fs::OpenOptionsExt;
    let path = format!("/proc/{os_pid}/fd/0");
    let file = std::fs::OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(path);
    file.is_ok_and(|mut file| {
        let error = std::io::Write::write(&mut file, &[b'x'; 8192]);
        error.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    })
}

#[test]
fn a_reader_that_stalls_costs_bounded_memory_and_holds_up_nobody() {
    const BYTES: u64 = 64 * 1024 * 1024;
    let _turn = heavy();
    let daemon = Daemon::start(&format!(
        "[process:flood]\ncmd = misbehave until go flood {BYTES} touch done on-term 0\nredirect_output = out\n\
         [process:second]\ncmd = misbehave until go flood {BYTES} touch second on-term 0\nredirect_output = out\n"
    ));
    let pid = daemon.until_running("flood", 1)[0];
    let second = daemon.until_running("second", 1)[0];
    let mut stalled: Vec<Feed> = ["continuous", "eventsource"]
        .iter()
        .flat_map(|feed| [pid, second].map(|pid| daemon.feed(&format!("/streams/{pid}/out?feed={feed}"))))
        .collect();
    let before = processes::memory(daemon.os_pid(), "VmRSS");
    daemon.touch("go");
    // They would never get here if they had to wait for the readers.
    daemon.read("done");
    daemon.read("second");
    let after = processes::memory(daemon.os_pid(), "VmRSS");
    assert!(after < before + BYTES, "{before} bytes before, {after} after");
    // What is still in the queues can be read, and then the feed goes on.
    for feed in &mut stalled {
        assert!(!feed.next_chunk().unwrap().is_empty());
    }
}

#[test]
fn readers_that_vanish_half_way_are_forgotten() {
    let daemon = Daemon::start(
        "[process:flood]\ncmd = misbehave flood 1000000000000\nredirect_output = out\ngraceful_timeout = 5\n",
    );
    let pid = daemon.until_running("flood", 1)[0];
    let begun = processes::descriptors(daemon.os_pid()).len();
    for round in 0..40 {
        let mut feed = daemon.feed(&format!("/streams/{pid}/out?feed={}", ["continuous", "eventsource"][round % 2]));
        feed.next_chunk().unwrap();
    }
    daemon.until("their connections are closed", || {
        let now = processes::descriptors(daemon.os_pid()).len();
        if now <= begun { Ok(()) } else { Err(format!("{begun} at first, {now} now")) }
    });
}

#[test]
fn both_outputs_under_one_name_are_one_stream() {
    let daemon = Daemon::start(
        "[process:web]\ncmd = misbehave until go print a eprint b print c forever\nredirect_output = io, io\n",
    );
    let pid = daemon.until_running("web", 1)[0];
    let mut feed = daemon.feed(&format!("/streams/{pid}/io?feed=continuous"));
    daemon.touch("go");
    assert_eq!(feed.until("c\n"), "a\nb\nc\n");
}
