//! A whole life, from start to stop.

use std::{
    fmt::Write,
    io::{BufRead, Read},
    process::{Command, Stdio},
};

use nix::sys::signal::Signal;

use crate::daemon::{Daemon, folder, gafferd};

const JOB: &str = "[gaffer]\nbind = 127.0.0.1:0\n[process:web]\ncmd = sh -c \"echo hello; exec sleep 1000\"\n\
                   redirect_output = out\n";

/// Text without the time of day at the beginning of each line, and with `N` for each number of a process.
fn timeless(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line[9..].to_owned());
    lines.map(|line| line.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()).collect()
}

#[test]
fn events_and_output_are_shown_until_a_clean_stop() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let mut daemon = Daemon::start(gafferd(&folder(JOB), &["-vv", "gaffer.ini"]));
        let mut stdout = daemon.stdout();
        let mut shown = String::new();
        while !shown.contains("hello") {
            assert_ne!(stdout.read_line(&mut shown).unwrap(), 0, "{shown}");
        }
        assert_eq!(daemon.get("/processes"), r#"["web"]"#);
        daemon.signal(signal);
        stdout.read_to_string(&mut shown).unwrap();
        assert_eq!(daemon.ended().code(), Some(0));
        assert_eq!(
            timeless(&shown),
            [
                "web | create web",
                "web | start web",
                "web | spawn process with pid ",
                "web | hello",
                "web | stop web",
                "web | stop_pid process with pid ",
                "web | exit process with pid ",
            ]
        );
    }
}

#[test]
fn one_v_shows_no_output_and_none_shows_nothing() {
    for (arguments, lines) in [(&["-v", "gaffer.ini"], 5), (&["-c", "gaffer.ini"], 0)] {
        let mut daemon = Daemon::start(gafferd(&folder(JOB), arguments));
        let mut stdout = daemon.stdout();
        let mut shown = String::new();
        daemon.until("/status", |jobs| jobs.contains("\"active\":true"));
        daemon.signal(Signal::SIGTERM);
        stdout.read_to_string(&mut shown).unwrap();
        assert_eq!(daemon.ended().code(), Some(0));
        assert_eq!(shown.lines().count(), lines, "{shown}");
        assert!(!shown.contains("hello"), "{shown}");
    }
}

#[test]
fn nobody_reading_stdout_hurts_nothing() {
    let ini = "[process:web]\ncmd = sh -c \"while echo hello; do sleep 0.01; done\"\nredirect_output = out\n";
    let mut daemon = Daemon::start(gafferd(&folder(ini), &["-vv", "gaffer.ini", "--bind", "127.0.0.1:0"]));
    drop(daemon.stdout());
    daemon.logged("nobody reads the console output any more");
    assert_eq!(daemon.get("/ping"), "OK");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended().code(), Some(0));
}

#[test]
fn a_second_signal_does_not_wait_for_the_grace() {
    let ini = "[process:web]\ncmd = sh -c \"trap '' TERM; echo deaf; while :; do sleep 1000; done\"\n\
               redirect_output = out\ngraceful_timeout = 3600\n";
    let mut daemon = Daemon::start(gafferd(&folder(ini), &["-vv", "gaffer.ini", "--bind", "127.0.0.1:0"]));
    let mut stdout = daemon.stdout();
    let mut shown = String::new();
    while !shown.contains("deaf") {
        assert_ne!(stdout.read_line(&mut shown).unwrap(), 0, "{shown}");
    }
    daemon.signal(Signal::SIGTERM);
    daemon.logged("stopping");
    daemon.signal(Signal::SIGTERM);
    stdout.read_to_string(&mut shown).unwrap();
    assert!(shown.contains("web | exit process"), "{shown}");
    assert_eq!(daemon.ended().code(), Some(0));
}

#[test]
fn a_hangup_has_the_configuration_read_again_and_what_did_not_change_goes_on() {
    let folder = folder(JOB);
    let mut daemon = Daemon::start(gafferd(&folder, &["gaffer.ini"]));
    daemon.signal(Signal::SIGHUP);
    daemon.logged("the configuration was read again: nothing is different");
    daemon.until("/processes", |names| names == r#"["web"]"#);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended().code(), Some(0));
}

#[test]
fn the_configuration_is_found_by_its_variable() {
    let folder = folder("");
    std::fs::write(folder.path().join("gafferd.ini"), JOB).unwrap();
    let mut command = gafferd(&folder, &[]);
    command.env("GAFFERD_CONFIG", folder.path());
    let daemon = Daemon::start(command);
    daemon.until("/processes", |names| names == r#"["web"]"#);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended().code(), Some(0));
}

#[test]
fn the_first_client_finds_all_jobs() {
    let mut ini = String::new();
    for number in 0..3000 {
        writeln!(ini, "[process:job{number}]\ncmd = sleep 1000\nstart = {}", number % 100 == 0).unwrap();
    }
    let daemon = Daemon::start(gafferd(&folder(&ini), &["gaffer.ini", "--bind", "127.0.0.1:0"]));
    let status = daemon.get("/status");
    assert_eq!(status.matches("\"active\":").count(), 3000, "{status}");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended().code(), Some(0));
}

#[test]
fn it_is_shown_as_gafferd_whatever_its_file_is_called() {
    let folder = folder(JOB);
    let link = folder.path().join("node");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gafferd"), &link).unwrap();
    let mut command = Command::new(link);
    command.arg("gaffer.ini").current_dir(folder.path()).stdin(Stdio::null());
    let daemon = Daemon::start(command);
    assert_eq!(daemon.title(), "gafferd");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.ended().code(), Some(0));
}
