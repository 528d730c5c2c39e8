//! Commands that do something to jobs and processes.

use gaffer_tests::Daemon;

use super::{Transcript, gafferctl};

const JOBS: &str = "\
[process:web]
cmd = misbehave forever
[process:worker]
cmd = misbehave forever
[process:shop:api]
cmd = misbehave forever
";

/// A daemon whose three jobs run.
fn started() -> Daemon {
    let daemon = Daemon::start(JOBS);
    for job in ["web", "worker", "shop.api"] {
        daemon.until_running(job, 1);
    }
    daemon
}

#[test]
fn jobs_are_listed_by_name_and_processes_by_pid() {
    let daemon = started();
    let ctl = gafferctl(&daemon);
    Transcript::of(&ctl)
        .run("processes")
        .run("processes --json")
        .run("processes --running")
        .run("processes --running --json")
        .run("processes --quiet")
        .check("processes");
}

#[test]
fn stopped_jobs_start_and_started_ones_stop() {
    let daemon = started();
    let ctl = gafferctl(&daemon);
    Transcript::of(&ctl)
        .run("stop --wait web")
        .run("status web")
        .run("running web")
        .run("start --wait web")
        .run("status web")
        .run("stop web shop.api")
        .run("start web 'shop.*' --quiet")
        .run("stop --wait --json web worker")
        .run("start --wait --json worker")
        .run("start '*'")
        .check("start_stop");
    for job in ["web", "worker", "shop.api"] {
        daemon.until_running(job, 1);
    }
}

#[test]
fn what_is_not_there_is_told_and_the_rest_is_done() {
    let daemon = started();
    let ctl = gafferctl(&daemon);
    Transcript::of(&ctl)
        .run("stop nope")
        .run("stop nope web")
        .run("stop 'x*' worker")
        .run("stop --json nope shop.api")
        .run("stop --json 'x*' nope web 'y*' 999")
        .run("stop 999")
        .run("start 'a b' web")
        .run("restart nope")
        .run("kill nope HUP")
        .run("kill 999 HUP")
        .run("add nope 1")
        .run("sub nope 1")
        .run("numprocesses nope")
        .run("pids nope")
        .run("running nope")
        .run("numprocesses --json nope shop.api 'x*'")
        .run("status nope")
        .run("get_process nope")
        .run("del_process nope")
        .run("update_process nope true")
        .run("logs nope")
        .run("logs 999")
        .run("stats nope")
        .run("send 999 hello")
        .run("groups nope")
        .run("sessions nope")
        .run("info nope")
        .run("info 999")
        .check("not_found");
    // Nothing of a line is done that does not read.
    for job in ["web", "worker", "shop.api"] {
        daemon.until_status(job, "is stopped", |status| status["state"] == "stopped");
        daemon.until_running(job, 0);
    }
}

#[test]
fn a_restart_replaces_the_processes() {
    let daemon = started();
    let ctl = gafferctl(&daemon);
    let before = daemon.pids("web");
    Transcript::of(&ctl).run("restart --wait web").run("restart -w --json web shop.api").check("restart");
    let after = daemon.until_running("web", 1);
    assert_eq!(before.iter().find(|pid| after.contains(pid)), None);
}

#[test]
fn a_process_that_is_stopped_by_its_pid_is_replaced() {
    let daemon = started();
    let ctl = gafferctl(&daemon);
    let first = daemon.pids("web")[0];
    daemon.os_pid_of(first);
    assert_eq!(ctl.prints(&["stop", "--wait", &first.to_string()]), "ok\n");
    let second = daemon.until_running("web", 1)[0];
    assert_ne!(first, second);
}

#[test]
fn jobs_are_scaled() {
    let daemon = started();
    let ctl = gafferctl(&daemon);
    Transcript::of(&ctl)
        .run("add web 2")
        .once(|| daemon.until_running("web", 3))
        .run("numprocesses web")
        .run("pids web")
        .run("running web")
        .run("pids web worker")
        .run("pids --json web shop.api")
        .run("numprocesses --json web")
        .run("running --json '*'")
        .run("sub web 1")
        .once(|| daemon.until_running("web", 2))
        .run("pids web")
        .run("add --json web worker 1")
        .run("sub web worker 1")
        .run("sub web 99")
        .once(|| daemon.until_running("web", 0))
        .run("pids web")
        .run("add web none")
        .run("add web")
        .check("scale");
}

#[test]
fn signals_reach_jobs_and_processes_by_number_and_by_name() {
    let daemon = Daemon::start("[process:w]\ncmd = sleep 1000\nnumprocesses = 2\n[process:other]\ncmd = sleep 1000\n");
    let ctl = gafferctl(&daemon);
    daemon.until_running("other", 1);
    let mut before = daemon.until_running("w", 2);
    for (target, signal, number) in [("w", "10", 10), ("w", "USR2", 12), ("w", "SIGHUP", 1), ("w", "int", 2)] {
        // A signal that comes before the program would be of no use as a test of it.
        for pid in &before {
            daemon.os_pid_of(*pid);
        }
        assert_eq!(ctl.prints(&["kill", target, signal]), "ok\n");
        let status = daemon.until_status("w", "has replaced both", |status| {
            let now = status["pids"].as_array().unwrap();
            now.len() == 2 && before.iter().all(|pid| !now.contains(&(*pid).into()))
        });
        assert_eq!(status["last_exit"]["term_signal"], number, "{signal}");
        before = daemon.pids("w");
    }
    let other = daemon.only_process("other").0;
    daemon.os_pid_of(before[0]);
    let said = ctl.prints(&["kill", &before[0].to_string(), &other.to_string(), "TERM"]);
    assert_eq!(said, format!("{}: ok\n{other}: ok\n", before[0]));
    daemon.until_status("w", "has replaced the one", |status| {
        let now = status["pids"].as_array().unwrap();
        now.len() == 2 && !now.contains(&before[0].into()) && now.contains(&before[1].into())
    });
    for args in [&["kill", "-CONT", "w"][..], &["kill", "w", "-18"], &["kill", "-s", "cont", "w"]] {
        assert_eq!(ctl.prints(args), "ok\n");
    }
    assert_eq!(ctl.run(&["kill", "w", "NOPE"]).code, 2);
    assert_eq!(ctl.run(&["kill", "w"]).code, 2);
}
