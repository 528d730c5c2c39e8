//! Nobody there, or somebody else; and command lines that do not read.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

use gaffer_tests::{Client, DEADLINE, Daemon, Setup, wait_until};
use nix::sys::signal::Signal;

use super::{Transcript, gafferctl};
use crate::help::assert_usage_errors;

/// gafferctl with a daemon that it has nothing to do with, so that it has a folder.
fn alone() -> (Daemon, Client) {
    let daemon = Setup::new().start();
    let ctl = gafferctl(&daemon);
    (daemon, ctl)
}

/// The next connection.
fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let (stream, _) = wait_until("somebody connects", || listener.accept());
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Somebody who takes one connection, reads what comes first, which the thread returns, and answers this.
fn somebody(answer: &'static [u8]) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let mut stream = accept(&listener);
        let mut request = [0; 4096];
        let length = stream.read(&mut request).unwrap();
        stream.write_all(answer).unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    (address, server)
}

#[test]
fn nobody_listens() {
    let (daemon, ctl) = alone();
    // Nobody binds it again: it was given out for this test, and outgoing connections have other ends.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let at_port = ctl.clone().env("GAFFER_ENDPOINT", format!("http://{free}"));
    Transcript::of(&at_port)
        .run("ping")
        .run("ping --quiet")
        .run("stop web worker")
        .run("stop 'w*'")
        .run("status --json")
        .run("logs web")
        .run("send 1 hello")
        .run("watch")
        .check("nobody_listens");
    let at_socket = ctl.args(["--connect", "unix:nobody.sock"]);
    Transcript::of(&at_socket).run("ping").check("no_socket");
    drop(daemon);
}

#[test]
fn another_server_is_told_from_gafferd() {
    let (_daemon, ctl) = alone();
    for (answer, what, code) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[..], "is none of gafferd", 1),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found", "is none of gafferd", 1),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "is none of gafferd", 1),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is none of gafferd: it is no HTTP", 1),
        (b"", "did not answer to the end", 4),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[", "did not answer to the end", 4),
    ] {
        let (address, server) = somebody(answer);
        let said = ctl.run(&["--connect", &address.to_string(), "status"]);
        server.join().unwrap();
        assert_eq!(said.code, code, "{said}");
        assert!(said.stderr.starts_with("gafferctl: ") && said.stderr.contains(what), "{answer:?}: {said}");
        assert!(said.stderr.contains(&address.to_string()), "{said}");
        assert_eq!(said.stdout, "");
    }
}

#[test]
fn the_key_is_sent_and_never_shown() {
    let (_daemon, ctl) = alone();
    let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 56\r\n\r\n\
        {\"errno\":403,\"error\":\"forbidden\",\"reason\":\"not for you\"}";
    let by_environment = ctl.clone().env("GAFFER_API_KEY", "k-environment");
    for (ctl, args, key) in [
        (&ctl, &["--api-key", "k-option"][..], Some("k-option")),
        (&by_environment, &[], Some("k-environment")),
        (&by_environment, &["--api-key", "k-option"], Some("k-option")),
        (&ctl, &[], None),
    ] {
        let (address, server) = somebody(refusal);
        let said = ctl.run(&[&["--connect", &address.to_string(), "stop", "web"], args].concat());
        let request = server.join().unwrap();
        let sent = request.lines().find_map(|line| line.to_lowercase().strip_prefix("x-api-key: ").map(str::to_owned));
        assert_eq!(sent.as_deref(), key, "{request}");
        assert_eq!(
            (said.code, said.stderr.as_str()),
            (1, "gafferctl: Forbidden access. API key permissions aren't enough: not for you\n"),
            "{said}"
        );
    }
    let help = by_environment.prints(&["--help"]);
    assert!(!help.contains("k-environment"), "{help}");
    let said = ctl.run(&["--api-key", "secret\nkey", "ping"]);
    assert_ne!(said.code, 0);
    assert!(said.stderr.contains("API key") && !said.stderr.contains("secret"), "{said}");
}

#[test]
fn one_that_does_not_answer_is_given_up_with_ctrl_c() {
    let (_daemon, ctl) = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = ctl.start(&["--connect", &listener.local_addr().unwrap().to_string(), "status"]);
    let mut stream = accept(&listener);
    assert!(stream.read(&mut [0; 4096]).unwrap() > 0, "it asks");
    client.signal(Signal::SIGINT);
    assert_eq!(client.wait().code, 128 + 2);
}

#[test]
fn a_command_line_that_does_not_read_is_a_usage_error() {
    let (_daemon, ctl) = alone();
    assert_usage_errors(
        &ctl,
        &[
            "",
            "--no-such-option",
            "nope",
            "stop",
            "kill web",
            "kill web NOPE",
            "add web",
            "add web many",
            "add web -1",
            "start web --timeout 5",
            "start web --wait --timeout 0",
            "start web --wait --timeout soon",
            "stats --interval 1",
            "send nobody hello",
            "watch 'a b'",
            "--connect ftp://x ping",
            "--connect http://x/y ping",
            "--color sometimes ping",
            "stop '[a'",
            "start 'a b' web",
            "status web '[a'",
            "add_process --cwd here web true",
        ],
    );
}

#[test]
fn help_and_version_are_told_without_a_node() {
    let (_daemon, ctl) = alone();
    let ctl = ctl.env("GAFFER_ENDPOINT", "http://127.0.0.1:1");
    for args in [["--version"], ["-v"], ["-V"]] {
        assert_eq!(ctl.prints(&args), format!("gafferctl {}\n", env!("CARGO_PKG_VERSION")));
    }
    let bare = ctl.run(&[]);
    assert_eq!((bare.code, bare.stdout.as_str()), (2, ""), "{bare}");
    assert!(bare.stderr.contains("Commands:"), "{bare}");
    let usage = ctl.run(&["start"]);
    assert!(usage.stderr.contains("Usage: gafferctl start <NAME>..."), "{usage}");
    let help = ctl.prints(&["--help"]);
    for word in ["load_process", "--connect", "GAFFER_ENDPOINT", "GAFFER_API_KEY", "--insecure", "NO_COLOR", "watch"] {
        assert!(help.contains(word), "{word} is missing in:\n{help}");
    }
    assert!(ctl.prints(&["watch", "-h"]).contains("PATTERN"));
    assert_eq!(ctl.prints(&["help", "stop"]), ctl.prints(&["stop", "--help"]));
}
