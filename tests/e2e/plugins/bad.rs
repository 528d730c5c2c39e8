//! Applications that crash, hang and flood.

use std::time::Duration;

use gaffer_tests::{Daemon, Setup, processes};
use serde_json::json;

use super::{plugin, scripted, told, until, until_ready};

/// A node with a job that must go on whatever plugins do.
fn node(setup: Setup) -> Daemon {
    let daemon = setup.ini("[process:web]\ncmd = misbehave forever\n").args("-p plugins").start();
    daemon.until_running("web", 1);
    daemon
}

/// The job has not noticed anything, and gafferd ends with all that it has launched.
#[track_caller]
fn all_is_well(mut daemon: Daemon, web: u64) {
    assert_eq!(daemon.pids("web"), [web]);
    daemon.stop();
}

/// How much memory gafferd had at most, beyond what it had at a time.
fn grown(daemon: &Daemon, before: u64) -> u64 {
    processes::memory(daemon.os_pid(), "VmHWM").saturating_sub(before)
}

fn resident(daemon: &Daemon) -> u64 {
    processes::memory(daemon.os_pid(), "VmRSS")
}

/// More than any of them may take: the longest line, the history of an output, and what the allocator keeps.
const ROOM: u64 = 48 * 1024 * 1024;

#[test]
fn one_that_ends_at_once_is_launched_less_and_less_often() {
    let setup = Setup::new();
    plugin(&setup, "hasty", "app = misbehave log ../../launches exit 3\n");
    let daemon = node(setup);
    let web = daemon.pids("web")[0];
    let app = until(&daemon, "hasty", "was launched again", |app| app["restarts"].as_u64() >= Some(4));
    assert!(app["state"] != "stopped", "{app}");
    let launches = daemon.until("it has run five times", || {
        let launches = daemon.launches("launches");
        if launches.len() >= 5 { Ok(launches) } else { Err(launches.len()) }
    });
    // After the second 100 ms, then 200 and 400: so many cannot have been launched in less.
    assert!(launches[4].0 - launches[0].0 >= Duration::from_millis(650), "{launches:?}");
    all_is_well(daemon, web);
}

#[test]
fn one_that_cannot_be_launched_says_why() {
    let setup = Setup::new();
    plugin(&setup, "missing", "app = ./nowhere\n");
    plugin(&setup, "plain", "app = ./plugin.ini\n");
    let daemon = node(setup);
    let web = daemon.pids("web")[0];
    for (name, cause) in [("missing", "nowhere"), ("plain", "plugin.ini")] {
        let says = |app: &serde_json::Value| app["cause"].as_str().is_some_and(|text| text.contains(cause));
        let app = until(&daemon, name, "says why", says);
        assert_eq!((&app["state"], &app["pid"]), (&json!("waiting"), &json!(null)), "{app}");
    }
    all_is_well(daemon, web);
}

#[test]
fn one_that_neither_reads_nor_ends_is_killed_in_its_time() {
    let setup = Setup::new();
    plugin(
        &setup,
        "deaf",
        "app = misbehave deaf child setsid deaf touch ../../born forever end touch ../../deaf forever\nstop_timeout = 0.5\nsubscribe = .\n",
    );
    let daemon = node(setup);
    let web = daemon.pids("web")[0];
    for file in ["deaf", "born"] {
        daemon.read(file);
    }
    all_is_well(daemon, web);
}

#[test]
fn one_that_does_not_heed_its_input_is_ended_by_a_signal() {
    let setup = Setup::new();
    // With nothing but a minute to be killed after, gafferd would not end before the deadline of the test.
    plugin(&setup, "sleepy", "app = misbehave touch ../../asleep forever\nstop_timeout = 2\n");
    let daemon = node(setup);
    let web = daemon.pids("web")[0];
    daemon.read("asleep");
    daemon.post("/processes/_plugin.sleepy/_stop");
    let status = daemon.until_status("_plugin.sleepy", "has ended", |status| status["running"] == 0);
    assert_eq!(status["last_exit"]["term_signal"], 15, "{status}");
    all_is_well(daemon, web);
}

#[test]
fn garbage_without_end_is_told_once_and_its_author_is_killed_again_and_again() {
    let setup = Setup::new();
    scripted(&setup, "noisy", "stop_timeout = 0.5\n", "exec yes 'this is no message'\n");
    let daemon = node(setup);
    let web = daemon.pids("web")[0];
    let before = resident(&daemon);
    daemon.until_logged("WARN plugin noisy: it said what is no message");
    let app = until(&daemon, "noisy", "was launched again", |app| app["restarts"].as_u64() >= Some(3));
    daemon.until_logged("ERROR plugin noisy: it says too much that is no message, and is killed");
    assert!(daemon.log().len() < 100, "the log is not flooded: {app}");
    assert!(grown(&daemon, before) < ROOM);
    all_is_well(daemon, web);
}

#[test]
fn a_line_of_100_mb_is_passed_over() {
    let setup = Setup::new();
    let script = "head -c 100000000 /dev/zero | tr '\\0' x\necho\necho '{\"type\":\"ready\"}'\nexec cat >../../heard\n";
    scripted(&setup, "long", "", script);
    let daemon = node(setup);
    let web = daemon.pids("web")[0];
    let before = resident(&daemon);
    let app = until_ready(&daemon, "long");
    assert_eq!(app["restarts"], 0);
    let grown = grown(&daemon, before);
    assert!(grown < ROOM, "{grown}");
    let heard = super::lines(&daemon, "heard", 3);
    assert!(heard.iter().any(|line| line["error"]["error"] == "line_too_long"), "{heard:?}");
    all_is_well(daemon, web);
}

#[test]
fn a_line_without_end_is_too_much_at_last() {
    let setup = Setup::new();
    scripted(&setup, "endless", "stop_timeout = 0.5\n", "exec tr '\\0' x </dev/zero\n");
    let daemon = node(setup);
    let web = daemon.pids("web")[0];
    let before = resident(&daemon);
    until(&daemon, "endless", "was launched again", |app| app["restarts"].as_u64() >= Some(1));
    assert!(grown(&daemon, before) < ROOM);
    all_is_well(daemon, web);
}

#[test]
fn calls_without_end_wait_until_their_replies_are_read() {
    let setup = Setup::new();
    scripted(&setup, "eager", "stop_timeout = 0.5\n", "exec yes '{\"type\":\"call\",\"id\":1,\"command\":\"jobs\"}'\n");
    // Others are answered all the same.
    let polite = "echo '{\"type\":\"call\",\"id\":1,\"command\":\"jobs\"}'\nexec cat >../../polite\n";
    scripted(&setup, "polite", "", polite);
    let daemon = node(setup);
    let web = daemon.pids("web")[0];
    let before = resident(&daemon);
    let replied = super::lines(&daemon, "polite", 3);
    assert!(replied.iter().any(|line| line["type"] == "reply"), "{replied:?}");
    // The replies fill its pipe, then the room for them; then it is not read any more, and waits in its write.
    let os_pid = daemon.os_pid_of(told(&daemon, "eager")["app"]["pid"].as_u64().unwrap());
    let written = || {
        let io = std::fs::read_to_string(format!("/proc/{os_pid}/io")).unwrap();
        io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse::<u64>().unwrap()
    };
    let mut last = (0, 0);
    daemon.until("it waits", || {
        let now = written();
        // Standing still at many looks in a row, some 10 ms apart.
        last = if now == last.0 { (now, last.1 + 1) } else { (now, 0) };
        if last.1 > 50 && now > 0 { Ok(()) } else { Err(format!("{last:?}")) }
    });
    assert!(last.0 < 8 * 1024 * 1024, "{last:?}");
    assert!(grown(&daemon, before) < ROOM);
    assert_eq!(told(&daemon, "eager")["app"]["restarts"], 0);
    all_is_well(daemon, web);
}

#[test]
fn one_that_does_not_read_loses_the_oldest_events_and_is_told() {
    let setup = Setup::new();
    scripted(&setup, "slow", "subscribe = .\n", "misbehave until ../../go\nexec cat >../../heard\n");
    // Each is an event under two topics. Far more than may wait.
    let calls = "yes '{\"type\":\"call\",\"command\":\"scale\",\"args\":[\"web\",\"=1\"]}' | head -n 8000\n\
                 echo '{\"type\":\"ready\"}'\nexec cat >/dev/null\n";
    scripted(&setup, "busy", "", &format!("exec 3<&0\ncat <&3 >/dev/null &\n{calls}"));
    let daemon = node(setup);
    let web = daemon.pids("web")[0];
    until_ready(&daemon, "busy");
    daemon.touch("go");
    let lagged = daemon.until("it is told", || {
        let text = std::fs::read_to_string(daemon.path("heard")).unwrap_or_default();
        let found =
            text.split_inclusive('\n').find(|line| line.starts_with("{\"type\":\"lagged\"") && line.ends_with('\n'));
        found.map(str::to_owned).ok_or(text.len())
    });
    let lagged: serde_json::Value = serde_json::from_str(&lagged).unwrap();
    assert_eq!(lagged["subscription"], ".");
    assert!(lagged["lost"].as_u64() > Some(100), "{lagged}");
    all_is_well(daemon, web);
}

#[test]
fn a_flood_for_the_log_is_cut() {
    let setup = Setup::new();
    scripted(
        &setup,
        "chatty",
        "",
        "yes 'a word' | head -n 100000 >&2\necho '{\"type\":\"ready\"}'\nexec cat >/dev/null\n",
    );
    let daemon = node(setup);
    let web = daemon.pids("web")[0];
    until_ready(&daemon, "chatty");
    daemon.until_logged("plugin chatty: it logs too much; what comes next is left out");
    let said = daemon.log().iter().filter(|line| line.text.contains("a word")).count();
    assert!((1..5000).contains(&said), "{said}");
    all_is_well(daemon, web);
}
