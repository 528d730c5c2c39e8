//! `--wait`: until it has happened, or will not.

use std::net::TcpListener;

use gaffer_tests::Daemon;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{Transcript, gafferctl};

/// `deaf` ends only once `go` is touched, `other` when it is told to. Both run.
fn deaf_and_other() -> Daemon {
    let daemon = Daemon::start(
        "[process:deaf]\ncmd = misbehave deaf touch ready until go\ngraceful_timeout = 100\n\
         [process:other]\ncmd = misbehave forever\n",
    );
    daemon.read("ready");
    daemon.only_process("other");
    daemon
}

#[test]
fn a_start_waits_until_all_processes_run() {
    let daemon = Daemon::start("[process:web]\ncmd = misbehave forever\nnumprocesses = 3\nstart = false\n");
    daemon.until_status("web", "is loaded", |_| true);
    let ctl = gafferctl(&daemon);
    assert_eq!(ctl.prints(&["start", "--wait", "web"]), "ok\n");
    assert_eq!(daemon.status("web")["running"], 3);
}

#[test]
fn a_start_of_what_cannot_be_launched_tells_why() {
    let daemon = Daemon::start(
        "[process:missing]\ncmd = no-such-program\nstart = false\n\
         [process:crashes]\ncmd = misbehave exit 7\nstart = false\nflapping = 2, 60, 0.1, 1\nnumprocesses = 40\n\
         [process:works]\ncmd = misbehave forever\nstart = false\n",
    );
    daemon.until_status("works", "is loaded", |_| true);
    let ctl = gafferctl(&daemon);
    // Long before the last of many processes is launched the first ones have ended.
    Transcript::of(&ctl)
        .run("start --wait missing")
        .run("start --wait crashes")
        .run("start --wait missing works")
        .run("start --wait --json crashes works")
        .check("wait_start");
}

#[test]
fn a_start_goes_on_waiting_while_a_retry_is_due() {
    let daemon = Daemon::start(
        "[process:late]\ncmd = sh -c 'test -e go || exit 7; exec misbehave forever'\nflapping = 2, 60, 1, 1000\nstart = false\n",
    );
    daemon.until_status("late", "is loaded", |_| true);
    let start = gafferctl(&daemon).start(&["start", "--wait", "late"]);
    daemon.until_status("late", "rests", |status| status["state"] == "flapping");
    daemon.touch("go");
    let said = start.wait();
    assert_eq!((said.code, said.stdout.as_str()), (0, "ok\n"), "{said}");
}

#[test]
fn a_stop_waits_for_one_that_ignores_sigterm() {
    let daemon = Daemon::start("[process:deaf]\ncmd = misbehave deaf touch ready forever\ngraceful_timeout = 1\n");
    daemon.read("ready");
    let ctl = gafferctl(&daemon);
    assert_eq!(ctl.prints(&["stop", "--wait", "deaf"]), "ok\n");
    let status = daemon.status("deaf");
    assert_eq!((&status["running"], &status["last_exit"]["term_signal"]), (&0.into(), &9.into()), "{status}");
}

#[test]
fn waiting_is_given_up_after_its_time() {
    let daemon = Daemon::start(
        "[process:deaf]\ncmd = misbehave deaf touch ready until go\ngraceful_timeout = 100\n\
         [process:quick]\ncmd = misbehave forever\n",
    );
    daemon.read("ready");
    daemon.until_running("quick", 1);
    let ctl = gafferctl(&daemon);
    Transcript::of(&ctl)
        .run("stop --wait --timeout 0.3 deaf")
        .run("stop --wait --timeout 0.3 deaf quick")
        .run("stop --wait --timeout 0.3 --json deaf quick")
        .check("wait_timeout");
    daemon.touch("go");
    daemon.until_running("deaf", 0);
}

#[test]
fn a_terminal_shows_how_far_it_is_and_nothing_of_it_stays() {
    let daemon = deaf_and_other();
    let ctl = gafferctl(&daemon).on_terminal(80);
    let stop = ctl.start(&["stop", "--wait", "deaf", "other"]);
    // From then on the other one alone is waited for.
    stop.until_printed("other: ok");
    daemon.touch("go");
    let said = stop.wait();
    assert_eq!(said.code, 0, "{said}");
    // The line is wiped before a result is written.
    let (_, shown) = said.stdout.split_once("other: ok\n").unwrap();
    assert!(shown.contains("waiting for 1 process to end: deaf ("), "{:?}", said.stdout);
    assert!(shown.ends_with("\r\u{1b}[Kdeaf: ok\n"), "{:?}", said.stdout);
    let quiet = ctl.run(&["start", "--wait", "--quiet", "other"]);
    assert_eq!((quiet.code, quiet.stdout.as_str()), (0, ""), "{quiet}");
}

#[test]
fn ctrl_c_ends_it_by_the_signal_and_nothing_of_the_line_stays() {
    let daemon = deaf_and_other();
    let ctl = gafferctl(&daemon).on_terminal(80);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let stop = ctl.start(&["stop", "--wait", "deaf", "other"]);
        // Then it waits for the first one, and shows that.
        stop.until_printed("other: ok");
        stop.signal(signal);
        let said = stop.wait();
        assert_eq!(said.code, 128 + signal as i32, "{said}");
        let left = said.stdout.rsplit("\r\u{1b}[K").next().unwrap();
        assert!(!left.contains("waiting"), "{:?}", said.stdout);
    }
    daemon.touch("go");
    daemon.until_running("deaf", 0);
}

#[test]
fn a_node_that_hangs_is_waited_for_no_longer_than_asked() {
    let daemon = Daemon::start("");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for target in ["web", "w*"] {
        let said = gafferctl(&daemon).run(&["--connect", &address, "stop", "--wait", "--timeout", "0.3", target]);
        assert_eq!((said.code, said.stdout.as_str()), (4, ""), "{said}");
        assert_eq!(said.stderr, format!("gafferctl: http://{address} did not answer within 0.3 s\n"));
    }
}

#[test]
fn a_node_that_goes_away_meanwhile_is_told() {
    let mut daemon =
        Daemon::start("[process:deaf]\ncmd = misbehave deaf touch ready until go\ngraceful_timeout = 100\n");
    daemon.read("ready");
    let stop = gafferctl(&daemon).start(&["stop", "--wait", "--json", "deaf", "nope"]);
    // By then everything is asked for, and answered.
    stop.until_said("no job is named");
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    let said = stop.wait();
    daemon.touch("go");
    assert_eq!(said.code, 4, "{said}");
    assert!(said.stderr.contains("went away while it was waited for"), "{said}");
    let told: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((&told[0]["name"], &told[0]["ok"]), (&"deaf".into(), &false.into()), "{said}");
    assert_eq!((&told[1]["name"], &told[1]["ok"]), (&"nope".into(), &false.into()), "{said}");
    daemon.until("what the killed gafferd left is gone", || {
        let left = daemon.descendants();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}
