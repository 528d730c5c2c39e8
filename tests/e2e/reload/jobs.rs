//! What becomes of jobs.

use gaffer_tests::{Daemon, wait_until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// Reads another configuration, and answers what is told of it.
#[track_caller]
fn reload(daemon: &Daemon, ini: &str) -> Value {
    daemon.setup().file("gaffer.ini", ini);
    daemon.post("/_reload")
}

const THREE: &str = "[process:same]\ncmd = misbehave forever\nnumprocesses = 2\n[process:gone]\ncmd = misbehave forever\n\
                     [process:other]\ncmd = misbehave forever\n";

#[test]
fn jobs_come_and_go_and_only_what_must_be_is_replaced() {
    let mut daemon = Daemon::start(THREE);
    let (same, other) = (daemon.until_running("same", 2), daemon.until_running("other", 1));
    daemon.post_body("/processes", json!({"name": "theirs", "cmd": "misbehave forever"}));
    let theirs = daemon.until_running("theirs", 1);
    let told = reload(
        &daemon,
        "[process:same]\ncmd = misbehave forever\nnumprocesses = 2\n[process:other]\ncmd = misbehave deaf forever\n\
         graceful_timeout = 0.1\n[process:shop:new]\ncmd = misbehave forever\n",
    );
    assert_eq!(told["applied"], true);
    assert_eq!(told["jobs"]["added"], json!(["shop.new"]));
    assert_eq!(told["jobs"]["removed"], json!(["default.gone"]));
    let change = json!([{"name": "default.other", "keys": ["cmd", "graceful_timeout"], "restarts": true}]);
    assert_eq!((&told["jobs"]["changed"], &told["jobs"]["unchanged"]), (&change, &json!(1)));
    assert_eq!(daemon.pids("same"), same);
    assert_eq!(daemon.pids("theirs"), theirs, "jobs of clients are none of its business");
    daemon.until_running("shop.new", 1);
    let new = wait_until("the other one is replaced", || {
        let pids = daemon.pids("other");
        if pids.len() == 1 && pids != other { Ok(pids) } else { Err(format!("{pids:?}")) }
    });
    assert_eq!(daemon.request("GET", "/status/gone", None).status, 404);
    let told = daemon.post("/_reload");
    assert_eq!((&told["jobs"]["changed"], &told["jobs"]["unchanged"]), (&json!([]), &json!(3)));
    assert_eq!(daemon.pids("other"), new);
    daemon.stop();
}

#[test]
fn numbers_and_times_change_in_place() {
    let mut daemon = Daemon::start("[process:web]\ncmd = misbehave deaf forever\nnumprocesses = 3\n");
    let three = daemon.until_running("web", 3);
    let told =
        reload(&daemon, "[process:web]\ncmd = misbehave deaf forever\nnumprocesses = 2\ngraceful_timeout = 0.1\n");
    assert_eq!(told["jobs"]["changed"][0]["restarts"], false);
    assert_eq!(daemon.until_running("web", 2), three[1..], "the oldest goes, in the new time");
    daemon.post("/processes/web/_add/2");
    let scaled = daemon.until_running("web", 4);
    reload(&daemon, "[process:web]\ncmd = misbehave deaf forever\nnumprocesses = 2\ngraceful_timeout = 0.2\n");
    assert_eq!(daemon.pids("web"), scaled, "what was scaled by hand stays");
    daemon.post("/processes/web/_stop");
    daemon.until_running("web", 0);
    reload(&daemon, "[process:web]\ncmd = misbehave forever\nnumprocesses = 1\n");
    let web = daemon.status("web");
    assert_eq!((&web["running"], &web["max_processes"]), (&json!(0), &json!(1)), "what was stopped by hand stays so");
    daemon.stop();
}

#[test]
fn a_configuration_with_a_mistake_is_refused_whole() {
    let mut daemon = Daemon::start(THREE);
    daemon.until_running("same", 2);
    let before = daemon.get("/status");
    let pids =
        |status: &Value| status["jobs"].as_array().unwrap().iter().map(|job| job["pids"].clone()).collect::<Vec<_>>();
    daemon.setup().file("gaffer.ini", "[process:new]\ncmd = misbehave forever\n[process:bad]\nnumproceses = 2\n");
    let answer = daemon.request("POST", "/_reload", None);
    assert_eq!(answer.status, 422);
    let told = answer.json();
    assert_eq!(told["error"], "invalid_configuration");
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains("gaffer.ini:4: [process:bad] numproceses: is not a key"), "{reason}");
    daemon.until_logged("the configuration was not read again, and all goes on as it was: ");
    assert_eq!(pids(&daemon.get("/status")), pids(&before));
    std::fs::remove_file(daemon.path("gaffer.ini")).unwrap();
    assert_eq!(daemon.request("POST", "/_reload", None).status, 422);
    daemon.signal(Signal::SIGHUP);
    assert_eq!(pids(&daemon.get("/status")), pids(&before));
    daemon.stop();
}

#[test]
fn a_command_that_does_not_start_leaves_the_old_one_and_is_told() {
    let mut daemon = Daemon::start("[process:web]\ncmd = misbehave forever\n[process:more]\ncmd = misbehave forever\n");
    let web = daemon.until_running("web", 1);
    let told =
        reload(&daemon, "[process:web]\ncmd = nonsense\n[process:more]\ncmd = misbehave forever\nnumprocesses = 2\n");
    assert_eq!(told["failed"][0]["name"], "default.web");
    assert!(told["failed"][0]["reason"].as_str().unwrap().contains("there is no program `nonsense`"), "{told}");
    assert_eq!(daemon.pids("web"), web);
    daemon.until_running("more", 2);
    daemon.stop();
}

#[test]
fn a_hangup_does_the_same_and_says_so() {
    let mut daemon = Daemon::start("[process:web]\ncmd = misbehave forever\n");
    let web = daemon.until_running("web", 1);
    daemon
        .setup()
        .file("gaffer.ini", "[process:web]\ncmd = misbehave forever\n[process:new]\ncmd = misbehave forever\n");
    daemon.signal(Signal::SIGHUP);
    daemon.until_logged("the configuration was read again: + job default.new");
    daemon.until_running("new", 1);
    assert_eq!(daemon.pids("web"), web);
    daemon.signal(Signal::SIGHUP);
    daemon.until_logged("the configuration was read again: nothing is different");
    daemon.stop();
}
