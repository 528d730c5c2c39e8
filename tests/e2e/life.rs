//! Processes that end by themselves, and what becomes of them.

use std::time::Duration;

use gaffer_tests::{Daemon, processes};
use nix::sys::signal::Signal;

/// Pauses between launches, by the clock of the launched.
fn gaps(launches: &[(Duration, i32)]) -> Vec<Duration> {
    launches.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
}

#[test]
fn a_killed_process_is_replaced() {
    let daemon = Daemon::start("[process:web]\ncmd = misbehave forever\n");
    let (pid, os_pid) = daemon.only_process("web");
    processes::signal(os_pid, Signal::SIGKILL);
    let status = daemon.until_status("web", "has another process", |status| {
        status["running"] == 1 && status["pids"] != serde_json::json!([pid])
    });
    assert_eq!(status["restarts"], 1);
    assert_eq!(status["last_exit"]["pid"], pid);
    assert_eq!(status["last_exit"]["term_signal"], 9);
    assert_eq!(status["last_exit"]["exit_code"], 0);
    let (_, new_os_pid) = daemon.only_process("web");
    assert_ne!(new_os_pid, os_pid);
}

#[test]
fn an_exit_code_is_told() {
    let daemon = Daemon::start("[process:web]\ncmd = misbehave until go exit 7\n");
    daemon.until_running("web", 1);
    daemon.touch("go");
    let status = daemon.until_status("web", "has exited", |status| !status["last_exit"].is_null());
    assert_eq!(status["last_exit"]["exit_code"], 7);
    assert_eq!(status["last_exit"]["term_signal"], 0);
}

#[test]
fn a_flapping_job_rests_retries_and_is_given_up_on_schedule() {
    // Two exits are an attempt too many; then 300 ms of rest, two times.
    let daemon = Daemon::start(
        "[process:flaps]\ncmd = misbehave log launches exit 1\nflapping = 2, 60, 0.3, 2\n\
         [process:steady]\ncmd = misbehave forever\n",
    );
    let (steady, _) = daemon.only_process("steady");
    let status = daemon.until_status("flaps", "is given up", |status| status["state"] == "given_up");
    assert_eq!(status["running"], 0);
    assert_eq!(status["active"], false);
    let cause = status["cause"].as_str().unwrap();
    assert!(cause.contains("2 exits within 60 s") && cause.contains("given up after 2 retries"), "{cause}");

    let launches = daemon.launches("launches");
    assert_eq!(launches.len(), 6, "two at first, and two at each of two retries");
    let gaps = gaps(&launches);
    assert!(gaps[1] >= Duration::from_millis(300) && gaps[3] >= Duration::from_millis(300), "{gaps:?}");
    daemon.until_logged("given up after 2 retries"); // The log is written behind what happens.
    assert_eq!(daemon.log().iter().filter(|line| line.text.contains("job flaps")).count(), 3);

    // It can be started anew, and flaps anew.
    daemon.post("/processes/flaps/_start");
    daemon.until("it is tried again", || {
        let launches = daemon.launches("launches").len();
        if launches == 12 { Ok(()) } else { Err(launches) }
    });
    assert_eq!(daemon.only_process("steady").0, steady, "other jobs are not touched");
}

#[test]
fn a_flapping_job_that_is_stopped_while_it_rests_stays_stopped() {
    let daemon = Daemon::start(
        "[process:flaps]\ncmd = misbehave log launches exit 1\nflapping = 2, 60, 0.2, 1000\n\
         [process:clock]\ncmd = misbehave log clock after 100\nflapping = 1000, 1, 1, 1\n",
    );
    daemon.until_status("flaps", "rests", |status| status["state"] == "flapping");
    daemon.post("/processes/flaps/_stop");
    assert_eq!(daemon.status("flaps")["state"], "stopped");
    let launches = daemon.launches("launches").len();
    // Another job's life is the clock: ten of its runs outlast a rest several times.
    let ticks = daemon.launches("clock").len();
    daemon.until("time has passed", || {
        let now = daemon.launches("clock").len();
        if now > ticks + 10 { Ok(()) } else { Err(now) }
    });
    assert_eq!(daemon.launches("launches").len(), launches);
    assert_eq!(daemon.status("flaps")["state"], "stopped");
}

#[test]
fn without_a_rule_a_process_that_exits_at_once_is_restarted_ever_more_slowly() {
    let daemon = Daemon::start("[process:broken]\ncmd = misbehave log launches exit 1\n");
    let launches = daemon.until("six launches", || {
        let launches = daemon.launches("launches");
        if launches.len() >= 6 { Ok(launches) } else { Err(launches.len()) }
    });
    // The first replacement comes at once, the next ones after 100, 200, 400 and 800 ms, counted from the exit, which comes
    // after the time was written down.
    for (gap, least) in gaps(&launches)[1..].iter().zip([100, 200, 400, 800]) {
        assert!(*gap >= Duration::from_millis(least), "{:?}", gaps(&launches));
    }
    let status = daemon.status("broken");
    assert_eq!(status["state"], "started");
}

#[test]
fn a_job_that_is_stopped_during_a_back_off_stays_stopped() {
    let daemon = Daemon::start(
        "[process:broken]\ncmd = misbehave log launches exit 1\n\
         [process:clock]\ncmd = misbehave log clock after 200\nflapping = 1000, 1, 1, 1\n",
    );
    daemon.until("four launches", || {
        let launches = daemon.launches("launches").len();
        if launches >= 4 { Ok(()) } else { Err(launches) }
    });
    daemon.post("/processes/broken/_stop");
    let launches = daemon.launches("launches").len();
    let ticks = daemon.launches("clock").len();
    daemon.until("time has passed", || {
        let now = daemon.launches("clock").len();
        if now > ticks + 8 { Ok(()) } else { Err(now) }
    });
    assert_eq!(daemon.launches("launches").len(), launches);
}

#[test]
fn descendants_of_an_unasked_exit_are_swept_before_the_replacement() {
    // The grandchild holds a file open that tells when it was still there: its own os_pid.
    let daemon = Daemon::start(
        "[process:web]\n\
         cmd = misbehave log leaders child setsid log grandchildren touch born forever end until born until go exit 1\n\
         graceful_timeout = 30\n",
    );
    let (_, leader) = daemon.only_process("web");
    daemon.read("born");
    let grandchild = daemon.launches("grandchildren")[0].1;
    assert!(processes::is_alive(grandchild));
    daemon.touch("go");
    let second = daemon.until("there is a replacement", || {
        let leaders = daemon.launches("leaders");
        leaders.get(1).copied().ok_or(leaders.len())
    });
    assert_ne!(second.1, leader);
    assert!(!processes::is_alive(grandchild), "the replacement waits for the grandchild's end");
}

#[test]
fn descendants_of_an_unasked_exit_that_heed_no_signal_are_killed() {
    let daemon = Daemon::start(
        "[process:web]\n\
         cmd = misbehave log leaders child deaf setsid log grandchildren touch born forever end until born until go exit 1\n\
         graceful_timeout = 0.3\n",
    );
    daemon.read("born");
    let grandchild = daemon.launches("grandchildren")[0].1;
    daemon.touch("go");
    daemon.until("there is a replacement", || {
        let leaders = daemon.launches("leaders");
        leaders.get(1).copied().ok_or(leaders.len())
    });
    assert!(!processes::is_alive(grandchild));
}

#[test]
fn a_stopped_process_that_is_frozen_is_ended_all_the_same() {
    let daemon = Daemon::start("[process:web]\ncmd = misbehave forever\ngraceful_timeout = 0.3\n");
    let (_, os_pid) = daemon.only_process("web");
    processes::signal(os_pid, Signal::SIGSTOP);
    daemon.until("it is frozen", || match processes::state(os_pid) {
        Some('T') => Ok(()),
        state => Err(format!("{state:?}")),
    });
    daemon.post("/processes/web/_stop");
    daemon.until_running("web", 0);
    assert!(!processes::is_alive(os_pid));
}
