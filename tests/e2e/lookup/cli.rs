//! Our programs, and a lookup server that knows some jobs.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

use gaffer_tests::{Client, Daemon, FakeLookup, Registered, Said, Setup};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{access::Keys, help::assert_usage_errors, transcript::Transcript};

const JOBS: &str = "\
[process:shop:web]
cmd = misbehave forever
[process:shop:worker]
cmd = misbehave forever
[process:clock]
cmd = misbehave forever
";

/// Jobs on nodes that need not be there.
fn some_jobs() -> Vec<Registered> {
    vec![
        Registered::new("s.a", "one", "http://one.example:5000", &[1, 2]),
        Registered::new("s.a", "two", "https://two.example:5000", &[7]),
        Registered::new("s.b", "one", "http://one.example:5000", &[]),
        Registered::new("default.c", "two", "https://two.example:5000", &[8]),
    ]
}

fn origin(daemon: &Daemon) -> String {
    format!("http://{}", daemon.address())
}

/// These jobs of a gafferd.
fn of<'a>(daemon: &'a Daemon, name: &'a str, jobs: &'a [&str]) -> impl Iterator<Item = Registered> + 'a {
    jobs.iter().map(move |job| Registered::new(job, name, origin(daemon), &[1]))
}

/// A gafferd, and a lookup server that knows of its jobs.
fn found() -> (Daemon, FakeLookup) {
    let daemon = Daemon::start(JOBS);
    for job in ["shop.web", "shop.worker", "clock"] {
        daemon.until_running(job, 1);
    }
    let server = FakeLookup::start(of(&daemon, "one", &["shop.web", "shop.worker", "default.clock"]));
    (daemon, server)
}

/// A program that is told of this lookup server, and of a node that it must not call.
fn told(program: &str, daemon: &Daemon, server: &FakeLookup) -> Client {
    let client = Client::ours(daemon, program).env("GAFFER_ENDPOINT", "http://127.0.0.1:1");
    client.args(["--lookupd", &server.address().to_string()])
}

#[track_caller]
fn assert_fails(said: &Said, code: i32, parts: &[&str]) {
    assert_eq!((said.code, said.stdout.as_str()), (code, ""), "{said}");
    for part in parts {
        assert!(said.stderr.contains(part), "{part}: {said}");
    }
}

#[test]
fn answers_are_printed_in_both_spellings() {
    let (daemon, server) = (Daemon::start(""), FakeLookup::start(some_jobs()));
    let gaffer = Client::ours(&daemon, "gaffer").env("GAFFER_LOOKUPD", server.address().to_string());
    let mut transcript = Transcript::of(&gaffer);
    for words in ["nodes", "jobs", "job s.a", "sessions", "sessions two", "session s", "session none"] {
        transcript.run(&format!("lookup:{words}"));
        let (one, other) = (format!("lookup:{words}"), format!("lookup {words}"));
        let [one, other] = [one, other].map(|line| gaffer.prints(&line.split(' ').collect::<Vec<_>>()));
        assert_eq!(one, other);
    }
    transcript.run("lookup:job s.none").run("lookup job s.b --json").run("lookup:job s.none --json").check("lookup");
    let json: Value = serde_json::from_str(&gaffer.prints(&["lookup", "sessions", "one", "--json"])).unwrap();
    assert_eq!((&json["nb_sessions"], &json["sessions"][0]["sessionid"]), (&json!(1), &json!("s")));
}

#[test]
fn several_servers_are_asked_as_one_and_those_that_are_silent_are_named() {
    let (daemon, one) = (Daemon::start(""), FakeLookup::start(some_jobs()));
    let twin = Registered::new("s.a", "one", "http://other.example:5000", &[1]);
    let other = FakeLookup::start([twin]);
    let gaffer = Client::ours(&daemon, "gaffer");
    let (one, other) = (one.address().to_string(), other.address().to_string());
    let said = gaffer.run(&["lookup", "nodes", "-L", &one, "-L", &other, "-L", "127.0.0.1:1"]);
    assert_eq!(said.code, 0, "{said}");
    assert!(said.stdout.starts_with("3 node(s) found\n\n"), "{said}");
    let lines: Vec<&str> = said.stderr.lines().collect();
    assert!(lines[0].contains("cannot reach gaffer_lookupd at http://127.0.0.1:1: "), "{said}");
    let warning = "gaffer: warning: several nodes are called `one`: http://one.example:5000, http://other.example:5000";
    assert_eq!(lines[1..], [warning], "{said}");

    let both = format!("{one}, {other}");
    assert!(gaffer.clone().env("GAFFER_LOOKUPD", &both).prints(&["lookup:nodes"]).starts_with("3 node(s)"));
    assert_fails(
        &gaffer.run(&["lookup:nodes", "-L", "127.0.0.1:1", "-L", "127.0.0.1:2"]),
        4,
        &["none of the 2 lookup servers has answered: ", "127.0.0.1:1", "127.0.0.1:2"],
    );
    assert_fails(&gaffer.run(&["lookup:nodes"]), 2, &["no lookup server is named; ", "GAFFER_LOOKUPD"]);
}

#[test]
fn a_server_may_have_a_name_and_is_told_no_key() {
    let (daemon, server) = (Daemon::start(""), FakeLookup::start(some_jobs()));
    let file = daemon
        .setup()
        .file("user.ini", &format!("[node \"http://{}\"]\nname = directory\nkey = kept-secret\n", server.address()));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let gaffer = Client::ours(&daemon, "gaffer").env("GAFFER_CONFIG", &file).env("GAFFER_API_KEY", "env-secret");
    let said = gaffer.run(&["lookup:jobs", "-L", "directory", "--api-key", "given-secret"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said}");
    let heard = server.heard().join("\n").to_lowercase();
    assert!(heard.starts_with("get /jobs ") && !heard.contains("secret") && !heard.contains("api-key"), "{heard}");
}

#[test]
fn commands_act_on_the_node_that_has_the_job() {
    let (daemon, server) = found();
    let ctl = told("gafferctl", &daemon, &server);
    assert_eq!(ctl.prints(&["status", "shop.web"]), "active\n");
    assert_eq!(ctl.prints(&["running", "clock", "shop.*"]), "clock: 1\nshop.web: 1\nshop.worker: 1\n");
    assert_eq!(ctl.prints(&["stop", "--wait", "shop.web"]), "ok\n");
    assert_eq!(ctl.prints(&["kill", "-CONT", "clock"]), "ok\n");
    let gaffer = told("gaffer", &daemon, &server).args(["--app", "shop"]);
    assert_eq!(gaffer.prints(&["ps:start", "web"]), "'web' started\n");
    daemon.until_running("shop.web", 1);
    assert_eq!(gaffer.prints(&["scale", "web=2"]), "Scaling web processes... done, now running 2\n");
    assert!(gaffer.prints(&["ps:info", "worker"]).starts_with("active: true\n"));
    assert!(gaffer.prints(&["ps"]).starts_with("=== web: `misbehave forever`\n"), "of one node there is no heading");
    let json: Value = serde_json::from_str(&gaffer.prints(&["--json", "ps"])).unwrap();
    assert_eq!((&json[0]["name"], &json[0]["origin"]), (&json!("shop.web"), &json!(origin(&daemon))));
    assert!(gaffer.prints(&["run", "worker"]).starts_with("'shop.worker': new process "));
    assert_eq!(gaffer.prints(&["reload", "worker"]), "job 'worker' reloaded\n");
    assert_eq!(gaffer.prints(&["unload", "shop"]), "==> app 'shop' unloaded\n");
    assert_eq!(daemon.request("GET", "/status/shop.web", None).status, 404);
}

#[test]
fn what_several_nodes_have_is_shown_of_all_and_done_on_none() {
    let (one, two) = (Daemon::start(JOBS), Daemon::start(JOBS));
    let jobs = ["shop.web", "shop.worker"];
    one.until_running("shop.web", 1);
    two.until_running("shop.web", 1);
    let apart = [Registered::new("shop.api", "three", "http://three.example:5000", &[])];
    let server = FakeLookup::start(of(&one, "one", &jobs).chain(of(&two, "two", &jobs[..1])).chain(apart));
    let gaffer = told("gaffer", &one, &server).args(["--app", "shop"]);
    let (at_one, at_two) = (format!("{} (one)", origin(&one)), format!("{} (two)", origin(&two)));
    for args in [&["ps:stop", "web"][..], &["logs", "--no-follow", "web"], &["unload"], &["ps:stop", "--no-input"]] {
        let option = "`--endpoint ORIGIN` in place of `--lookupd` chooses one";
        assert_fails(&gaffer.run(args), 1, &["several nodes have ", &at_one, &at_two, option]);
    }
    let ctl = told("gafferctl", &one, &server);
    assert_fails(&ctl.run(&["stop", "shop.w*"]), 1, &[&at_one, &at_two, "`--connect ORIGIN`"]);
    let places = format!("`shop.worker` is at {at_one}; `shop.api` is at http://three.example:5000 (three); ");
    assert_fails(&ctl.run(&["stop", "shop.worker", "shop.api"]), 1, &[&places]);
    assert_eq!(ctl.prints(&["running", "shop.web", "shop.worker"]), "shop.web: 1\nshop.worker: 1\n", "one has both");
    for daemon in [&one, &two] {
        daemon.until_running("shop.web", 1);
    }

    let server = FakeLookup::start(of(&one, "one", &jobs).chain(of(&two, "two", &jobs)));
    let gaffer = told("gaffer", &one, &server);
    let said = gaffer.prints(&["ps", "shop"]);
    let headings: Vec<&str> = said.lines().filter(|line| line.starts_with("***")).collect();
    let mut expected = [format!("*** {at_one}"), format!("*** {at_two}")];
    expected.sort();
    assert_eq!(headings, expected, "{said}");
    assert_eq!(said.matches("=== web: `misbehave forever`\n").count(), 2, "{said}");

    let gone = Registered::new("shop.web", "gone", "http://127.0.0.1:1", &[]);
    let server = FakeLookup::start(of(&one, "one", &jobs).chain([gone]));
    let said = told("gaffer", &one, &server).run(&["ps", "shop"]);
    assert!(said.code == 4 && said.stdout.contains(&format!("*** {at_one}\n=== web")), "{said}");
    assert!(said.stderr.contains("cannot reach gafferd at http://127.0.0.1:1"), "{said}");
}

#[test]
fn what_nobody_has_is_not_found() {
    let (daemon, server) = found();
    let asked = format!("as far as is known at http://{}", server.address());
    let ctl = told("gafferctl", &daemon, &server);
    assert_fails(&ctl.run(&["stop", "clock", "nope"]), 3, &["no node has `default.nope`, ", &asked]);
    assert_fails(&ctl.run(&["stop", "n*"]), 3, &["no node has a job that fits `n*`, ", &asked]);
    daemon.until_running("clock", 1);
    let gaffer = told("gaffer", &daemon, &server);
    assert_fails(&gaffer.run(&["ps", "nowhere"]), 3, &["no node has a job of `nowhere`, ", &asked]);
    assert_fails(&gaffer.run(&["run", "echo"]), 3, &["echo`, ", &asked]);
    let nobody = Client::ours(&daemon, "gafferctl");
    assert_fails(&nobody.run(&["--lookupd", "127.0.0.1:1", "stop", "clock"]), 4, &["gaffer_lookupd at http://127."]);
}

#[test]
fn a_node_that_was_found_is_told_its_own_key_and_no_other() {
    let keys = Keys::new();
    let daemon = keys.start(JOBS);
    let server = FakeLookup::start(of(&daemon, "one", &["default.clock"]));
    for (program, args) in [("gafferctl", &["running", "clock"][..]), ("gaffer", &["ps:info", "default.clock"])] {
        let client = told(program, &daemon, &server);
        let of_environment = client.clone().env("GAFFER_API_KEY", &keys.admin);
        assert_fails(&of_environment.run(args), 1, &["Unauthorized access. You need an API key"]);
        let given = [&["--api-key", &keys.admin][..], args].concat();
        assert_fails(&client.run(&given), 2, &["`--api-key` would be shown to whichever node a lookup server names"]);
        let text = format!("[node \"{}/\"]\nkey = {}\n", origin(&daemon), keys.admin);
        let file = daemon.setup().file("user.ini", &text);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let kept = of_environment.env("GAFFER_CONFIG", &file);
        assert_eq!(kept.run(args).code, 0, "{}", kept.run(args));
    }
}

#[test]
fn a_node_is_called_only_over_http() {
    let daemon = Daemon::start("");
    let evil = Registered::new("default.web", "evil\u{1b}[2J", "unix:/run/docker.sock", &[]);
    let server = FakeLookup::start([evil]);
    let parts = ["`evil\\u{1b}[2J` says that it is at `unix:/run/docker.sock`, which is neither http:// nor https://"];
    assert_fails(&told("gafferctl", &daemon, &server).run(&["start", "web"]), 1, &parts);
}

#[test]
fn nodes_of_one_address_may_each_mean_their_own_machine() {
    let daemon = Daemon::start("");
    let at = origin(&daemon);
    let server = FakeLookup::start(["one", "two"].map(|node| Registered::new("default.web", node, &at, &[])));
    let several = format!("several nodes have `default.web`: {at} (one), {at} (two)");
    assert_fails(&told("gafferctl", &daemon, &server).run(&["start", "web"]), 1, &[&several]);
}

#[test]
fn what_names_no_job_cannot_be_looked_up() {
    let (daemon, server) = found();
    let ctl = told("gafferctl", &daemon, &server);
    let lines =
        ["processes", "ping", "status", "stop 1", "send 1 x", "add_process web true", "keys", "login", "logout"];
    assert_usage_errors(&ctl, &lines);
    assert_usage_errors(&ctl, &["--connect http://127.0.0.1:1 start clock"]);
    let gaffer = told("gaffer", &daemon, &server);
    let lines = ["load", "apps", "ps:stop 1", "recv 1", "start", "check", "run -- ls", "run -c 2 web", "keys", "login"];
    assert_usage_errors(&gaffer, &lines);
    assert_usage_errors(&gaffer, &["--endpoint http://127.0.0.1:1 ps", "-g x lookup:jobs", "lookup:jobs --insecure"]);
    assert_eq!(server.heard(), [""; 0], "nobody is asked for that");
    let of_environment = Client::ours(&daemon, "gafferctl").env("GAFFER_LOOKUPD", server.address().to_string());
    assert_eq!(of_environment.prints(&["ping"]), "ok\n", "the variable is for lookup alone");
}

#[test]
fn changes_are_printed_as_they_come_and_a_server_that_is_lost_is_tried_again() {
    let daemon = Daemon::start("");
    // Nobody is there at first.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let gaffer = Client::ours(&daemon, "gaffer");
    let (text, json) = (gaffer.start(&["lookup", "-L", &address]), gaffer.start(&["--json", "lookup", "-L", &address]));
    for watch in [&text, &json] {
        watch.until_said(&format!("cannot reach gaffer_lookupd at http://{address}: Connection refused; trying again"));
    }
    let server = Client::ours(&daemon, "gaffer_lookupd").start(&["--bind", &address]);
    for watch in [&text, &json] {
        watch.until_said(&format!("connected to gaffer_lookupd at http://{address} again"));
    }
    let setup = Setup::new().ini("[process:shop:web]\ncmd = misbehave forever\n");
    let node = setup.args(&format!("--node-name one --lookupd-address http://{address}")).start();
    let at = origin(&node);
    text.until_printed(&format!(" add_process | shop.web: process id 1 spawned on {at}"));
    node.post("/processes/shop.web/_stop");
    text.until_printed(&format!(" remove_process | shop.web: process 1 exited on {at}"));
    node.delete("/processes/shop.web");
    text.until_printed(&format!(" remove_job | unload shop.web in {at}"));
    drop(node);
    text.until_printed(&format!(" remove_node | one: node {at}"));
    let lines: Vec<String> = text.lines().into_iter().map(|line| line.text["HH:MM:SS ".len()..].to_owned()).collect();
    let expected =
        ["add_node | add node", &format!("identify | one: {at}"), &format!("add_job | load shop.web in {at}")];
    assert_eq!(lines[..3], expected, "{lines:?}");
    let last = json.until_printed("\"remove_node\"").text;
    let told: Value = serde_json::from_str(&last).unwrap();
    assert_eq!(told, json!({"event": "remove_node", "name": "one", "origin": at, "version": "0.1"}));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait().code, 0);
    for watch in [text, json] {
        watch.until_said(" has closed the connection; trying again");
        watch.signal(Signal::SIGINT);
        assert_eq!(watch.wait().code, 130);
    }
}
