//! gaffer as the first process of a PID namespace, as in a container.

use std::{
    fs::{self, OpenOptions},
    io::Write,
};

use gaffer_tests::{Client, Project, RunningClient, processes, skip, wait_until};
use nix::{
    sys::{signal::Signal, stat::Mode},
    unistd::mkfifo,
};

use super::printed;

/// What begins a namespace whose first process is what follows. `None`, once it has been said, if that is not allowed here.
fn namespace(project: &Project) -> Option<Client> {
    let unshare = project.program("unshare").args(["--fork", "--pid", "--mount-proc"]);
    if unshare.run(&["true"]).code != 0 {
        skip("no PID namespaces may be made here");
        return None;
    }
    Some(unshare.args(["gaffer"]))
}

/// gaffer's number out here.
#[track_caller]
fn inside(unshare: &RunningClient) -> i32 {
    match processes::children(unshare.pid())[..] {
        [(pid, _)] => pid,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn the_exit_code_comes_through_and_no_guardian_is_needed() {
    let project = Project::new("web: echo parent $PPID; exec misbehave exit 7\n");
    let Some(gaffer) = namespace(&project) else { return };
    let said = gaffer.run(&["start", "--exit-on-failure"]);
    assert_eq!((said.code, printed(&said.stdout, "web")), (7, vec!["parent 1"]), "{said}");
    assert_eq!(said.stderr, "", "{said}");
}

#[test]
fn a_signal_from_outside_stops_all() {
    let project = Project::new("web: misbehave child setsid forever end signals print bye exit 0\n");
    let Some(gaffer) = namespace(&project) else { return };
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let unshare = gaffer.start(&["start"]);
        unshare.until_printed("listening");
        processes::signal(inside(&unshare), signal);
        let said = unshare.wait();
        assert_eq!(said.code, 0, "{said}");
        assert_eq!(printed(&said.stdout, "web"), ["listening", "SIGTERM", "bye"], "{said}");
        project.until_nothing_left();
    }
}

#[test]
fn a_signal_right_after_the_start_is_not_lost() {
    let project = Project::new("");
    let Some(gaffer) = namespace(&project) else { return };
    // gaffer waits there for somebody who writes.
    let procfile = project.path("late");
    mkfifo(&procfile, Mode::S_IRWXU).unwrap();
    let unshare = gaffer.start(&["-f", "late", "start"]);
    let mut writer = OpenOptions::new().write(true).open(&procfile).unwrap();
    processes::signal(inside(&unshare), Signal::SIGTERM);
    writer.write_all(b"web: misbehave forever\n").unwrap();
    drop(writer);
    let said = unshare.wait();
    assert_eq!(said.code, 0, "{said}");
}

#[test]
fn what_takes_its_place_heeds_signals() {
    let project = Project::new("web: true\n");
    let Some(gaffer) = namespace(&project) else { return };
    let said = gaffer.run(&["run", "grep", "SigBlk", "/proc/self/status"]);
    assert_eq!(said.stdout, "SigBlk:\t0000000000000000\n", "{said}");
}

#[test]
fn orphans_are_reaped_as_they_end() {
    let project = Project::empty();
    // Both are nobody's children as soon as the inner shells have ended; one hides whose it is.
    project.script("web", "(misbehave until go touch ended-1 &)\n(env -i \"$(command -v misbehave)\" until go touch ended-2 &)\nexec misbehave signals");
    project.file("Procfile", "web: ./web\n");
    let Some(gaffer) = namespace(&project) else { return };
    let unshare = gaffer.start(&["start"]);
    unshare.until_printed("listening");
    let init = inside(&unshare);
    wait_until("gaffer has its orphans", || match processes::children(init) {
        all if all.len() == 3 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    project.file("go", "");
    for name in ["ended-1", "ended-2"] {
        wait_until(&format!("{name} is there"), || fs::metadata(project.path(name)));
    }
    wait_until("there is nothing of them", || match processes::children(init) {
        all if all.len() == 1 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    processes::signal(init, Signal::SIGTERM);
    assert_eq!(unshare.wait().code, 0);
}

#[test]
fn a_second_signal_kills() {
    let project = Project::new("web: misbehave signals signals\n");
    let Some(gaffer) = namespace(&project) else { return };
    let unshare = gaffer.start(&["start"]);
    unshare.until_printed("listening");
    processes::signal(inside(&unshare), Signal::SIGTERM);
    unshare.until_printed("SIGTERM");
    processes::signal(inside(&unshare), Signal::SIGTERM);
    let said = unshare.wait();
    assert_eq!(said.code, 0, "{said}");
    assert!(said.stdout.contains("(SIGKILL)"), "{said}");
}
