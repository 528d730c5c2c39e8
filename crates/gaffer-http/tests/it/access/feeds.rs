//! Feeds and lists tell a caller only what it may read, and feeds end with its key.

use serde_json::{Value, json};

use super::{Keys, job};
use crate::fixture::Node;

/// A node with the jobs `a.web`, `a.db` and `b.web`.
async fn node(keys: &Keys) -> Node {
    let node = keys.node();
    for name in ["a.web", "a.db", "b.web"] {
        load(&node, keys, job(name)).await;
    }
    node
}

async fn load(node: &Node, keys: &Keys, job: Value) {
    let answer = node.call_as(Some(&keys.admin), "POST", "/processes", job.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn lists_tell_only_of_what_may_be_read() {
    let keys = Keys::new().await;
    let node = node(&keys).await;
    let reader = keys.make(json!({"read": ["a.web"], "write": ["b"]})).await;
    let nobody = keys.make(json!({"create_key": true})).await;
    let told = async |key: &str, path: &str| node.call_as(Some(key), "GET", path, "").await.json();
    for (path, of_reader, of_nobody) in [
        ("/processes", json!(["a.web", "b.web"]), json!([])),
        ("/processes?running=1", json!([1, 3]), json!([])),
        ("/groups", json!(["a", "b"]), json!([])),
        ("/groups/a", json!(["a.web"]), Value::Null),
        ("/sessions", json!({"sessions": ["a", "b"]}), json!({"sessions": []})),
        ("/jobs", json!({"jobs": ["a.web", "b.web"]}), json!({"jobs": []})),
        ("/jobs/a", json!({"sessionid": "a", "jobs": ["a.web"]}), Value::Null),
        ("/pids", json!({"pids": [1, 3]}), json!({"pids": []})),
    ] {
        assert_eq!(told(&reader, path).await, of_reader, "{path}");
        if of_nobody.is_null() {
            node.call_as(Some(&nobody), "GET", path, "").await.refused(403, "forbidden");
        } else {
            assert_eq!(told(&nobody, path).await, of_nobody, "{path}");
        }
    }
    let names = |told: Value| -> Vec<String> {
        told.as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(told(&reader, "/status").await["jobs"].clone()), ["a.web", "b.web"]);
    assert_eq!(names(told(&reader, "/stats").await), ["a.web", "b.web"]);
    assert_eq!(told(&keys.admin, "/pids").await, json!({"pids": [1, 2, 3]}));
    node.stop().await;
}

#[tokio::test]
async fn events_of_what_may_not_be_read_are_left_out() {
    let keys = Keys::new().await;
    let node = node(&keys).await;
    let reader = keys.make(json!({"read": ["b.web"]})).await;
    let paths = ["/watch", "/watch/proc", "/watch/stop", "/watch/job/b", "/watch/proc/b.web", "/watch?history=100"];
    let mut feeds = Vec::new();
    for path in paths {
        let path = format!("{path}{}feed=continuous", if path.contains('?') { "&" } else { "?" });
        feeds.push(node.feed_as(&reader, &path).await);
    }
    for name in ["a.web", "a.db", "b.web"] {
        node.manager.stop_job(&name.parse().unwrap()).await.unwrap();
    }
    for (feed, path) in feeds.iter_mut().zip(paths) {
        loop {
            let event = feed.json().await;
            assert_eq!(event["name"], "b.web", "{path}: {event}");
            if event["event"].as_str().unwrap().ends_with("stop") {
                break;
            }
        }
    }
    for path in ["/watch/job/a", "/watch/proc/a.web", "/watch/proc/1", "/watch/proc/a.db/stop"] {
        node.call_as(Some(&reader), "GET", path, "").await.refused(403, "forbidden");
    }
    node.stop().await;
}

#[tokio::test]
async fn statistics_and_output_of_what_may_not_be_read_are_left_out() {
    let keys = Keys::new().await;
    let node = node(&keys).await;
    let reader = keys.make(json!({"read": ["b"]})).await;
    let mut stats = node.feed_as(&reader, "/stats?feed=continuous").await;
    for _ in 0..3 {
        assert_eq!(stats.json().await["name"], "b.web");
    }
    for path in ["/streams/1/out", "/stats/a.web", "/1", "/1/stats", "/processes/1", "/processes/a.web"] {
        node.call_as(Some(&reader), "GET", path, "").await.refused(403, "forbidden");
    }
    // Pids are but numbers: that there is no such process is nobody's secret.
    for path in ["/streams/99/out", "/99", "/processes/99"] {
        assert_eq!(node.call_as(Some(&reader), "GET", path, "").await.status, 404, "{path}");
    }
    // Of what cannot be read nothing is told, not even whether it is there.
    for path in ["/jobs/a/nope", "/status/a.nope", "/jobs/nope", "/groups/nope", "/processes/nope"] {
        node.call_as(Some(&reader), "GET", path, "").await.refused(403, "forbidden");
    }
    node.stop().await;
}

#[tokio::test]
async fn the_last_words_of_a_process_are_for_those_who_may_read_its_job() {
    let keys = Keys::new().await;
    let node = keys.node();
    let exit = node.until(gaffer_core::events::EventKind::Exit, async {
        let job = json!({"name": "a.once", "cmd": "echo done", "redirect_output": ["out"], "start": false});
        load(&node, &keys, job).await;
        node.call_as(Some(&keys.admin), "POST", "/jobs/a/once/commit", "{}").await
    });
    assert_eq!(exit.await.status, 200);
    node.until_idle("a.once").await;
    let (reader, other) = (keys.make(json!({"read": ["a.once"]})).await, keys.make(json!({"read": ["b"]})).await);
    let path = "/streams/1/out?history=1&follow=false";
    assert_eq!(node.call_as(Some(&reader), "GET", path, "").await.body, "done\n");
    node.call_as(Some(&other), "GET", path, "").await.refused(403, "forbidden");
    node.stop().await;
}

#[tokio::test]
async fn values_of_variables_are_for_those_who_manage() {
    let keys = Keys::new().await;
    let node = keys.node();
    let mut job = job("a.web");
    job["cmd"] = "sh -c 'exec cat' $SECRET".into();
    job["args"] = json!(["$SECRET"]);
    load(&node, &keys, job).await;
    let reader = keys.make(json!({"write": ["a"]})).await;
    let manager = keys.make(json!({"manage": ["a.web"]})).await;
    for path in ["/processes/a.web", "/processes/1", "/jobs/a/web", "/1", "/status/a.web", "/stats/a.web", "/status"] {
        let answer = node.call_as(Some(&reader), "GET", path, "").await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.body.contains("sesame"), "{path}: {}", answer.body);
    }
    let env = |told: &Value| told["env"].clone();
    let told = async |key: &str, path: &str| node.call_as(Some(key), "GET", path, "").await.json();
    assert_eq!(env(&told(&reader, "/processes/a.web").await), json!({"SECRET": null}));
    assert_eq!(env(&told(&reader, "/jobs/a/web").await["config"]), json!({"SECRET": null}));
    let process = told(&reader, "/1").await;
    assert_eq!((&process["cmd"], &process["args"]), (&Value::Null, &Value::Null));
    for told in [told(&manager, "/processes/a.web").await, told(&manager, "/jobs/a/web").await["config"].clone()] {
        assert_eq!(env(&told), json!({"SECRET": "sesame"}));
    }
    assert!(told(&manager, "/1").await["args"].to_string().contains("sesame"));
    // What was left out cannot be loaded by mistake.
    let mut config = told(&reader, "/processes/a.web").await;
    config["name"] = "a.copy".into();
    node.call_as(Some(&manager), "POST", "/processes", config.to_string()).await.refused(400, "invalid_process_info");
    node.stop().await;
}

#[tokio::test]
async fn feeds_end_when_their_key_is_revoked_or_expires() {
    let keys = Keys::new().await;
    let node = node(&keys).await;
    let paths = ["/watch?feed=eventsource", "/stats/b.web?feed=continuous", "/streams/3/out?feed=eventsource"];
    for expires_in in [None, Some(1)] {
        let key = keys.make_for(json!({"read": ["b"]}), expires_in).await;
        let other = keys.make(json!({"read": ["b"]})).await;
        let mut feeds = Vec::new();
        for path in paths {
            feeds.push(node.feed_as(&key, path).await);
        }
        let mut stays = node.feed_as(&other, "/stats/b.web?feed=continuous").await;
        if expires_in.is_none() {
            keys.revoke(&key).await;
        }
        for mut feed in feeds {
            while feed.next().await.is_some() {}
        }
        let status = if expires_in.is_none() { (403, "forbidden") } else { (401, "unauthorized") };
        node.call_as(Some(&key), "GET", "/pids", "").await.refused(status.0, status.1);
        assert_eq!(stays.json().await["name"], "b.web", "another key is not concerned");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_key_that_goes_with_a_revoked_one_ends_its_feeds_as_well() {
    let keys = Keys::new().await;
    let node = node(&keys).await;
    let parent = keys.make(json!({"create_key": true, "read": ["b"]})).await;
    let body = json!({"permissions": {"read": ["b"]}}).to_string();
    let child = node.call_as(Some(&parent), "POST", "/keys", body).await.json()["api_key"].as_str().unwrap().to_owned();
    let mut feed = node.feed_as(&child, "/watch?feed=eventsource").await;
    keys.revoke(&parent).await;
    while feed.next().await.is_some() {}
    node.stop().await;
}
