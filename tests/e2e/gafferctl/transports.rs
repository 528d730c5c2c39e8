//! Every command over every transport.

use std::collections::BTreeSet;

use gaffer_tests::Client;

use super::{commands, gafferctl};
use crate::three_ways::Node;

const JOBS: &str = "\
[process:web]
cmd = sh -c 'echo hello; exec sleep 1000'
redirect_output = out
[process:echo]
cmd = cat
redirect_input = true
redirect_output = out
";

fn started() -> Node {
    let node = Node::start(JOBS);
    node.daemon.setup().file("job.json", r#"{"name": "loaded", "cmd": "sleep 1000"}"#);
    node.daemon.feed("/streams/1/out?feed=continuous&history=10").until("hello");
    assert_eq!(node.daemon.until_running("echo", 1), [2]);
    node
}

fn over_tls(node: &Node) -> Client {
    gafferctl(&node.daemon).env("GAFFER_ENDPOINT", node.tls_url())
}

/// Every command that ends by itself, in an order in which they work; and a part of what each prints.
const COMMANDS: [(&str, &str); 31] = [
    ("ping", "ok"),
    ("plugins --json", "[]"),
    ("version", "0."),
    ("processes", "web\necho\n"),
    ("load_process job.json", "loaded"),
    ("add_process --start added sleep 1000", "added"),
    ("get_process added", "\"sleep"),
    ("update_process added -n 2", "ok"),
    ("numprocesses added", "2\n"),
    ("start --wait loaded", "ok"),
    ("status loaded", "active\n"),
    ("status", "loaded"),
    ("add loaded 2", "3\n"),
    ("sub loaded 1", "2\n"),
    ("running web", "1\n"),
    ("pids web", "1\n"),
    ("restart --wait loaded", "ok"),
    ("kill loaded CONT", "ok"),
    ("stop --wait loaded", "ok"),
    ("logs web", "hello"),
    ("stats web", "web"),
    ("send 2 good morning", ""),
    ("groups", "default"),
    ("groups default", "web"),
    ("sessions", "default\n"),
    ("sessions default", "web\n"),
    ("info web", "web"),
    ("diff", "nothing is different\n"),
    ("reload_config", "nothing is different\n"),
    ("webhooks", "DELIVERED"),
    ("del_process loaded added", "loaded: ok\nadded: ok\n"),
];

#[test]
fn every_command_works_over_tcp_tls_and_a_unix_socket() {
    let node = started();
    for (transport, client) in node.clients(&gafferctl(&node.daemon)) {
        for (line, expected) in COMMANDS {
            let words = shlex::split(line).unwrap();
            let said = client.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(said.code, 0, "over {transport}: {said}");
            assert!(said.stdout.contains(expected), "over {transport}: {said}");
            assert_eq!(said.stderr, "", "over {transport}: {said}");
        }
        // Its id is known once it is there.
        let id = client.prints(&["add_webhook", "flap", "http://127.0.0.1:9/", "--timeout", "1"]);
        assert_eq!(client.prints(&["del_webhook", id.trim()]), "ok\n", "over {transport}");
        node.daemon.until("what was deleted has ended", || {
            let said = client.run(&["processes", "--running"]);
            if said.stdout == "1\n2\n" { Ok(()) } else { Err(format!("over {transport}: {said}")) }
        });
    }
    let tried = COMMANDS.iter().map(|(line, _)| line.split(' ').next().unwrap().to_owned());
    // What handles keys and users is tried where these are required.
    let handles_rights = |name: &String| {
        ["login", "logout", "set_password"].contains(&name.as_str()) || name.contains("key") || name.contains("user")
    };
    let commands: BTreeSet<String> = commands(&node.daemon).into_iter().filter(|name| !handles_rights(name)).collect();
    assert_eq!(
        tried.chain(["watch", "add_webhook", "del_webhook"].map(str::to_owned)).collect::<BTreeSet<_>>(),
        commands
    );
}

#[test]
fn what_is_followed_and_sent_goes_over_tcp_tls_and_a_unix_socket() {
    let node = started();
    let mut echo = node.daemon.feed("/streams/2/out?feed=continuous");
    for (transport, client) in node.clients(&gafferctl(&node.daemon)) {
        client.start(&["watch", "--history", "1000", "proc.web"]).until_printed("web | proc.web.spawn");
        let stats = client.start(&["stats", "-f", "--interval", "0.1", "--json", "web"]);
        node.daemon.until("there are several looks", || {
            let looks = stats.lines().len();
            if looks >= 3 { Ok(()) } else { Err(format!("over {transport}: {looks}")) }
        });
        let logs = client.start(&["logs", "-f", "echo"]);
        assert_eq!(client.prints(&["send", "2", "words", "over", transport]), "ok\n");
        assert_eq!(echo.until("\n"), format!("words over {transport}\n"));
        logs.until_printed(&format!("words over {transport}"));
        // Through a websocket, in several pieces.
        let long = format!("{}over {transport}\n", "a line from a pipe\n".repeat(20_000));
        let said = client.run_with_input(&["send", "2"], &long);
        assert_eq!(
            (said.code, said.stdout.as_str(), said.stderr.as_str()),
            (0, "ok\n", ""),
            "over {transport}: {said}"
        );
        assert!(echo.until(&format!("over {transport}\n")) == long, "over {transport}: not all came back");
        logs.until_printed(&format!("over {transport}"));
    }
}

#[test]
fn who_is_not_trusted_or_has_nothing_to_show_is_told_so() {
    let node = started();
    let show = ["--certfile", "own.pem", "--keyfile", "own.key"];
    let unknown = over_tls(&node).args(show).run(&["ping"]);
    assert_eq!(unknown.code, 4, "the system does not know this authority: {unknown}");
    assert!(unknown.stderr.contains("certificate"), "{unknown}");
    let foreign = over_tls(&node).args(show).args(["--cacert", "clients.pem"]).run(&["ping"]);
    assert_eq!(foreign.code, 4, "{foreign}");
    let nothing_shown = over_tls(&node).args(["--cacert", "servers.pem"]).run(&["ping"]);
    assert_ne!(nothing_shown.code, 0, "{nothing_shown}");
    assert!(nothing_shown.stderr.contains("ertificate"), "{nothing_shown}");
    let insecure = over_tls(&node).args(show).args(["--insecure"]);
    assert_eq!(insecure.prints(&["ping"]), "ok\n");
    let one_file = over_tls(&node).args(["--cacert", "servers.pem", "--certfile", "own-both.pem"]);
    assert_eq!(one_file.prints(&["ping"]), "ok\n");
}

#[test]
fn files_that_do_not_serve_are_named() {
    let node = started();
    for (args, file) in [
        (["--cacert", "missing.pem"], "missing.pem"),
        (["--certfile", "own.pem"], "own.pem"),
        (["--keyfile", "own.key"], "own.key"),
        (["--cacert", "job.json"], "job.json"),
    ] {
        let said = over_tls(&node).args(args).run(&["ping"]);
        assert_ne!(said.code, 0, "{said}");
        assert!(said.stderr.starts_with("gafferctl: ") && said.stderr.contains(file), "{said}");
    }
}

#[test]
fn the_user_file_holds_certificates_of_nodes() {
    let node = started();
    let url = node.tls_url();
    let file = format!("[node \"{url}\"]\nname = safe\ncertfile = own.pem\nkeyfile = own.key\ncacert = servers.pem\n");
    let file = node.daemon.setup().file("user.ini", &file);
    let client = gafferctl(&node.daemon).env("GAFFER_ENDPOINT", "").env("GAFFER_CONFIG", file);
    assert_eq!(client.prints(&["--connect", "safe", "ping"]), "ok\n");
    assert_eq!(client.prints(&["--connect", &url, "ping"]), "ok\n");
}
