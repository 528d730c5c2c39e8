//! Signals to gaffer, and keys at its terminal.

use gaffer_tests::{Project, processes};
use nix::sys::signal::Signal;

use super::{printed, until_printed_times};

/// Ctrl-C.
const INTERRUPT: &str = "\x03";

#[test]
fn control_c_asks_processes_to_end_in_good_order() {
    let project = Project::new("web: misbehave signals print bye exit 0\n");
    let gaffer = project.gaffer().at_terminal(80).start(&["start"]);
    gaffer.until_printed("listening");
    gaffer.type_in(INTERRUPT);
    let said = gaffer.wait();
    assert_eq!(said.code, 0, "{said}");
    assert!(said.stdout.contains("SIGTERM") && said.stdout.contains("bye"), "{said}");
    assert!(!said.stdout.contains("SIGINT"), "the keys are gaffer's: {said}");
    project.until_nothing_left();
}

#[test]
fn a_second_control_c_kills() {
    let project =
        Project::new("web: misbehave signals signals\nlast: misbehave child deaf setsid forever end signals\n");
    let gaffer = project.gaffer().at_terminal(80).start(&["start"]);
    until_printed_times(&gaffer, "listening", 2);
    gaffer.type_in(INTERRUPT);
    // That of `web` listens again.
    until_printed_times(&gaffer, "listening", 3);
    gaffer.type_in(INTERRUPT);
    let said = gaffer.wait();
    assert_eq!(said.code, 0, "{said}");
    assert!(said.stdout.contains("(SIGKILL)"), "{said}");
    assert!(!said.stdout.contains("SIGINT"), "{said}");
    project.until_nothing_left();
}

#[test]
fn any_signal_that_ends_programs_ends_all_in_good_order() {
    let project = Project::new("web: misbehave signals print bye exit 0\nother: misbehave signals exit 7\n");
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        let gaffer = project.gaffer().start(&["start"]);
        until_printed_times(&gaffer, "listening", 2);
        gaffer.signal(signal);
        let said = gaffer.wait();
        assert_eq!(said.code, 0, "{signal}: {said}");
        assert_eq!(printed(&said.stdout, "web"), ["listening", "SIGTERM", "bye"], "{signal}");
        assert_eq!(printed(&said.stdout, "other"), ["listening", "SIGTERM"], "{signal}");
        assert!(said.stdout.contains("other | exit process with pid ") && said.stdout.contains("(code 7)"), "{said}");
    }
}

#[test]
fn a_run_that_stands_for_its_processes_has_not_succeeded_when_a_signal_ends_it() {
    let project = Project::new("web: misbehave signals exit 0\n");
    for option in ["--exit-on-failure", "--exit-with=web"] {
        let gaffer = project.gaffer().start(&["start", option]);
        gaffer.until_printed("listening");
        gaffer.signal(Signal::SIGTERM);
        let said = gaffer.wait();
        assert_eq!(said.code, 143, "{option}: {said}");
    }
}

#[test]
fn what_does_not_end_in_its_time_is_killed() {
    let project = Project::new("web: misbehave signals signals\n");
    let gaffer = project.gaffer().start(&["start", "--graceful-timeout", "0.3"]);
    gaffer.until_printed("listening");
    gaffer.signal(Signal::SIGTERM);
    let said = gaffer.wait();
    assert_eq!(said.code, 0, "{said}");
    assert_eq!(printed(&said.stdout, "web"), ["listening", "SIGTERM", "listening"], "{said}");
    assert!(said.stdout.contains("(SIGKILL)"), "{said}");
}

#[test]
fn what_waits_to_be_launched_again_holds_up_no_end() {
    let project = Project::new("web: misbehave exit 1\nother: no-such-program\nlast: misbehave signals\n");
    let gaffer = project.gaffer().start(&["start"]);
    // Each launch comes later than the one before: by now there is a pause.
    until_printed_times(&gaffer, "web | exit process", 4);
    gaffer.until_printed("listening");
    gaffer.signal(Signal::SIGINT);
    let said = gaffer.wait();
    assert_eq!(said.code, 0, "{said}");
    assert!(said.stdout.contains("no-such-program"), "what cannot be launched is told: {said}");
}

#[test]
fn signals_of_the_users_own_reach_every_process() {
    let project = Project::new("web: misbehave signals\nother: misbehave signals\n");
    let gaffer = project.gaffer().start(&["start"]);
    until_printed_times(&gaffer, "listening", 2);
    for (signal, name) in [(Signal::SIGUSR1, "| SIGUSR1"), (Signal::SIGUSR2, "| SIGUSR2")] {
        gaffer.signal(signal);
        until_printed_times(&gaffer, name, 2);
    }
    gaffer.signal(Signal::SIGTERM);
    let said = gaffer.wait();
    for name in ["web", "other"] {
        assert_eq!(printed(&said.stdout, name), ["listening", "SIGUSR1", "SIGUSR2", "SIGTERM"], "{said}");
    }
}

#[test]
fn under_nohup_the_end_of_the_terminal_is_no_end() {
    let project = Project::new("web: misbehave signals\n");
    let gaffer = project.program("sh").start(&["-c", "trap '' HUP; exec gaffer start"]);
    gaffer.until_printed("listening");
    gaffer.signal(Signal::SIGHUP);
    gaffer.signal(Signal::SIGUSR1);
    gaffer.until_printed("SIGUSR1");
    gaffer.signal(Signal::SIGTERM);
    let said = gaffer.wait();
    assert_eq!(said.code, 0, "{said}");
    assert_eq!(printed(&said.stdout, "web"), ["listening", "SIGUSR1", "SIGTERM"], "{said}");
}

#[test]
fn a_signal_right_after_the_start_ends_it_too() {
    let project = Project::new("web: misbehave forever\n");
    // From the moment on when there is a guardian: before, the kernel's default would end gaffer, and nothing is launched.
    for _ in 0..5 {
        let gaffer = project.gaffer().start(&["start"]);
        project.until_guarded();
        gaffer.signal(Signal::SIGTERM);
        let said = gaffer.wait();
        assert!(said.code == 0 || said.code == 143, "{said}");
        project.until_nothing_left();
    }
}

#[test]
fn processes_stop_all_at_once_and_trees_with_them() {
    let project = Project::new(
        "web: misbehave child setsid child setsid touch born forever end forever end signals\nother: misbehave signals\n",
    );
    let gaffer = project.gaffer().start(&["start"]);
    until_printed_times(&gaffer, "listening", 2);
    gaffer_tests::wait_until("the tree is there", || std::fs::metadata(project.path("born")));
    let tree = project.instances("web.1");
    assert_eq!(tree.len(), 3, "{tree:?}");
    gaffer.signal(Signal::SIGINT);
    let said = gaffer.wait();
    assert_eq!(said.code, 0, "{said}");
    for pid in tree {
        assert!(!processes::is_alive(pid), "gaffer ended before {}", processes::describe(pid));
    }
}
