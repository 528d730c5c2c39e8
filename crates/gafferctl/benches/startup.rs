//! CPU time of `gafferctl status` on a node with 100 jobs, beside `curl` fetching the same data, in one run.
//!
//! Both programs are those of the release profile, as users have them.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may panic")]

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use gaffer_tests::{Setup, binary};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};

const JOBS: usize = 100;
const WARM_UP: usize = 5;
const ROUNDS: usize = 50;

/// User and system time of all processes that we have waited for.
fn spent() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let span = |time: TimeVal| {
        Duration::from_secs(time.tv_sec().try_into().unwrap())
            + Duration::from_micros(time.tv_usec().try_into().unwrap())
    };
    span(usage.user_time()) + span(usage.system_time())
}

/// What one run of a command takes of the CPU, in milliseconds.
fn cost(command: &mut Command) -> f64 {
    let before = spent();
    assert!(command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap().success());
    (spent() - before).as_secs_f64() * 1000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let jobs: String = (0..JOBS).map(|job| format!("[process:job{job}]\ncmd = sleep 1000\n")).collect();
    let daemon = Setup::new().ini(&jobs).start();
    daemon.until_running(&format!("job{}", JOBS - 1), 1);

    let url = format!("http://{}", daemon.address());
    let mut ctl = Command::new(binary("gafferctl"));
    ctl.arg("status").env("GAFFER_ENDPOINT", &url).env("HOME", daemon.path(""));
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail"]).arg(format!("{url}/status"));

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + ROUNDS {
        // By turns, so that whatever else the machine does strikes both.
        let (one, other) = (cost(&mut ctl), cost(&mut curl));
        if round >= WARM_UP {
            ours.push(one);
            theirs.push(other);
        }
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("user and system time, median of {ROUNDS}, {JOBS} jobs");
    println!("gafferctl status   {ours:>6.2} ms");
    println!("curl URL/status    {theirs:>6.2} ms");
    println!("ratio              {:>6.2}", ours / theirs);
}
