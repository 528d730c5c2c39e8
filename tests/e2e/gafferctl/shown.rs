//! Commands that show something: their text and JSON, on pipes and on terminals.

use gaffer_tests::{Daemon, Setup};
use nix::sys::signal::Signal;

use super::{Transcript, gafferctl, script};

const JOBS: &str = "\
[process:web]
cmd = misbehave forever
numprocesses = 2
[process:idle]
cmd = misbehave forever
start = false
[process:shop:api]
cmd = misbehave forever
redirect_output = out, err
redirect_input = true
[process:broken]
cmd = no-such-program
flapping = 1, 60, 600, 5
";

fn started() -> Daemon {
    let daemon = Daemon::start(JOBS);
    daemon.until_running("web", 2);
    daemon.until_running("shop.api", 1);
    daemon.until_status("broken", "has failed", |status| status["cause"].is_string());
    daemon
}

#[test]
fn the_status_of_jobs() {
    let daemon = started();
    let ctl = gafferctl(&daemon);
    Transcript::of(&ctl)
        .run("status web")
        .run("status idle")
        .run("status shop.api")
        .run("status --json web")
        .run("status")
        .run("status --json")
        .run("status 'w*' idle")
        .run("status idle web")
        .run("status web nope")
        .run("status --color always")
        .check("status");
    Transcript::of(&ctl.clone().on_terminal(5000)).run("status").run("status web").check("status_terminal");
    Transcript::of(&ctl.clone().on_terminal(5000).env("NO_COLOR", "1")).run("status").check("status_terminal_plain");
    let narrow = ctl.on_terminal(40).env("NO_COLOR", "1").prints(&["status"]);
    let lines: Vec<&str> = narrow.lines().map(str::trim_end).collect();
    assert!(lines.iter().all(|line| line.chars().count() <= 40) && lines[0].ends_with('…'), "{narrow}");
}

#[test]
fn a_status_without_jobs_says_what_to_do() {
    let daemon = Daemon::start("");
    let ctl = gafferctl(&daemon);
    Transcript::of(&ctl)
        .run("status")
        .run("status --json")
        .run("status --quiet")
        .run("processes")
        .run("processes --json")
        .run("groups")
        .run("sessions")
        .run("stats")
        .check("nothing_loaded");
}

#[test]
fn groups_and_sessions() {
    let daemon = started();
    let ctl = gafferctl(&daemon);
    Transcript::of(&ctl)
        .run("groups")
        .run("groups --json")
        .run("groups shop")
        .run("groups shop --json")
        .run("sessions")
        .run("sessions --json")
        .run("sessions shop")
        .run("sessions shop --json")
        .check("groups");
}

#[test]
fn the_node_jobs_and_processes_in_full() {
    let daemon = started();
    let ctl = gafferctl(&daemon);
    Transcript::of(&ctl)
        .run("info")
        .run("info --json")
        .run("info shop.api")
        .run("info --json shop.api")
        .run("info web idle")
        .run("info 1")
        .run("info --json 1")
        .check("info");
}

#[test]
fn what_processes_use() {
    let daemon = started();
    let ctl = gafferctl(&daemon);
    Transcript::of(&ctl)
        .run("stats")
        .run("stats web")
        .run("stats --json web")
        .run("stats 1")
        .run("stats --json 1 shop.api")
        .check("stats");
    Transcript::of(&ctl.clone().on_terminal(100)).run("stats").run("stats web").check("stats_terminal");
    let follow = ctl.start(&["stats", "-f", "--interval", "0.1", "--json", "web"]);
    follow.until_printed("web");
    daemon.until("there are more", || {
        let lines = follow.lines().len();
        if lines >= 3 { Ok(()) } else { Err(lines) }
    });
}

#[test]
fn stats_that_are_followed_redraw_a_terminal() {
    let daemon = started();
    let follow = gafferctl(&daemon).on_terminal(100).start(&["stats", "-f", "--interval", "0.05", "web"]);
    let looks = || follow.lines().iter().filter(|line| line.text.contains("COMMAND")).count();
    daemon.until("there are several looks", || if looks() >= 3 { Ok(()) } else { Err(looks()) });
    follow.signal(Signal::SIGINT);
    let said = follow.wait();
    assert_eq!(said.code, 128 + 2, "{said}");
    assert!(said.stdout.starts_with("\u{1b}[?1049h") && said.stdout.contains("\u{1b}[H"), "{said}");
    assert!(said.stdout.trim_end().ends_with("\u{1b}[?1049l"), "what stood there before is there again: {said}");
}

#[test]
fn a_restart_of_gafferd_ends_what_is_followed_of_a_process() {
    let jobs = "[process:w]\ncmd = misbehave print hello until go\nredirect_output = out\n";
    let mut first = Daemon::start(jobs);
    first.until_running("w", 1);
    let url = format!("http://{}", first.address());
    let ctl = gafferctl(&first);
    let stats = ctl.start(&["stats", "-f", "--interval", "0.1", "1"]);
    let of_jobs = ctl.start(&["stats", "-f", "--interval", "0.1", "w"]);
    let logs = ctl.start(&["logs", "-f", "1"]);
    stats.until_printed("misbehave");
    of_jobs.until_printed("misbehave");
    logs.until_printed("hello");
    // Not stopped in order: then the process might be seen to end before the node does.
    first.signal(Signal::SIGKILL);
    first.wait();
    logs.until_said("trying again");
    first.touch("go");
    let second = Setup::new().own_endpoints().ini(jobs).arg("--bind").arg(first.address().to_string()).start();
    second.until_running("w", 1);
    let said = stats.wait();
    assert_eq!(said.code, 1, "{said}");
    let end = format!("gafferctl: gafferd at {url} was restarted, and the processes have ended with it");
    assert_eq!(said.stderr.lines().last(), Some(end.as_str()), "{said}");
    let said = logs.wait();
    assert_eq!(said.code, 1, "{said}");
    let end = format!("gafferctl: gafferd at {url} was restarted, and what was followed has ended with it");
    assert_eq!(said.stderr.lines().last(), Some(end.as_str()), "{said}");
    of_jobs.until_said("restarted");
    drop(of_jobs);
    first.until("what the killed gafferd left is gone", || {
        let left = first.descendants();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

#[test]
fn the_versions_and_the_ping() {
    let daemon = started();
    let ctl = gafferctl(&daemon);
    Transcript::of(&ctl)
        .run("version")
        .run("version --json")
        .run("ping")
        .run("ping --json")
        .run("ping --quiet")
        .check("version");
}

#[test]
fn who_reads_has_seen_enough() {
    // More than a pipe holds, whichever way it is told.
    let jobs: String = (0..1500)
        .map(|n| format!("[process:a-job-whose-name-is-longer-than-others-{n}]\ncmd = true\nstart = false\n"))
        .collect();
    let daemon = Daemon::start(&jobs);
    daemon.until_status("a-job-whose-name-is-longer-than-others-1499", "is loaded", |_| true);
    for command in ["processes", "processes --json", "status", "status --json"] {
        let said = script(&daemon, &format!("gafferctl {command} | true; echo \"${{PIPESTATUS[0]}}\""));
        assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("0\n", ""), "{command}: {said}");
    }
    let full = script(&daemon, "gafferctl processes > /dev/full; echo \"$?\"");
    assert_eq!(full.stdout, "1\n", "{full}");
    assert!(full.stderr.starts_with("gafferctl: cannot write to stdout: "), "{full}");
}
