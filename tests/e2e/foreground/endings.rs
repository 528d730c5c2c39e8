//! Processes that end: they are launched again, or they end the run.

use std::fs;

use gaffer_tests::{Project, processes, wait_until};
use nix::sys::signal::Signal;

use super::{printed, told, until_printed_times};

/// As the manual's `dummy_basic.py`, but that it ends when it is told to.
const DUMMY: &str = "echo \"hello, dummy (pid: $$) is alive\"\nexec misbehave until \"$1\"";

#[test]
fn what_ends_is_launched_again() {
    let project = Project::empty();
    project.script("dummy", DUMMY);
    project.file("Procfile", "dummy: ./dummy end\ndummy1: ./dummy never\n");
    let gaffer = project.gaffer().start(&["start"]);
    until_printed_times(&gaffer, "is alive", 2);
    let first = project.until_running("dummy.1");
    let other = project.until_running("dummy1.1");
    // One that ends well, and one that is killed.
    project.file("end", "");
    gaffer.until_printed(&format!("dummy | exit process with pid {first}"));
    fs::remove_file(project.path("end")).unwrap();
    processes::signal(other, Signal::SIGKILL);
    gaffer.until_printed(&format!("dummy1 | exit process with pid {other} (SIGKILL)"));
    wait_until("both are alive again", || {
        let lines = gaffer.lines();
        let told = [told(&lines, "dummy"), told(&lines, "dummy1")];
        match told.each_ref().map(|lines| lines.last().map(String::as_str)) {
            [Some(one), Some(other)] if one.contains("alive") && other.contains("alive") => Ok(()),
            _ => Err(format!("{told:#?}")),
        }
    });
    gaffer.signal(Signal::SIGINT);
    let said = gaffer.wait();
    assert_eq!(said.code, 0, "{said}");
    let hello = format!("hello, dummy (pid: {first}) is alive");
    let lines: Vec<&str> = said.stdout.lines().filter_map(|line| super::text_of(line, "dummy")).collect();
    let spawned = format!("spawn process with pid {first}");
    assert_eq!(lines[..3], [spawned, hello, format!("exit process with pid {first}")], "{said}");
    assert!(lines[3].starts_with("spawn process with pid ") && lines[4].starts_with("hello, dummy"), "{said}");
    project.until_nothing_left();
}

#[test]
fn the_first_failure_ends_all_with_its_code() {
    for (line, code, event) in [
        ("exec misbehave exit 3", 3, "exit process with pid N (code 3)"),
        ("exec sh -c 'kill -9 $$'", 137, "exit process with pid N (SIGKILL)"),
        ("kill -SEGV $$", 139, "exit process with pid N (SIGSEGV)"),
        ("no-such-program", 127, "exit process with pid N (code 127)"),
    ] {
        let project =
            Project::new(&format!("web: misbehave signals touch ended exit 0\nbad: misbehave until go; {line}\n"));
        let gaffer = project.gaffer().start(&["start", "--exit-on-failure"]);
        gaffer.until_printed("listening");
        project.file("go", "");
        let ended = wait_until("it has ended", || match told(&gaffer.lines(), "bad").pop() {
            Some(last) if last.starts_with("exit") => Ok(last),
            other => Err(format!("{other:?}")),
        });
        assert_eq!(ended, event, "{line}");
        let said = gaffer.wait();
        assert_eq!(said.code, code, "{line}: {said}");
        assert!(fs::exists(project.path("ended")).unwrap(), "the other one was stopped: {said}");
        for name in ["web", "bad"] {
            let spawns = said.stdout.matches(&format!("{name} | spawn process")).count();
            assert!(spawns <= 1, "nothing is launched twice: {said}");
        }
        project.until_nothing_left();
    }
}

#[test]
fn what_cannot_be_launched_ends_all_as_in_a_shell() {
    for (line, code) in [("no-such-program --port $PORT", 127), ("./no/such/program", 127), ("./Procfile", 126)] {
        let project = Project::new(&format!("bad: {line}\nweb: misbehave on-term 0\n"));
        let said = project.gaffer().run(&["start", "--exit-on-failure"]);
        assert_eq!(said.code, code, "{line}: {said}");
        let shell = project.program("sh").run(&["-c", &format!("exec {line}")]);
        assert_eq!(shell.code, code, "{line}");
        let program = line.split(' ').next().unwrap();
        let all = said.stdout.clone() + &said.stderr;
        assert!(all.lines().any(|line| line.contains("bad") && line.contains(program)), "{line}: {said}");
        assert!(!all.contains("bad | spawn process"), "{line}: {said}");
        project.until_nothing_left();
    }
}

#[test]
fn when_all_have_ended_well_it_is_a_success() {
    let project =
        Project::new("web: misbehave print a exit 0\nother: misbehave until go print b\nlast: misbehave touch go\n");
    let said = project.gaffer().run(&["start", "--exit-on-failure", "-c", "web=3"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said}");
    assert_eq!(said.stdout.matches("spawn process").count(), 5, "{said}");
    assert_eq!(said.stdout.matches("exit process").count(), 5, "{said}");
}

#[test]
fn the_end_of_the_one_that_is_named_ends_all_with_its_code() {
    for (end, code) in [("exit 0", 0), ("exit 5", 5)] {
        let project = Project::new(&format!(
            "test: misbehave until go {end}\nother: misbehave print alive until never\nlast: misbehave signals touch ended\n"
        ));
        let gaffer = project.gaffer().start(&["start", "--exit-with", "test"]);
        gaffer.until_printed("listening");
        gaffer.until_printed("alive");
        // Others are launched again.
        processes::signal(project.until_running("other.1"), Signal::SIGKILL);
        until_printed_times(&gaffer, "other | alive", 2);
        project.file("go", "");
        let said = gaffer.wait();
        assert_eq!(said.code, code, "{said}");
        assert_eq!(said.stdout.matches("test | spawn process").count(), 1, "{said}");
        assert!(fs::exists(project.path("ended")).unwrap(), "{said}");
    }
}

#[test]
fn the_first_of_several_of_a_type_ends_all() {
    let project = Project::new("test: sh -c 'test $PS = test.2 && exit 4; exec misbehave signals'\n");
    let said = project.gaffer().run(&["start", "-c", "test=3", "--exit-with", "test"]);
    assert_eq!(said.code, 4, "{said}");
    assert_eq!(said.stdout.matches("spawn process").count(), said.stdout.matches("exit process").count(), "{said}");
}

#[test]
fn with_both_a_failure_of_another_ends_all_too() {
    let project = Project::new("test: misbehave signals exit 0\nother: misbehave exit 6\n");
    let said = project.gaffer().run(&["start", "--exit-with", "test", "--exit-on-failure"]);
    assert_eq!(said.code, 6, "{said}");
    let project = Project::new("test: misbehave print done exit 0\nother: misbehave signals exit 6\n");
    let said = project.gaffer().run(&["start", "--exit-with", "test", "--exit-on-failure"]);
    assert_eq!((said.code, printed(&said.stdout, "test")), (0, vec!["done"]), "{said}");
}

#[test]
fn what_nothing_tells_whose_it_is_ends_with_the_run_all_the_same() {
    let escape = "(setsid env -i sh -c 'echo $$ > escaped.new; mv escaped.new escaped; exec sleep 1000' &)";
    let project = Project::new(&format!("web: {escape}; exec misbehave forever\n"));
    for words in [&["start"][..], &["run", "-c", "2", "sh", "-c", &format!("{escape}; exec misbehave forever")]] {
        let gaffer = project.gaffer().start(words);
        let escaped: i32 = project.until_written("escaped").trim().parse().unwrap();
        assert!(processes::is_alive(escaped), "{words:?}");
        gaffer.signal(Signal::SIGINT);
        let said = gaffer.wait();
        let outlived = processes::is_alive(escaped);
        if outlived {
            processes::signal(escaped, Signal::SIGKILL);
        }
        assert!(!outlived, "{words:?}: {said}");
        std::fs::remove_file(project.path("escaped")).unwrap();
    }
}

#[test]
fn who_was_there_before_gaffer_is_left_alone() {
    let project = Project::new("web: misbehave print ready forever\n");
    let script = "sleep 1000 < /dev/null > /dev/null 2>&1 & echo $! > before; exec gaffer start";
    let gaffer = project.program("sh").start(&["-c", script]);
    gaffer.until_printed("ready");
    let before: i32 = project.until_written("before").trim().parse().unwrap();
    gaffer.signal(Signal::SIGINT);
    let said = gaffer.wait();
    let is_left = processes::is_alive(before);
    if is_left {
        processes::signal(before, Signal::SIGKILL);
    }
    assert!(is_left, "{said}");
    assert_eq!(said.code, 0, "{said}");
}
