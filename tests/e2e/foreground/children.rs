//! What a process is given at its start, and what is left of it.

use std::fs;

use gaffer_tests::{Project, RunningClient, processes, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

/// What of gaffer's own start must not reach processes: ignored signals, descriptors, blocked signals.
const PREAMBLE: &str = "trap '' HUP USR1 PIPE; ulimit -Sn 500; exec 7</dev/null 8<. 9>&1; exec gaffer \"$@\"";

fn reports(options: &[&str]) -> (Project, RunningClient, Value) {
    let project = Project::new(
        "web: grep Sig /proc/self/status > status; exec misbehave report report signals\nother: misbehave forever\n",
    );
    let mut words = vec!["-c", PREAMBLE, "sh", "start", "-c", "other=3"];
    words.extend(options);
    let gaffer = project.program("sh").start(&words);
    gaffer.until_printed("listening");
    let report = project.report("report");
    (project, gaffer, report)
}

fn descriptors(report: &Value) -> Vec<(i32, &str)> {
    let all = report["fds"].as_object().unwrap().iter();
    let mut all: Vec<(i32, &str)> =
        all.map(|(number, target)| (number.parse().unwrap(), target.as_str().unwrap())).collect();
    all.sort_unstable();
    all
}

fn assert_clean(project: &Project, report: &Value) {
    // The shell has begun as it was launched; other programs set signals of their own.
    let status = project.until_written("status");
    for line in ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"] {
        assert!(status.contains(line), "{line} is not in:\n{status}");
    }
    let pid = i32::try_from(report["os_pid"].as_i64().unwrap()).unwrap();
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("500"), "the limit is the one that gaffer was started with");
    assert_eq!(report["pgrp"], report["os_pid"], "it leads its group");
}

fn end(gaffer: RunningClient) {
    gaffer.signal(Signal::SIGTERM);
    let said = gaffer.wait();
    assert_eq!(said.code, 0, "{said}");
}

#[test]
fn a_process_has_its_three_descriptors_and_a_clean_start() {
    let (project, gaffer, report) = reports(&[]);
    let descriptors = descriptors(&report);
    assert!(matches!(descriptors[..], [(0, "/dev/null"), (1, out), (2, err)] if out != err), "{descriptors:?}");
    let own = processes::descriptors(gaffer.pid());
    for (number, target) in &descriptors[1..] {
        let inherited = own.iter().filter(|(number, _)| *number <= 2).any(|(_, own)| own.to_str() == Some(target));
        assert!(!inherited, "{number} is gaffer's own");
    }
    assert_clean(&project, &report);
    end(gaffer);
}

#[test]
fn the_same_goes_for_terminals() {
    let (project, gaffer, report) = reports(&["--tty"]);
    let descriptors = descriptors(&report);
    assert!(
        matches!(descriptors[..], [(0, input), (1, out), (2, err)] if input == out && out != err
            && [out, err].iter().all(|target| target.starts_with("/dev/pts/"))),
        "{descriptors:?}"
    );
    assert_clean(&project, &report);
    assert_eq!(report["sid"], report["os_pid"], "the terminal is that of its session");
    end(gaffer);
}

#[test]
fn the_environment_is_gaffers_with_the_applications_on_top() {
    let project = Project::new("web: misbehave report report forever\n");
    project.file(".env", "WEATHER=fine\nEMPTY=\nlower_case='kept  as it is'\n");
    let gaffer = project.gaffer().env("WEATHER", "bad").env("SEASON", "spring").start(&["start"]);
    let report = project.report("report");
    let env = &report["env"];
    for (name, value) in [
        ("WEATHER", "fine"),
        ("SEASON", "spring"),
        ("EMPTY", ""),
        ("lower_case", "kept  as it is"),
        ("PORT", "5000"),
        ("PS", "web.1"),
    ] {
        assert_eq!(env[name], value, "{name} in {env}");
    }
    assert_eq!(report["cwd"].as_str(), project.path("").canonicalize().unwrap().to_str());
    end(gaffer);
}

#[test]
fn nothing_is_left_of_what_has_ended() {
    let project = Project::empty();
    // An orphan that ends while its process goes on, and one that its process leaves behind.
    project.script("web", "(misbehave until go touch ended &)\n(misbehave forever &)\nexec misbehave signals");
    project.file("Procfile", "web: ./web\n");
    let gaffer = project.gaffer().start(&["start", "--graceful-timeout", "0.2"]);
    gaffer.until_printed("listening");
    project.file("go", "");
    wait_until("the orphan has ended", || fs::metadata(project.path("ended")));
    let only = |count: usize| {
        wait_until(&format!("gaffer has {count} children, and no zombie"), || {
            match processes::children(gaffer.pid()) {
                all if all.len() == count && all.iter().all(|(_, state)| *state != 'Z') => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    };
    only(2);
    fs::remove_file(project.path("go")).unwrap();
    for times in 2..5 {
        let web = processes::children(gaffer.pid());
        let web = web.iter().find(|(pid, _)| !processes::describe(*pid).contains("forever")).unwrap().0;
        processes::signal(web, Signal::SIGKILL);
        super::until_printed_times(&gaffer, "listening", times);
        only(3);
        project.file("go", "");
        only(2);
        fs::remove_file(project.path("go")).unwrap();
    }
    end(gaffer);
}
