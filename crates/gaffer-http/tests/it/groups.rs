//! `/groups`.

use gaffer_core::events::EventKind;
use serde_json::json;

use crate::fixture::Node;

async fn with_jobs(names: &[&str]) -> Node {
    let node = Node::start();
    for name in names {
        node.load(json!({"name": name, "cmd": "sleep 1000"})).await;
    }
    node
}

#[tokio::test]
async fn a_group_is_there_as_long_as_it_has_jobs() {
    let node = with_jobs(&["ga:a", "solo", "ga:b", "shop.eu:web"]).await;
    let groups = node.get("/groups").await;
    assert_eq!(
        (groups.json(), groups.header("content-type")),
        (json!(["ga", "default", "shop.eu"]), "application/json")
    );
    let jobs = node.get("/groups/ga").await;
    assert_eq!((jobs.json(), jobs.header("content-type")), (json!(["ga.a", "ga.b"]), "application/json"));
    assert_eq!(node.get("/groups/default").await.json(), json!(["solo"]));
    assert_eq!(node.get("/groups/shop.eu").await.json(), json!(["shop.eu.web"]));
    // What is listed is a name in the `/processes` family, as is the original's spelling.
    for name in ["ga.a", "ga:a"] {
        assert_eq!(node.get(&format!("/processes/{name}")).await.json()["group"], "ga");
    }

    node.call("DELETE", "/processes/solo", "").await;
    assert_eq!(node.get("/groups").await.json(), json!(["ga", "shop.eu"]));
    node.get("/groups/default").await.refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn all_jobs_of_a_group_are_stopped_started_and_restarted() {
    let node = with_jobs(&["ga:a", "ga:b", "other"]).await;
    let post = async |action: &str| {
        assert_eq!(node.post(&format!("/groups/ga/{action}")).await.json(), json!({"ok": true}), "{action}");
    };
    post("_restart").await;
    for (job, pids) in [("ga.a", [4]), ("ga.b", [5])] {
        let running = node.get(&format!("/processes/{job}/_pids")).await.json();
        assert!(running["pids"].as_array().unwrap().contains(&json!(pids[0])), "{running}");
    }
    post("_stop").await;
    post("_stop").await;
    for (job, state) in [("ga.a", "stopped"), ("ga.b", "stopped"), ("other", "started")] {
        assert_eq!(node.get(&format!("/status/{job}")).await.json()["state"], state, "{job}");
    }
    node.until_idle("ga.a").await;
    node.until_idle("ga.b").await;
    post("_start").await;
    for job in ["ga.a", "ga.b"] {
        assert_eq!(node.get(&format!("/status/{job}")).await.json()["active"], true, "{job}");
    }
    assert_eq!(node.get("/processes/other/_pids").await.json()["pids"], json!([3]), "it is no part of it");
    node.stop().await;
}

#[tokio::test]
async fn a_job_that_fails_keeps_no_other_from_it() {
    let node = with_jobs(&["ga:a", "ga:b"]).await;
    // One whose command is gone by the time it is restarted: the link leads nowhere then.
    let link = std::env::temp_dir().join(format!("gaffer-{}-a_job_that_fails", std::process::id()));
    std::os::unix::fs::symlink("/bin/sleep", &link).unwrap();
    let job = json!({"name": "ga:broken", "cmd": format!("{} 1000", link.display()), "priority": 0});
    node.load(job).await;
    std::fs::remove_file(&link).unwrap();
    node.load(json!({"name": "ga:c", "cmd": "sleep 1000"})).await;

    let reason = node.post("/groups/ga/_restart").await.refused(422, "not_started");
    assert!(reason.contains("ga.broken"), "{reason}");
    let all = node.get("/processes?running=1").await.json();
    for pid in [3, 5, 6, 8] {
        assert!(all.as_array().unwrap().contains(&json!(pid)), "{pid} in {all}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_group_is_unloaded_whole() {
    let node = with_jobs(&["ga:a", "ga:b", "ga:c", "other"]).await;
    let unload = node.call("DELETE", "/groups/ga", "");
    assert_eq!(node.until(EventKind::Exit, unload).await.json(), json!({"ok": true}));
    assert_eq!(node.get("/processes").await.json(), json!(["other"]));
    assert_eq!(node.get("/groups").await.json(), json!(["default"]));
    node.call("DELETE", "/groups/ga", "").await.refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn what_is_no_group_or_no_action_is_said() {
    let node = with_jobs(&["ga:a"]).await;
    for group in ["ga", "nobody"] {
        node.post(&format!("/groups/{group}/_jump")).await.refused(404, "resource_not_found");
    }
    for action in ["_start", "_stop", "_restart"] {
        node.post(&format!("/groups/nobody/{action}")).await.refused(404, "not_found");
        let answer = node.get(&format!("/groups/ga/{action}")).await;
        answer.refused(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "POST");
    }
    node.get("/groups/nobody").await.refused(404, "not_found");
    let reason = node.get("/groups/a%20b").await.refused(400, "bad_value");
    assert!(reason.contains("' '"), "{reason}");
    node.call("PUT", "/groups", "").await.refused(405, "method_not_allowed");
    node.stop().await;
}
