//! What gafferd itself uses up: nothing while nothing happens, and never more and more.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use gaffer_tests::{Daemon, full_scale, heavy, processes, skip};
use nix::sys::signal::Signal;

#[test]
fn an_idle_gafferd_makes_no_system_call() {
    let _turn = heavy();
    let daemon = Daemon::start(
        "[process:a]\ncmd = sleep 86400\nnumprocesses = 5\nredirect_output = out, err\nredirect_input = true\n\
         [process:b]\ncmd = sleep 86400\n",
    );
    daemon.until_running("a", 5);
    daemon.until_running("b", 1);
    let trace = daemon.path("trace");
    // The first seconds are strace's own: it interrupts what each thread waits in, and threads that have nothing to do
    // come to rest.
    let (settle, window) = if full_scale() { (2.0, 30.0) } else { (1.5, 3.0) };
    let strace = Command::new("strace")
        .args(["-f", "-ttt", "-o"])
        .arg(&trace)
        .args(["-p", &daemon.os_pid().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut strace) = strace else { return skip("there is no strace") };
    let traced = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.os_pid())).unwrap();
        status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
    };
    let attached = gaffer_tests::wait_until("strace has attached or given up", || {
        if traced() {
            return Ok(true);
        }
        strace.try_wait().unwrap().map(|_| false).ok_or("it does neither")
    });
    if !attached {
        return skip("strace may not attach here");
    }
    let begun = std::time::Instant::now();
    gaffer_tests::wait_until("the window is over", || {
        if begun.elapsed() > Duration::from_secs_f64(settle + window) { Ok(()) } else { Err("time passes") }
    });
    processes::signal(i32::try_from(strace.id()).unwrap(), Signal::SIGINT);
    strace.wait().unwrap();
    let trace = std::fs::read_to_string(trace).unwrap();
    let time = |line: &str| -> Option<f64> { line.split_whitespace().nth(1)?.parse().ok() };
    let first = trace.lines().find_map(time).expect("what the threads wait in is shown");
    let calls: Vec<&str> = trace
        .lines()
        .filter(|line| time(line).is_some_and(|at| at > first + settle))
        // Its own end.
        .filter(|line| !line.contains("<detached ...>") && !line.contains("resuming interrupted"))
        .collect();
    assert!(calls.is_empty(), "an idle gafferd is busy:\n{}", calls.join("\n"));
}

#[test]
fn restarts_leak_no_descriptor_and_no_process() {
    let _turn = heavy();
    let daemon = Daemon::start(
        "[process:web]\ncmd = sleep 86400\nredirect_output = out, err\nredirect_input = true\ncustom_streams = more\n",
    );
    let restart = || {
        let before = daemon.pids("web");
        daemon.post("/processes/web/_restart");
        daemon.until_status("web", "has one other process", |status| {
            status["running"] == 1 && status["pids"] != serde_json::json!(before)
        });
    };
    daemon.until_running("web", 1);
    // Ended processes are remembered for a while, and what is made at first use is made.
    (0..20).for_each(|_| restart());
    let before = processes::descriptors(daemon.os_pid());
    (0..200).for_each(|_| restart());
    daemon.until("there are no more descriptors than before", || {
        let after = processes::descriptors(daemon.os_pid());
        if after.len() <= before.len() { Ok(()) } else { Err(format!("before: {before:?}\nafter: {after:?}")) }
    });
    assert_eq!(processes::children(daemon.os_pid()).len(), 1);
}

#[test]
fn many_restarts_and_requests_do_not_let_gafferd_grow() {
    let _turn = heavy();
    let daemon = Daemon::start(
        "[process:storm]\ncmd = true\nnumprocesses = 4\nflapping = 100000, 1, 1, 1\nredirect_output = out\n",
    );
    let reach = |restarts: u64| {
        daemon.until_status("storm", "goes on", |status| status["restarts"].as_u64().unwrap() > restarts);
        processes::memory(daemon.os_pid(), "VmRSS")
    };
    let begun = reach(500);
    let grown = reach(2000);
    assert!(grown < begun + 16 * 1024 * 1024, "{begun} bytes, then {grown}");
}
