//! Jobs that clients have loaded come back.

use gaffer_tests::{Setup, processes, wait_until};
use nix::sys::signal::Signal;
use serde_json::json;

use super::{standing, until_nothing_runs_twice};

const INI: &str = "[process:fixed]\ncmd = misbehave forever\n[process:scaled]\ncmd = misbehave forever\n";

#[test]
fn jobs_come_back_as_they_stood_after_a_stop_and_after_a_crash() {
    let mut daemon = Setup::new().ini(INI).start();
    daemon.post_body(
        "/processes",
        json!({"name": "mine", "cmd": "misbehave forever", "numprocesses": 2, "env": {"A": "b c"}}),
    );
    daemon.post_body("/processes", json!({"name": "shop.rests", "cmd": "misbehave forever"}));
    daemon.post_body("/processes", json!({"name": "gone", "cmd": "misbehave forever"}));
    daemon.post("/processes/shop.rests/_stop");
    daemon.post("/processes/mine/_add/1");
    daemon.post("/processes/scaled/_add/2");
    daemon.delete("/processes/gone");
    let config = daemon.get("/processes/mine");
    let stood = standing(&daemon);
    for crashes in [false, true, true, false] {
        if crashes {
            daemon.kill();
        } else {
            daemon.stop();
        }
        daemon.start_again();
        until_nothing_runs_twice(&daemon, 7);
        assert_eq!(standing(&daemon), stood);
        assert_eq!(daemon.get("/processes/mine"), config);
    }
    // What was back can be changed, and that is kept, too.
    daemon.post("/processes/shop.rests/_start");
    daemon.put("/processes/mine", json!({"cmd": "misbehave forever", "numprocesses": 1}));
    daemon.kill();
    daemon.start_again();
    until_nothing_runs_twice(&daemon, 6);
    daemon.stop();
}

#[test]
fn what_a_killed_gafferd_left_is_ended_with_all_that_descends_from_it() {
    // A child in a session of its own with another one, none of which heeds SIGTERM.
    let ini = "[process:tree]\ncmd = misbehave child setsid deaf child deaf forever end forever end deaf forever\n\
               graceful_timeout = 0.2\nnumprocesses = 2\n";
    let mut daemon = Setup::new().ini(ini).start();
    wait_until("the trees are there", || match daemon.descendants().len() {
        6 => Ok(()),
        other => Err(other),
    });
    let before = daemon.descendants();
    daemon.kill();
    daemon.start_again();
    wait_until("there are new trees and no old ones", || {
        let now = daemon.descendants();
        if now.len() == 6 && now.iter().all(|pid| !before.contains(pid)) {
            Ok(())
        } else {
            Err(format!("{before:?}, {now:?}"))
        }
    });
    daemon.until_logged("a process that the last gafferd left is ended");
    daemon.kill();
    daemon.start_again();
    daemon.stop();
}

#[test]
fn a_stop_is_heeded_while_what_was_left_takes_its_time_to_end() {
    let mut daemon = Setup::new().ini("[process:web]\ncmd = misbehave deaf forever\n").start();
    let (_, os_pid) = daemon.only_process("web");
    daemon.kill();
    daemon.start_again_without_http("a process that the last gafferd left is ended");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code, Some(0));
    assert_eq!(daemon.descendants(), [os_pid], "that is left to the one after it");
    processes::signal(os_pid, Signal::SIGKILL);
    wait_until("it is gone", || match daemon.descendants().as_slice() {
        [] => Ok(()),
        left => Err(format!("{left:?}")),
    });
}

#[test]
fn the_configuration_wins_over_what_was_kept() {
    let mut daemon = Setup::new().ini("").start();
    daemon.post_body("/processes", json!({"name": "web", "cmd": "misbehave forever", "numprocesses": 3}));
    daemon.stop();
    daemon.setup().file("gaffer.ini", "[process:web]\ncmd = misbehave forever\n");
    daemon.start_again();
    daemon.until_running("web", 1);
    daemon.until_logged("job `default.web`: it was loaded by a client, and is in the configuration by now");
    daemon.post("/processes/web/_add");
    daemon.post("/processes/web/_stop");
    daemon.stop();
    // What the configuration says anew counts, and nothing else is forgotten by that.
    daemon.setup().file("gaffer.ini", "[process:web]\ncmd = misbehave forever\nnumprocesses = 3\n");
    daemon.start_again();
    let web = daemon.until_status("web", "is there", |_| true);
    assert_eq!((web["max_processes"].as_u64(), web["running"].as_u64()), (Some(3), Some(0)));
    daemon.setup().file("gaffer.ini", "");
    daemon.stop();
    daemon.start_again();
    assert!(standing(&daemon).is_empty());
    daemon.stop();
}

#[test]
fn nothing_is_kept_where_nobody_wants_it() {
    let mut daemon = Setup::new().ini("").arg("--no-state").start();
    daemon.post_body("/processes", json!({"name": "web", "cmd": "misbehave forever"}));
    daemon.stop();
    daemon.start_again();
    assert!(standing(&daemon).is_empty());
    assert!(!daemon.path("state").exists());
    daemon.stop();
}

#[test]
fn a_state_that_is_there_and_cannot_be_used_refuses_the_start() {
    let mut daemon = Setup::new().ini("[process:web]\ncmd = misbehave forever\n").start();
    daemon.post_body("/processes", json!({"name": "mine", "cmd": "misbehave forever"}));
    daemon.stop();
    let state = daemon.path("state").read_dir().unwrap().next().unwrap().unwrap().path();
    // With its log, from which it could be made good.
    let aside = daemon.path("aside");
    std::fs::create_dir(&aside).unwrap();
    let put = |from: &std::path::Path, to: &std::path::Path| {
        for file in from.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
            let name = file.file_name().unwrap();
            if name.to_string_lossy().starts_with("state.db") {
                std::fs::rename(&file, to.join(name)).unwrap();
            }
        }
    };
    put(&state, &aside);
    let file = state.join("state.db");
    std::fs::write(&file, "no database at all, and long enough to be taken for a part of one").unwrap();
    let refused = daemon.run_again();
    assert_eq!(refused.0, Some(1));
    assert!(refused.1.contains("what is kept of jobs cannot be used (--no-state runs without it)"), "{}", refused.1);
    std::fs::remove_file(&file).unwrap();
    put(&aside, &state);
    daemon.start_again();
    until_nothing_runs_twice(&daemon, 2);
    // The folder of one that runs was copied: what that has launched is not taken for what was left.
    let copy = daemon.path("copy");
    let copied = std::process::Command::new("cp").arg("-a").arg(&state).arg(&copy).status().unwrap();
    assert!(copied.success());
    let second = Setup::new().ini("").arg("--state-dir").arg(&copy).run();
    assert_eq!(second.code, Some(1));
    assert!(
        second.stderr.contains(&format!("is of a gafferd that runs (os_pid {})", daemon.os_pid())),
        "{}",
        second.stderr
    );
    until_nothing_runs_twice(&daemon, 2);
    daemon.stop();
}

#[test]
fn a_second_gafferd_is_kept_off() {
    let daemon = Setup::new().ini("").start();
    let file = daemon.path("gaffer.ini");
    let state = daemon.path("state");
    let second = Setup::new().arg("-c").arg(&file).env("STATE_DIRECTORY", &state).run();
    assert_eq!(second.code, Some(1));
    assert!(
        second.stderr.contains(&format!("of another gafferd (os_pid {}); stop that one", daemon.os_pid())),
        "{}",
        second.stderr
    );
}

#[test]
fn a_default_folder_that_cannot_be_is_warned_of_and_one_that_was_named_refuses_the_start() {
    let mut daemon = Setup::new().ini("").env("STATE_DIRECTORY", "/proc/no").start();
    daemon.until_logged("no jobs are kept for the next start: ");
    daemon.post_body("/processes", json!({"name": "web", "cmd": "misbehave forever"}));
    daemon.stop();
    let refused = Setup::new().ini("").args("--state-dir /proc/no").run();
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("`/proc/no` cannot be the state folder"), "{}", refused.stderr);
}
