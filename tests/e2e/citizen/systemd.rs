//! What a service manager is told, by a listener that stands for one; and the unit that it is given.

use std::{fs, os::unix::net::UnixDatagram, path::Path, process::Command, time::Duration};

use gaffer_tests::{DEADLINE, Daemon, Setup, processes, skip, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::Folder;

/// One that listens.
struct ServiceManager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl ServiceManager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket, heard: Vec::new() }
    }

    /// Waits for a message that holds this line, and answers it.
    #[track_caller]
    fn until(&mut self, line: &str) -> String {
        loop {
            let mut message = [0; 4096];
            let Ok(length) = self.socket.recv(&mut message) else { panic!("no {line:?} in {:#?}", self.heard) };
            let message = String::from_utf8(message[..length].to_vec()).unwrap();
            self.heard.push(message.clone());
            if message.lines().any(|one| one == line || one.starts_with(&format!("{line}="))) {
                return message;
            }
        }
    }
}

/// A gafferd that has a service manager, which it has told that it is ready.
fn start(setup: Setup, socket: &Path) -> (Daemon, ServiceManager, String) {
    let mut manager = ServiceManager::at(socket);
    let daemon = setup.env("NOTIFY_SOCKET", socket).start();
    let ready = manager.until("READY=1");
    (daemon, manager, ready)
}

const JOBS: &str = "[process:web]\ncmd = misbehave forever\nnumprocesses = 2\ngraceful_timeout = 40\n[process:off]\ncmd = misbehave forever\nstart = false\n";

#[test]
fn a_service_manager_hears_of_start_reload_and_stop() {
    let setup = Setup::new().ini(JOBS);
    let socket = setup.path("notify");
    let (mut daemon, mut manager, ready) = start(setup, &socket);
    assert_eq!(ready, "READY=1\nSTATUS=2 jobs, 2 processes\n");
    daemon.signal(Signal::SIGHUP);
    let reloading = manager.until("RELOADING=1");
    let time = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).expect("a time");
    assert!(time.parse::<u64>().unwrap() > 0, "{reloading}");
    manager.until("READY=1");
    daemon.signal(Signal::SIGTERM);
    let stopping = manager.until("STOPPING=1");
    assert!(stopping.contains("\nSTATUS=stopping"), "{stopping}");
    assert_eq!(manager.until("EXTEND_TIMEOUT_USEC"), "EXTEND_TIMEOUT_USEC=55000000\n", "the longest grace, and some");
    assert_eq!(daemon.wait().code, Some(0));
    assert!(!manager.heard.iter().any(|message| message.contains("WATCHDOG")), "nobody asked: {:#?}", manager.heard);
}

#[test]
fn signs_of_life_come_as_long_as_it_lives_and_not_while_it_hangs() {
    let setup = Setup::new().ini(JOBS).env("WATCHDOG_USEC", "200000");
    let socket = setup.path("notify");
    let (mut daemon, mut manager, _) = start(setup, &socket);
    for _ in 0..3 {
        manager.until("WATCHDOG=1");
    }
    daemon.signal(Signal::SIGSTOP);
    wait_until("it hangs", || match processes::state(daemon.os_pid()) {
        Some('T') => Ok(()),
        other => Err(format!("{other:?}")),
    });
    manager.socket.set_nonblocking(true).unwrap();
    let mut message = [0; 4096];
    while manager.socket.recv(&mut message).is_ok() {}
    manager.socket.set_nonblocking(false).unwrap();
    manager.socket.set_read_timeout(Some(Duration::from_millis(600))).unwrap();
    assert!(manager.socket.recv(&mut message).is_err(), "who hangs gives no sign of life");
    manager.socket.set_read_timeout(Some(DEADLINE)).unwrap();
    daemon.signal(Signal::SIGCONT);
    manager.until("WATCHDOG=1");
    daemon.stop();
}

#[test]
fn another_processs_watchdog_is_nobodys_business() {
    let setup = Setup::new().env("WATCHDOG_USEC", "20000").env("WATCHDOG_PID", "1");
    let socket = setup.path("notify");
    let (mut daemon, mut manager, _) = start(setup, &socket);
    daemon.signal(Signal::SIGTERM);
    manager.until("STOPPING=1");
    daemon.wait();
    assert!(!manager.heard.iter().any(|message| message.contains("WATCHDOG")), "{:#?}", manager.heard);
}

#[test]
fn what_is_for_gafferd_alone_does_not_reach_its_processes() {
    let ini = "[process:web]\ncmd = misbehave forever\n";
    let setup = Setup::new().ini(ini).env("WATCHDOG_USEC", "9000000").env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let socket = setup.path("notify");
    let (daemon, _manager, _) = start(setup.env("LISTEN_FDNAMES", "a").env("KEPT", "yes"), &socket);
    let os_pid = daemon.only_process("web").1;
    assert_eq!(processes::variable(os_pid, "KEPT").as_deref(), Some("yes"));
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"] {
        assert_eq!(processes::variable(os_pid, name), None, "{name}");
    }
}

#[test]
fn under_a_service_manager_it_stays_in_the_foreground_and_a_bad_socket_is_told() {
    let setup = Setup::new().args("--daemon");
    let socket = setup.path("notify");
    let (daemon, _manager, _) = start(setup, &socket);
    daemon.until_logged("--daemon: gafferd stays in the foreground");
    let daemon = Setup::new().env("NOTIFY_SOCKET", "nonsense").start();
    daemon.until_logged("the service manager cannot be told anything, as NOTIFY_SOCKET is `nonsense`");
}

/// What `systemd-analyze verify` has to say of units in a folder; `None` where it is not there.
fn verified(folder: &Folder, names: &[&str]) -> Option<String> {
    let paths = names.iter().map(|name| folder.path(name));
    let output = Command::new("systemd-analyze").arg("verify").args(paths).output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    Some(said)
}

#[test]
fn its_units_pass_the_eyes_of_systemd() {
    let folder = Folder::new();
    let odd = folder.path("a $b 100% \"c\".ini");
    fs::write(&odd, "[process:web]\ncmd = sleep 1000\ngraceful_timeout = 200\n[endpoint:a]\nbind = unix:g.sock\nmode = 660\n[endpoint:b]\nbind = [::1]:5999\n").unwrap();
    let print = |kind: &str| {
        let mut command = folder.command("gafferd", &format!("--systemd-unit{kind} --daemon --log-level warning -c"));
        let output = command.arg(&odd).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let service = print("");
    assert!(service.contains("\nType=notify\n") && service.contains("\nTimeoutStopSec=215\n"), "{service}");
    let command = service.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    assert!(
        command.starts_with('/') && command.contains(" --log-level warning -c \"/") && !command.contains("--daemon"),
        "{command}"
    );
    assert!(command.ends_with("/a $$b 100%% \\\"c\\\".ini\""), "{command}");
    folder.write("gafferd.service", &service);
    folder.write("gafferd.socket", &print("=socket"));
    match verified(&folder, &["gafferd.service", "gafferd.socket"]) {
        Some(said) => assert_eq!(said.trim(), ""),
        None => skip("systemd-analyze is not there"),
    }
    let wrong = folder.run("gafferd", "--systemd-unit -c none.ini");
    assert_eq!(wrong.status.code(), Some(1));
}

#[test]
fn the_start_is_one_line_where_nobody_looks_on() {
    let daemon = Setup::new().ini(JOBS).args("--log-format json").start_without_http("listening on http://");
    let line = daemon.until_logged("\"started\"").text;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["jobs"], &line["processes"], &line["config"]), (&2.into(), &2.into(), &"gaffer.ini".into()));
    assert!(line["endpoints"].as_str().is_some_and(|endpoints| endpoints.starts_with("http://127.0.0.1:")), "{line}");
    assert!(!daemon.log().iter().any(|line| line.text.contains("^C")));
}
