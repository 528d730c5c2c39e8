//! Plugins that come, change and go with the configuration, and when gafferd is killed.

use gaffer_tests::{Setup, wait_until};
use serde_json::json;

use super::{plugin, scripted, told, until_ready};

const READY: &str = "read -r hello\necho '{\"type\": \"ready\"}'\nwhile read -r line; do :; done\n";

fn setup() -> Setup {
    Setup::new().args("-p plugins").ini("[process:web]\ncmd = misbehave forever\n")
}

#[test]
fn plugins_come_and_change_and_go_and_others_are_not_touched() {
    let setup = setup();
    scripted(&setup, "same", "", READY);
    scripted(&setup, "other", "", READY);
    let mut daemon = setup.start();
    let same = until_ready(&daemon, "same");
    until_ready(&daemon, "other");
    scripted(daemon.setup(), "new", "", READY);
    daemon.setup().file("gaffer.ini", "[process:web]\ncmd = misbehave forever\n[plugin:other]\ncolour = red\n");
    let answer = daemon.post("/_reload");
    assert_eq!(answer["plugins"], json!({"added": ["new"], "removed": [], "changed": ["other"]}));
    until_ready(&daemon, "new");
    until_ready(&daemon, "other");
    assert_eq!(told(&daemon, "same")["app"], same);

    plugin(daemon.setup(), "broken", "mandatory = nowhere\n");
    let refused = daemon.request("POST", "/_reload", None);
    assert_eq!(refused.status, 422, "{refused}");
    assert!(refused.json()["reason"].as_str().unwrap().contains("nowhere"), "{refused}");
    assert_eq!(told(&daemon, "same")["app"], same);
    for name in ["broken", "new"] {
        std::fs::remove_dir_all(daemon.path("plugins").join(name)).unwrap();
    }
    assert_eq!(daemon.post("/_reload")["plugins"]["removed"], json!(["new"]));
    assert_eq!(told(&daemon, "same")["app"], same);
    daemon.stop();
}

#[test]
fn what_an_application_was_when_gafferd_was_killed_runs_once_at_the_next_start() {
    let setup = setup();
    scripted(&setup, "one", "", READY);
    let mut daemon = setup.start();
    until_ready(&daemon, "one");
    daemon.kill();
    daemon.start_again();
    until_ready(&daemon, "one");
    wait_until("nothing runs twice", || match daemon.descendants().len() {
        2 => Ok(()),
        other => Err(other),
    });
    daemon.stop();
}
