//! The sessions family of the API, with the real gafferd.

use gaffer_tests::{Daemon, Setup, processes};
use serde_json::json;

#[test]
fn groups_and_sessions_are_the_same_thing() {
    let daemon =
        Daemon::start("[process:shop:web]\ncmd = misbehave forever\n[process:solo]\ncmd = misbehave forever\n");
    daemon.until_running("shop.web", 1);
    daemon.until_running("solo", 1);
    assert_eq!(daemon.get("/groups"), json!(["shop", "default"]));
    assert_eq!(daemon.get("/sessions"), json!({"sessions": ["shop", "default"]}));
    assert_eq!(daemon.get("/jobs/shop"), json!({"sessionid": "shop", "jobs": ["shop.web"]}));

    daemon.post_body("/jobs/shop", json!({"name": "db", "cmd": "misbehave forever"}));
    assert_eq!(daemon.get("/groups/shop"), json!(["shop.web", "shop.db"]));
    daemon.until_running("shop.db", 1);
    daemon.post("/groups/shop/_stop");
    daemon.until_running("shop.web", 0);
    daemon.until_running("shop.db", 0);
    assert_eq!(daemon.request("GET", "/jobs/shop/db/state", None).text(), "0");
    assert_eq!(daemon.request("GET", "/jobs/default/solo/state", None).text(), "1");
    daemon.delete("/groups/shop");
    assert_eq!(daemon.get("/jobs"), json!({"jobs": ["default.solo"]}));
}

#[test]
fn a_one_off_has_its_own_environment_and_time_to_end() {
    let daemon = Setup::new().env("OUTER", "gafferd's").start();
    let job = json!({"name": "web", "cmd": "misbehave deaf touch deaf forever", "env": {"JOB": "job's", "BOTH": "job's"},
                     "graceful_timeout": 3600, "start": false});
    daemon.post_body("/jobs/shop", job);
    let commit = json!({"env": {"BOTH": "one-off's"}, "graceful_timeout": 0.2});
    let pid = daemon.post_body("/jobs/shop/web/commit", commit)["pid"].as_u64().unwrap();
    let os_pid = daemon.os_pid_of(pid);
    daemon.read("deaf");
    for (name, value) in [("OUTER", "gafferd's"), ("JOB", "job's"), ("BOTH", "one-off's")] {
        assert_eq!(processes::variable(os_pid, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(daemon.get(&format!("/{pid}"))["os_pid"], os_pid);

    // It heeds no SIGTERM, and the job's hour is not its own.
    assert_eq!(daemon.request("DELETE", &format!("/{pid}"), None).status, 202);
    daemon.until_running("shop.web", 0);
    assert!(!processes::is_alive(os_pid));
    let last = &daemon.status("shop.web")["last_exit"];
    assert_eq!(*last, json!({"pid": pid, "exit_code": 0, "term_signal": 9}));
}

#[test]
fn heads_and_wrong_methods_have_their_headers_on_the_wire() {
    let daemon = Daemon::start("[process:shop:web]\ncmd = misbehave forever\n");
    let pid = daemon.until_running("shop.web", 1)[0];
    for path in ["/jobs/shop/web".to_owned(), format!("/{pid}")] {
        let head = daemon.request("HEAD", &path, None);
        assert_eq!((head.status, head.body.len()), (200, 0), "{head}");
    }
    assert_eq!(daemon.request("HEAD", "/jobs/shop/nobody", None).status, 404);
    let wrong = daemon.request("POST", &format!("/{pid}"), None);
    assert_eq!(wrong.status, 405, "{wrong}");
    assert!(wrong.header("allow").is_some_and(|allow| allow.contains("DELETE")), "{wrong}");
    let nonsense = daemon.request("POST", "/nonsense", None);
    assert_eq!((nonsense.status, nonsense.header("allow")), (404, None), "{nonsense}");
}
