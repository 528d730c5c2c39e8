//! Whole trees of processes, which end with their leader.

use gaffer_tests::{Daemon, processes};

/// Starts a job, waits until `files` processes below it say that they are there, stops it, and checks that all are gone.
fn stop_ends_all(steps: &str, descendants: usize, graceful_timeout: &str) {
    let daemon =
        Daemon::start(&format!("[process:web]\ncmd = misbehave {steps}\ngraceful_timeout = {graceful_timeout}\n"));
    daemon.until_running("web", 1);
    let born = daemon.until("all descendants are there", || {
        let born = daemon.launches("born");
        if born.len() == descendants { Ok(born) } else { Err(born.len()) }
    });
    daemon.post("/processes/web/_stop");
    let status = daemon.until_running("web", 0);
    assert!(status.is_empty());
    for (_, os_pid) in born {
        assert!(!processes::is_alive(os_pid), "left: {}", processes::describe(os_pid));
    }
    daemon.assert_nothing_left();
}

#[test]
fn grandchildren_in_the_group_end_with_a_stop() {
    stop_ends_all("child log born child log born forever end forever end forever", 2, "30");
}

#[test]
fn grandchildren_with_sessions_of_their_own_end_with_a_stop() {
    stop_ends_all("child setsid log born child setsid log born forever end forever end forever", 2, "30");
}

#[test]
fn a_daemon_that_forked_twice_ends_with_a_stop() {
    stop_ends_all("child setsid child log born forever end exit 0 end forever", 1, "30");
}

#[test]
fn a_leader_that_ends_at_once_leaves_no_deaf_grandchild() {
    stop_ends_all("child deaf setsid log born forever end child deaf log born forever end forever", 2, "0.3");
}

#[test]
fn deaf_trees_are_killed_once_their_time_is_over() {
    stop_ends_all(
        "deaf child setsid log born child setsid child log born forever end exit 0 end forever end forever",
        2,
        "0.3",
    );
}

#[test]
fn a_job_counts_as_running_until_its_tree_is_gone() {
    let daemon = Daemon::start(
        "[process:web]\ncmd = misbehave child deaf setsid log born forever end forever\ngraceful_timeout = 30\n",
    );
    let (_, leader) = daemon.only_process("web");
    let born = daemon.until("the grandchild is there", || daemon.launches("born").first().copied().ok_or("not there"));
    let address = daemon.address();
    let stopping =
        std::thread::spawn(move || gaffer_tests::http::request(address, "POST", "/processes/web/_stop", None));
    daemon.until("the leader is gone", || if processes::is_alive(leader) { Err("alive") } else { Ok(()) });
    daemon.until_status("web", "knows that its leader has ended", |status| !status["last_exit"].is_null());
    assert_eq!(daemon.status("web")["running"], 1, "the grandchild still is a part of it");
    processes::signal(born.1, nix::sys::signal::Signal::SIGKILL);
    daemon.until_running("web", 0);
    assert_eq!(stopping.join().unwrap().status, 200);
}

#[test]
fn a_deaf_process_is_killed_after_its_timeout_and_its_exit_is_told() {
    let daemon = gaffer_tests::Setup::new()
        .ini("[process:web]\ncmd = misbehave deaf touch deaf forever\ngraceful_timeout = 0.4\n")
        .arg("-v")
        .start();
    let (pid, os_pid) = daemon.only_process("web");
    daemon.read("deaf");
    let begun = std::time::Instant::now();
    daemon.post("/processes/web/_stop");
    daemon.until_running("web", 0);
    assert!(begun.elapsed() >= std::time::Duration::from_millis(400), "{:?}", begun.elapsed());
    let status = daemon.status("web");
    assert_eq!(status["last_exit"], serde_json::json!({"pid": pid, "exit_code": 0, "term_signal": 9}));
    assert_eq!(status["state"], "stopped");
    daemon.until_shown(&format!("web | exit process with pid {os_pid}"));
    daemon.until_logged("killing a process that did not end in time");
}

#[test]
fn processes_of_other_jobs_survive_a_stop() {
    let daemon = Daemon::start(
        "[process:a]\ncmd = misbehave child setsid log a forever end forever\n\
         [process:b]\ncmd = misbehave child setsid log b forever end forever\n",
    );
    let (b, os_b) = daemon.only_process("b");
    for name in ["a", "b"] {
        daemon.until("the grandchild is there", || daemon.launches(name).first().copied().ok_or("not there"));
    }
    daemon.post("/processes/a/_stop");
    daemon.until_running("a", 0);
    assert_eq!(daemon.only_process("b"), (b, os_b));
    assert!(processes::is_alive(daemon.launches("b")[0].1));
    assert!(!processes::is_alive(daemon.launches("a")[0].1));
}

#[test]
fn orphans_that_end_leave_no_zombie() {
    // Each leader leaves orphans behind that end by themselves while it lives on.
    let daemon = Daemon::start(
        "[process:web]\nnumprocesses = 5\n\
         cmd = misbehave child child setsid log born exit 3 end child log born exit 0 end exit 0 end forever\n",
    );
    daemon.until_running("web", 5);
    daemon.until("the orphans have been there", || {
        let born = daemon.launches("born").len();
        if born == 10 { Ok(()) } else { Err(born) }
    });
    daemon.until("only the leaders are children of gafferd", || {
        let children = processes::children(daemon.os_pid());
        let zombies = children.iter().any(|(_, state)| *state == 'Z');
        if children.len() == 5 && !zombies { Ok(()) } else { Err(format!("{children:?}")) }
    });
}
