//! The end of gafferd.

use std::time::{Duration, Instant};

use gaffer_tests::{Daemon, Ended, Setup, processes};
use nix::sys::signal::Signal;

const WELL: Ended = Ended { code: Some(0), signal: None };

/// Ends gafferd with a signal and checks that it ends well and leaves nothing.
fn ends_well(mut daemon: Daemon, signal: Signal) {
    daemon.signal(signal);
    assert_eq!(daemon.wait(), WELL);
    daemon.assert_nothing_left();
}

#[test]
fn each_of_the_three_signals_ends_gafferd_and_all_its_processes() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGQUIT] {
        let daemon = Daemon::start("[process:web]\ncmd = misbehave forever\nnumprocesses = 3\n");
        daemon.until_running("web", 3);
        ends_well(daemon, signal);
    }
}

#[test]
fn ctrl_c_ends_deaf_processes_forests_and_floods() {
    let daemon = Daemon::start(
        "[process:deaf]\ncmd = misbehave deaf touch deaf forever\ngraceful_timeout = 0.3\n\
         [process:forest]\ncmd = misbehave child setsid child deaf log born forever end exit 0 end child log born forever end \
         forever\ngraceful_timeout = 0.3\n\
         [process:flood]\ncmd = misbehave touch flooding flood 1000000000000\nredirect_output = out\n\
         [process:unread]\ncmd = misbehave flood 1000000000000\n\
         [process:broken]\ncmd = misbehave exit 1\n\
         [process:missing]\ncmd = ./nowhere\n",
    );
    for file in ["deaf", "flooding"] {
        daemon.read(file);
    }
    daemon.until("the forest has grown", || {
        let born = daemon.launches("born").len();
        if born == 2 { Ok(()) } else { Err(born) }
    });
    ends_well(daemon, Signal::SIGINT);
}

#[test]
fn ctrl_c_in_the_middle_of_launching_leaves_nothing() {
    let _turn = gaffer_tests::heavy();
    let daemon = Daemon::start("[process:many]\ncmd = sleep 86400\nnumprocesses = 200\nstart = false\n");
    daemon.until_status("many", "is loaded", |_| true);
    let address = daemon.address();
    let starting =
        std::thread::spawn(move || gaffer_tests::http::request(address, "POST", "/processes/many/_start", None));
    daemon.until_status("many", "begins to launch", |status| status["running"] != 0);
    ends_well(daemon, Signal::SIGINT);
    starting.join().unwrap();
}

#[test]
fn a_second_signal_kills_at_once() {
    let mut daemon = Daemon::start("[process:web]\ncmd = misbehave deaf touch deaf forever\ngraceful_timeout = 3600\n");
    daemon.read("deaf");
    daemon.signal(Signal::SIGINT);
    daemon.until_logged("once more to stop at once");
    daemon.signal(Signal::SIGINT);
    assert_eq!(daemon.wait(), WELL);
    daemon.assert_nothing_left();
}

#[test]
fn a_stuck_process_holds_up_the_end_no_longer_than_the_longest_grace() {
    // One after the other they would take two hours: the deadline is one for all.
    let mut daemon = Daemon::start(
        "[process:first]\ncmd = misbehave deaf touch first forever\npriority = 1\ngraceful_timeout = 1\n\
         [process:second]\ncmd = misbehave deaf touch second forever\npriority = 2\ngraceful_timeout = 1\n\
         [process:third]\ncmd = misbehave deaf touch third forever\npriority = 3\ngraceful_timeout = 1\n",
    );
    for file in ["first", "second", "third"] {
        daemon.read(file);
    }
    let begun = Instant::now();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait(), WELL);
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    daemon.assert_nothing_left();
}

#[test]
fn an_open_feed_and_a_silent_client_do_not_hold_up_the_end() {
    let mut daemon = Daemon::start("[process:web]\ncmd = misbehave forever\nredirect_output = out\n");
    let (pid, _) = daemon.only_process("web");
    let mut feed = daemon.feed(&format!("/streams/{pid}/out?feed=continuous"));
    let _silent = daemon.connect();
    let mut half = daemon.connect();
    half.send("POST /processes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
    daemon.stop();
    assert_eq!(feed.rest(), "", "the feed ends as it should");
}

#[test]
fn detached_processes_survive_gafferd() {
    let mut daemon = Daemon::start(
        "[process:stays]\ncmd = misbehave touch up forever\ndetach = true\n\
         [process:goes]\ncmd = misbehave forever\n",
    );
    let (_, stays) = daemon.only_process("stays");
    let (_, goes) = daemon.only_process("goes");
    daemon.read("up");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait(), WELL);
    assert!(processes::is_alive(stays));
    assert!(!processes::is_alive(goes));
    assert_eq!(daemon.descendants(), [stays]);
    processes::signal(stays, Signal::SIGKILL);
    daemon.until("it is gone", || if processes::is_alive(stays) { Err("alive") } else { Ok(()) });
}

#[test]
fn detached_processes_end_with_a_stop_of_their_job() {
    let daemon =
        Daemon::start("[process:stays]\ncmd = misbehave child setsid log born forever end forever\ndetach = true\n");
    let (_, leader) = daemon.only_process("stays");
    daemon.until("the grandchild is there", || daemon.launches("born").first().copied().ok_or("not there"));
    daemon.post("/processes/stays/_stop");
    daemon.until_running("stays", 0);
    assert!(!processes::is_alive(leader));
    daemon.assert_nothing_left();
}

#[test]
fn jobs_start_in_the_order_of_their_priority_and_stop_in_reverse() {
    let mut daemon = Setup::new()
        .ini(
            "[process:late]\ncmd = misbehave forever\npriority = 30\n\
             [process:early]\ncmd = misbehave forever\npriority = 1\n\
             [process:unsorted]\ncmd = misbehave forever\n\
             [process:middle]\ncmd = misbehave forever\npriority = 2\n",
        )
        .arg("-v")
        .start();
    let order = ["early", "middle", "late", "unsorted"];
    let first: Vec<u64> = order.iter().map(|job| daemon.only_process(job).0).collect();
    assert_eq!(first, [1, 2, 3, 4], "pids are given in the order of launching");
    daemon.until_shown("unsorted | spawn");
    daemon.stop();
    let told: Vec<String> = daemon
        .console()
        .into_iter()
        .filter_map(|line| {
            let (_, event) = line.text.split_once(' ')?;
            let (job, event) = event.split_once(" | ")?;
            let kind = event.split(' ').next()?;
            ["stop_pid", "exit"].contains(&kind).then(|| format!("{job} {kind}"))
        })
        .collect();
    let expected: Vec<String> =
        order.iter().rev().flat_map(|job| [format!("{job} stop_pid"), format!("{job} exit")]).collect();
    assert_eq!(told, expected, "each level is gone before the next one is told");
}

#[test]
fn what_ended_well_before_a_shutdown_is_not_started_again() {
    let mut daemon = Daemon::start("[process:web]\ncmd = misbehave log launches on-term 5\n");
    let (_, os_pid) = daemon.only_process("web");
    daemon.until("it is up", || daemon.launches("launches").first().copied().ok_or("not there"));
    daemon.stop();
    assert_eq!(daemon.launches("launches").len(), 1);
    assert!(!processes::is_alive(os_pid));
}
