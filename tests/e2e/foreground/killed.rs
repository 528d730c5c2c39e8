//! gaffer is killed: its guardian ends what it has launched.

use std::{
    fs,
    time::{Duration, Instant},
};

use gaffer_tests::{Project, RunningClient, processes, wait_until};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::until_printed_times;

/// A tree whose last process is there when `born` is, and that hears no signal; and one that does what it is asked.
const TREES: &str = "\
web: misbehave deaf child setsid child setsid touch born forever end forever end print ready forever
obedient: trap ': > ended; exit' TERM; echo listening; misbehave forever & wait
";

fn until_there(project: &Project, name: &str) {
    wait_until(&format!("{name} is there"), || fs::metadata(project.path(name)));
}

/// Starts the trees and waits until they are complete.
fn trees(project: &Project, gaffer: impl FnOnce() -> RunningClient) -> RunningClient {
    let gaffer = gaffer();
    gaffer.until_printed("ready");
    gaffer.until_printed("listening");
    until_there(project, "born");
    assert_eq!(project.instances("web.1").len(), 3);
    project.until_guarded();
    gaffer
}

#[test]
fn nothing_is_left_of_whole_trees() {
    let project = Project::new(TREES);
    let gaffer = trees(&project, || project.gaffer().start(&["start", "--graceful-timeout", "0.4"]));
    let killed = Instant::now();
    gaffer.signal(Signal::SIGKILL);
    until_there(&project, "ended"); // It was asked to end.
    project.until_nothing_left();
    assert!(killed.elapsed() >= Duration::from_millis(400), "what heeds no signal has its time, too");
    assert_eq!(gaffer.wait().code, 137);
}

#[test]
fn nothing_is_left_of_whole_trees_with_terminals() {
    let project = Project::new(TREES);
    let gaffer = trees(&project, || project.gaffer().start(&["start", "--tty", "--graceful-timeout", "0.1"]));
    gaffer.signal(Signal::SIGKILL);
    assert_eq!(gaffer.wait().code, 137);
    project.until_nothing_left();
}

#[test]
fn the_guardian_survives_what_kills_the_group() {
    let project = Project::new(TREES);
    // At a terminal it leads a group of its own.
    let gaffer = trees(&project, || project.gaffer().at_terminal(80).start(&["start", "--graceful-timeout", "0.1"]));
    let guardian = project.until_guarded();
    killpg(Pid::from_raw(gaffer.pid()), Signal::SIGKILL).unwrap();
    assert_eq!(gaffer.wait().code, 137);
    assert!(processes::is_alive(guardian) || project.instances("web.1").is_empty());
    project.until_nothing_left();
}

#[test]
fn the_guardian_holds_nothing_of_gaffers() {
    let project = Project::new(TREES);
    let gaffer = trees(&project, || project.gaffer().start(&["start"]));
    let guardian = project.until_guarded();
    let stdio: Vec<_> =
        processes::descriptors(gaffer.pid()).into_iter().filter(|(number, _)| (1..=2).contains(number)).collect();
    assert_eq!(stdio.len(), 2);
    for (number, target) in processes::descriptors(guardian) {
        assert!(stdio.iter().all(|(_, other)| *other != target), "{number} is gaffer's {}", target.display());
    }
    assert_eq!(fs::read_link(format!("/proc/{guardian}/cwd")).unwrap().to_str(), Some("/"));
    let tree = project.instances("web.1");
    gaffer.signal(Signal::SIGKILL);
    // To the end of its stdout and stderr, while the deaf have half a minute.
    assert_eq!(gaffer.wait().code, 137);
    for pid in tree {
        assert!(processes::is_alive(pid), "it is not over");
        processes::signal(pid, Signal::SIGKILL);
    }
    project.until_nothing_left();
}

#[test]
fn the_guardian_ends_with_a_regular_end() {
    let project = Project::new("web: misbehave signals\n");
    let gaffer = project.gaffer().start(&["start"]);
    gaffer.until_printed("listening");
    let guardian = project.until_guarded();
    assert_ne!(processes::parent(guardian), Some(gaffer.pid()), "it is nobody's child");
    gaffer.signal(Signal::SIGTERM);
    assert_eq!(gaffer.wait().code, 0);
    wait_until("the guardian is gone", || if processes::is_alive(guardian) { Err("it is there") } else { Ok(()) });
}

#[test]
fn signals_that_end_programs_do_not_end_the_guardian() {
    let project = Project::new("web: misbehave signals\n");
    let gaffer = project.gaffer().start(&["start"]);
    gaffer.until_printed("listening");
    let guardian = project.until_guarded();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        processes::signal(guardian, signal);
    }
    gaffer.signal(Signal::SIGKILL);
    drop(gaffer);
    project.until_nothing_left();
}

#[test]
fn at_whatever_moment_it_is_killed_nothing_is_left() {
    let project = Project::new("web: misbehave child setsid forever end print ready forever\n");
    for round in 0..20 {
        let gaffer = project.gaffer().start(&["start", "-c", "web=6", "--graceful-timeout", "0.1"]);
        match round {
            0..4 => {}
            4..8 => drop(project.until_guarded()),
            8..14 => until_printed_times(&gaffer, "spawn process", round - 7),
            _ => until_printed_times(&gaffer, "ready", round - 13),
        }
        gaffer.signal(Signal::SIGKILL);
        assert_eq!(gaffer.wait().code, 137, "round {round}");
        project.until_nothing_left();
    }
}

#[test]
fn a_one_off_of_several_is_guarded_too() {
    let project = Project::new("web: misbehave forever\n");
    let gaffer = project.gaffer().start(&["run", "-c", "2", "misbehave", "print", "ready", "forever"]);
    until_printed_times(&gaffer, "ready", 2);
    gaffer.signal(Signal::SIGKILL);
    drop(gaffer);
    project.until_nothing_left();
}

#[test]
fn what_gaffer_has_launched_is_known_without_its_mark() {
    let project = Project::new(
        "web: exec env -i PATH=/usr/bin:/bin sh -c 'trap \"echo heard\" USR1; echo $$ > pid; while :; do sleep 1000 & wait; done'\n",
    );
    let gaffer = project.gaffer().start(&["start", "--graceful-timeout", "0.4"]);
    let pid: i32 = project.until_written("pid").trim().parse().unwrap();
    project.until_guarded();
    gaffer.until_printed("spawn process");
    // gaffer forwards one, looks at what has happened, and forwards another: then it has told the guardian.
    for times in 1..=2 {
        gaffer.signal(Signal::SIGUSR1);
        until_printed_times(&gaffer, "heard", times);
    }
    gaffer.signal(Signal::SIGKILL);
    assert_eq!(gaffer.wait().code, 137);
    wait_until("the process is gone", || if processes::is_alive(pid) { Err("it is there") } else { Ok(()) });
}

#[test]
fn the_end_of_the_guardian_is_told() {
    let project = Project::new("web: misbehave print ready forever\n");
    let gaffer = project.gaffer().start(&["start"]);
    gaffer.until_printed("ready");
    processes::signal(project.until_guarded(), Signal::SIGKILL);
    gaffer.until_said("the guardian is gone");
    gaffer.signal(Signal::SIGINT);
    let said = gaffer.wait();
    assert_eq!((said.code, said.stderr.matches("guardian").count()), (0, 1), "{said}");
}
