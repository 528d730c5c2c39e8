//! Jobs and processes, controlled over HTTP.

use gaffer_tests::{Daemon, Setup, processes};
use serde_json::json;

#[test]
fn a_job_is_loaded_looked_at_and_unloaded() {
    let daemon = Setup::new().start();
    assert_eq!(daemon.get("/")["welcome"], "gaffer");
    assert_eq!(daemon.get("/version")["version"], env!("CARGO_PKG_VERSION"));
    let job = json!({"name": "web", "cmd": "misbehave forever", "numprocesses": 2, "mood": "good"});
    assert_eq!(daemon.post_body("/processes", &job), json!({"ok": true, "ignored": ["mood"]}));
    let pids = daemon.until_running("web", 2);
    assert_eq!(daemon.get("/processes"), json!(["web"]));
    assert_eq!(daemon.get("/processes?running=1"), json!(pids));
    assert_eq!(daemon.get("/processes/web/_pids"), json!({"ok": true, "pids": pids}));
    let config = daemon.get("/processes/web");
    assert_eq!((&config["name"], &config["cmd"]), (&json!("web"), &json!("misbehave forever")));
    assert_eq!(daemon.get(&format!("/processes/{}", pids[0])), config);
    assert_eq!(daemon.request("HEAD", "/processes/web", None).status, 200);

    assert_eq!(daemon.request("POST", "/processes", Some(&job.to_string())).status, 409);
    daemon.delete("/processes/web");
    assert_eq!(daemon.request("GET", "/status/web", None).status, 404);
    daemon.until("all are gone", || {
        let left = daemon.descendants();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    assert_eq!(daemon.get("/processes"), json!([]));
}

#[test]
fn a_job_is_started_stopped_and_restarted() {
    let daemon = Daemon::start("[process:web]\ncmd = misbehave forever\nnumprocesses = 2\nstart = false\n");
    let status = daemon.until_status("web", "is loaded", |_| true);
    assert_eq!((&status["state"], &status["running"]), (&json!("stopped"), &json!(0)));
    daemon.post("/processes/web/_start");
    let first = daemon.until_running("web", 2);
    daemon.post("/processes/web/_start");
    assert_eq!(daemon.pids("web"), first, "a second start changes nothing");
    daemon.post("/processes/web/_restart");
    let status = daemon.until_status("web", "has new processes", |status| {
        let pids = status["pids"].as_array().unwrap();
        pids.len() == 2 && pids.iter().all(|pid| !first.contains(&pid.as_u64().unwrap()))
    });
    assert_eq!(status["restarts"], 0, "they were asked for");
    daemon.post("/processes/web/_stop");
    daemon.until_running("web", 0);
    daemon.post("/processes/web/_stop");
    assert_eq!(daemon.status("web")["state"], "stopped");
    daemon.assert_nothing_left();
    daemon.post("/processes/web/_start");
    daemon.until_running("web", 2);
}

#[test]
fn the_number_of_processes_goes_up_and_down_but_never_below_zero() {
    let daemon = Daemon::start("[process:web]\ncmd = misbehave forever\n");
    let first = daemon.until_running("web", 1);
    assert_eq!(daemon.post("/processes/web/_add/3"), json!({"ok": true, "numprocesses": 4}));
    let four = daemon.until_running("web", 4);
    assert_eq!(daemon.post("/processes/web/_sub"), json!({"ok": true, "numprocesses": 3}));
    let three = daemon.until_running("web", 3);
    assert_eq!(three, four[1..], "the oldest goes first");
    assert!(!three.contains(&first[0]));
    assert_eq!(daemon.post("/processes/web/_sub/100"), json!({"ok": true, "numprocesses": 0}));
    daemon.until_running("web", 0);
    assert_eq!(daemon.post("/processes/web/_sub"), json!({"ok": true, "numprocesses": 0}));
    assert_eq!(daemon.post("/processes/web/_add"), json!({"ok": true, "numprocesses": 1}));
    daemon.until_running("web", 1);
    for (path, code) in [
        ("/processes/web/_add/x", "bad_value"),
        ("/processes/web/_add/-1", "bad_value"),
        ("/processes/web/_sub/1.5", "bad_value"),
        ("/processes/web/_add/99999999999999999999", "bad_value"),
        ("/processes/web/_add/4000000000", "bad_value"),
    ] {
        let answer = daemon.request("POST", path, None);
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!(code)), "{path}: {answer}");
    }
    assert_eq!(daemon.status("web")["max_processes"], 1);
}

#[test]
fn one_process_is_stopped_and_replaced() {
    let daemon = Daemon::start("[process:web]\ncmd = misbehave forever\nnumprocesses = 2\n");
    let pids = daemon.until_running("web", 2);
    for (method, path) in
        [("POST", format!("/processes/{}/_stop", pids[0])), ("DELETE", format!("/processes/{}", pids[1]))]
    {
        assert_eq!(daemon.request(method, &path, None).status, 200);
    }
    daemon.until_status("web", "has replaced both", |status| {
        let now = status["pids"].as_array().unwrap();
        now.len() == 2 && now.iter().all(|pid| !pids.contains(&pid.as_u64().unwrap()))
    });
    let answer = daemon.request("POST", &format!("/processes/{}/_stop", pids[0]), None);
    assert_eq!((answer.status, &answer.json()["error"]), (404, &json!("not_found")));
}

#[test]
fn signals_reach_all_processes_of_a_job_or_one() {
    let daemon = Daemon::start(
        "[process:web]\ncmd = misbehave on-term 5\nnumprocesses = 3\n[process:other]\ncmd = misbehave forever\n",
    );
    let first = daemon.until_running("web", 3);
    let other = daemon.until_running("other", 1);
    for pid in &first {
        daemon.os_pid_of(*pid);
    }
    let all_new = |status: &serde_json::Value| {
        let now = status["pids"].as_array().unwrap();
        now.len() == 3 && now.iter().all(|pid| !first.contains(&pid.as_u64().unwrap()))
    };
    daemon.post("/processes/web/_signal/KILL");
    let status = daemon.until_status("web", "has been replaced", all_new);
    assert_eq!(status["last_exit"]["term_signal"], 9);
    let second = daemon.pids("web");
    daemon.post(&format!("/processes/{}/_signal/9", second[0]));
    let status = daemon.until_status("web", "has replaced one", |status| {
        let now = status["pids"].as_array().unwrap();
        now.len() == 3 && !now.contains(&json!(second[0]))
    });
    assert_eq!(status["last_exit"], json!({"pid": second[0], "exit_code": 0, "term_signal": 9}));
    assert_eq!(daemon.pids("other"), other);
    for (path, status, code) in [
        ("/processes/web/_signal", 400, "no_signal_number"),
        ("/processes/web/_signal/NOPE", 400, "bad_value"),
        ("/processes/web/_signal/999", 400, "bad_value"),
        ("/processes/web/_signal/-9", 400, "bad_value"),
        ("/processes/nope/_signal/9", 404, "not_found"),
        ("/processes/99999/_signal/9", 404, "not_found"),
    ] {
        let answer = daemon.request("POST", path, None);
        assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(code)), "{path}: {answer}");
    }
}

#[test]
fn an_update_takes_hold() {
    let daemon = Daemon::start("[process:web]\ncmd = misbehave touch old forever\n");
    let (old, _) = daemon.only_process("web");
    daemon.read("old");
    daemon.put("/processes/web", json!({"cmd": "misbehave touch new forever", "numprocesses": 2}));
    daemon.read("new");
    daemon.until_status("web", "has two new processes", |status| {
        let now = status["pids"].as_array().unwrap();
        now.len() == 2 && !now.contains(&json!(old))
    });
}

#[test]
fn an_update_that_cannot_be_read_changes_nothing() {
    let daemon = Daemon::start("[process:web]\ncmd = misbehave forever\n");
    let before = daemon.only_process("web");
    let config = daemon.get("/processes/web");
    for body in ["{", "[]", "{}", r#"{"cmd": ""}"#, r#"{"cmd": "'open"}"#, r#"{"cmd": "x", "numprocesses": -1}"#] {
        let answer = daemon.request("PUT", "/processes/web", Some(body));
        assert_eq!(answer.status, 400, "{body}: {answer}");
    }
    assert_eq!(daemon.get("/processes/web"), config);
    assert_eq!(daemon.only_process("web"), before);
}

#[test]
fn an_update_to_a_command_that_cannot_run_leaves_the_old_process_running() {
    let daemon = Daemon::start("[process:web]\ncmd = misbehave forever\n");
    let (pid, os_pid) = daemon.only_process("web");
    let config = daemon.get("/processes/web");
    for body in [r#"{"cmd": "./nowhere"}"#, r#"{"cmd": "misbehave forever", "cwd": "./nowhere", "numprocesses": 4}"#] {
        let answer = daemon.request("PUT", "/processes/web", Some(body));
        assert_eq!((answer.status, &answer.json()["error"]), (422, &json!("not_started")), "{answer}");
        assert!(answer.json()["reason"].as_str().unwrap().contains("./nowhere"), "{answer}");
    }
    daemon.until_logged("./nowhere");
    let status = daemon.status("web");
    assert_eq!((&status["pids"], &status["restarts"]), (&json!([pid]), &json!(0)), "{status}");
    assert!(processes::is_alive(os_pid));
    assert_eq!(daemon.get("/processes/web"), config, "it was left as it was");
    // A good command takes its place.
    daemon.put("/processes/web", json!({"cmd": "misbehave touch good forever"}));
    daemon.read("good");
    daemon.until_status("web", "runs the new command alone", |status| {
        status["running"] == 1 && status["pids"] != json!([pid]) && status["cause"].is_null()
    });
}

#[test]
fn jobs_of_a_group_have_its_name() {
    let daemon = Daemon::start(
        "[process:shop:web]\ncmd = misbehave forever\n[process:shop:worker]\ncmd = misbehave forever\nnumprocesses = 2\n\
         [process:web]\ncmd = misbehave forever\n",
    );
    for name in ["shop.web", "shop:web", "web", "default.web"] {
        daemon.until_running(name, 1);
    }
    daemon.until_running("shop.worker", 2);
    assert_eq!(daemon.get("/processes"), json!(["shop.web", "shop.worker", "web"]));
    daemon.post("/processes/shop:web/_stop");
    daemon.until_running("shop.web", 0);
    assert_eq!(daemon.status("web")["running"], 1);
}

#[test]
fn the_table_of_all_jobs_says_what_each_status_says() {
    let daemon =
        Daemon::start("[process:a]\ncmd = misbehave forever\n[process:b]\ncmd = misbehave forever\nstart = false\n");
    daemon.until_running("a", 1);
    daemon.until_status("b", "is loaded", |_| true);
    let mut table = daemon.get("/status");
    let names: Vec<_> = table["jobs"].as_array().unwrap().iter().map(|job| job["name"].clone()).collect();
    assert_eq!(names, ["a", "b"]);
    for (name, row) in ["a", "b"].into_iter().zip(table["jobs"].as_array_mut().unwrap()) {
        let row = row.as_object_mut().unwrap();
        let [cpu, rss] = ["cpu", "rss"].map(|key| row.remove(key).unwrap());
        assert!(cpu.is_f64() && (rss.as_u64().unwrap() > 0) == (name == "a"), "{name}: {cpu} {rss}");
        let mut status = daemon.status(name);
        status["uptime"] = row["uptime"].clone(); // Time passes.
        assert_eq!(*row, *status.as_object().unwrap(), "{name}");
    }
}

#[test]
fn many_clients_at_once_are_all_answered() {
    let daemon = Setup::new().start();
    let address = daemon.address();
    let clients: Vec<_> = (0..32)
        .map(|number| {
            std::thread::spawn(move || {
                let name = format!("job{}", number % 4);
                let job = json!({"name": name, "cmd": "sleep 86400"}).to_string();
                let ask = |method: &str, path: &str, body: Option<&str>| {
                    gaffer_tests::http::request(address, method, path, body.map(str::as_bytes)).status
                };
                for _ in 0..3 {
                    let statuses = [
                        ask("POST", "/processes", Some(&job)),
                        ask("POST", &format!("/processes/{name}/_add"), None),
                        ask("POST", &format!("/processes/{name}/_restart"), None),
                        ask("GET", &format!("/status/{name}"), None),
                        ask("POST", &format!("/processes/{name}/_stop"), None),
                        ask("DELETE", &format!("/processes/{name}"), None),
                    ];
                    for status in statuses {
                        assert!([200, 404, 409, 422].contains(&status), "{statuses:?}");
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    for number in 0..4 {
        daemon.request("DELETE", &format!("/processes/job{number}"), None);
    }
    assert_eq!(daemon.get("/processes"), json!([]));
    daemon.until("nothing runs", || {
        let left = daemon.descendants();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}
