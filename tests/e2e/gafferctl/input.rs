//! `send`: what a process reads.

use std::fs;

use gaffer_tests::{Daemon, wait_until};
use rustix::io::ioctl_fionread;

use super::{Transcript, gafferctl};

const JOBS: &str = "\
[process:echo]
cmd = cat
redirect_input = true
redirect_output = out
[process:deaf]
cmd = misbehave forever
";

#[test]
fn words_are_sent_as_a_line() {
    let daemon = Daemon::start(JOBS);
    let ctl = gafferctl(&daemon);
    assert_eq!((daemon.until_running("echo", 1), daemon.until_running("deaf", 1)), (vec![1], vec![2]));
    let mut output = daemon.feed("/streams/1/out?feed=continuous");
    Transcript::of(&ctl)
        .run("send 1 hello 'big  world'")
        .run("send --json 1 again")
        .run("send 2 hello")
        .run("send 7 hello")
        .run("send --stream nope 1 hello")
        .run_with_input("send 1 -", "from a pipe")
        .run_with_input("send 1", " and more\n")
        .check("send");
    assert_eq!(output.until("more\n"), "hello big  world\nagain\nfrom a pipe and more\n");
}

#[test]
fn ten_megabytes_from_a_pipe_arrive_whole() {
    let daemon = Daemon::start("[process:keep]\ncmd = sh -c 'exec cat > received'\nredirect_input = true\n");
    let pid = daemon.until_running("keep", 1)[0];
    let line: String = (0..99).map(|n| char::from(b'a' + n % 26)).chain(['\n']).collect();
    let input = line.repeat(100_000);
    let said = gafferctl(&daemon).run_with_input(&["send", &pid.to_string()], &input);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said}");
    let received = wait_until("the last byte is written", || {
        let received = fs::read(daemon.path("received")).unwrap();
        if received.len() >= input.len() { Ok(received) } else { Err(received.len()) }
    });
    // Not compared as values, of which a failure would print it all.
    assert!(received == input.as_bytes(), "{} bytes came, of {} that were sent", received.len(), input.len());
}

#[test]
fn a_process_that_ends_meanwhile_is_told() {
    let daemon = Daemon::start("[process:w]\ncmd = misbehave until go exit 0\nredirect_input = true\n");
    let pid = daemon.until_running("w", 1)[0];
    let mut send = gafferctl(&daemon).start_with_pipe(&["send", &pid.to_string()]);
    // More than the pipe and gafferd take, so that it waits.
    send.feed(vec![b'x'; 32 << 20]);
    let stdin = format!("/proc/{}/fd/0", daemon.os_pid_of(pid));
    wait_until("a piece of it fills the pipe, and so waits to be answered", || {
        // Closed again at once: whoever holds it would be a reader.
        let unread = ioctl_fionread(fs::File::open(&stdin).unwrap()).unwrap();
        if unread > 0 { Ok(()) } else { Err("nothing was written") }
    });
    daemon.touch("go");
    let said = send.wait();
    assert!([1, 3].contains(&said.code), "{said}");
    assert!(said.stderr.starts_with("gafferctl: "), "{said}");
}
