//! Websockets to processes.

use std::{
    io::Write,
    net::{Shutdown, TcpStream},
    process::Command,
    thread,
};

use gaffer_tests::{Client, DEADLINE, Daemon, Environment, example, heavy, processes};
use nix::sys::signal::Signal;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client, protocol::Role};

use crate::streams::pipe_is_full;

const ECHO: &str = "[process:echo]\ncmd = misbehave cat\nredirect_output = out, err\nredirect_input = true\n";

struct Socket {
    inner: WebSocket<TcpStream>,
}

impl Socket {
    #[track_caller]
    fn open(daemon: &Daemon, path: &str) -> Self {
        let stream = TcpStream::connect(daemon.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        let (inner, _) = client(format!("ws://{}{path}", daemon.address()), stream).unwrap();
        Self { inner }
    }

    #[track_caller]
    fn send(&mut self, message: impl Into<Message>) {
        self.inner.send(message.into()).unwrap();
    }

    /// The next message that is no ping.
    #[track_caller]
    fn next(&mut self) -> Message {
        loop {
            let message = self.inner.read().unwrap();
            if !message.is_ping() && !message.is_pong() {
                return message;
            }
        }
    }

    #[track_caller]
    fn until(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            let message = self.next();
            assert!(message.is_text(), "{message:?} after {text:?}");
            text.push_str(message.to_text().unwrap());
        }
        text
    }

    /// Reads up to the close, and answers its code.
    #[track_caller]
    fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(close) = self.next() {
                return close.expect("a code").code.into();
            }
        }
    }
}

#[test]
fn what_is_said_to_a_process_and_by_it_goes_both_ways() {
    let daemon = Daemon::start(ECHO);
    let pid = daemon.until_running("echo", 1)[0];
    let mut text = Socket::open(&daemon, &format!("/wstreams/{pid}"));
    let mut bytes = Socket::open(&daemon, &format!("/wstreams/{pid}?binary=true"));
    let mut channel = Socket::open(&daemon, &format!("/{pid}/channel?mode=1"));
    text.send("ECHO é\n");
    assert_eq!(text.until("\n"), "ECHO é\n");
    assert_eq!(bytes.next(), Message::binary("ECHO é\n".as_bytes().to_vec()));
    assert!(channel.until("\n").ends_with("\0ECHO é\n"));
    bytes.send(Message::binary(b"a\xffb\n".to_vec()));
    assert_eq!(text.until("\n"), "a\u{FFFD}b\n");
    assert_eq!(bytes.next(), Message::binary(b"a\xffb\n".to_vec()));
    assert!(channel.until("\n").ends_with("\0a\u{FFFD}b\n"));
}

#[test]
fn a_process_that_is_killed_closes_its_websockets() {
    let daemon = Daemon::start(ECHO);
    let (pid, os_pid) = daemon.only_process("echo");
    let mut sockets = [
        format!("/wstreams/{pid}"),
        format!("/wstreams/{pid}?mode=read"),
        format!("/wstreams/{pid}?mode=write"),
        format!("/{pid}/channel"),
        format!("/{pid}/channel/err?mode=1"),
        format!("/{pid}/channel?mode=2"),
    ]
    .map(|path| Socket::open(&daemon, &path));
    processes::signal(os_pid, Signal::SIGKILL);
    for socket in &mut sockets {
        assert_eq!(socket.closed(), 1000);
    }
}

#[test]
fn websockets_are_closed_when_gafferd_stops() {
    let mut daemon = Daemon::start(&format!("{ECHO}[process:deaf]\ncmd = misbehave forever\nredirect_input = true\n"));
    let pid = daemon.until_running("echo", 1)[0];
    let deaf = daemon.until_running("deaf", 1)[0];
    let mut sockets = [format!("/wstreams/{pid}"), format!("/{pid}/channel"), format!("/wstreams/{deaf}?mode=write")]
        .map(|path| Socket::open(&daemon, &path));
    // One that is in the middle of something, and one that never answers.
    sockets[2].send("x".repeat(1_000_000));
    let _mute = Socket::open(&daemon, &format!("/wstreams/{pid}"));
    daemon.signal(Signal::SIGTERM);
    for socket in &mut sockets {
        // The jobs are stopped first.
        assert!([1000, 1001].contains(&socket.closed()));
    }
    assert_eq!(daemon.wait().code, Some(0));
    daemon.assert_nothing_left();
}

#[test]
fn who_does_not_read_holds_up_nobody_and_costs_bounded_memory() {
    const BYTES: u64 = 64 * 1024 * 1024;
    let _turn = heavy();
    let daemon = Daemon::start(&format!(
        "[process:flood]\ncmd = misbehave until go flood {BYTES} touch done on-term 0\nredirect_output = out\n"
    ));
    let pid = daemon.until_running("flood", 1)[0];
    let open = |path: &str| Socket::open(&daemon, &path.replace('P', &pid.to_string()));
    let mut stalled = open("/P/channel?mode=1");
    let others = ["/wstreams/P?mode=1", "/wstreams/P?mode=1&binary=true"].map(open);
    let mut reader = open("/wstreams/P?mode=1&binary=true");
    let reading = thread::spawn(move || {
        let mut read = 0;
        while let Message::Binary(bytes) = reader.next() {
            read += bytes.len() as u64;
        }
        read
    });
    let before = processes::memory(daemon.os_pid(), "VmRSS");
    daemon.touch("go");
    daemon.read("done"); // It would never get here if it had to wait for the readers.
    let after = processes::memory(daemon.os_pid(), "VmRSS");
    assert!(after < before + BYTES / 2, "{before} bytes before, {after} after");
    // What is still kept comes, and the loss is told.
    let lagged = loop {
        let Message::Text(frame) = stalled.next() else { panic!("no frame") };
        if frame.starts_with("V1 lagged ") {
            break frame;
        }
    };
    assert!(lagged.contains("\0{\"lost\": "), "{lagged}");
    let process = daemon.get(&format!("/{pid}"));
    assert!(process["lost"].as_u64().is_some_and(|lost| lost > 0), "{process}");
    drop(others);
    daemon.post("/processes/flood/_stop");
    assert!(reading.join().unwrap() > 0, "another one reads on, to the end");
}

#[test]
fn a_process_that_does_not_read_holds_up_neither_its_output_nor_the_end_of_a_client() {
    let job = |name: &str| {
        format!(
            "[process:{name}]\ncmd = misbehave until {name} print hello forever\nredirect_output = out\n\
             redirect_input = true\n"
        )
    };
    let daemon = Daemon::start(&[job("one"), job("two")].concat());
    let jobs = ["one", "two"].map(|name| (name, daemon.only_process(name)));
    let begun = processes::descriptors(daemon.os_pid()).len();
    for (name, (pid, os_pid)) in jobs {
        let path = if name == "one" { format!("/wstreams/{pid}") } else { format!("/{pid}/channel") };
        let mut socket = Socket::open(&daemon, &path);
        let stream = socket.inner.get_ref().try_clone().unwrap();
        let writing = thread::spawn(move || {
            let mut writer = WebSocket::from_raw_socket(stream, Role::Client, None);
            while writer.send(Message::text("V1 message a\0".to_owned() + &"x".repeat(100_000))).is_ok() {}
        });
        daemon.until("the pipe is full", || if pipe_is_full(os_pid) { Ok(()) } else { Err("not yet") });
        daemon.touch(name);
        assert!(socket.until("\n").ends_with("hello\n"));
        // The client is gone in the middle of a message.
        socket.inner.get_ref().shutdown(Shutdown::Both).unwrap();
        drop(socket);
        writing.join().unwrap();
    }
    daemon.until("their connections are closed", || {
        let now = processes::descriptors(daemon.os_pid()).len();
        if now <= begun { Ok(()) } else { Err(format!("{begun} at first, {now} now")) }
    });
}

#[test]
fn garbage_and_excess_are_refused_and_hurt_nobody() {
    let daemon = Daemon::start(ECHO);
    let pid = daemon.until_running("echo", 1)[0];
    let mut bystander = Socket::open(&daemon, &format!("/wstreams/{pid}"));
    for (bytes, code) in [
        (&[b'\xff'; 400][..], 1002),
        (b"\x81\x05hello", 1002),
        (b"\x81\x82\0\0\0\0\xc3\x28", 1007),
        (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1009),
    ] {
        let mut socket = Socket::open(&daemon, &format!("/{pid}/channel"));
        socket.inner.get_mut().write_all(bytes).unwrap();
        assert_eq!(socket.closed(), code, "{bytes:x?}");
    }
    bystander.send("fine\n");
    assert_eq!(bystander.until("\n"), "fine\n");
}

#[test]
fn websockets_that_were_dropped_leave_nothing_behind() {
    let daemon = Daemon::start(ECHO);
    let pid = daemon.until_running("echo", 1)[0];
    let begun = processes::descriptors(daemon.os_pid()).len();
    for round in 0..200 {
        let path = [format!("/wstreams/{pid}"), format!("/{pid}/channel"), "/wstreams/999".to_owned()];
        let mut socket = Socket::open(&daemon, &path[round % 3]);
        match round % 4 {
            0 => drop(socket.inner.close(None)),
            1 => socket.send("x"),
            2 => drop(socket.inner.get_ref().shutdown(Shutdown::Write)),
            _ => {}
        }
    }
    daemon.until("their connections are closed", || {
        let now = processes::descriptors(daemon.os_pid()).len();
        if now <= begun { Ok(()) } else { Err(format!("{begun} at first, {now} now")) }
    });
}

/// What an echo client shows.
const ECHOED: &str = "Sent\nReceiving...\nReceived 'ECHO\n'\n";

#[test]
fn the_echo_client_does_what_the_manual_shows() {
    let daemon = Daemon::start(ECHO);
    let pid = daemon.until_running("echo", 1)[0];
    let client = example("gaffer-http", "echo_client");
    let node = daemon.address().to_string();
    for args in [vec![node.clone()], vec![node, pid.to_string()]] {
        let output = Command::new(&client).args(args).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), ECHOED, "{output:?}");
    }
}

#[test]
fn the_echo_client_in_python_does_the_same() {
    let daemon = Daemon::start(ECHO);
    let Some(client) = Client::driver(&daemon, Environment::Modern, "../../examples/echo_client.py") else { return };
    daemon.until_running("echo", 1);
    assert_eq!(client.prints(&[&daemon.address().to_string()]), ECHOED);
}
