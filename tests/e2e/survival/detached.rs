//! `detach`: processes that are to outlive gafferd are taken back by the next one.

use std::collections::BTreeSet;

use gaffer_tests::{Daemon, Setup, processes, wait_until};
use nix::sys::signal::Signal;

const INI: &str = "[process:free]\ncmd = misbehave forever\ndetach = true\nnumprocesses = 2\n[process:bound]\ncmd = misbehave forever\n";

/// The kernel's numbers of a job's processes.
fn os_pids(daemon: &Daemon, job: &str) -> BTreeSet<i64> {
    let looked = daemon.pids(job).into_iter().map(|pid| daemon.request("GET", &format!("/{pid}"), None));
    // One may have ended meanwhile.
    looked.filter(|answer| answer.status == 200).map(|answer| answer.json()["os_pid"].as_i64().unwrap()).collect()
}

#[test]
fn detached_processes_are_taken_back_and_looked_after() {
    let mut daemon = Setup::new().ini(INI).start();
    daemon.until_running("free", 2);
    let free = os_pids(&daemon, "free");
    for kills in [true, false, true] {
        if kills {
            daemon.kill();
        } else {
            daemon.signal(Signal::SIGTERM);
            daemon.wait();
        }
        daemon.start_again();
        daemon.until_running("free", 2);
        daemon.until_running("bound", 1);
        assert_eq!(os_pids(&daemon, "free"), free, "the same processes");
        wait_until("nothing else is left", || match daemon.descendants().len() {
            3 => Ok(()),
            other => Err(other),
        });
    }
    // One that ends is replaced, one that is stopped ends.
    let first = *free.first().unwrap();
    processes::signal(i32::try_from(first).unwrap(), Signal::SIGKILL);
    wait_until("it is replaced", || {
        let now = os_pids(&daemon, "free");
        if now.len() == 2 && !now.contains(&first) { Ok(()) } else { Err(format!("{now:?}")) }
    });
    daemon.post("/processes/free/_stop");
    daemon.until_running("free", 0);
    daemon.stop();
}

#[test]
fn those_that_no_job_wants_any_more_are_ended() {
    let mut daemon = Setup::new().ini(INI).start();
    daemon.until_running("free", 2);
    let free = os_pids(&daemon, "free");
    daemon.kill();
    daemon.setup().file("gaffer.ini", "[process:free]\ncmd = misbehave forever\ndetach = true\nnumprocesses = 1\n");
    daemon.start_again();
    daemon.until_running("free", 1);
    let one = os_pids(&daemon, "free");
    assert!(one.is_subset(&free), "{one:?} of {free:?}");
    wait_until("the other one is gone", || match daemon.descendants().len() {
        1 => Ok(()),
        other => Err(other),
    });
    daemon.kill();
    // Another command: what runs is not what is wanted.
    daemon.setup().file("gaffer.ini", "[process:free]\ncmd = misbehave forever x\ndetach = true\n");
    daemon.start_again();
    daemon.until_running("free", 1);
    assert!(os_pids(&daemon, "free").is_disjoint(&free));
    daemon.kill();
    daemon.setup().file("gaffer.ini", "");
    daemon.start_again();
    wait_until("nothing is left", || match daemon.descendants().len() {
        0 => Ok(()),
        other => Err(other),
    });
    daemon.stop();
}

#[test]
fn a_tree_that_was_taken_back_ends_as_a_whole() {
    let ini = "[process:tree]\ncmd = misbehave child setsid deaf child deaf forever end forever end deaf forever\n\
               graceful_timeout = 0.3\ndetach = true\n";
    let mut daemon = Setup::new().ini(ini).start();
    wait_until("the tree is there", || match daemon.descendants().len() {
        3 => Ok(()),
        other => Err(other),
    });
    let before: BTreeSet<i32> = daemon.descendants().into_iter().collect();
    daemon.kill();
    daemon.start_again();
    daemon.until_running("tree", 1);
    assert_eq!(daemon.descendants().into_iter().collect::<BTreeSet<_>>(), before);
    daemon.post("/processes/tree/_stop");
    daemon.until_running("tree", 0);
    daemon.assert_nothing_left();
    daemon.stop();
}
