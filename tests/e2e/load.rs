//! Very many of everything.

use gaffer_tests::{Daemon, full_scale, heavy, processes};
use nix::sys::signal::Signal;
use serde_json::json;

#[test]
fn a_thousand_processes_that_end_at_once_are_all_replaced_and_then_all_ended() {
    const NUMBER: usize = 1000;
    let _turn = heavy();
    let mut daemon = Daemon::start(&format!(
        "[process:crowd]\ncmd = sleep 86400\nnumprocesses = {NUMBER}\nflapping = 100000, 1, 1, 1\n"
    ));
    let first = daemon.until_running("crowd", NUMBER);
    let leaders = daemon.until("all of them run their program", || {
        let leaders = daemon.descendants();
        if leaders.len() == NUMBER { Ok(leaders) } else { Err(leaders.len()) }
    });
    for leader in leaders {
        processes::signal(leader, Signal::SIGKILL);
    }
    let newest = *first.last().unwrap();
    let status = daemon.until_status("crowd", "has replaced all", |status| {
        let pids = status["pids"].as_array().unwrap();
        pids.len() == NUMBER && pids.iter().all(|pid| pid.as_u64().unwrap() > newest)
    });
    assert_eq!(status["restarts"], NUMBER);
    daemon.until("there are no zombies and no others", || {
        let children = processes::children(daemon.os_pid());
        if children.len() == NUMBER && children.iter().all(|(_, state)| *state != 'Z') {
            Ok(())
        } else {
            Err(children.len())
        }
    });
    daemon.stop();
}

#[test]
fn thousands_of_jobs_run_and_end_together() {
    let _turn = heavy();
    let number: usize = if full_scale() { 2000 } else { 300 };
    let ini: String = (0..number).map(|job| format!("[process:job{job}]\ncmd = sleep 86400\n")).collect();
    let mut daemon = Daemon::start(&ini);
    daemon.until("all run", || {
        let running = daemon.get("/processes?running=1").as_array().unwrap().len();
        if running == number { Ok(()) } else { Err(running) }
    });
    assert_eq!(daemon.get("/processes").as_array().unwrap().len(), number);
    let table = daemon.get("/status");
    assert!(table["jobs"].as_array().unwrap().iter().all(|job| job["running"] == 1));
    assert_eq!(daemon.descendants().len(), number);
    daemon.post("/processes/job7/_restart");
    daemon.until_running("job7", 1);
    assert_eq!(daemon.status("job8")["restarts"], json!(0));
    daemon.stop();
}

#[test]
fn a_storm_of_crashes_is_borne() {
    let _turn = heavy();
    // They end as fast as they can be started; a rule that never trips has each replaced at once.
    let daemon = Daemon::start(
        "[process:storm]\ncmd = true\nnumprocesses = 20\nflapping = 100000, 1, 1, 1\n\
         [process:calm]\ncmd = misbehave forever\n",
    );
    let calm = daemon.only_process("calm");
    // Some process of it is being launched at any time; a command waits for its own launches alone.
    for action in ["_add/2", "_start", "_sub/2"] {
        daemon.post(&format!("/processes/storm/{action}"));
    }
    daemon.until_status("storm", "has crashed a thousand times", |status| status["restarts"].as_u64().unwrap() > 1000);
    assert_eq!(daemon.only_process("calm"), calm);
    daemon.post("/processes/storm/_stop");
    daemon.until_running("storm", 0);
    daemon.until("nothing is left of it", || {
        let children = processes::children(daemon.os_pid());
        if children.len() == 1 { Ok(()) } else { Err(format!("{children:?}")) }
    });
}
