//! What is said between gafferd and an application.

use gaffer_tests::{Setup, processes};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{lines, scripted, told, until, until_ready};

/// Appends what it hears to `heard` in gafferd's folder, and ends when it is told to.
const LISTENER: &str = r#"
while IFS= read -r line; do
    printf '%s\n' "$line" >>../../heard
    case $line in
    '{"type":"hello"'*) echo '{"type":"ready"}' ;;
    '{"type":"stop"'*) echo stopped >>../../heard; exit 0 ;;
    esac
done
"#;

#[test]
fn an_application_hears_and_is_heard() {
    let setup = Setup::new();
    let script = r#"
while IFS= read -r line; do
    printf '%s\n' "$line" >>../../heard
    case $line in
    '{"type":"hello"'*) echo '{"type":"ready"}' ;;
    '{"type":"start"'*)
        echo '{"type":"subscribe","id":"s","events":["proc.web.spawn"]}'
        echo '{"type":"call","id":1,"command":"jobs"}'
        echo '{"type":"call","id":"x","command":"scale","kwargs":{"job":"web","n":1}}'
        echo '{"type":"call","id":2,"command":"nope"}'
        echo '{"type":"call","id":3,"command":"info","args":["nobody"]}'
        echo 'garbage'
        echo '{"type":"log","level":"warning","message":"a word"}'
        echo 'more words' >&2
        ;;
    '{"type":"stop"'*) echo '"end"' >>../../heard; exit 0 ;;
    esac
done
"#;
    scripted(&setup, "talker", "version = 1.5\ndescription = Talks.\n", script);
    let ini = "[process:web]\ncmd = misbehave forever\n[plugin:talker]\nKey = some value\n";
    let mut daemon = setup.ini(ini).args("-p plugins").start();
    let app = until_ready(&daemon, "talker");
    assert_eq!((&app["job"], &app["restarts"]), (&json!("_plugin.talker"), &json!(0)));
    let about = told(&daemon, "talker");
    assert_eq!((&about["version"], &about["description"]), (&json!("1.5"), &json!("Talks.")));

    let heard = lines(&daemon, "heard", 9);
    let hello = &heard[0];
    assert_eq!((&hello["type"], &hello["protocol"]), (&json!("hello"), &json!(1)));
    assert_eq!(hello["pid"], app["pid"]);
    assert_eq!(hello["config"], json!({"key": "some value"}));
    assert_eq!(hello["endpoints"], json!([format!("http://{}", daemon.address())]));
    let folder = daemon.path("plugins/talker").canonicalize().unwrap();
    assert_eq!(hello["plugin"], json!({"name": "talker", "version": "1.5", "description": "Talks.", "folder": folder}));
    assert_eq!(heard[1], json!({"type": "start"}));
    let replies: Vec<&Value> = heard.iter().filter(|line| line["type"] == "reply").collect();
    assert_eq!(*replies[0], json!({"type": "reply", "id": "s", "ok": true, "result": {"ok": true}}));
    assert_eq!(
        *replies[1],
        json!({"type": "reply", "id": 1, "ok": true, "result": {"jobs": ["_plugin.talker", "default.web"]}})
    );
    assert_eq!(*replies[2], json!({"type": "reply", "id": "x", "ok": true, "result": {"numprocesses": 2}}));
    for (reply, id, code) in [(replies[3], 2, "command_not_found"), (replies[4], 3, "not_found")] {
        assert_eq!((&reply["id"], &reply["ok"]), (&json!(id), &json!(false)));
        assert_eq!((&reply["error"]["errno"], &reply["error"]["error"]), (&json!(404), &json!(code)), "{reply}");
    }
    let event = heard.iter().find(|line| line["type"] == "event").unwrap();
    assert_eq!(event["subscription"], "proc.web.spawn");
    assert_eq!((&event["data"]["event"], &event["data"]["name"]), (&json!("proc.web.spawn"), &json!("web")));
    let error = heard.iter().find(|line| line["type"] == "error").unwrap();
    assert_eq!(error["error"]["error"], "invalid_json");
    daemon.until_logged("WARN plugin talker: a word");
    daemon.until_logged("INFO plugin talker: more words");
    daemon.until_logged("WARN plugin talker: it said what is no message: the line is no object of JSON");

    daemon.stop();
    let heard = lines(&daemon, "heard", 11);
    assert_eq!(heard[heard.len() - 2..], [json!({"type": "stop"}), json!("end")], "it was not ended before");
}

#[test]
fn one_that_crashes_is_launched_again_and_is_told_all_again() {
    let setup = Setup::new();
    scripted(&setup, "brittle", "subscribe = proc.web.exit\n", LISTENER);
    let daemon = setup.ini("[process:web]\ncmd = misbehave forever\n").args("-p plugins").start();
    let first = until_ready(&daemon, "brittle");
    lines(&daemon, "heard", 2);
    let (web, os_pid) = daemon.only_process("web");
    processes::signal(daemon.os_pid_of(first["pid"].as_u64().unwrap()), Signal::SIGKILL);
    let second =
        until(&daemon, "brittle", "is ready again", |app| app["state"] == "ready" && app["pid"] != first["pid"]);
    assert_eq!(second["restarts"], 1);
    let heard = lines(&daemon, "heard", 4);
    let kinds: Vec<&Value> = heard.iter().map(|line| &line["type"]).collect();
    assert_eq!(kinds, ["hello", "start", "hello", "start"]);
    // What it subscribes to in its file it is told of again.
    processes::signal(os_pid, Signal::SIGKILL);
    let event = &lines(&daemon, "heard", 5)[4];
    assert_eq!((&event["data"]["pid"], &event["data"]["term_signal"]), (&json!(web), &json!(9)));
}

#[test]
fn its_job_may_be_scaled_stopped_and_restarted_as_any_other() {
    let setup = Setup::new();
    scripted(&setup, "many", "", LISTENER);
    let mut daemon = setup.args("-p plugins").start();
    until_ready(&daemon, "many");
    daemon.post("/processes/_plugin.many/_add");
    lines(&daemon, "heard", 4);
    daemon.post("/processes/_plugin.many/_stop");
    let app = until(&daemon, "many", "is stopped", |app| app["state"] == "stopped");
    assert_eq!(app["pid"], Value::Null);
    let heard = lines(&daemon, "heard", 8);
    assert_eq!(heard.iter().filter(|line| line["type"] == "stop").count(), 2, "{heard:?}");
    daemon.post("/processes/_plugin.many/_start");
    until_ready(&daemon, "many");
    daemon.post("/processes/_plugin.many/_restart");
    until_ready(&daemon, "many");
    daemon.delete("/processes/_plugin.many");
    until(&daemon, "many", "is unloaded", |app| app["cause"].as_str().is_some_and(|cause| cause.contains("no job")));
    daemon.stop();
}

#[test]
fn a_one_off_of_it_is_not_trusted() {
    let setup = Setup::new();
    scripted(&setup, "app", "", LISTENER);
    let daemon = setup.args("-p plugins").start();
    until_ready(&daemon, "app");
    let answer = daemon.post_body("/jobs/_plugin/app/commit", "{}");
    let pid = answer["pid"].as_u64().unwrap();
    daemon.os_pid_of(pid);
    // It hears nothing: what is heard is of the one that is kept, which ends before the one-off could have been told anything.
    daemon.post("/processes/_plugin.app/_stop");
    until(&daemon, "app", "is stopped", |app| app["state"] == "stopped");
    let heard = lines(&daemon, "heard", 4);
    assert_eq!(heard.iter().filter(|line| line["type"] == "hello").count(), 1, "{heard:?}");
    daemon.request("DELETE", &format!("/{pid}"), None);
}

#[test]
fn those_that_are_needed_come_first_and_all_come_before_jobs() {
    let setup = Setup::new();
    scripted(&setup, "a", "mandatory = b\n", LISTENER);
    scripted(&setup, "b", "subscribe = create\n", "exec cat >../../b\n");
    let daemon = setup.ini("[process:web]\ncmd = misbehave forever\npriority = 0\n").args("-p plugins").start();
    daemon.until_running("web", 1);
    assert_eq!(daemon.get("/processes"), json!(["_plugin.b", "_plugin.a", "web"]));
    let heard = lines(&daemon, "b", 3);
    let created: Vec<&Value> =
        heard.iter().filter(|line| line["type"] == "event").map(|line| &line["data"]["name"]).collect();
    assert!(created.contains(&&json!("web")), "no event of a job is missed: {heard:?}");
}
