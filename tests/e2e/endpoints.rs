//! Endpoints: ports, unix sockets and TLS, and what their clients may cost.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt};

use gaffer_tests::{
    Authority, Channel, Daemon, Setup,
    http::{Connection, Feed, request_over},
    processes, wait_until,
};
use nix::sys::signal::Signal;

/// The address in `listening on https://…`.
fn tls_address(daemon: &Daemon) -> SocketAddr {
    let line = daemon.until_logged("listening on https://").text;
    let (_, address) = line.split_once("https://").unwrap();
    address.split(' ').next().unwrap().parse().unwrap()
}

fn status(channel: Channel) -> u16 {
    request_over(channel, "GET", "/ping", None).status
}

#[test]
fn ports_sockets_and_tls_are_served_at_once() {
    let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
    let setup = Setup::new().own_endpoints().ini(
        "[endpoint:plain]\nbind = 127.0.0.1:0\n[endpoint:local]\nbind = unix:g.sock\nmode = 0660\n\
         [endpoint:secret]\nbind = 127.0.0.1:0\ncertfile = both.pem\ncacert = ca.pem\n",
    );
    setup.file("both.pem", &authority.issue().pem());
    setup.file("ca.pem", &clients.pem());
    let mut daemon = setup.start();
    let socket = daemon.path("g.sock");
    daemon.until_logged(&format!("listening on unix:{}", socket.display()));
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    assert_eq!(daemon.request("GET", "/ping", None).status, 200);
    assert_eq!(status(Channel::unix(&socket).unwrap()), 200);
    let secret = tls_address(&daemon);
    let own = clients.issue();
    assert_eq!(status(Channel::tls(secret, authority.client(Some(&own))).unwrap()), 200);
    Channel::tls(secret, clients.client(Some(&own))).unwrap_err();
    let stranger = Authority::new("strangers").issue();
    for identity in [None, Some(&stranger)] {
        // In TLS 1.3 a client learns only with the first answer that it was turned away.
        if let Ok(channel) = Channel::tls(secret, authority.client(identity)) {
            let mut connection = Connection::over(channel);
            connection.request("GET", "/ping", &[], None);
            assert_eq!(connection.rest(), "");
        }
    }
    daemon.stop();
    assert!(!socket.exists());
}

#[test]
fn the_options_serve_tls_on_the_default_endpoint() {
    let authority = Authority::new("servers");
    let identity = authority.issue();
    let setup = Setup::new().own_endpoints();
    setup.file("c.pem", &identity.certificate);
    setup.file("k.pem", &identity.key);
    let setup = setup.ini("[gaffer]\nbind = 127.0.0.1:0\n").args("--certfile c.pem --keyfile k.pem");
    let daemon = setup.start_without_http("listening on https://");
    assert_eq!(status(Channel::tls(tls_address(&daemon), authority.client(None)).unwrap()), 200);
}

#[test]
fn a_bad_certificate_keeps_it_from_starting() {
    let outcome = Setup::new().args("--certfile missing.pem").run();
    assert_eq!(outcome.code, Some(1));
    let expected = "gafferd: cannot serve TLS at endpoint `default`: certfile missing.pem: No such file or directory";
    assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
}

#[test]
fn a_socket_that_a_killed_gafferd_left_is_replaced_and_a_live_one_is_not() {
    let setup = || Setup::new().own_endpoints();
    let first = setup();
    let socket = first.path("g.sock");
    let bind = format!("--bind unix:{}", socket.display());
    let mut first = first.args(&bind).start_without_http("listening on unix:");
    let outcome = setup().args(&bind).run();
    assert_eq!(outcome.code, Some(1));
    let expected = format!("it is in use by gafferd (os_pid {})", first.os_pid());
    assert!(outcome.stderr.contains(&expected), "{}", outcome.stderr);
    assert_eq!(status(Channel::unix(&socket).unwrap()), 200);

    first.signal(Signal::SIGKILL);
    assert_eq!(first.wait().signal, Some(9));
    assert!(socket.exists() && Channel::unix(&socket).is_err());
    let mut second = setup().args(&bind).start_without_http("listening on unix:");
    assert_eq!(status(Channel::unix(&socket).unwrap()), 200);
    second.stop();
    assert!(!socket.exists());
}

#[test]
fn certificates_are_read_anew_at_sighup_and_open_feeds_live_on() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let setup = Setup::new().own_endpoints().ini(
        "[endpoint:plain]\nbind = 127.0.0.1:0\n[endpoint:secret]\nbind = 127.0.0.1:0\ncertfile = c.pem\nkeyfile = k.pem\n\
         [process:echo]\ncmd = cat\nredirect_input = true\nredirect_output = out\n",
    );
    let write = |identity: &gaffer_tests::Identity| {
        setup.file("c.pem", &identity.certificate);
        setup.file("k.pem", &identity.key)
    };
    let key = write(&old.issue());
    let mut daemon = setup.start();
    let secret = tls_address(&daemon);
    let pid = daemon.until_running("echo", 1)[0];
    let output = format!("/streams/{pid}/out?feed=continuous");
    let mut feed = Feed::over(Connection::over(Channel::tls(secret, old.client(None)).unwrap()), &output, &[]);

    fs::remove_file(&key).unwrap();
    daemon.signal(Signal::SIGHUP);
    let line = daemon.until_logged("the certificates stay as they were").text;
    assert!(line.contains("endpoint `secret`: keyfile k.pem: No such file"), "{line}");
    assert_eq!(status(Channel::tls(secret, old.client(None)).unwrap()), 200);

    let renewed = new.issue();
    fs::write(daemon.path("c.pem"), &renewed.certificate).unwrap();
    fs::write(daemon.path("k.pem"), &renewed.key).unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.until_logged("certificates were read again");
    assert_eq!(status(Channel::tls(secret, new.client(None)).unwrap()), 200);
    Channel::tls(secret, old.client(None)).unwrap_err();

    daemon.post_body(&format!("/streams/{pid}/stdin"), "still here\n");
    feed.until("still here\n");
    daemon.stop();
    feed.rest();
}

#[test]
fn limits_of_the_configuration_hold() {
    let setup = Setup::new().own_endpoints().ini(
        "[gaffer]\nmax_body = 1k\nmax_connections = 1\n[endpoint:plain]\nbind = 127.0.0.1:0\nmax_connections = 100\n\
         idle_timeout = 0.2\n[endpoint:local]\nbind = unix:g.sock\n",
    );
    let daemon = setup.start();
    assert_eq!(daemon.request("POST", "/processes", Some(&"x".repeat(1025))).status, 413);
    assert_eq!(daemon.request("POST", "/processes", Some(&"x".repeat(1024))).status, 400);

    let mut idle = daemon.connect();
    idle.request("GET", "/ping", &[], None);
    assert_eq!(idle.answer("GET").status, 200);
    assert_eq!(idle.rest(), "", "it is closed by the server");

    let socket = daemon.path("g.sock");
    let mut kept = Connection::over(Channel::unix(&socket).unwrap());
    kept.request("GET", "/ping", &[], None);
    assert_eq!(kept.answer("GET").status, 200);
    let refused = request_over(Channel::unix(&socket).unwrap(), "GET", "/ping", None);
    assert_eq!((refused.status, &refused.json()["error"]), (503, &"too_many_connections".into()));
    assert_eq!((refused.header("connection"), refused.header("retry-after")), (Some("close"), Some("1")));
    daemon.until_logged("too many connections; more are refused");
    drop(kept);
    wait_until("there is room again", || match status(Channel::unix(&socket).unwrap()) {
        200 => Ok(()),
        other => Err(other),
    });
}

#[test]
fn ten_thousand_connections_leave_no_descriptor() {
    let authority = Authority::new("servers");
    let setup = Setup::new().own_endpoints().ini(
        "[endpoint:plain]\nbind = 127.0.0.1:0\n[endpoint:local]\nbind = unix:g.sock\n\
         [endpoint:secret]\nbind = 127.0.0.1:0\ncertfile = both.pem\n",
    );
    setup.file("both.pem", &authority.issue().pem());
    let daemon = setup.start();
    let (secret, socket) = (tls_address(&daemon), daemon.path("g.sock"));
    let knock = |number: usize| {
        let mut connection = match number % 4 {
            0 => Connection::over(Channel::unix(&socket).unwrap()),
            1 => Connection::open(secret),
            _ => daemon.connect(),
        };
        match number % 5 {
            0 => {}
            1 => connection.send("GET /ping HT"),
            2 => connection.send([0x16, 3, 1, 2, 0, 1, 0]),
            3 => connection.send("GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            _ => connection.send("POST /processes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"),
        }
        connection
    };
    let batch = |size: usize| drop((0..size).map(knock).collect::<Vec<_>>());
    let open = || processes::descriptors(daemon.os_pid());
    let before = open();
    (0..100).for_each(|_| batch(100));
    daemon.until("there are no more descriptors than before", || {
        let after = open();
        if after.len() <= before.len() { Ok(()) } else { Err(format!("before: {before:?}\nafter: {after:?}")) }
    });
    assert_eq!(daemon.request("GET", "/ping", None).status, 200);
    assert_eq!(status(Channel::tls(secret, authority.client(None)).unwrap()), 200);
}
