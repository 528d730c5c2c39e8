//! Users: made, logged in, changed, forgotten.

use gaffer_state::{Access, StateFile};
use serde_json::{Value, json};

use super::Keys;
use crate::fixture::{Answer, Node};

/// `Authorization: Basic` for a name and a password.
fn basic(name: &str, password: &str) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
}

async fn log_in(node: &Node, name: &str, password: &str) -> Answer {
    node.ask("GET", "/auth", &[("Authorization", &basic(name, password))]).await
}

/// The key of a log-in that must be granted.
async fn key_of(node: &Node, name: &str, password: &str) -> String {
    let answer = log_in(node, name, password).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let key = answer.json()["api_key"].as_str().unwrap().to_owned();
    assert_eq!((answer.header("x-api-key"), answer.header("cache-control")), (key.as_str(), "no-store"));
    key
}

async fn make(node: &Node, by: &str, user: Value) {
    let answer = node.call_as(Some(by), "POST", "/users", user.to_string()).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, r#"{"ok":true}"#), "{answer:?}");
}

#[tokio::test]
async fn who_logs_in_gets_a_key_with_the_rights_of_the_user() {
    let keys = Keys::new().await;
    let node = keys.node();
    let shop = keys.make(json!({"read": ["shop"], "create_key": true})).await;
    make(&node, &keys.admin, json!({"username": "bob", "password": "a:b c", "key": shop})).await;
    let (one, other) = (key_of(&node, "bob", "a:b c").await, key_of(&node, "bob", "a:b c").await);
    assert!(one != other && one != shop);
    let told = node.call_as(Some(&one), "GET", &format!("/keys/{one}"), "").await.json();
    assert_eq!((&told["user"], &told["parent"]), (&json!("bob"), &json!(shop[..12])));
    assert_eq!(told["permissions"]["read"], json!(["shop"]));
    let lifetime = told["expires"].as_u64().unwrap() - told["created"].as_u64().unwrap();
    assert_eq!(lifetime, 7 * 24 * 3600);
    // A key that is made with one of a log-in stays when that is over.
    let made = node.call_as(Some(&one), "POST", "/keys", r#"{"permissions": {"read": ["shop"]}}"#).await.json();
    let made = made["api_key"].as_str().unwrap();
    assert_eq!(node.call_as(Some(&one), "DELETE", "/auth", "").await.status, 200);
    node.call_as(Some(&one), "GET", "/pids", "").await.refused(403, "forbidden");
    for key in [&other, made, &shop] {
        assert_eq!(node.call_as(Some(key), "GET", "/pids", "").await.status, 200);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_wrong_log_in_says_no_more_than_that() {
    let keys = Keys::new().await;
    let node = keys.node();
    let unknown = log_in(&node, "nobody", "secret").await;
    let wrong = log_in(&node, "root", "wrong").await;
    assert_eq!((unknown.status, &unknown.body), (wrong.status, &wrong.body));
    assert!(wrong.refused(401, "unauthorized").contains("username or password is wrong"));
    assert_eq!(wrong.header("www-authenticate"), "", "a browser would ask by itself");
    for authorization in ["Basic", "Basic ====", "Basic !", "Bearer x", "Basic cm9vdA==", ""] {
        let answer = node.ask("GET", "/auth", &[("Authorization", authorization)]).await;
        answer.refused(401, "unauthorized");
    }
    node.ask("GET", "/auth", &[("X-Api-Key", &keys.admin)]).await.refused(401, "unauthorized");
    make(&node, &keys.admin, json!({"username": "idle", "password": "p"})).await;
    let idle = log_in(&node, "idle", "p").await;
    assert_eq!((idle.status.as_u16(), idle.body.as_str()), (200, r#"{"api_key":null}"#));
    node.stop().await;
}

#[tokio::test]
async fn who_guesses_is_slowed_down() {
    let keys = Keys::new().await;
    let node = keys.node();
    for _ in 0..5 {
        log_in(&node, "root", "wrong").await.refused(401, "unauthorized");
    }
    let refused = log_in(&node, "root", "secret").await;
    refused.refused(429, "too_many_attempts");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    // The key itself is good, and so is another user: also if many names were tried.
    for name in 0..30 {
        log_in(&node, &format!("nobody{name}"), "x").await.refused(401, "unauthorized");
    }
    log_in(&node, &"x".repeat(300), "x").await.refused(401, "unauthorized");
    assert_eq!(node.call_as(Some(&keys.admin), "GET", "/pids", "").await.status, 200);
    make(&node, &keys.admin, json!({"username": "bob", "password": "p", "key": keys.admin})).await;
    key_of(&node, "bob", "p").await;
    node.stop().await;
}

#[tokio::test]
async fn a_user_is_told_of_without_the_password() {
    let keys = Keys::new().await;
    let node = keys.node();
    let user =
        json!({"username": "bob", "password": "p", "user_type": 1, "key": keys.admin, "mail": "bob@example", "n": 1});
    make(&node, &keys.admin, user.clone()).await;
    node.call_as(Some(&keys.admin), "POST", "/users", user.to_string()).await.refused(409, "user_conflict");
    let expected = json!({"username": "bob", "user_type": 1, "key": keys.admin[..12], "mail": "bob@example", "n": 1});
    assert_eq!(node.call_as(Some(&keys.admin), "GET", "/users/bob", "").await.json(), expected);
    let listed = node.call_as(Some(&keys.admin), "GET", "/users", "").await.json();
    assert_eq!(listed, json!({"users": ["bob", "root"]}));
    let listed = node.call_as(Some(&keys.admin), "GET", "/users?include_user=true", "").await.json();
    assert_eq!(listed["users"][0], expected);
    assert_eq!(node.call_as(Some(&keys.admin), "HEAD", "/users/bob", "").await.status, 200);
    for method in ["GET", "HEAD", "DELETE"] {
        assert_eq!(node.call_as(Some(&keys.admin), method, "/users/nobody", "").await.status, 404);
    }
    assert_eq!(node.call_as(Some(&keys.admin), "DELETE", "/users/bob", "").await.status, 200);
    assert_eq!(log_in(&node, "bob", "p").await.status, 401);
    node.stop().await;
}

#[tokio::test]
async fn log_ins_end_with_the_password_the_key_and_the_user() {
    let keys = Keys::new().await;
    let node = keys.node();
    let shop = keys.make(json!({"read": ["shop"]})).await;
    make(&node, &keys.admin, json!({"username": "bob", "password": "p", "key": shop})).await;
    let works = async |key: &str| node.call_as(Some(key), "GET", "/pids", "").await.status == 200;

    let (own, other) = (key_of(&node, "bob", "p").await, key_of(&node, "bob", "p").await);
    let answer = node.call_as(Some(&own), "PUT", "/users/bob/password", r#"{"password": "q"}"#).await;
    assert_eq!(answer.status, 200, "a user may change the own password: {answer:?}");
    assert!(works(&own).await && !works(&other).await);
    assert_eq!(log_in(&node, "bob", "p").await.status, 401);

    let session = key_of(&node, "bob", "q").await;
    assert_eq!(node.call_as(Some(&keys.admin), "PUT", "/users/bob/key", r#"{"key": null}"#).await.status, 200);
    assert!(!works(&session).await && works(&shop).await);
    assert_eq!(log_in(&node, "bob", "q").await.json(), json!({"api_key": null}));

    let body = json!({"key": shop[..12]}).to_string();
    assert_eq!(node.call_as(Some(&keys.admin), "PUT", "/users/bob/key", body.clone()).await.status, 200);
    let session = key_of(&node, "bob", "q").await;
    keys.revoke(&shop).await;
    assert!(!works(&session).await);
    let told = node.call_as(Some(&keys.admin), "GET", "/users/bob", "").await.json();
    assert_eq!(told["key"], Value::Null);
    let gone = node.call_as(Some(&keys.admin), "PUT", "/users/bob/key", body).await.refused(400, "bad_request");
    assert!(gone.contains("key: there is no key"), "{gone}");

    make(&node, &keys.admin, json!({"username": "ann", "password": "p", "key": keys.admin})).await;
    let session = key_of(&node, "ann", "p").await;
    assert_eq!(node.call_as(Some(&keys.admin), "DELETE", "/users/ann", "").await.status, 200);
    assert!(!works(&session).await && works(&keys.admin).await);
    node.stop().await;
}

#[tokio::test]
async fn who_makes_users_cannot_become_somebody_greater() {
    let keys = Keys::new().await;
    let node = keys.node();
    let maker = keys.make(json!({"create_user": true, "read": ["shop"]})).await;
    let (shop, all) = (keys.make(json!({"read": ["shop"]})).await, keys.make(json!({"read": ["*"]})).await);
    make(&node, &keys.admin, json!({"username": "all", "password": "p", "key": all})).await;
    make(&node, &maker, json!({"username": "bob", "password": "p", "key": shop})).await;
    let refused = async |method: &str, path: &str, body: Value| {
        node.call_as(Some(&maker), method, path, body.to_string()).await.refused(403, "forbidden");
    };
    refused("POST", "/users", json!({"username": "x", "password": "p", "key": keys.admin})).await;
    refused("POST", "/users", json!({"username": "x", "password": "p", "key": all})).await;
    refused("POST", "/users", json!({"username": "x", "password": "p", "user_type": 0})).await;
    refused("PUT", "/users/bob/key", json!({"key": keys.admin})).await;
    refused("PUT", "/users/bob", json!({"password": "p", "key": all})).await;
    refused("PUT", "/users/bob", json!({"password": "p", "user_type": 0})).await;
    for user in ["all", "root"] {
        refused("PUT", &format!("/users/{user}/password"), json!({"password": "mine"})).await;
        refused("PUT", &format!("/users/{user}/key"), json!({"key": null})).await;
        refused("PUT", &format!("/users/{user}"), json!({"password": "mine"})).await;
        refused("DELETE", &format!("/users/{user}"), json!({})).await;
        refused("GET", &format!("/users/{user}"), json!({})).await;
    }
    assert_eq!(node.call_as(Some(&maker), "GET", "/users", "").await.json(), json!({"users": ["bob"]}));
    // A user is nobody else, though both have the rights of one key.
    make(&node, &keys.admin, json!({"username": "ann", "password": "p", "key": shop})).await;
    let bob = key_of(&node, "bob", "p").await;
    node.call_as(Some(&bob), "PUT", "/users/ann/password", r#"{"password": "x"}"#).await.refused(403, "forbidden");
    node.call_as(Some(&bob), "GET", "/users/nobody", "").await.refused(403, "forbidden");
    assert_eq!(node.call_as(Some(&bob), "GET", "/users/bob", "").await.status, 200);
    // Nor gets anybody the key of a log-in.
    let body = json!({"key": bob}).to_string();
    node.call_as(Some(&keys.admin), "PUT", "/users/ann/key", body).await.refused(400, "bad_request");
    node.stop().await;
}

#[tokio::test]
async fn to_know_an_id_is_not_to_have_a_key() {
    let keys = Keys::new().await;
    let node = keys.node();
    let (own, other) = (keys.make(json!({"read": ["*"]})).await, keys.make(json!({"read": ["s"]})).await);
    make(&node, &keys.admin, json!({"username": "eve", "password": "p", "key": own})).await;
    let eve = key_of(&node, "eve", "p").await;
    // A user cannot have the rights of another key, nor so outlive the own one.
    for key in [json!(other[..12]), json!(other), json!(null)] {
        let body = json!({ "key": key }).to_string();
        node.call_as(Some(&eve), "PUT", "/users/eve/key", body).await.refused(403, "forbidden");
    }
    let body = json!({"password": "p", "key": other[..12]}).to_string();
    node.call_as(Some(&eve), "PUT", "/users/eve", body).await.refused(403, "forbidden");
    for body in [json!({"password": "q"}), json!({"password": "q", "key": own[..12], "mail": "eve@example"})] {
        let answer = node.call_as(Some(&eve), "PUT", "/users/eve", body.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let told = node.call_as(Some(&keys.admin), "GET", "/users/eve", "").await.json();
        assert_eq!(told["key"], own[..12], "the rights stay");
    }
    // Who makes users gives what it can show, or has made.
    let maker = keys.make(json!({"create_user": true, "create_key": true, "read": ["*"]})).await;
    let made = node.call_as(Some(&maker), "POST", "/keys", r#"{"permissions": {"read": ["s"]}}"#).await.json();
    let made = made["api_key"].as_str().unwrap()[..12].to_owned();
    let user = |name: &str, key: &str| json!({"username": name, "password": "p", "key": key}).to_string();
    let refused =
        node.call_as(Some(&maker), "POST", "/users", user("x", &other[..12])).await.refused(400, "bad_request");
    assert!(refused.contains("or it is not yours to give"), "{refused}");
    let forged = format!("{}{}", &other[..12], "0".repeat(52));
    node.call_as(Some(&maker), "POST", "/users", user("x", &forged)).await.refused(400, "bad_request");
    for (name, key) in [("a", made.as_str()), ("b", other.as_str()), ("c", &maker[..12])] {
        let answer = node.call_as(Some(&maker), "POST", "/users", user(name, key)).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_log_in_ends_nothing_that_others_have_too() {
    let keys = Keys::new().await;
    let node = keys.node();
    let shared = keys.make(json!({"read": ["*"], "create_key": true})).await;
    for name in ["ann", "bob"] {
        make(&node, &keys.admin, json!({"username": name, "password": "p", "key": shared})).await;
    }
    let (ann, bob) = (key_of(&node, "ann", "p").await, key_of(&node, "bob", "p").await);
    let status = async |method: &str, key: &str| {
        node.call_as(Some(&ann), method, &format!("/keys/{}", &key[..12]), "").await.status.as_u16()
    };
    assert_eq!([status("GET", &shared).await, status("GET", &ann).await, status("GET", &bob).await], [200, 200, 403]);
    assert_eq!([status("DELETE", &shared).await, status("DELETE", &bob).await], [403, 403]);
    let told = node.call_as(Some(&ann), "GET", &format!("/keys/{shared}?include_keys=true"), "").await.json();
    assert_eq!(told["keys"], json!([ann[..12]]), "that of another log-in is not told");
    assert_eq!(status("DELETE", &ann).await, 200);
    assert_eq!(node.call_as(Some(&bob), "GET", "/pids", "").await.status, 200);
    node.stop().await;
}

#[tokio::test]
async fn what_is_no_user_to_be_made_is_refused_with_its_field() {
    let keys = Keys::new().await;
    let node = keys.node();
    for (body, reason) in [
        (json!({"password": "p"}), "username: is missing"),
        (json!({"username": "bob"}), "password: is missing"),
        (json!({"username": "bob", "password": ""}), "password: must be 1 to 1024 bytes"),
        (json!({"username": "bob", "password": "x".repeat(1025)}), "password: must be 1 to 1024 bytes"),
        (json!({"username": "bob", "password": 1}), "password: must be a string"),
        (json!({"username": "", "password": "p"}), "username: must be 1 to 255 bytes"),
        (json!({"username": "a:b", "password": "p"}), "username: must be 1 to 255 bytes"),
        (json!({"username": "a\nb", "password": "p"}), "username: must be 1 to 255 bytes"),
        (json!({"username": "bob", "password": "p", "user_type": 2}), "user_type: must be 0 (admin) or 1"),
        (json!({"username": "bob", "password": "p", "user_type": "x"}), "user_type: must be 0 or 1"),
        (json!({"username": "bob", "password": "p", "key": "x"}), "key: that is no key and no id of one"),
        (json!({"username": "bob", "password": "p", "key": "0123456789ab"}), "key: there is no key 0123456789ab"),
        (json!({"username": "bob", "password": "p", "x": "y".repeat(5_000)}), "username: more is said of it"),
    ] {
        let answer = node.call_as(Some(&keys.admin), "POST", "/users", body.to_string()).await;
        let refused = answer.refused(400, "bad_request");
        assert!(refused.contains(reason), "{refused}");
    }
    let answer = node.call_as(Some(&keys.admin), "PUT", "/users/root/key", "{}").await;
    assert!(answer.refused(400, "bad_request").contains("key: is missing"));
    node.stop().await;
}

#[tokio::test]
async fn what_another_program_wrote_is_known_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let access = Access::open(StateFile::open(&path).unwrap()).await.unwrap();
    let keys = Keys { admin: String::new(), access };
    let node = keys.node();
    assert_eq!(log_in(&node, "root", "secret").await.status, 401);
    let beside = Access::open(StateFile::open(&path).unwrap()).await.unwrap();
    let key = beside.create_admin("root", "secret".to_owned()).await.unwrap();
    assert_eq!(node.call_as(Some(key.as_str()), "GET", "/pids", "").await.status, 200);
    key_of(&node, "root", "secret").await;
    // And is not written over.
    let maker = access_maker(&node, key.as_str()).await;
    beside.create_admin("ops", "real".to_owned()).await.unwrap();
    let user = json!({"username": "ops", "password": "mine"}).to_string();
    node.call_as(Some(&maker), "POST", "/users", user).await.refused(409, "user_conflict");
    key_of(&node, "ops", "real").await;
    let user = json!({"username": "node", "password": "p"}).to_string();
    assert_eq!(node.call_as(Some(key.as_str()), "POST", "/users", user).await.status, 200);
    assert!(beside.create_admin("node", "p".to_owned()).await.is_err());
    node.stop().await;
}

/// A key that makes users.
async fn access_maker(node: &Node, admin: &str) -> String {
    let made = node.call_as(Some(admin), "POST", "/keys", r#"{"permissions": {"create_user": true}}"#).await.json();
    made["api_key"].as_str().unwrap().to_owned()
}
