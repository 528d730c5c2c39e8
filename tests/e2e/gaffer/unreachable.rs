//! Nobody there, or nobody to the end; and command lines that do not read.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

use gaffer_tests::{DEADLINE, wait_until};

use super::{Shop, Transcript};
use crate::help::assert_usage_errors;

/// Somebody who gives these answers, one a request, and then is gone.
fn somebody(answers: &'static [(u16, &'static str)]) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        for (status, body) in answers {
            let mut stream = accept(&listener);
            read_request(&stream);
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all((head + body).as_bytes()).unwrap();
        }
    });
    (address, server)
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let (stream, _) = wait_until("somebody connects", || listener.accept());
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Reads one request with its body, so that closing the connection resets nothing.
fn read_request(stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(number) = line.to_lowercase().strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
}

const PROCFILE: &str = "web: sleep 1000\nworker: sleep 1000\nclock: sleep 1000\n";

#[test]
fn nobody_listens() {
    let shop = Shop::new(PROCFILE);
    // Nobody binds it again: it was given out for this test, and outgoing connections have other ends.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gaffer = shop.gaffer().env("GAFFER_ENDPOINT", format!("http://{free}"));
    Transcript::of(&gaffer)
        .run("load")
        .run("load --json --quiet")
        .run("unload")
        .run("ps")
        .run("scale web=2 worker=2")
        .run("ps:stop web worker")
        .run("logs")
        .run("send 1 hello")
        .run("recv 1")
        .check("nobody_listens");
}

#[test]
fn what_is_loaded_and_what_not_is_told_where_loading_breaks_off() {
    let shop = Shop::new(PROCFILE);
    let gaffer = shop.gaffer();
    let load = |answers: &'static [(u16, &'static str)], args: &[&str]| {
        let (address, server) = somebody(answers);
        let said = gaffer.run(&[&["--endpoint", &address.to_string()], args].concat());
        server.join().unwrap();
        said
    };
    const NONE: (u16, &str) = (404, r#"{"errno":404,"error":"not_found","reason":"no such session"}"#);
    const DONE: (u16, &str) = (200, r#"{"ok":true}"#);
    const REFUSED: (u16, &str) = (400, r#"{"errno":400,"error":"bad_request","reason":"no more than this"}"#);
    let said = load(&[NONE, DONE, REFUSED, DONE], &["load", "--nostart"]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{said}");
    assert_eq!(said.stderr, "gaffer: no more than this\ngaffer: loaded: web, clock; not loaded: worker\n");
    let said = load(&[NONE, DONE], &["load", "--nostart"]);
    assert_eq!((said.code, said.stdout.as_str()), (4, ""), "{said}");
    assert!(said.stderr.starts_with("gaffer: loaded: web; not loaded: worker, clock\ngaffer: "), "{said}");
    let said = load(&[NONE, DONE], &["load", "--nostart", "--json"]);
    assert!(said.stdout.starts_with(r#"[{"loaded":true,"name":"shop.web"},{"error":""#), "{said}");
}

#[test]
fn a_command_line_that_does_not_read_is_a_usage_error() {
    let shop = Shop::new(PROCFILE);
    let gaffer = shop.gaffer();
    assert_usage_errors(
        &gaffer,
        &[
            "",
            "--no-such-option",
            "nope",
            "scale",
            "scale web",
            "scale web=many",
            "scale web=1 worker",
            "ps:kill web",
            "ps:kill web NOPE",
            "ps:info",
            "ps:start 'a b' web",
            "ps:stop 'w*'",
            "unload 'a b'",
            "logs 'a b'",
            "send web hello",
            "recv web",
            "recv 7.",
            "load -c web=many",
            "--endpoint ftp://x ps",
            "--color sometimes ps",
        ],
    );
}

#[test]
fn the_node_is_named_in_several_ways() {
    let shop = Shop::new(PROCFILE);
    let gaffer = shop.gaffer().env("GAFFER_ENDPOINT", "http://127.0.0.1:1");
    let address = shop.daemon.address().to_string();
    for option in ["--endpoint", "-g", "--gafferd-http-address", "--connect"] {
        assert_eq!(gaffer.run(&[option, &address, "apps"]).code, 0, "{option}");
    }
    assert_eq!(gaffer.run(&["apps"]).code, 4);
}
