//! Keys, users and log-ins, on a node on which the test decides what is said.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::Shutdown,
    sync::mpsc,
};

use gaffer_client::{Client, Error};
use gaffer_core::{
    access::{KeyId, Permissions},
    api::access::{NewKey, NewUser},
};
use gaffer_tests::DEADLINE;
use serde_json::{Value, json};

use crate::fixture::{endpoint, server};

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A client with a key, of a node that answers every call so; and what it was asked: the first line, the head and the body.
fn asked(status: u16, answer: &Value) -> (Client, mpsc::Receiver<(String, String, String)>) {
    let (seen, heads) = mpsc::channel();
    let body = answer.to_string();
    let address = server(move |mut stream| {
        let mut reader = BufReader::new(&stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut sent = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut sent).unwrap();
        let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
        seen.send((line, head, String::from_utf8(sent).unwrap())).unwrap();
        write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
            .unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    });
    (Client::builder(&endpoint(address)).api_key("mine").build().unwrap(), heads)
}

fn id() -> KeyId {
    KeyId::of(KEY).unwrap()
}

#[tokio::test]
async fn name_and_password_go_with_the_log_in_alone() {
    let (client, heads) = asked(200, &json!({"api_key": KEY}));
    let made = client.login("anna", "p:ss wörd").await.unwrap().unwrap();
    assert_eq!(made.api_key, KEY);
    let (line, head, _) = heads.recv_timeout(DEADLINE).unwrap();
    assert_eq!(line, "GET /auth");
    assert!(head.contains("authorization: Basic YW5uYTpwOnNzIHfDtnJk\r\n"), "{head}");
    let _does_not_read = client.keys().await.unwrap_err();
    let (_, head, _) = heads.recv_timeout(DEADLINE).unwrap();
    assert!(!head.contains("authorization") && head.contains("x-api-key: mine\r\n"), "{head}");
}

#[tokio::test]
async fn who_has_no_key_gets_none_and_what_is_none_is_not_taken() {
    let (client, _heads) = asked(200, &json!({"api_key": null}));
    assert_eq!(client.login("anna", "x").await.unwrap(), None);
    for key in ["", "a b", "a\n[node \"b\"]", "é"] {
        let (client, _heads) = asked(200, &json!({"api_key": key}));
        let error = client.login("anna", "x").await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{key:?}: {error:?}");
    }
    let (client, heads) = asked(200, &json!({"api_key": KEY}));
    let error = client.login("a:b", "x").await.unwrap_err();
    assert!(matches!(error, Error::Unsendable { .. }), "{error:?}");
    assert!(heads.try_recv().is_err(), "nothing is sent");
}

#[tokio::test]
async fn a_refusal_keeps_its_status_and_its_reason() {
    for (status, code) in [(401, "unauthorized"), (403, "forbidden"), (429, "too_many_requests"), (404, "not_found")] {
        let (client, _heads) = asked(status, &json!({"errno": status, "error": code, "reason": "because"}));
        let error = client.login("anna", "x").await.unwrap_err();
        let refusal = error.refusal().unwrap();
        assert_eq!((refusal.status, refusal.error.as_str(), refusal.reason.as_str()), (status, code, "because"));
        let error = client.keys().await.unwrap_err();
        assert_eq!(error.refusal().map(|refusal| refusal.status), Some(status));
    }
}

#[tokio::test]
async fn keys_are_listed_shown_made_and_revoked() {
    let info = json!({"key": id(), "label": "ci", "permissions": {"read": ["*"]}, "created": 7, "expires": 9});
    let (client, heads) = asked(200, &json!({"keys": [info]}));
    let keys = client.keys().await.unwrap();
    assert_eq!((keys[0].label.as_deref(), keys[0].expires), (Some("ci"), Some(9)));
    assert_eq!(heads.recv_timeout(DEADLINE).unwrap().0, "GET /keys?include_keys=true");

    let (client, heads) = asked(200, &info);
    assert_eq!(client.key(&id()).await.unwrap(), keys[0]);
    assert_eq!(heads.recv_timeout(DEADLINE).unwrap().0, "GET /keys/0123456789ab", "never the whole key");

    let (client, heads) = asked(200, &json!({"ok": true, "api_key": KEY}));
    let new = NewKey { permissions: Permissions::admin(), expires_in: Some(60), ..NewKey::default() };
    let made = client.create_key(&new).await.unwrap();
    assert_eq!(made.api_key, KEY);
    assert!(!format!("{made:?}").contains(KEY));
    let (line, _, body) = heads.recv_timeout(DEADLINE).unwrap();
    assert_eq!((line.as_str(), serde_json::from_str::<NewKey>(&body).unwrap()), ("POST /keys", new));

    let (client, heads) = asked(200, &json!({"ok": true}));
    client.revoke_key(&id()).await.unwrap();
    client.logout().await.unwrap();
    assert_eq!(heads.recv_timeout(DEADLINE).unwrap().0, "DELETE /keys/0123456789ab");
    let (line, head, _) = heads.recv_timeout(DEADLINE).unwrap();
    assert_eq!(line, "DELETE /auth");
    assert!(head.contains("x-api-key: mine\r\n"), "{head}");
}

#[tokio::test]
async fn users_are_listed_shown_made_changed_and_forgotten() {
    let info = json!({"username": "anna", "user_type": 0, "key": id(), "mail": "anna@example"});
    let (client, heads) = asked(200, &json!({"users": [info]}));
    let users = client.users().await.unwrap();
    assert_eq!((users[0].user_type, &users[0].extra["mail"]), (0, &json!("anna@example")));
    assert_eq!(heads.recv_timeout(DEADLINE).unwrap().0, "GET /users?include_user=true");

    let (client, heads) = asked(200, &info);
    assert_eq!(client.user("an na/1").await.unwrap(), users[0]);
    assert_eq!(heads.recv_timeout(DEADLINE).unwrap().0, "GET /users/an%20na%2F1");

    let (client, heads) = asked(200, &json!({"ok": true}));
    client.create_user(&NewUser::new("anna", "x")).await.unwrap();
    client.update_user(&NewUser::new("anna", "z")).await.unwrap();
    client.set_password("anna", "y").await.unwrap();
    client.set_user_key("anna", Some(&id())).await.unwrap();
    client.set_user_key("anna", None).await.unwrap();
    client.delete_user("anna").await.unwrap();
    let mut calls: Vec<(String, Value)> = Vec::new();
    for _ in 0..6 {
        let (line, _, body) = heads.recv_timeout(DEADLINE).unwrap();
        calls.push((line, serde_json::from_str(&body).unwrap_or_default()));
    }
    let expected = [
        ("POST /users", json!({"username": "anna", "password": "x", "user_type": 1, "key": null})),
        ("PUT /users/anna", json!({"username": "anna", "password": "z", "user_type": 1, "key": null})),
        ("PUT /users/anna/password", json!({"password": "y"})),
        ("PUT /users/anna/key", json!({"key": id()})),
        ("PUT /users/anna/key", json!({"key": null})),
        ("DELETE /users/anna", Value::Null),
    ];
    assert_eq!(calls, expected.map(|(line, body)| (line.to_owned(), body)));
    for name in ["", ".", ".."] {
        let error = client.delete_user(name).await.unwrap_err();
        assert!(matches!(error, Error::Unsendable { .. }), "{name}: {error:?}");
    }
    assert!(heads.try_recv().is_err(), "nothing else is sent");
}

#[tokio::test]
async fn what_a_key_may_not_know_is_no_failure_until_it_is_needed() {
    let job = "shop.web".parse().unwrap();
    let config =
        json!({"name": "shop.web", "group": "shop", "cmd": "$TOK/x", "env": {"TOK": null}, "redirect_output": ["out"]});
    let (client, _heads) = asked(200, &config);
    let known = client.known_config(&job).await.unwrap();
    assert_eq!((known.hidden, known.config.env().len()), (vec!["TOK".to_owned()], 0));
    assert_eq!(known.config.redirect_output().len(), 1);
    assert_eq!(Value::Object(client.config_json(&job).await.unwrap()), config);
    let error = client.config(&job).await.unwrap_err();
    assert!(matches!(error, Error::Hidden { .. }), "{error:?}");
    let words = "the values of the variables of `shop.web` are hidden from this key: it needs `manage`";
    assert_eq!(error.to_string(), words);

    let process = json!({
        "pid": 7, "os_pid": 8, "name": "shop.web", "cmd": null, "args": null, "env": {"TOK": null}, "uid": null, "gid": null,
        "create_time": 1.5, "commited": false, "redirect_output": [], "redirect_input": true, "custom_streams": [],
        "active": true, "stopping": false, "lost": 0,
    });
    let (client, _heads) = asked(200, &process);
    let info = client.process("7".parse().unwrap()).await.unwrap();
    assert_eq!((info.cmd, info.args, info.env["TOK"].as_deref()), (None, None, None));
}
