//! `/pids` and `/{pid}`.

use std::os::unix::fs::MetadataExt;

use gaffer_core::events::EventKind;
use serde_json::json;

use crate::fixture::Node;

#[tokio::test]
async fn a_process_tells_of_itself() {
    let node = Node::start();
    assert_eq!(node.get("/pids").await.json(), json!({"pids": []}));
    let job = json!({"name": "web", "cmd": "sleep $TIME", "env": {"TIME": "1000"}, "redirect_output": ["out"],
                     "redirect_input": true, "custom_streams": ["extra"]});
    assert_eq!(node.call("POST", "/jobs/shop", job.to_string()).await.json(), json!({"ok": true}));
    node.load(json!({"name": "plain", "cmd": "sleep 1000"})).await;
    assert_eq!(node.get("/pids").await.json(), json!({"pids": [1, 2]}));

    let mut process = node.get("/1").await.json();
    assert!(process["os_pid"].take().as_i64().unwrap() > 1);
    assert!(process["create_time"].take().as_f64().unwrap() > 1.7e9);
    let expected = json!({
        "pid": 1, "os_pid": null, "name": "shop.web", "cmd": "sleep", "args": ["1000"], "env": {"TIME": "1000"},
        "uid": null, "gid": null, "create_time": null, "commited": false, "redirect_output": ["out"],
        "redirect_input": true, "custom_streams": ["extra"], "active": true, "stopping": false, "lost": 0,
    });
    assert_eq!(process, expected);
    let plain = node.get("/2").await.json();
    assert_eq!((&plain["name"], &plain["env"]), (&json!("default.plain"), &json!({})));
    let head = node.call("HEAD", "/1", "").await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
    node.stop().await;
}

#[tokio::test]
async fn a_process_runs_as_its_job_says() {
    let node = Node::start();
    let own = std::fs::metadata("/proc/self").unwrap();
    let (uid, gid) = (own.uid(), own.gid());
    node.load(json!({"name": "web", "cmd": "sleep 1000", "uid": uid, "gid": gid})).await;
    let process = node.get("/1").await.json();
    assert_eq!((&process["uid"], &process["gid"]), (&json!(uid), &json!(gid)));
    node.stop().await;
}

#[tokio::test]
async fn a_process_is_stopped_and_replaced() {
    let node = Node::start();
    node.load(json!({"name": "web", "cmd": "sleep 1000"})).await;
    let stopped = node.until(EventKind::Spawn, node.call("DELETE", "/1", "")).await;
    assert_eq!((stopped.status.as_u16(), stopped.json()), (202, json!({"ok": true})));
    assert_eq!(node.get("/pids").await.json(), json!({"pids": [2]}));
    node.get("/1").await.refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn a_process_is_measured() {
    let node = Node::start();
    node.load(json!({"name": "web", "cmd": "sleep 1000"})).await;
    let answer = node.get("/1/stats").await.json();
    let stats = &answer["stats"];
    assert_eq!((&stats["pid"], &stats["os_pid"]), (&json!(1), &node.get("/1").await.json()["os_pid"]));
    for key in ["cpu", "mem", "rss", "vms", "cpu_time"] {
        assert!(stats[key].is_number(), "{key} in {answer}");
    }
    for key in ["mem_info1", "mem_info2", "ctime"] {
        assert!(stats[key].is_string(), "{key} in {answer}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_process_is_signalled_by_number_or_name() {
    let node = Node::start();
    let script = "trap 'echo hup' HUP; trap 'echo usr1' USR1; echo ready; while :; do sleep 1000 & wait; done";
    node.load(json!({"name": "web", "cmd": script, "shell": true, "redirect_output": ["out"]})).await;
    let mut output = node.feed("/streams/1/out?feed=continuous&history=1").await;
    while !output.next().await.expect("a line").contains("ready") {}
    for (signal, answer) in
        [(json!(1), "hup"), (json!("USR1"), "usr1"), (json!("sighup"), "hup"), (json!("10"), "usr1")]
    {
        let sent = node.call("POST", "/1/signal", json!({"signal": signal}).to_string()).await;
        assert_eq!((sent.status.as_u16(), sent.json()), (202, json!({"ok": true})), "{signal}");
        while !output.next().await.expect("a sign of the signal").contains(answer) {}
    }
    for (body, why) in [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("15", "must be an object"),
        ("{}", "signal: is missing"),
        (r#"{"signal": null}"#, "signal: is missing"),
        (r#"{"signal": 0}"#, "signal: must be a number from 1 to 64"),
        (r#"{"signal": 65}"#, "signal: must be"),
        (r#"{"signal": 1.5}"#, "signal: must be"),
        (r#"{"signal": 99999999999999999999}"#, "signal: must be"),
        (r#"{"signal": true}"#, "signal: must be"),
        (r#"{"signal": "NOPE"}"#, "signal: must be"),
    ] {
        let reason = node.call("POST", "/1/signal", body).await.refused(400, "bad_request");
        assert!(reason.contains(why), "{body}: {reason}");
    }
    node.stop().await;
}

#[tokio::test]
async fn what_is_no_process_is_said() {
    let node = Node::start();
    node.get("/77").await.refused(404, "not_found");
    assert_eq!(node.call("HEAD", "/77", "").await.status.as_u16(), 404);
    node.call("DELETE", "/77", "").await.refused(404, "not_found");
    node.get("/77/stats").await.refused(404, "not_found");
    node.call("POST", "/77/signal", r#"{"signal": 15}"#).await.refused(404, "not_found");
    node.get("/99999999999999999999999").await.refused(400, "bad_value");
    node.stop().await;
}

#[tokio::test]
async fn below_the_root_only_numbers_are_processes() {
    let node = Node::start();
    for (method, path, allow) in [
        ("POST", "/1", ["DELETE", "GET", "HEAD"].as_slice()),
        ("PUT", "/1/stats", &["GET", "HEAD"]),
        ("GET", "/1/signal", &["POST"]),
    ] {
        let answer = node.call(method, path, "").await;
        answer.refused(405, "method_not_allowed");
        let mut allowed: Vec<&str> = answer.header("allow").split(',').collect();
        allowed.sort_unstable();
        assert_eq!(allowed, allow, "{method} {path}");
    }
    for path in ["/nonsense", "/1x", "/-1", "/+1", "/nonsense/stats", "/nonsense/signal", "/1/nonsense", "/%31x"] {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let answer = node.call(method, path, "").await;
            let reason = answer.refused(404, "not_found");
            assert!(reason.ends_with(path), "{reason}");
            assert_eq!(answer.header("allow"), "", "{method} {path}");
        }
    }
    // What stands in the way of a pid wins by itself.
    node.call("POST", "/pids", "").await.refused(405, "method_not_allowed");
    node.stop().await;
}
