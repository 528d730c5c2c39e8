//! Jobs that are loaded, read, changed and forgotten.

use std::fs;

use gaffer_tests::Daemon;
use serde_json::{Value, json};

use super::{Transcript, gafferctl, script};

fn empty() -> Daemon {
    Daemon::start("")
}

#[test]
fn a_file_is_loaded() {
    let daemon = empty();
    let ctl = gafferctl(&daemon);
    // The one of the manual, as JSON.
    let file = json!({
        "name": "somename", "cmd": "sleep", "args": ["1000"], "env": {}, "uid": "", "gid": "", "cwd": "/",
        "detach": false, "shell": false, "os_env": false, "numprocesses": 1,
    });
    fs::create_dir(daemon.path("sub")).unwrap();
    fs::write(daemon.path("test.json"), file.to_string()).unwrap();
    fs::write(daemon.path("sub/list.json"), r#"[{"name": "a", "cmd": "sleep 1000"}, {"name": "s.b", "cmd": "true"}]"#)
        .unwrap();
    fs::write(daemon.path("jobs.json"), r#"{"jobs": [{"name": "c", "cmd": "sleep 1000", "start": true}]}"#).unwrap();
    let within = ctl.clone().within(&daemon.path("sub"));
    Transcript::of(&within)
        .run("load_process ../test.json")
        .run("status somename")
        .run("load_process list.json --start")
        .run("load_process --json ../jobs.json")
        .run("load_process ../test.json")
        .run("load_process missing.json")
        .run("load_process .")
        .run("status c")
        .check("load_file");
    daemon.until_running("a", 1);
    daemon.until_running("c", 1);
}

#[test]
fn a_job_is_loaded_from_a_pipe() {
    let daemon = empty();
    let ctl = gafferctl(&daemon);
    Transcript::of(&ctl)
        .run_with_input("load_process -", r#"{"name": "one", "cmd": "sleep 1000"}"#)
        .run_with_input("load_process --start -", r#"{"name": "two", "cmd": "sleep 1000", "start": false}"#)
        .run_with_input("load_process --quiet -", r#"{"name": "three", "cmd": "sleep 1000", "numproceses": 2}"#)
        .run_with_input("load_process -", "\n")
        .run_with_input("load_process -", "[]")
        .run_with_input("load_process --json -", "[\n{\"name\": \"one\", \"cmd\": \"true\"}]")
        .run("processes")
        .check("load_pipe");
    daemon.until_running("two", 1);
    fs::write(daemon.path("four.json"), r#"{"name": "four", "cmd": "true"}"#).unwrap();
    let said = script(&daemon, "cat four.json | gafferctl load_process -");
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said}");
    fs::write(daemon.path("four.json"), r#"{"name": "five", "cmd": "true"}"#).unwrap();
    let said = script(&daemon, "gafferctl load_process - < four.json");
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said}");
    assert_eq!(daemon.get("/processes"), json!(["one", "two", "three", "four", "five"]));
}

#[test]
fn a_mistake_in_json_is_told_with_its_place() {
    let daemon = empty();
    let ctl = gafferctl(&daemon);
    Transcript::of(&ctl)
        // The manual's own file is no JSON.
        .run_with_input(
            "load_process -",
            "{\n  \"name\": \"somename\",\n  \"cmd\": \"cmd to execute\":\n  \"args\": []\n}",
        )
        .run_with_input("load_process -", "{\n  \"name\": \"web\",\n  \"cmd\": \"true\",\n  \"numprocesses\": -1\n}")
        .run_with_input("load_process -", "{\n  \"name\": \"web\",\n  \"cmd\": \"true\",\n  \"shell\": \"maybe\"\n}")
        .run_with_input("load_process -", "{\"cmd\": \"true\"}")
        .run_with_input("load_process -", "{\"name\": \"a b\", \"cmd\": \"true\"}")
        .run_with_input("load_process -", "[{\"name\": \"a\", \"cmd\": \"true\"},\n {\"name\": \"b\"}]")
        .run_with_input("load_process -", "[1]")
        .run_with_input("load_process -", "\"web\"")
        .run("processes")
        .check("load_mistakes");
}

#[test]
fn jobs_are_added_read_changed_and_forgotten() {
    let daemon = empty();
    let ctl = gafferctl(&daemon);
    Transcript::of(&ctl)
        .run("add_process web 'sleep 1000'")
        .run("status web")
        .run("get_process web")
        .run("add_process web 'sleep 1000'")
        .run("add_process --start -n 2 -e A=1 --env B=2=3 --cwd / --redirect-output out,err --redirect-input --graceful-timeout 2.5 shop.api sleep 1000")
        .run("get_process shop.api")
        .run("get_process --json shop.api web")
        .run("update_process shop.api -n 3")
        .run("numprocesses shop.api")
        .run("update_process shop.api sleep 2000")
        .run("get_process shop.api")
        .run("update_process shop.api no-such-program")
        .run("update_process shop.api")
        .run("add_process -e novalue wrong sleep")
        .run("add_process --start broken no-such-program")
        .run("del_process web broken")
        .run("del_process --json '*'")
        .run("processes")
        .check("jobs");
    assert_eq!(daemon.get("/processes"), json!([]));
}

#[test]
fn options_of_a_command_are_its_own() {
    let daemon = empty();
    let ctl = gafferctl(&daemon);
    ctl.prints(&["add_process", "z", "grep", "-n", "5"]);
    assert_eq!(daemon.get("/processes/z")["args"], json!(["-n", "5"]));
    ctl.prints(&["update_process", "z", "tail", "--json"]);
    assert_eq!(daemon.get("/processes/z")["args"], json!(["--json"]));
    let folder = daemon.path("");
    let options = ["add_process", "--start", "--cwd", folder.to_str().unwrap(), "y"];
    let command = ["sh", "-c", "touch said; exec sleep 1000", "-q"];
    ctl.prints(&[&options[..], &command].concat());
    daemon.read("said");
    assert_eq!(daemon.get("/processes/y")["args"][2], "-q");
}

#[test]
fn what_get_process_prints_load_process_takes() {
    let daemon = Daemon::start(
        "[process:web]\ncmd = sh -c 'exec sleep \"$N\"'\nnumprocesses = 2\nredirect_output = out\nstart = false\n\
         [env:web]\nn = 1000\n",
    );
    let ctl = gafferctl(&daemon);
    daemon.until_status("web", "is loaded", |_| true);
    for args in [&["get_process", "web"][..], &["get_process", "--json", "web"]] {
        let before = daemon.get("/processes/web");
        let printed = ctl.prints(args);
        assert!(serde_json::from_str::<Value>(&printed).is_ok(), "{printed}");
        ctl.prints(&["del_process", "web"]);
        let said = ctl.run_with_input(&["load_process", "-"], &printed);
        assert_eq!(said.code, 0, "{said}");
        assert_eq!(daemon.get("/processes/web"), before);
    }
}
