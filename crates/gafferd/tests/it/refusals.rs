//! What keeps it from starting.

use std::{net::TcpListener, process::Output};

use nix::sys::signal::Signal;

use crate::daemon::{Daemon, folder, gafferd};

fn run(ini: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = gafferd(&folder(ini), arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn version_is_a_word_and_a_number() {
    let version = format!("gafferd {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run("", &["--version"]), (Some(0), version, String::new()));
}

#[test]
fn a_command_line_that_does_not_read_is_2() {
    for arguments in [&["--nope"][..], &["--bind", "unix:"], &["--keyfile", "x"], &["--backlog", "many"], &["a", "b"]] {
        let (code, stdout, stderr) = run("", arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert!(stderr.starts_with("error: "), "{stderr}");
    }
}

#[test]
fn all_mistakes_of_a_configuration_are_told_one_a_line() {
    let ini = "[process:web]\ncmd = sleep 1000\nnumproceses = 2\n[process:db]\ncmd = sleep 1000\nflapping = 2, -1\n";
    let (code, stdout, stderr) = run(ini, &["-c", "gaffer.ini", "--bind", "127.0.0.1:0"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert_eq!(
        lines[0],
        "gaffer.ini:3: [process:web] numproceses: is not a key of this section; did you mean `numprocesses`?"
    );
    assert!(lines[1].starts_with("gaffer.ini:6: [process:db] flapping: "), "{stderr}");
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let (code, _, stderr) = run("", &["nowhere.ini"]);
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("nowhere.ini: ") && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn an_address_in_use_is_told_before_any_job_is_started() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let (code, stdout, stderr) = run("[process:web]\ncmd = touch started\n", &["gaffer.ini", "-v", "--bind", &address]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let expected = format!("gafferd: cannot listen on {address}: it is in use by ");
    assert!(stderr.starts_with(&expected), "{stderr}");
    assert!(stderr.contains(&format!("(os_pid {})", std::process::id())), "{stderr}");
}

#[test]
fn an_endpoint_that_cannot_be_had_is_told_with_its_place() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let told = |ini: &str, start: &str, end: &str| {
        let (code, stdout, stderr) = run(ini, &["gaffer.ini"]);
        assert_eq!((code, stdout.as_str()), (Some(1), ""));
        assert!(stderr.starts_with(start) && stderr.ends_with(end) && stderr.lines().count() == 1, "{stderr}");
    };
    let in_use = format!("cannot listen on {address}: it is in use by ");
    let cure = "; stop what listens there, or choose another address\n";
    let two = format!("[endpoint:a]\nbind = 127.0.0.1:0\n[endpoint:b]\nbind = {address}\n");
    told(&two, &format!("gaffer.ini:3: [endpoint:b] {in_use}"), cure);
    told(&format!("[gaffer]\nbind = {address}\n"), &format!("gaffer.ini:2: [gaffer] bind: {in_use}"), cure);
    told(
        "[endpoint:a]\nbind = 127.0.0.1:0\ncertfile = missing.pem\n",
        "gaffer.ini:1: [endpoint:a] cannot serve TLS at endpoint `a`: certfile missing.pem: No such file or directory",
        "\n",
    );
}

#[test]
fn a_pidfile_keeps_a_second_one_out_and_goes_with_its_owner() {
    let home = folder("[gaffer]\nbind = 127.0.0.1:0\npidfile = gafferd.pid\n");
    let pidfile = home.path().join("gafferd.pid");
    std::fs::write(&pidfile, "").unwrap(); // A stale one is no obstacle.
    let first = Daemon::start(gafferd(&home, &["gaffer.ini"]));
    let Output { status, stderr, .. } = gafferd(&home, &["gaffer.ini"]).output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("the pidfile `gafferd.pid` names process") && !stderr.contains("listening"), "{stderr}");
    first.signal(Signal::SIGTERM);
    assert_eq!(first.ended().code(), Some(0));
    assert!(!pidfile.exists());
}
