//! gafferd in the background.

use std::{fs, net::TcpListener, path::Path, process::Stdio};

use gaffer_tests::{http, processes, wait_until};
use nix::sys::signal::Signal;

use super::{Folder, port};

const WEB: &str = "[process:web]\ncmd = sleep 1000\n";

#[test]
fn whatever_keeps_it_from_starting_is_told_by_who_started_it() {
    let folder = Folder::new();
    folder.write("g.ini", WEB);
    folder.write("wrong.ini", "[process:web]\ncmd = sleep 1\nnumproceses = 2\n[gaffer]\ndaemonize = true\n");
    folder.write("log.ini", "[gaffer]\nerror_log = no/such/folder/g.log\ndaemonize = yes\n");
    folder.write("file", "");
    folder.write("own.pid", &format!("{}\n", std::process::id()));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let here = "-c g.ini --bind 127.0.0.1:0";
    for (args, code, told) in [
        (format!("-c g.ini --bind {taken}"), 1, format!("gafferd: cannot listen on {taken}: it is in use")),
        ("-c wrong.ini".to_owned(), 1, "wrong.ini:3: [process:web] numproceses: ".to_owned()),
        ("-c none.ini".to_owned(), 1, "none.ini: cannot be read: No such file".to_owned()),
        (format!("{here} --pidfile own.pid"), 1, format!("names process {}, which is running", std::process::id())),
        (format!("{here} --pidfile no/such/g.pid"), 1, "cannot be written: No such file or directory".to_owned()),
        (
            format!("{here} --error-log file/g.log"),
            1,
            "gafferd: cannot open the log `file/g.log`: Not a dir".to_owned(),
        ),
        ("-c log.ini --bind 127.0.0.1:0".to_owned(), 1, "cannot open the log `no/such/folder/g.log`: No su".to_owned()),
        (format!("{here} --require-key --state-dir file"), 1, "file".to_owned()),
        (format!("{here} --certfile no.pem"), 1, "no.pem: No such file".to_owned()),
        (format!("{here} -v"), 2, "--daemon".to_owned()),
        ("--nonsense".to_owned(), 2, "--nonsense".to_owned()),
    ] {
        let output = folder.run("gafferd", &format!("--daemon {args}"));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args}: {stderr}");
        assert!(stderr.contains(&told), "{args}: {stderr}");
        assert!(output.stdout.is_empty(), "{args}");
    }
}

#[test]
fn who_started_it_ends_when_it_listens_and_it_has_nothing_of_a_terminal() {
    let folder = Folder::new();
    folder.write("g.ini", WEB);
    let address = port();
    // All of its streams are pipes here, whose ends would be waited for.
    let daemon = folder.daemon(&format!("-c g.ini --bind {address} --error-log g.log"));
    // At once, without a wait.
    assert_eq!(http::request(address, "GET", "/ping", None).status, 200);
    for stream in 0..3 {
        let target = fs::read_link(format!("/proc/{}/fd/{stream}", daemon.pid)).unwrap();
        assert_eq!(target, Path::new("/dev/null"), "{stream}");
    }
    let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.pid)).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let (session, terminal) = (fields[3], fields[4]);
    assert_eq!(terminal, "0");
    assert_ne!(session, daemon.pid.to_string(), "who leads a session might come by a terminal");
    assert_eq!(fs::read_link(format!("/proc/{}/cwd", daemon.pid)).unwrap(), folder.path("").canonicalize().unwrap());
    let second = folder.run("gafferd", "--daemon --pidfile g.pid -c g.ini --bind 127.0.0.1:0");
    let told = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(told.contains(&format!("names process {}, which is running", daemon.pid)), "{told}");
    let child = processes::children(daemon.pid).first().map(|(pid, _)| *pid).expect("its job runs");
    daemon.stop();
    assert!(!processes::is_alive(child));
    assert!(
        folder.read("g.log").lines().last().is_some_and(|line| line.ends_with("stopped")),
        "{}",
        folder.read("g.log")
    );

    // One that was killed has left a pidfile.
    folder.write("g.pid", &format!("{}\n", dead()));
    folder.daemon("-c g.ini --bind 127.0.0.1:0 --error-log g.log").stop();
}

/// The number of a process that has been.
fn dead() -> u32 {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

#[test]
fn the_configuration_may_ask_for_it_and_for_its_log() {
    let folder = Folder::new();
    folder.write(
        "g.ini",
        "[gaffer]\ndaemonize = true\npidfile = g.pid\nerror_log = i.log\nlog_level = debug\nbind = 127.0.0.1:0\n",
    );
    let output = folder.run("gafferd", "-c g.ini -v");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let pid: i32 = folder.read("g.pid").trim().parse().unwrap();
    processes::signal(pid, Signal::SIGHUP);
    wait_until("it has heard the signal", || {
        let log = folder.read("i.log");
        if log.contains("the configuration was read again: ") { Ok(()) } else { Err(log) }
    });
    assert!(folder.read("i.log").contains("-v: shows nothing, as gafferd has no terminal"), "{}", folder.read("i.log"));
    drop(super::Background { pid, pidfile: folder.path("g.pid") });
}

#[test]
fn without_a_log_who_started_it_is_warned_and_hears_all_until_it_listens() {
    let folder = Folder::new();
    let output = folder.run("gafferd", "--daemon --pidfile g.pid --bind 127.0.0.1:0 --plugins-dir none");
    let pid: i32 = folder.read("g.pid").trim().parse().unwrap();
    let daemon = super::Background { pid, pidfile: folder.path("g.pid") };
    let told = String::from_utf8(output.stderr).unwrap();
    for line in
        ["there is no --error-log, so nothing is logged", "--plugins-dir: there is no folder", "listening on http://"]
    {
        assert!(told.contains(line), "{told}");
    }
    daemon.stop();
    // A file goes on.
    let log = fs::File::create(folder.path("e.log")).unwrap();
    let mut command = folder.command("gafferd", "--daemon --pidfile g.pid --bind 127.0.0.1:0");
    assert!(command.stderr(log).stdout(Stdio::null()).status().unwrap().success());
    let pid: i32 = folder.read("g.pid").trim().parse().unwrap();
    super::Background { pid, pidfile: folder.path("g.pid") }.stop();
    let log = folder.read("e.log");
    assert!(log.trim_end().ends_with("stopped") && !log.contains("there is no --error-log"), "{log}");
}
