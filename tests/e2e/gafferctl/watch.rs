//! `watch`: events, as they happen.

use std::time::{SystemTime, UNIX_EPOCH};

use gaffer_tests::{Daemon, RunningClient, Setup, processes};
use nix::sys::signal::Signal;

use super::{Transcript, gafferctl, script};

const JOBS: &str = "\
[process:dummy]
cmd = misbehave forever
[process:priority0]
cmd = misbehave forever
";

fn texts(client: &RunningClient) -> Vec<String> {
    client.lines().into_iter().map(|line| line.text).collect()
}

/// The lines without their times, which must be there.
fn untimed(lines: &[String]) -> Vec<&str> {
    let untime = |line: &'_ String| {
        let (time, rest) = line.split_at(9);
        let pattern = time.replace(|digit: char| digit.is_ascii_digit(), "0");
        assert_eq!(pattern, "00:00:00 ", "{line}");
        rest.len()
    };
    lines.iter().map(|line| &line[line.len() - untime(line)..]).collect()
}

#[test]
fn the_lines_are_those_of_the_manual() {
    let daemon = Daemon::start(JOBS);
    daemon.until_running("priority0", 1);
    let (_, dummy) = daemon.only_process("dummy");
    let ctl = gafferctl(&daemon);
    // What it begins with tells that from here on it misses nothing.
    let of_job = ctl.start(&["watch", "--history", "1", "proc.dummy"]);
    let of_kind = ctl.start(&["watch", "--history", "1", "proc.dummy.exit"]);
    let other = ctl.start(&["watch", "-n", "1", "proc.priority0"]);
    let all = ctl.start(&["watch", "-n1000"]);
    of_job.until_printed(" | proc.dummy.spawn dummy");
    other.until_printed(" | proc.priority0.spawn priority0");
    all.until_printed(" | proc.priority0.spawn priority0");
    let before = texts(&all).len();
    processes::signal(dummy, Signal::SIGKILL);
    of_job.until_printed(" | proc.dummy.exit dummy");
    of_kind.until_printed(" | proc.dummy.exit dummy");
    let lines = daemon.until("the process is replaced", || {
        let lines = texts(&of_job);
        if lines.len() == 3 { Ok(lines) } else { Err(lines.join("\n")) }
    });
    assert_eq!(
        untimed(&lines),
        ["dummy | proc.dummy.spawn dummy", "dummy | proc.dummy.exit dummy", "dummy | proc.dummy.spawn dummy"]
    );
    let lines = daemon.until("all is told", || {
        let lines = texts(&all).split_off(before);
        if lines.iter().any(|line| line.ends_with("| proc.dummy.spawn dummy")) {
            Ok(lines)
        } else {
            Err(lines.join("\n"))
        }
    });
    let lines = untimed(&lines);
    for expected in
        ["dummy | exit dummy", "dummy | proc.dummy.exit dummy", "dummy | spawn dummy", "dummy | proc.dummy.spawn dummy"]
    {
        assert!(lines.contains(&expected), "{lines:#?}");
    }
    assert_eq!(texts(&other).len(), 1);
    of_job.signal(Signal::SIGINT);
    let said = of_job.wait();
    assert_eq!((said.code, said.stderr.as_str()), (128 + 2, ""), "{said}");
}

#[test]
fn as_json_it_is_one_event_a_line() {
    let daemon = Daemon::start(JOBS);
    daemon.until_running("dummy", 1);
    let ctl = gafferctl(&daemon);
    let watch = ctl.start(&["watch", "--json", "--history", "1", "proc.dummy.spawn"]);
    let line = watch.until_printed("proc.dummy.spawn").text;
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&event["event"], &event["name"]), (&"proc.dummy.spawn".into(), &"dummy".into()), "{event}");
    assert!(event["pid"].is_u64() && event["os_pid"].is_u64(), "{event}");
}

#[test]
fn what_is_told_again_has_the_time_at_which_it_happened() {
    let daemon = Daemon::start(JOBS);
    daemon.until_running("dummy", 1);
    let ctl = gafferctl(&daemon);
    let told = || ctl.start(&["watch", "-n", "1", "proc.dummy.spawn"]).until_printed("proc.dummy.spawn").text;
    let before = told();
    let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let begun = second();
    daemon.until("another second has begun", || if second() > begun { Ok(()) } else { Err(begun) });
    assert_eq!(told(), before);
}

#[test]
fn a_restart_of_gafferd_is_survived_and_told() {
    let mut first = Daemon::start(JOBS);
    first.until_running("dummy", 1);
    let watch = gafferctl(&first).start(&["watch", "-n", "1", "proc.dummy"]);
    watch.until_printed("proc.dummy.spawn dummy");
    // The client is one of its processes to the tests, and stays.
    first.signal(Signal::SIGTERM);
    assert_eq!(first.wait().code, Some(0));
    watch.until_said("trying again");
    let second = Setup::new().own_endpoints().ini(JOBS).arg("--bind").arg(first.address().to_string()).start();
    watch.until_said("connected to");
    // Whether it has seen the first launch depends on how fast it was; this one comes later.
    let (_, dummy) = second.only_process("dummy");
    processes::signal(dummy, Signal::SIGKILL);
    watch.until_printed("proc.dummy.exit dummy");
    watch.signal(Signal::SIGINT);
    let said = watch.wait();
    let words: Vec<&str> = said.stderr.lines().collect();
    let url = format!("http://{}", first.address());
    assert!(words[0].starts_with(&format!("gafferctl: the connection to {url} is lost (")), "{words:#?}");
    assert_eq!(words[1], format!("gafferctl: connected to {url} again; gafferd was restarted meanwhile"));
}

#[test]
fn colours_are_for_terminals_and_for_who_asks() {
    let daemon = Daemon::start(JOBS);
    daemon.until_running("dummy", 1);
    let ctl = gafferctl(&daemon);
    let line = |ctl: &gaffer_tests::Client, args: &[&str]| {
        let watch = ctl.start(&[&["watch", "-n", "1", "proc.dummy"], args].concat());
        watch.until_printed("proc.dummy.spawn dummy").text
    };
    let terminal = ctl.clone().on_terminal(80);
    let coloured = |text: &str| text.contains('\x1b');
    assert!(!coloured(&line(&ctl, &[])));
    assert!(coloured(&line(&ctl, &["--colorize"])));
    assert!(coloured(&line(&ctl, &["--color", "always"])));
    assert!(coloured(&line(&ctl.clone().env("CLICOLOR_FORCE", "1"), &[])));
    assert!(coloured(&line(&terminal, &[])));
    assert!(!coloured(&line(&terminal.clone().env("NO_COLOR", "1"), &[])));
    assert!(!coloured(&line(&terminal, &["--color", "never"])));
    assert!(coloured(&line(&ctl.clone().env("NO_COLOR", "1"), &["--colorize"])));
    assert!(!coloured(&line(&terminal, &["--color", "never", "--colorize"])));
}

#[test]
fn who_reads_has_seen_enough() {
    // Something happens again and again, each time later than before.
    let daemon = Daemon::start("[process:short]\ncmd = misbehave after 10 exit 1\n");
    let said = script(&daemon, "gafferctl watch | head -n 1; echo \"${PIPESTATUS[0]}\"");
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!((lines.len(), lines[1], said.stderr.as_str()), (2, "0", ""), "{said}");
}

#[test]
fn a_terminal_gets_colors() {
    let daemon = Daemon::start(JOBS);
    daemon.until_running("priority0", 1);
    let ctl = gafferctl(&daemon).on_terminal(100);
    let args = ["watch", "-n1", "proc.dummy"];
    let watch = ctl.start(&args);
    watch.until_printed("proc.dummy.spawn");
    watch.signal(Signal::SIGINT);
    Transcript::of(&ctl).add(&args.join(" "), &watch.wait()).check("watch_terminal");
}
