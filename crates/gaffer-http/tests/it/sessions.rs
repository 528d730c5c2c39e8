//! `/sessions` and `/jobs`.

use gaffer_core::events::EventKind;
use serde_json::{Value, json};

use crate::fixture::{Answer, Node};

async fn load(node: &Node, session: &str, job: Value) -> Answer {
    node.call("POST", &format!("/jobs/{session}"), job.to_string()).await
}

/// A node with `shop.web`, one `sleep`.
async fn with_web() -> Node {
    let node = Node::start();
    assert_eq!(load(&node, "shop", json!({"name": "web", "cmd": "sleep 1000"})).await.json(), json!({"ok": true}));
    node
}

async fn post(node: &Node, path: &str, body: impl Into<axum::body::Body>) -> Answer {
    node.call("POST", &format!("/jobs/shop/web/{path}"), body).await
}

#[tokio::test]
async fn jobs_are_loaded_into_sessions_and_listed() {
    let node = Node::start();
    assert_eq!(node.get("/sessions").await.json(), json!({"sessions": []}));
    assert_eq!(node.get("/jobs").await.json(), json!({"jobs": []}));
    for (session, name) in [("shop", "web"), ("default", "solo"), ("shop.eu", "web"), ("shop", "shop.db")] {
        let answer = load(&node, session, json!({"name": name, "cmd": "sleep 1000", "start": false})).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"ok": true})), "{session} {name}");
    }
    assert_eq!(node.get("/sessions").await.json(), json!({"sessions": ["shop", "default", "shop.eu"]}));
    assert_eq!(node.get("/jobs").await.json(), json!({"jobs": ["shop.web", "default.solo", "shop.eu.web", "shop.db"]}));
    assert_eq!(node.get("/jobs/shop").await.json(), json!({"sessionid": "shop", "jobs": ["shop.web", "shop.db"]}));
    assert_eq!(node.get("/jobs/shop.eu").await.json(), json!({"sessionid": "shop.eu", "jobs": ["shop.eu.web"]}));
    node.get("/jobs/nobody").await.refused(404, "not_found");

    assert_eq!(node.call("DELETE", "/jobs/shop.eu/web", "").await.json(), json!({"ok": true}));
    node.get("/jobs/shop.eu").await.refused(404, "not_found");
    assert_eq!(
        node.get("/sessions").await.json(),
        json!({"sessions": ["shop", "default"]}),
        "it goes with its last job"
    );
    node.stop().await;
}

#[tokio::test]
async fn a_job_that_is_loaded_runs_with_gaffers_environment() {
    let node = Node::start();
    let script = json!({"name": "web", "cmd": "printenv PATH", "redirect_output": ["out"], "colour": "red"});
    let mut exits = node.manager.subscribe(&gaffer_core::events::Pattern::Kind(EventKind::Exit));
    let answer = load(&node, "shop", script).await;
    assert_eq!(answer.json(), json!({"ok": true, "ignored": ["colour"]}));
    let exit = tokio::time::timeout(crate::wire::DEADLINE, exits.recv()).await.expect("an exit");
    assert!(format!("{exit:?}").contains("exit_code: 0"), "printenv fails where there is no PATH: {exit:?}");
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_loaded_is_refused_with_its_field() {
    let node = with_web().await;
    let refused = async |body: String| node.call("POST", "/jobs/shop", body).await.refused(400, "bad_request");
    for (body, why) in [
        ("", "the body is not JSON"),
        ("{", "the body is not JSON"),
        ("[]", "the body must be an object, but is a list"),
        (r#"{"name": "db"}"#, "cmd: is missing"),
        (r#"{"cmd": "true"}"#, "name: is missing"),
        (r#"{"name": "other.db", "cmd": "true"}"#, "name: `other.db` is not in session `shop`"),
        (r#"{"name": "default.db", "cmd": "true"}"#, "name: `default.db` is not in session `shop`"),
        (r#"{"name": "a b", "cmd": "true"}"#, "name: `a b`: ' ' cannot stand in a job name"),
        (r#"{"name": "42", "cmd": "true"}"#, "name: `42`"),
        (r#"{"name": "db", "cmd": "true", "numprocesses": "x"}"#, "numprocesses: must be"),
        (r#"{"name": "db", "cmd": "true", "os_env": "x"}"#, "os_env: must be"),
    ] {
        let reason = refused(body.to_owned()).await;
        assert!(reason.starts_with(why), "{body}: {reason}");
    }
    load(&node, "shop", json!({"name": "web", "cmd": "true"})).await.refused(409, "process_conflict");
    load(&node, "a%20b", json!({"name": "web", "cmd": "true"})).await.refused(400, "bad_value");
    assert_eq!(node.get("/jobs").await.json(), json!({"jobs": ["shop.web"]}));
    node.stop().await;
}

#[tokio::test]
async fn a_job_tells_of_itself() {
    let node = Node::start();
    let job = json!({"name": "web", "cmd": "sleep 1000", "numprocesses": 2, "env": {"A": "b"}});
    assert_eq!(load(&node, "shop", job).await.json(), json!({"ok": true}));
    let once = post(&node, "commit", "{}").await.json();
    assert_eq!(once, json!({"pid": 3}));

    let mut job = node.get("/jobs/shop/web").await.json();
    let config = job["config"].take();
    for key in ["uptime", "cpu", "rss"] {
        assert!(job[key].take().as_f64().unwrap() >= 0.0, "{key}");
    }
    let expected = json!({
        "name": "shop.web", "active": true, "running": 3, "running_out": 1, "max_processes": 2, "processes": [1, 2, 3],
        "config": null, "state": "started", "pids": [1, 2], "uptime": null, "restarts": 0, "last_exit": null,
        "cause": null, "cpu": null, "rss": null,
    });
    assert_eq!(job, expected);
    assert_eq!(
        (&config["name"], &config["cmd"], &config["env"]),
        (&json!("web"), &json!("sleep 1000"), &json!({"A": "b"}))
    );
    assert_eq!(config.get("group"), None);
    // What is shown can be loaded elsewhere as it is.
    assert_eq!(load(&node, "other", config).await.json(), json!({"ok": true}));

    let head = node.call("HEAD", "/jobs/shop/web", "").await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
    node.stop().await;
}

#[tokio::test]
async fn a_name_that_is_no_jobs_is_said() {
    let node = with_web().await;
    for (method, path, body) in [
        ("GET", "", ""),
        ("PUT", "", r#"{"cmd": "true"}"#),
        ("DELETE", "", ""),
        ("GET", "/stats", ""),
        ("GET", "/numprocesses", ""),
        ("POST", "/numprocesses", r#"{"scale": 1}"#),
        ("GET", "/pids", ""),
        ("POST", "/signal", r#"{"signal": 1}"#),
        ("GET", "/state", ""),
        ("POST", "/state", "1"),
        ("POST", "/commit", "{}"),
    ] {
        for job in ["shop/nobody", "nobody/web"] {
            let answer = node.call(method, &format!("/jobs/{job}{path}"), body).await;
            answer.refused(404, "not_found");
        }
        for (job, character) in [("shop/a.b", '.'), ("shop/a%2Fb", '/'), ("a%3Ab/web", ':'), ("shop/%C3%A9", 'é')] {
            let reason = node.call(method, &format!("/jobs/{job}{path}"), body).await.refused(400, "bad_value");
            assert!(reason.contains(&format!("{character:?}")), "{job}: {reason}");
        }
        let reason = node.call(method, &format!("/jobs/shop/42{path}"), body).await.refused(400, "bad_value");
        assert!(reason.contains("all digits"), "{reason}");
    }
    for (job, status) in [("shop/nobody", 404), ("nobody/web", 404), ("shop/a.b", 400)] {
        assert_eq!(node.call("HEAD", &format!("/jobs/{job}"), "").await.status.as_u16(), status, "{job}");
    }
    for (method, path, allow) in [
        ("PUT", "/sessions", "GET,HEAD"),
        ("DELETE", "/jobs", "GET,HEAD"),
        ("PUT", "/jobs/shop", "GET,HEAD,POST"),
        ("POST", "/jobs/shop/web", "DELETE,GET,HEAD,PUT"),
        ("POST", "/jobs/shop/web/stats", "GET,HEAD"),
        ("PUT", "/jobs/shop/web/numprocesses", "GET,HEAD,POST"),
        ("POST", "/jobs/shop/web/pids", "GET,HEAD"),
        ("GET", "/jobs/shop/web/signal", "POST"),
        ("DELETE", "/jobs/shop/web/state", "GET,HEAD,POST"),
        ("GET", "/jobs/shop/web/commit", "POST"),
    ] {
        let answer = node.call(method, path, "").await;
        answer.refused(405, "method_not_allowed");
        let mut methods: Vec<&str> = answer.header("allow").split(',').collect();
        methods.sort_unstable();
        assert_eq!(methods.join(","), allow, "{method} {path}");
    }
    node.get("/jobs/shop/web/nonsense").await.refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn a_job_is_given_another_configuration() {
    let node = with_web().await;
    let put = async |body: &'static str| node.call("PUT", "/jobs/shop/web", body).await;
    let answer = node.until(EventKind::Exit, put(r#"{"cmd": "sleep 2000", "colour": "red"}"#)).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (201, json!({"ok": true, "ignored": ["colour"]})));
    assert_eq!(node.get("/jobs/shop/web").await.json()["config"]["cmd"], "sleep 2000");
    for body in [r#"{"name": "web", "cmd": "sleep 3000"}"#, r#"{"name": "shop.web", "cmd": "sleep 3000"}"#] {
        assert_eq!(put(body).await.status.as_u16(), 201, "{body}");
    }
    for (body, why) in [
        ("", "the body is not JSON"),
        ("{}", "cmd: is missing"),
        (r#"{"name": "db", "cmd": "true"}"#, "name: must be `web` as in the path"),
        (r#"{"name": "other.web", "cmd": "true"}"#, "name: must be `web` as in the path"),
        (r#"{"name": 7, "cmd": "true"}"#, "name: must be `web` as in the path"),
    ] {
        let reason = put(body).await.refused(400, "bad_request");
        assert!(reason.starts_with(why), "{body}: {reason}");
    }
    put(r#"{"cmd": "/no/such/program"}"#).await.refused(422, "not_started");
    assert_eq!(node.get("/jobs/shop/web").await.json()["config"]["cmd"], "sleep 3000", "what ran goes on");

    // A job that is stopped stays so if that is asked for, and is started else.
    post(&node, "state", "0").await;
    node.until_idle("shop.web").await;
    assert_eq!(put(r#"{"cmd": "sleep 4000", "start": false}"#).await.status.as_u16(), 201);
    assert_eq!(node.get("/jobs/shop/web/state").await.body, "0");
    assert_eq!(put(r#"{"cmd": "sleep 4000"}"#).await.status.as_u16(), 201);
    assert_eq!(node.get("/jobs/shop/web/state").await.body, "1");
    node.stop().await;
}

#[tokio::test]
async fn a_job_is_unloaded() {
    let node = with_web().await;
    let gone = node.until(EventKind::Exit, node.call("DELETE", "/jobs/shop/web", "")).await;
    assert_eq!((gone.status.as_u16(), gone.json()), (200, json!({"ok": true})));
    node.call("DELETE", "/jobs/shop/web", "").await.refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn a_job_is_measured_and_one_where_nothing_runs_is_all_zeros() {
    let node = with_web().await;
    let stats = node.get("/jobs/shop/web/stats").await.json();
    assert_eq!((&stats["name"], &stats["stats"][0]["pid"]), (&json!("shop.web"), &json!(1)));
    assert!(stats["rss"].as_u64().unwrap() > 0 && stats["stats"][0]["mem_info1"].is_string(), "{stats}");

    load(&node, "shop", json!({"name": "idle", "cmd": "true", "start": false})).await;
    let zeros = json!({"name": "shop.idle", "stats": [], "mem": 0.0, "max_mem": 0.0, "min_mem": 0.0, "cpu": 0.0,
                       "max_cpu": 0.0, "min_cpu": 0.0, "rss": 0});
    assert_eq!(node.get("/jobs/shop/idle/stats").await.json(), zeros);
    node.stop().await;
}

#[tokio::test]
async fn a_job_is_scaled_in_every_form() {
    let node = with_web().await;
    assert_eq!(node.get("/jobs/shop/web/numprocesses").await.json(), json!({"numprocesses": 1}));
    for (scale, number) in [
        (json!(2), 3),
        (json!(-1), 2),
        (json!(0), 2),
        (json!("1"), 3),
        (json!("+1"), 4),
        (json!("-2"), 2),
        (json!("=3"), 3),
        (json!(-99), 0),
        (json!("-99"), 0),
        (json!("=1"), 1),
    ] {
        let answer = post(&node, "numprocesses", json!({"scale": scale}).to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"numprocesses": number})), "{scale}");
    }
    for (body, why) in [
        ("", "the body is not JSON"),
        ("{}", "scale: is missing"),
        (r#"{"scale": null}"#, "scale: is missing"),
        (r#"{"scale": "x"}"#, "scale: must be"),
        (r#"{"scale": ""}"#, "scale: must be"),
        (r#"{"scale": "+-1"}"#, "scale: must be"),
        (r#"{"scale": 1.5}"#, "scale: must be"),
        (r#"{"scale": true}"#, "scale: must be"),
        (r#"{"scale": [1]}"#, "scale: must be"),
        (r#"{"scale": 99999999999999999999}"#, "scale: must be"),
        (r#"{"scale": -9223372036854775808}"#, "scale: must be"),
        (r#"{"scale": 4294967295}"#, "scale: job `shop.web` cannot run 4294967296 processes"),
        (r#"{"scale": "=10001"}"#, "scale: job `shop.web` cannot run 10001 processes"),
    ] {
        let reason = post(&node, "numprocesses", body).await.refused(400, "bad_request");
        assert!(reason.starts_with(why), "{body}: {reason}");
    }
    assert_eq!(node.get("/jobs/shop/web/numprocesses").await.json(), json!({"numprocesses": 1}));
    node.stop().await;
}

#[tokio::test]
async fn pids_are_those_that_are_kept_alive() {
    let node = with_web().await;
    assert_eq!(post(&node, "commit", "{}").await.json(), json!({"pid": 2}));
    let job = node.get("/jobs/shop/web/pids").await.json();
    assert_eq!((job, node.get("/pids").await.json()), (json!({"pids": [1]}), json!({"pids": [1, 2]})));
    node.stop().await;
}

#[tokio::test]
async fn a_signal_reaches_all_processes_of_a_job() {
    let node = with_web().await;
    for (signal, number) in [(json!(9), 9), (json!("HUP"), 1), (json!("SIGTERM"), 15)] {
        let sent = post(&node, "signal", json!({"signal": signal}).to_string());
        let sent = node.until(EventKind::Spawn, sent).await;
        assert_eq!((sent.status.as_u16(), sent.json()), (202, json!({"ok": true})), "{signal}");
        let last = &node.get("/jobs/shop/web").await.json()["last_exit"];
        assert_eq!(last["term_signal"], number, "{signal}: {last}");
    }
    for body in ["", "{}", r#"{"signal": "NOPE"}"#, r#"{"signal": 0}"#] {
        post(&node, "signal", body).await.refused(400, "bad_request");
    }
    node.stop().await;
}

#[tokio::test]
async fn the_state_is_one_character() {
    let node = with_web().await;
    let state = node.get("/jobs/shop/web/state").await;
    assert_eq!((state.body.as_str(), state.header("content-type")), ("1", "text/html; charset=UTF-8"));
    let set = async |state: &'static str| {
        let answer = post(&node, "state", state).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (202, json!({"ok": true})), "{state}");
    };
    set("0").await;
    node.until_idle("shop.web").await;
    assert_eq!(node.get("/jobs/shop/web/state").await.body, "0");
    set("2").await;
    assert_eq!(node.get("/jobs/shop/web/state").await.body, "0", "a stopped job stays stopped");
    set("1\n").await;
    assert_eq!(node.get("/jobs/shop/web/state").await.body, "1");

    assert_eq!(post(&node, "numprocesses", r#"{"scale": 2}"#).await.json(), json!({"numprocesses": 3}));
    set("2").await;
    assert_eq!(node.get("/jobs/shop/web/numprocesses").await.json(), json!({"numprocesses": 1}));
    for body in ["", "3", "start", "11", "\"1\""] {
        let reason = post(&node, "state", body).await.refused(400, "bad_request");
        assert!(reason.contains("1 to start"), "{reason}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_commit_launches_one_process_with_an_environment_of_its_own() {
    let node = Node::start();
    let job = json!({"name": "web", "cmd": "sleep 1000", "env": {"A": "job", "B": "job"}, "start": false});
    load(&node, "shop", job).await;
    let body = json!({"env": {"A": "mine", "N": 7}, "graceful_timeout": 0.5, "colour": "red"});
    let answer = post(&node, "commit", body.to_string()).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"pid": 1, "ignored": ["colour"]})));

    let process = node.get("/1").await.json();
    assert_eq!((&process["commited"], &process["env"]), (&json!(true), &json!({"A": "mine", "B": "job", "N": "7"})));
    let job = node.get("/jobs/shop/web").await.json();
    assert_eq!(job["config"]["env"], json!({"A": "job", "B": "job"}), "the job's own is as it was");
    assert_eq!((&job["running"], &job["running_out"], &job["processes"]), (&json!(1), &json!(1), &json!([1])));
    assert_eq!((&job["pids"], &job["state"], &job["max_processes"]), (&json!([]), &json!("stopped"), &json!(1)));

    let stopped = node.until(EventKind::Exit, node.call("DELETE", "/1", "")).await;
    assert_eq!(stopped.status.as_u16(), 202);
    node.until_idle("shop.web").await;
    assert_eq!(node.get("/pids").await.json(), json!({"pids": []}), "it is not replaced");

    for (body, why) in [
        ("", "the body is not JSON"),
        ("null", "the body must be an object"),
        (r#"{"env": "A=b"}"#, "env: must be an object of strings"),
        (r#"{"env": {"A=": "b"}}"#, "env: `A=` cannot name a variable"),
        (r#"{"env": {"A": "\u0000"}}"#, "env: the value of `A` holds a NUL"),
        (r#"{"graceful_timeout": -1}"#, "graceful_timeout: must be 0 seconds or more"),
        (r#"{"graceful_timeout": "1"}"#, "graceful_timeout: must be a number of seconds"),
    ] {
        let reason = post(&node, "commit", body).await.refused(400, "bad_request");
        assert!(reason.starts_with(why), "{body}: {reason}");
    }
    load(&node, "shop", json!({"name": "broken", "cmd": "/no/such/program", "start": false})).await;
    let reason = node.call("POST", "/jobs/shop/broken/commit", "{}").await.refused(422, "not_started");
    assert!(reason.contains("there is no program"), "{reason}");
    node.stop().await;
}

#[tokio::test]
async fn a_node_that_has_stopped_says_so() {
    let node = with_web().await;
    node.manager.stop_now().await;
    for path in ["/sessions", "/jobs", "/jobs/shop", "/jobs/shop/web", "/pids", "/1", "/groups"] {
        node.get(path).await.refused(503, "shutting_down");
    }
    post(&node, "commit", "{}").await.refused(503, "shutting_down");
}
