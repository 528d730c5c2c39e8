//! What becomes of endpoints.

use std::net::{SocketAddr, TcpListener, TcpStream};

use gaffer_tests::{Daemon, Setup, http, wait_until};
use serde_json::json;

/// The address that was announced last for an endpoint.
fn address(daemon: &Daemon, endpoint: &str) -> SocketAddr {
    let name = format!("endpoint=\"{endpoint}\"");
    wait_until(&format!("{endpoint} listens"), || {
        let log = daemon.log();
        let line =
            log.iter().rev().find(|line| line.text.contains("listening on http://") && line.text.contains(&name));
        let (_, rest) = line.ok_or("it does not")?.text.split_once("http://").ok_or("no address")?;
        rest.split(' ').next().ok_or("no address")?.parse().map_err(|_| "no address")
    })
}

#[test]
fn endpoints_come_and_go_and_others_do_not_notice() {
    let stays = "[endpoint:stays]\nbind = 127.0.0.1:0\n";
    let mut daemon = Setup::new()
        .own_endpoints()
        .ini(&format!("{stays}[endpoint:goes]\nbind = 127.0.0.1:0\n[process:web]\ncmd = misbehave forever\n"))
        .start();
    let goes = address(&daemon, "goes");
    assert_eq!(http::request(goes, "GET", "/ping", None).status, 200);
    let mut feed = daemon.feed("/watch?feed=eventsource");
    let web = daemon.until_running("web", 1);
    daemon.setup().file(
        "gaffer.ini",
        &format!("{stays}[endpoint:comes]\nbind = unix:g.sock\n[process:web]\ncmd = misbehave forever\n[process:new]\ncmd = misbehave forever\n"),
    );
    let told = daemon.post("/_reload");
    assert_eq!(told["endpoints"], json!({"added": ["comes"], "removed": ["goes"], "changed": []}));
    daemon.until_logged("listening on unix:");
    let socket = daemon.path("g.sock");
    let answer = http::request_over(gaffer_tests::Channel::unix(&socket).unwrap(), "GET", "/ping", None);
    assert_eq!(answer.status, 200);
    wait_until("nobody listens there any more", || match TcpStream::connect(goes) {
        Ok(_) => Err("somebody does"),
        Err(_) => Ok(()),
    });
    feed.until("new");
    assert_eq!(daemon.pids("web"), web);
    daemon.stop();
}

#[test]
fn an_address_that_is_taken_refuses_the_whole_configuration() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let stays = "[endpoint:stays]\nbind = 127.0.0.1:0\n";
    let mut daemon = Setup::new().own_endpoints().ini(stays).start();
    let bind = taken.local_addr().unwrap();
    let ini = format!("{stays}[endpoint:more]\nbind = {bind}\n[process:web]\ncmd = misbehave forever\n");
    daemon.setup().file("gaffer.ini", &ini);
    let answer = daemon.request("POST", "/_reload", None);
    assert_eq!(answer.status, 422);
    let reason = answer.json()["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.contains(&format!("gaffer.ini:3: [endpoint:more] cannot listen on {bind}: it is in use")),
        "{reason}"
    );
    assert_eq!(daemon.request("GET", "/status/web", None).status, 404, "nothing of it was done");
    drop(taken);
    assert_eq!(daemon.post("/_reload")["endpoints"]["added"], json!(["more"]));
    daemon.until_running("web", 1);
    daemon.stop();
}

#[test]
fn the_endpoint_that_a_client_asks_on_may_go_and_the_client_is_answered() {
    let mut daemon = Setup::new().own_endpoints().ini("[endpoint:a]\nbind = 127.0.0.1:0\n").start();
    daemon.setup().file("gaffer.ini", "[endpoint:b]\nbind = 127.0.0.1:0\n");
    let told = daemon.post("/_reload");
    assert_eq!(told["endpoints"], json!({"added": ["b"], "removed": ["a"], "changed": []}));
    assert_eq!(http::request(address(&daemon, "b"), "GET", "/ping", None).status, 200);
    daemon.stop();
}
