//! `/webhooks`.

use gaffer_http::{
    api,
    webhooks::{WebhookOptions, Webhooks},
};
use serde_json::json;

use super::{Receiver, config};
use crate::fixture::Node;

async fn node() -> (Node, Webhooks) {
    let webhooks = Webhooks::open(WebhookOptions::default(), None).await.unwrap();
    let node = Node::with_options(api::Options { webhooks: Some(webhooks.clone()), ..api::Options::default() });
    webhooks.start(&node.manager).await;
    (node, webhooks)
}

#[tokio::test]
async fn a_hook_is_added_looked_at_and_removed() {
    let (node, webhooks) = node().await;
    let receiver = Receiver::good().await;
    let body =
        json!({"event": "proc.web.create", "url": receiver.url(), "secret": "hush", "timeout": 1.5, "colour": "red"});
    let made = node.call("POST", "/webhooks", body.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let hook = made.json();
    let id = hook["id"].as_str().unwrap();
    assert_eq!(made.header("location"), format!("/webhooks/{id}"));
    assert!(!made.body.contains("hush"), "{made:?}");
    assert_eq!(hook["events"], json!(["proc.web.create"]));
    assert_eq!((&hook["signed"], &hook["timeout"], &hook["origin"]), (&json!(true), &json!(1.5), &json!("api")));
    assert_eq!(hook["ignored"], json!(["colour"]));

    node.call("POST", "/processes", r#"{"name": "web", "cmd": "true", "start": false}"#).await;
    receiver.until_got(1).await;
    let path = format!("/webhooks/{id}");
    loop {
        let told = node.get(&path).await.json();
        if told["delivered"] == 1 {
            assert_eq!((&told["last_status"], &told["waiting"]), (&json!(200), &json!(0)));
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(node.get("/webhooks").await.json()["webhooks"][0]["id"], hook["id"]);
    assert_eq!(node.call("DELETE", &path, "").await.status, 200);
    node.call("DELETE", &path, "").await.refused(404, "not_found");
    node.get(&path).await.refused(404, "not_found");
    assert_eq!(node.get("/webhooks").await.json(), json!({"webhooks": []}));
    assert_eq!(webhooks.list(), []);
    node.stop().await;
}

#[tokio::test]
async fn what_does_not_read_is_told_and_changes_nothing() {
    let (node, webhooks) = node().await;
    for (body, told) in [
        (json!({"url": "http://a"}), "event: is missing; give a pattern"),
        (json!({"event": "exit"}), "url: is missing"),
        (json!({"event": "exti", "url": "http://a"}), "event: `exti` is no event"),
        (json!({"pattern": 7, "url": "http://a"}), "pattern: must be a pattern of events"),
        (json!({"events": [], "url": "http://a"}), "events: must have 1 to 64 patterns, but has 0"),
        (json!({"event": "exit", "events": ["exit"], "url": "http://a"}), "events: is another name of a key"),
        (json!({"event": "exit", "url": "file:///etc/passwd"}), "url: must be a URL that begins with"),
        (json!({"event": "exit", "url": "http://a:b@c"}), "url: has a user or a password in it"),
        (json!({"event": "exit", "url": 7}), "url: must be a string"),
        (json!({"event": "exit", "url": "http://a", "secret": ""}), "secret: is empty"),
        (json!({"event": "exit", "url": "http://a", "cacert": "/x"}), "cacert: has no meaning without TLS"),
        (json!({"event": "exit", "url": "https://a", "cacert": "/no/where"}), "cacert /no/where: No such file"),
        (
            json!({"event": "exit", "url": "http://a", "timeout": 0}),
            "timeout: must be a number of seconds from 0.1 to 300",
        ),
        (json!({"event": "exit", "url": "http://a", "timeout": -1e300}), "timeout: must be a number of seconds"),
    ] {
        let reason = node.call("POST", "/webhooks", body.to_string()).await.refused(400, "bad_request");
        assert!(reason.contains(told), "{body}: {reason}");
    }
    assert_eq!(webhooks.list(), []);
    node.stop().await;
}

#[tokio::test]
async fn what_is_there_already_or_is_the_configuration_s_is_a_conflict() {
    let (node, webhooks) = node().await;
    let mut hook = config(".", "http://127.0.0.1:1/");
    hook.name = Some("pager".to_owned());
    webhooks.set_configured(vec![hook]).await.unwrap();
    let id = webhooks.list()[0].id.clone();
    let reason = node.call("DELETE", &format!("/webhooks/{id}"), "").await.refused(409, "conflict");
    assert!(reason.contains("take its section `[webhook:pager]` out of the file"), "{reason}");
    let body = json!({"pattern": ".", "url": "http://127.0.0.1:1/"}).to_string();
    let reason = node.call("POST", "/webhooks", body).await.refused(409, "conflict");
    assert!(reason.contains(&id), "{reason}");
    assert_eq!(webhooks.list().len(), 1);
    node.stop().await;
}

#[tokio::test]
async fn who_embeds_the_api_without_webhooks_has_none() {
    let node = Node::start();
    for (method, path) in
        [("GET", "/webhooks"), ("POST", "/webhooks"), ("GET", "/webhooks/a"), ("DELETE", "/webhooks/a")]
    {
        let reason = node.call(method, path, "{}").await.refused(404, "not_found");
        assert_eq!(reason, "this node has no webhooks");
    }
    node.stop().await;
}
