//! Keys: made, shown once, handed on, revoked.

use serde_json::{Value, json};

use super::Keys;

#[tokio::test]
async fn a_key_is_shown_once_and_known_by_its_id() {
    let keys = Keys::new().await;
    let node = keys.node();
    let body = json!({"permissions": {"write": ["shop"]}, "label": "till", "key": "mine", "parent": null});
    let made = node.call_as(Some(&keys.admin), "POST", "/keys", body.to_string()).await;
    let key = made.json()["api_key"].as_str().unwrap().to_owned();
    assert_eq!((made.json()["ok"].clone(), key.len()), (json!(true), 64));
    assert_eq!((made.header("x-api-key"), made.header("cache-control")), (key.as_str(), "no-store"));
    assert_eq!(made.header("location"), format!("/keys/{}", &key[..12]));
    assert_eq!(made.header("etag"), "");
    for path in [format!("/keys/{}", &key[..12]), format!("/keys/{key}")] {
        for asked_by in [&keys.admin, &key] {
            let told = node.call_as(Some(asked_by), "GET", &path, "").await;
            let (told, text) = (told.json(), told.body);
            assert_eq!((&told["key"], &told["label"]), (&json!(key[..12]), &json!("till")));
            assert_eq!(told["permissions"]["write"], json!(["shop"]));
            assert_eq!((&told["parent"], &told["expires"], &told["user"]), (&Value::Null, &Value::Null, &Value::Null));
            assert!(!text.contains(&key[..13]), "{text}");
        }
        assert_eq!(node.call_as(Some(&keys.admin), "HEAD", &path, "").await.status, 200);
    }
    let listed = node.call_as(Some(&keys.admin), "GET", "/keys", "").await.json();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 2);
    let listed = node.call_as(Some(&keys.admin), "GET", "/keys?include_keys=true", "").await.json();
    assert!(listed["keys"].as_array().unwrap().iter().any(|known| known["key"] == key[..12]), "{listed}");

    let revoked = node.call_as(Some(&keys.admin), "DELETE", &format!("/keys/{}", &key[..12]), "").await;
    assert_eq!((revoked.status.as_u16(), revoked.body.as_str()), (200, r#"{"ok":true}"#));
    node.call_as(Some(&key), "GET", "/pids", "").await.refused(403, "forbidden");
    for (method, path) in
        [("GET", &key[..12]), ("HEAD", &key[..12]), ("DELETE", &key[..12]), ("GET", "x"), ("GET", &key)]
    {
        let answer = node.call_as(Some(&keys.admin), method, &format!("/keys/{path}"), "").await;
        assert_eq!(answer.status, 404, "{method} {path}");
    }
    node.stop().await;
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() {
    let keys = Keys::new().await;
    let node = keys.node();
    let creator = keys.make(json!({"create_key": true, "manage": ["shop"], "read": ["blog.web"]})).await;
    let make = async |permissions: Value| {
        let body = json!({"permissions": permissions}).to_string();
        node.call_as(Some(&creator), "POST", "/keys", body).await
    };
    for permissions in [
        json!({"admin": true}),
        json!({"create_user": true}),
        json!({"manage": ["*"]}),
        json!({"read": ["*"]}),
        json!({"manage": ["shop", "blog"]}),
        json!({"read": ["blog"]}),
        json!({"write": ["blog.web"]}),
        json!({"manage": ["shop.web"]}),
    ] {
        let refused = make(permissions.clone()).await.refused(403, "forbidden");
        assert!(refused.contains("no more than the one that it is made with"), "{permissions}: {refused}");
    }
    for permissions in [
        json!({}),
        json!({"create_key": true, "write": ["shop"], "read": ["blog.web"]}),
        json!({"manage": ["shop:web"]}),
        json!({"read": {"shop": true}}),
    ] {
        assert_eq!(make(permissions.clone()).await.status, 200, "{permissions}");
    }
    let plain = keys.make(json!({"manage": ["*"]})).await;
    node.call_as(Some(&plain), "POST", "/keys", r#"{"permissions": {}}"#).await.refused(403, "forbidden");
    node.stop().await;
}

#[tokio::test]
async fn who_makes_keys_handles_those_that_it_made_and_no_other() {
    let keys = Keys::new().await;
    let node = keys.node();
    let creator = keys.make(json!({"create_key": true, "read": ["*"]})).await;
    let other = keys.make(json!({"read": ["a"]})).await;
    let body = json!({"permissions": {"create_key": true, "read": ["a"]}}).to_string();
    let child = node.call_as(Some(&creator), "POST", "/keys", body.clone()).await.json()["api_key"].to_string();
    let child = child.trim_matches('"').to_owned();
    let grandchild = node.call_as(Some(&child), "POST", "/keys", body).await.json()["api_key"].to_string();
    let grandchild = grandchild.trim_matches('"').to_owned();
    let status = async |by: &str, method: &str, key: &str| {
        node.call_as(Some(by), method, &format!("/keys/{}", &key[..12]), "").await.status.as_u16()
    };
    // Who has a key may revoke it; who acts by a log-in has it together with others.
    for (by, key, expected) in [
        (&creator, &creator, 200),
        (&creator, &child, 200),
        (&creator, &grandchild, 200),
        (&creator, &other, 403),
        (&creator, &keys.admin, 403),
        (&child, &creator, 403),
        (&child, &grandchild, 200),
        (&other, &other, 200),
        (&other, &child, 403),
        (&keys.admin, &grandchild, 200),
    ] {
        assert_eq!(status(by, "GET", key).await, expected, "{} {}", &by[..12], &key[..12]);
        if expected == 403 {
            assert_eq!(status(by, "DELETE", key).await, 403);
        }
    }
    let nothing = "0123456789ab";
    assert_eq!(status(&creator, "GET", nothing).await, 403, "who may not ask learns nothing");
    let told =
        node.call_as(Some(&creator), "GET", &format!("/keys/{}?include_keys=true", &child[..12]), "").await.json();
    assert_eq!((&told["keys"], &told["parent"]), (&json!([grandchild[..12]]), &json!(creator[..12])));
    // What goes with a key goes with it.
    assert_eq!(status(&creator, "DELETE", &child).await, 200);
    for (key, expected) in [(&child, 403), (&grandchild, 403), (&creator, 200), (&other, 200)] {
        assert_eq!(node.call_as(Some(key), "GET", "/pids", "").await.status, expected);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_key_is_good_no_longer_than_the_one_that_it_goes_with() {
    let keys = Keys::new().await;
    let node = keys.node();
    let parent = keys.make_for(json!({"create_key": true}), Some(1000)).await;
    let expires = async |by: &str, body: Value| {
        let made = node.call_as(Some(by), "POST", "/keys", body.to_string()).await.json();
        let key = made["api_key"].as_str().unwrap().to_owned();
        node.call_as(Some(&key), "GET", &format!("/keys/{key}"), "").await.json()["expires"].as_u64()
    };
    let of_parent = node.call_as(Some(&parent), "GET", &format!("/keys/{parent}"), "").await.json()["expires"].as_u64();
    let none = json!({"permissions": {}});
    assert_eq!(expires(&parent, none.clone()).await, of_parent);
    assert_eq!(expires(&parent, json!({"permissions": {}, "expires_in": 100_000})).await, of_parent);
    assert!(expires(&parent, json!({"permissions": {}, "expires_in": 10})).await < of_parent);
    assert_eq!(expires(&keys.admin, none).await, None);
    let with = json!({"permissions": {}, "parent": parent[..12]});
    assert_eq!(expires(&keys.admin, with).await, of_parent, "an admin may say with which it goes");
    node.stop().await;
}

#[tokio::test]
async fn what_is_no_key_to_be_made_is_refused_with_its_field() {
    let keys = Keys::new().await;
    let node = keys.node();
    for (body, reason) in [
        ("", "the body is not JSON"),
        ("[]", "must be an object"),
        ("{}", "permissions: is missing"),
        (r#"{"permissions": []}"#, "permissions: must be an object, but is []"),
        (r#"{"permissions": {"raed": ["a"]}}"#, "permissions.raed: is no permission; did you mean `read`?"),
        (r#"{"permissions": {"read": ["a b"]}}"#, "permissions.read: `a b` is no session and no job"),
        (r#"{"permissions": {}, "label": 1}"#, "label: must be a string"),
        (r#"{"permissions": {}, "label": "a\nb"}"#, "label: must be a line"),
        (r#"{"permissions": {}, "expires_in": 0}"#, "expires_in: must be a number of seconds from 1, but is 0"),
        (r#"{"permissions": {}, "expires_in": -1}"#, "expires_in: must be a number of seconds from 1, but is -1"),
        (r#"{"permissions": {}, "parent": "x"}"#, "parent: that is no key and no id of one"),
    ] {
        let refused = node.call_as(Some(&keys.admin), "POST", "/keys", body).await.refused(400, "bad_request");
        assert!(refused.contains(reason), "{body}: {refused}");
    }
    let body = r#"{"permissions": {}, "parent": "0123456789ab"}"#;
    let refused = node.call_as(Some(&keys.admin), "POST", "/keys", body).await.refused(400, "bad_request");
    assert!(refused.contains("parent: there is no key 0123456789ab"), "{refused}");
    let body = json!({"permissions": {}, "expires_in": u64::MAX}).to_string();
    assert_eq!(node.call_as(Some(&keys.admin), "POST", "/keys", body).await.status, 200, "that is for ever");
    node.stop().await;
}
