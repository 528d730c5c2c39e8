//! What is told of a configuration that is not in force: `--check-config`, `gafferctl diff`; and of one that is to be: `reload_config`.

use gaffer_tests::{Client, Daemon, Setup};
use serde_json::Value;

#[test]
fn the_difference_is_told_and_then_made() {
    let mut daemon = Daemon::start("[process:web]\ncmd = misbehave forever\n[process:gone]\ncmd = misbehave forever\n");
    let ctl = Client::ours(&daemon, "gafferctl");
    assert_eq!(ctl.prints(&["diff"]), "nothing is different\n");
    daemon.setup().file(
        "gaffer.ini",
        "[process:web]\ncmd = misbehave forever\nnumprocesses = 2\n[process:new]\ncmd = misbehave forever\n[gaffer]\nnode_name = n\n",
    );
    let lines = "- job default.gone\n+ job default.new\n~ job default.web: numprocesses (its processes go on)\n\
                 ~ [gaffer] node_name: counts from the next start of gafferd on\n";
    assert_eq!(ctl.prints(&["diff"]), lines);
    daemon.until_running("web", 1);
    assert_eq!(ctl.prints(&["reload_config"]), lines);
    daemon.until_running("web", 2);
    let told: Value = serde_json::from_str(&ctl.prints(&["--json", "diff"])).unwrap();
    assert_eq!((&told["applied"], &told["jobs"]["unchanged"]), (&Value::Bool(false), &Value::from(2)));

    daemon.setup().file("gaffer.ini", "[process:web]\n[endpoint:x]\nbind = a:b:c\n");
    for command in ["diff", "reload_config"] {
        let said = ctl.run(&[command]);
        assert_eq!((said.code, said.stdout.as_str()), (1, ""));
        let lines: Vec<&str> = said.stderr.lines().collect();
        assert!(lines[0].starts_with("gaffer.ini:1: [process:web] has no `cmd`"), "{lines:?}");
        assert!(lines[1].starts_with("gaffer.ini:3: [endpoint:x] bind: "), "{lines:?}");
    }
    daemon.setup().file(
        "gaffer.ini",
        "[process:web]\ncmd = nonsense\nnumprocesses = 2\n[process:new]\ncmd = misbehave forever\n",
    );
    let said = ctl.run(&["reload_config"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("default.web: job `default.web` was left as it was"), "{}", said.stderr);
    daemon.stop();
}

#[test]
fn a_node_without_a_configuration_has_none_to_be_read_again() {
    let mut daemon = Setup::new().start();
    let answer = daemon.request("POST", "/_reload", None);
    assert_eq!((answer.status, answer.json()["error"].as_str()), (409, Some("no_configuration")));
    let said = Client::ours(&daemon, "gafferctl").run(&["reload_config"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("was started without a configuration file"), "{}", said.stderr);
    daemon.stop();
}

#[test]
fn a_configuration_is_checked_without_a_node() {
    let checked = Setup::new()
        .ini("[process:web]\ncmd = ./web\nnumprocesses = 2\n[auth]\nauth_backend = x\n")
        .arg("--check-config")
        .run();
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let lines: Vec<&str> = checked.stdout.lines().collect();
    assert_eq!(
        (lines[0], lines[1], *lines.last().unwrap()),
        ("configuration: gaffer.ini", "endpoints: default 127.0.0.1:0", "jobs: web x2: ./web")
    );
    assert!(checked.stderr.starts_with("gaffer.ini:5: [auth] auth_backend: "), "{}", checked.stderr);
    assert!(!checked.setup.path("state").exists(), "nothing is made");
    let wrong = Setup::new().ini("[process:web]\ncmd =\n").arg("--check-config").run();
    assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(1), ""));
    assert!(wrong.stderr.starts_with("gaffer.ini:2: [process:web] cmd: "), "{}", wrong.stderr);
}
