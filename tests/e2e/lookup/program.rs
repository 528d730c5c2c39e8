//! `gaffer_lookupd` as a program: how it starts, how it fails to, and how it ends.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Output},
};

use gaffer_tests::{Daemon, Setup, binary, http, processes, wait_until};
use nix::sys::signal::Signal;

fn lookupd(folder: &Path, args: &[&str]) -> Output {
    Command::new(binary("gaffer_lookupd")).args(args).current_dir(folder).output().unwrap()
}

/// Code and stderr of a start that is to fail.
#[track_caller]
fn fails(folder: &Path, args: &[&str]) -> (i32, String) {
    let output = lookupd(folder, args);
    assert!(output.stdout.is_empty(), "{output:?}");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// A port that was free a moment ago.
fn port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_start_that_fails_says_why_also_if_it_was_to_go_into_the_background() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    fs::write(folder.path().join("own.pid"), format!("{}\n", std::process::id())).unwrap();
    for background in [&[][..], &["--daemon"]] {
        let start = |args: &[&str]| fails(folder.path(), &[args, background].concat());
        let (code, told) = start(&["--bind", &taken]);
        assert_eq!(code, 1);
        assert!(told.contains(&format!("gaffer_lookupd: cannot listen on {taken}: it is in use")), "{told}");
        let (code, told) = start(&["--bind", "127.0.0.1:0", "--pidfile", "own.pid"]);
        assert!(code == 1 && told.contains("which is running; stop it first"), "{told}");
        let (code, told) = start(&["--bind", "127.0.0.1:0", "--pidfile", "no/such/folder/l.pid"]);
        assert!(code == 1 && told.contains("cannot be written: No such file or directory"), "{told}");
        let (code, told) = start(&["--bind", "127.0.0.1:0", "--certfile", "no.pem"]);
        assert!(code == 1 && told.contains("no.pem"), "{told}");
        let (code, told) = start(&["--nonsense"]);
        assert!(code == 2 && told.contains("--nonsense"), "{told}");
        let (code, told) = start(&["--keyfile", "k"]);
        assert!(code == 2 && told.contains("--keyfile needs a --certfile"), "{told}");
    }
}

#[test]
fn in_the_background_it_has_no_terminal_and_its_starter_ends_when_it_listens() {
    let folder = tempfile::tempdir().unwrap();
    let (address, pidfile) = (port(), folder.path().join("l.pid"));
    let start = ["--daemon", "--pidfile", "l.pid", "--bind"];
    let output = lookupd(folder.path(), &[&start[..], &[&address.to_string()]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // At once, without a wait.
    assert_eq!(http::request(address, "GET", "/ping", None).status, 200);
    let pid: i32 = fs::read_to_string(&pidfile).unwrap().trim().parse().unwrap();
    for stream in 0..3 {
        let target = fs::read_link(format!("/proc/{pid}/fd/{stream}")).unwrap();
        assert_eq!(target, Path::new("/dev/null"), "{stream}");
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let (session, terminal) = (fields[3], fields[4]);
    assert_eq!(terminal, "0");
    assert_ne!(session, pid.to_string(), "who leads a session might come by a terminal");
    let (code, told) = fails(folder.path(), &[&start[..], &["127.0.0.1:0"]].concat());
    assert!(code == 1 && told.contains(&format!("names process {pid}, which is running")), "{told}");
    processes::signal(pid, Signal::SIGTERM);
    wait_until("it is gone, and its pidfile", || {
        if Path::new(&format!("/proc/{pid}")).exists() || pidfile.exists() { Err("it is there") } else { Ok(()) }
    });
}

#[test]
fn it_stops_at_each_of_three_signals_and_outlives_a_hangup() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGQUIT] {
        let mut lookupd: Daemon = Setup::lookupd().start();
        lookupd.signal(Signal::SIGHUP);
        lookupd.until_logged("SIGHUP: there are no certificates to read again");
        assert_eq!(lookupd.get("/version")["version"], env!("CARGO_PKG_VERSION"));
        lookupd.signal(signal);
        assert_eq!(lookupd.wait().code, Some(0));
        lookupd.until_logged(&format!("{signal}: stopping"));
    }
}

#[test]
fn verbose_it_logs_jobs_and_open_to_others_it_warns() {
    let lookupd = Setup::lookupd().arg("-v").start();
    let args = format!("--lookupd-address http://{}", lookupd.address());
    let node = Setup::new().ini("[process:web]\ncmd = misbehave forever\n").args(&args).start();
    node.until_running("web", 1);
    lookupd.until_logged("a node has come");
    lookupd.until_logged("default.web");
    assert!(!lookupd.log().iter().any(|line| line.text.contains("can register nodes")));
    let open = Setup::lookupd().own_endpoints().args("--bind 0.0.0.0:0").start_without_http("listening on");
    open.until_logged("whoever reaches http://0.0.0.0:");
}

#[test]
fn over_a_unix_socket_it_is_reached_as_well() {
    let lookupd = Setup::lookupd().own_endpoints().args("--bind unix:l.sock").start_without_http("listening on unix:");
    let socket = lookupd.path("l.sock");
    let args = format!("--lookupd-address unix:{} --node-name n", socket.display());
    let node = Setup::new().ini("[process:web]\ncmd = misbehave forever\n").args(&args).start();
    node.until_logged("registered at the lookup server unix:");
    lookupd.until_logged("a node has come");
}
