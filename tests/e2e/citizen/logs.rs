//! The log: in a file that is rotated, as JSON, and for the journal.

use std::{fs, io::Read, os::unix::net::UnixStream, process::Stdio};

use gaffer_tests::{Setup, http, processes, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{Folder, port};

#[test]
fn no_line_is_lost_when_the_log_is_rotated() {
    // Each refusal is a line.
    let folder = Folder::new();
    let address = port();
    let daemon = folder.daemon(&format!("--bind {address} --error-log g.log --require-key --state-dir state"));
    let refused = |number: usize| {
        assert_eq!(http::request(address, "GET", &format!("/processes/line{number}"), None).status, 401);
    };
    let rotations = 5;
    for rotation in 0..rotations {
        (0..10).for_each(|line| refused(rotation * 10 + line));
        fs::rename(folder.path("g.log"), folder.path(&format!("g.log.{rotation}"))).unwrap();
        // Lines go on to the old one.
        refused(1000 + rotation);
        processes::signal(daemon.pid, Signal::SIGUSR1);
        wait_until("the log is opened again", || {
            let log = folder.read("g.log");
            if log.contains("SIGUSR1: the log was opened again") { Ok(()) } else { Err(log) }
        });
    }
    daemon.stop();
    let files = (0..rotations).map(|rotation| folder.read(&format!("g.log.{rotation}")));
    let all: String = files.chain([folder.read("g.log")]).collect();
    for number in (0..rotations * 10).chain(1000..1000 + rotations) {
        let path = format!("/processes/line{number} ");
        let path = path.trim_end();
        let lines = all.lines().filter(|line| line.split([' ', '"']).any(|word| word.ends_with(path)));
        assert_eq!(lines.count(), 1, "{path}: {all}");
    }
    assert!(all.ends_with("stopped\n"), "{all}");
}

#[test]
fn a_log_that_cannot_be_opened_again_goes_on_where_it_is() {
    let folder = Folder::new();
    fs::create_dir(folder.path("logs")).unwrap();
    let daemon = folder.daemon("--bind 127.0.0.1:0 --error-log logs/g.log");
    fs::rename(folder.path("logs"), folder.path("old")).unwrap();
    processes::signal(daemon.pid, Signal::SIGUSR1);
    wait_until("it is told", || {
        let log = folder.read("old/g.log");
        if log.contains("SIGUSR1: the log goes on in the file that is open: cannot open the log `/") {
            Ok(())
        } else {
            Err(log)
        }
    });
    daemon.stop();
    assert!(folder.read("old/g.log").ends_with("stopped\n"));
}

#[test]
fn without_a_file_the_signal_does_nothing() {
    let daemon = Setup::new().start();
    daemon.signal(Signal::SIGUSR1);
    daemon.until_logged("SIGUSR1: the log is in no file");
    assert_eq!(daemon.request("GET", "/ping", None).status, 200);
}

#[test]
fn as_json_each_line_is_an_object() {
    let mut daemon = Setup::new().ini("[process:web]\ncmd = misbehave exit 3\n").args("--log-format json").start();
    daemon.until_logged("process ended");
    daemon.stop();
    let lines = daemon.log();
    let objects: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(&line.text).unwrap_or_else(|error| panic!("{error}: {}", line.text)))
        .collect();
    for object in &objects {
        let timestamp = object["timestamp"].as_str().unwrap();
        assert!(timestamp.len() > 20 && timestamp.contains('T') && timestamp.ends_with('Z'), "{object}");
        assert!(["ERROR", "WARN", "INFO", "DEBUG"].contains(&object["level"].as_str().unwrap()), "{object}");
        assert!(object["message"].is_string() && object["target"].is_string(), "{object}");
    }
    let find = |message: &str| objects.iter().find(|object| object["message"].as_str().unwrap().starts_with(message));
    assert_eq!(find("started").unwrap()["jobs"], 1, "numbers are numbers");
    assert_eq!(find("listening on http://").unwrap()["endpoint"], "default");
    assert_eq!(find("process ended").unwrap()["exit_code"], 3);
}

#[test]
fn what_is_less_severe_is_left_out() {
    let folder = Folder::new();
    let quiet = |options: &str, level: &str| {
        folder.write("g.ini", &format!("[gaffer]\nlog_level = {level}\n"));
        let daemon =
            folder.daemon(&format!("-c g.ini --bind 127.0.0.1:0 --plugins-dir none --error-log g.log {options}"));
        daemon.stop();
        let log = folder.read("g.log");
        fs::remove_file(folder.path("g.log")).unwrap();
        (log.contains("there is no folder"), log.contains("listening on"))
    };
    assert_eq!(quiet("", "warning"), (true, false));
    assert_eq!(quiet("", "critical"), (false, false));
    assert_eq!(quiet("--log-level info", "critical"), (true, true), "the command line wins");
}

#[test]
fn in_the_journal_lines_begin_with_their_priority() {
    use std::os::unix::fs::MetadataExt;
    let folder = Folder::new();
    let started = |as_journal: bool| {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let stream = fs::metadata(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&theirs))).unwrap();
        let inode = if as_journal { stream.ino() } else { stream.ino() + 1 };
        let mut command = folder.command("gafferd", "--bind 127.0.0.1:0 --plugins-dir none");
        command.env("JOURNAL_STREAM", format!("{}:{inode}", stream.dev())).stdout(Stdio::null());
        let mut child = command.stderr(std::os::fd::OwnedFd::from(theirs)).spawn().unwrap();
        drop(command); // It holds their end.
        let mut text = Vec::new();
        wait_until("it listens", || {
            let mut piece = [0; 4096];
            let length = ours.read(&mut piece).unwrap();
            text.extend_from_slice(&piece[..length]);
            let text = String::from_utf8_lossy(&text).into_owned();
            if text.contains("listening on") { Ok(()) } else { Err(text) }
        });
        processes::signal(i32::try_from(child.id()).unwrap(), Signal::SIGTERM);
        ours.read_to_end(&mut text).unwrap();
        assert!(child.wait().unwrap().success());
        String::from_utf8(text).unwrap()
    };
    let log = started(true);
    assert!(log.lines().all(|line| line.starts_with("<6>") || line.starts_with("<4>")), "{log}");
    assert!(log.contains("<4>--plugins-dir: there is no folder"), "{log}");
    assert!(log.contains("<6>listening on http://"), "{log}");
    let log = started(false);
    assert!(!log.contains("<6>") && log.contains(" INFO listening on"), "a stream of one's own: {log}");
}

#[test]
fn a_lookup_server_logs_alike() {
    let folder = Folder::new();
    let output =
        folder.run("gaffer_lookupd", "--daemon --pidfile l.pid --bind 127.0.0.1:0 --error-log l.log --log-format json");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let pid: i32 = folder.read("l.pid").trim().parse().unwrap();
    let daemon = super::Background { pid, pidfile: folder.path("l.pid") };
    fs::rename(folder.path("l.log"), folder.path("l.log.1")).unwrap();
    processes::signal(pid, Signal::SIGUSR1);
    wait_until("the log is opened again", || {
        let log = folder.read("l.log");
        if log.contains("SIGUSR1: the log was opened again") { Ok(()) } else { Err(log) }
    });
    daemon.stop();
    let log = folder.read("l.log.1") + &folder.read("l.log");
    for line in log.lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        assert!(object["message"].is_string(), "{line}");
    }
    let failed = folder.run("gaffer_lookupd", "--daemon --bind 127.0.0.1:0 --error-log none/l.log");
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8(failed.stderr).unwrap().contains("cannot open the log `none/l.log`"));
}
