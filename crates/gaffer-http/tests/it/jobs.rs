//! `/`, `/processes` and `/status`.

use gaffer_core::events::EventKind;
use serde_json::json;

use crate::fixture::Node;

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[tokio::test]
async fn the_node_greets() {
    let node = Node::start();
    let welcome = node.get("/").await;
    assert_eq!(welcome.json(), json!({"welcome": "gaffer", "version": VERSION}));
    assert_eq!(welcome.header("content-type"), "application/json; charset=UTF-8");
    assert_eq!(welcome.header("server"), format!("gaffer/{VERSION}"));
    let ping = node.get("/ping").await;
    assert_eq!((ping.body.as_str(), ping.header("content-type")), ("OK", "text/html; charset=UTF-8"));
    assert_eq!(node.get("/version").await.json(), json!({"name": "gaffer", "version": VERSION}));
    node.stop().await;
}

#[tokio::test]
async fn a_job_is_loaded_shown_and_unloaded() {
    let node = Node::start();
    node.load(json!({"name": "zebra", "cmd": "sleep 1000"})).await;
    node.load(json!({"name": "shop:ape", "cmd": "sleep", "args": ["1000"], "start": false})).await;
    let names = node.get("/processes").await;
    assert_eq!((names.body.as_str(), names.header("content-type")), (r#"["zebra","shop.ape"]"#, "application/json"));
    let running = node.get("/processes?running=true").await;
    assert_eq!((running.body.as_str(), running.header("content-type")), ("[1]", "application/json"));
    assert_eq!(node.get("/processes?running=1").await.json(), json!([1]));
    assert_eq!(node.get("/processes?running=True").await.json(), json!(["zebra", "shop.ape"]));

    for path in ["/processes/shop.ape", "/processes/shop:ape", "/processes/shop%2Fape"] {
        let job = node.get(path).await.json();
        assert_eq!((&job["name"], &job["group"], &job["cmd"]), (&json!("shop.ape"), &json!("shop"), &json!("sleep")));
    }
    let by_pid = node.get("/processes/1").await.json();
    assert_eq!(by_pid, node.get("/processes/zebra").await.json());
    let head = node.call("HEAD", "/processes/zebra", "").await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
    assert_eq!(node.call("HEAD", "/processes/nobody", "").await.status.as_u16(), 404);

    let again = node.call("POST", "/processes", r#"{"name": "zebra", "cmd": "sleep 1"}"#).await;
    again.refused(409, "conflict");

    let gone = node.until(EventKind::Exit, node.call("DELETE", "/processes/zebra", "")).await;
    assert_eq!(gone.json(), json!({"ok": true}));
    node.call("DELETE", "/processes/zebra", "").await.refused(404, "not_found");
    node.get("/processes/zebra").await.refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn unknown_keys_are_reported_and_do_no_harm() {
    let node = Node::start();
    let job = json!({"name": "web", "cmd": "sleep 1000", "start": false, "colour": "red", "args": null});
    let answer = node.call("POST", "/processes", job.to_string()).await;
    assert_eq!(answer.json(), json!({"ok": true, "ignored": ["colour"]}));
    node.stop().await;
}

#[tokio::test]
async fn a_job_that_does_not_read_is_refused_with_its_field() {
    let node = Node::start();
    let load = async |body: &'static str| node.call("POST", "/processes", body).await;
    load("").await.refused(400, "invalid_json");
    load("{\"name\": ").await.refused(400, "invalid_json");
    load("[1]").await.refused(400, "invalid_process_info");
    let reason = load(r#"{"cmd": "sleep 1"}"#).await.refused(400, "invalid_process_info");
    assert!(reason.starts_with("name: is missing"), "{reason}");
    let reason = load(r#"{"name": "web"}"#).await.refused(400, "invalid_process_info");
    assert!(reason.starts_with("cmd: is missing"), "{reason}");
    let reason =
        load(r#"{"name": "web", "cmd": "x", "numprocesses": "many"}"#).await.refused(400, "invalid_process_info");
    assert!(reason.starts_with("numprocesses: "), "{reason}");
    load(r#"{"name": "42", "cmd": "x"}"#).await.refused(400, "invalid_process_info");
    assert_eq!(node.get("/processes").await.json(), json!([]));
    node.stop().await;
}

#[tokio::test]
async fn a_command_that_cannot_be_launched_is_loaded_and_its_status_says_why() {
    let node = Node::start();
    node.load(json!({"name": "web", "cmd": "/no/such/program"})).await;
    let status = node.get("/status/web").await.json();
    assert_eq!((&status["active"], &status["running"]), (&json!(false), &json!(0)));
    assert_eq!(status["cause"], "there is no program `/no/such/program`");
    node.stop().await;
}

#[tokio::test]
async fn a_job_is_stopped_started_scaled_and_restarted() {
    let node = Node::start();
    node.load(json!({"name": "web", "cmd": "sleep 1000"})).await;
    assert_eq!(node.get("/processes/web/_pids").await.json(), json!({"ok": true, "pids": [1]}));
    assert_eq!(node.post("/processes/web/_add").await.json(), json!({"ok": true, "numprocesses": 2}));
    assert_eq!(node.post("/processes/web/_add/2").await.json(), json!({"ok": true, "numprocesses": 4}));
    assert_eq!(node.get("/processes/web/_pids").await.json()["pids"], json!([1, 2, 3, 4]));
    assert_eq!(node.post("/processes/web/_sub").await.json(), json!({"ok": true, "numprocesses": 3}));
    assert_eq!(node.post("/processes/web/_sub/9").await.json(), json!({"ok": true, "numprocesses": 0}));
    assert_eq!(node.post("/processes/web/_add/1").await.json(), json!({"ok": true, "numprocesses": 1}));

    let before = node.get("/processes/web/_pids").await.json();
    assert_eq!(node.post("/processes/web/_restart").await.json(), json!({"ok": true}));
    assert_ne!(node.get("/processes/web/_pids").await.json(), before);
    for _ in 0..2 {
        assert_eq!(node.post("/processes/web/_stop").await.json(), json!({"ok": true}));
    }
    assert_eq!(node.get("/status/web").await.json()["state"], "stopped");
    node.until_idle("web").await;
    // A place is free again only when its process is gone, so that this one does not have to wait for it.
    assert_eq!(node.post("/processes/web/_start").await.json(), json!({"ok": true}));
    assert_eq!(node.get("/status/web").await.json()["active"], true);

    for path in ["_add/x", "_add/-1", "_sub/1.5", "_add/99999999999"] {
        node.post(&format!("/processes/web/{path}")).await.refused(400, "bad_value");
    }
    let reason = node.post("/processes/web/_add/100000").await.refused(400, "bad_value");
    assert!(reason.contains("100001 processes"), "{reason}");
    for action in ["_start", "_stop", "_restart", "_add", "_add/2", "_sub", "_signal/1"] {
        node.post(&format!("/processes/nobody/{action}")).await.refused(404, "not_found");
    }
    for path in ["_jump", "_jump/1", "start"] {
        node.post(&format!("/processes/web/{path}")).await.refused(404, "resource_not_found");
    }
    node.get("/processes/web/_jump").await.refused(404, "resource_not_found");
    node.stop().await;
}

#[tokio::test]
async fn a_process_is_stopped_by_pid_and_replaced() {
    let node = Node::start();
    node.load(json!({"name": "web", "cmd": "sleep 1000"})).await;
    let stopped = node.until(EventKind::Spawn, node.call("DELETE", "/processes/1", "")).await;
    assert_eq!(stopped.json(), json!({"ok": true}));
    let stopped = node.until(EventKind::Spawn, node.post("/processes/2/_stop")).await;
    assert_eq!(stopped.json(), json!({"ok": true}));
    assert_eq!(node.get("/processes/web/_pids").await.json()["pids"], json!([3]));

    for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", "/_stop"), ("POST", "/_signal/15")] {
        node.call(method, &format!("/processes/77{path}"), "").await.refused(404, "not_found");
    }
    assert_eq!(node.call("HEAD", "/processes/77", "").await.status.as_u16(), 404);
    node.post("/processes/3/_start").await.refused(404, "resource_not_found");
    node.post("/processes/3/_anything").await.refused(404, "resource_not_found");
    node.get("/processes/99999999999999999999999").await.refused(400, "bad_value");
    let pids = node.get("/processes/3/_pids").await;
    pids.refused(405, "method_not_allowed");
    assert_eq!(pids.header("allow"), "POST");
    node.stop().await;
}

#[tokio::test]
async fn signals_go_by_number_or_name_to_a_job_or_a_process() {
    let node = Node::start();
    let script = "trap 'echo hup' HUP; trap 'echo usr1' USR1; echo ready; while :; do sleep 1000 & wait; done";
    node.load(json!({"name": "web", "cmd": script, "shell": true, "redirect_output": ["out"]})).await;
    let output = node.manager.output(gaffer_core::ProcessId::new(1), "out").await.unwrap();
    let mut output = output.subscribe(gaffer_core::streams::Start::Oldest);
    let mut seen = String::new();
    for (path, answer) in [
        ("", "ready\n"),
        ("/processes/web/_signal/1", "hup\n"),
        ("/processes/web/_signal/SIGUSR1", "usr1\n"),
        ("/processes/1/_signal/hup", "hup\n"),
        ("/processes/1/_signal/Signals.SIGUSR1", "usr1\n"),
    ] {
        if !path.is_empty() {
            assert_eq!(node.post(path).await.json(), json!({"ok": true}), "{path}");
        }
        while !seen.ends_with(answer) {
            let chunk = tokio::time::timeout(crate::wire::DEADLINE, output.recv()).await.expect("a sign of the signal");
            let Some(gaffer_core::streams::Chunk::Data(data)) = chunk else { panic!("{chunk:?} after {seen:?}") };
            seen.push_str(std::str::from_utf8(&data).unwrap());
        }
        seen.clear();
    }
    for target in ["web", "1"] {
        node.post(&format!("/processes/{target}/_signal")).await.refused(400, "no_signal_number");
        for signal in ["0", "65", "NOPE", "-9"] {
            node.post(&format!("/processes/{target}/_signal/{signal}")).await.refused(400, "bad_value");
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn a_job_is_given_another_configuration() {
    let node = Node::start();
    node.load(json!({"name": "web", "cmd": "sleep 1000"})).await;
    let put = async |body: &'static str| node.call("PUT", "/processes/web", body).await;
    let update = put(r#"{"cmd": "sleep 2000", "numprocesses": 2, "name": "other"}"#);
    assert_eq!(node.until(EventKind::Exit, update).await.json(), json!({"ok": true}));
    let job = node.get("/processes/web").await.json();
    assert_eq!((&job["cmd"], &job["name"]), (&json!("sleep 2000"), &json!("web")));
    assert_eq!(node.get("/processes/web/_pids").await.json()["pids"], json!([2, 3]));
    assert_eq!(node.call("POST", "/processes/web", r#"{"cmd": "sleep 3000"}"#).await.json(), json!({"ok": true}));

    put("{").await.refused(400, "invalid_json");
    put("{}").await.refused(400, "invalid_process_info");
    let reason = put(r#"{"cmd": "/no/such/program"}"#).await.refused(422, "not_started");
    assert!(reason.contains("there is no program"), "{reason}");
    assert_eq!(node.get("/processes/web").await.json()["cmd"], "sleep 3000", "what ran goes on");
    node.call("PUT", "/processes/nobody", r#"{"cmd": "x"}"#).await.refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn the_status_tells_how_jobs_stand() {
    let node = Node::start();
    node.load(json!({"name": "web", "cmd": "sleep 1000", "numprocesses": 2})).await;
    node.load(json!({"name": "shop.db", "cmd": "sleep 1000", "start": false})).await;
    let mut web = node.get("/status/web").await.json();
    assert!(web["uptime"].take().as_f64().unwrap() >= 0.0);
    assert_eq!(
        web,
        json!({"name": "web", "active": true, "running": 2, "max_processes": 2, "state": "started", "pids": [1, 2],
               "uptime": null, "restarts": 0, "last_exit": null, "cause": null})
    );
    let all = node.get("/status").await.json();
    let names: Vec<&str> = all["jobs"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["web", "shop.db"]);
    assert_eq!((&all["jobs"][1]["state"], &all["jobs"][1]["active"]), (&json!("stopped"), &json!(false)));
    node.get("/status/nobody").await.refused(404, "not_found");

    node.until(EventKind::Spawn, node.post("/processes/1/_signal/KILL")).await;
    let web = node.get("/status/web").await.json();
    assert_eq!(
        (&web["restarts"], &web["last_exit"]),
        (&json!(1), &json!({"pid": 1, "exit_code": 0, "term_signal": 9}))
    );
    node.stop().await;
}
