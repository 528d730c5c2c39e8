//! What those are answered who ask.

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use gaffer_http::serve::Lifetime;
use gaffer_lookupd::{Options, router};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::fixture::{Lookupd, pings};

async fn get(router: &Router, path: &str) -> (StatusCode, String) {
    let answer = router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn an_empty_server_answers_as_ever() {
    let router = router(Options::default(), Lifetime::new());
    let version = env!("CARGO_PKG_VERSION");
    for (path, answer) in [
        ("/", json!({"welcome": "gaffer-lookupd", "version": version})),
        ("/version", json!({"version": version})),
        ("/nodes", json!({"nodes": []})),
        ("/sessions", json!({"nb_sessions": 0, "sessions": []})),
        ("/sessions/n", json!({"nb_sessions": 0, "sessions": []})),
        ("/jobs", json!({"nb_jobs": 0, "jobs": []})),
        ("/findJob?name=a", json!({"sources": []})),
        ("/findSession?sessionid=a", json!({"nb_jobs": 0, "jobs": []})),
    ] {
        let (status, body) = get(&router, path).await;
        assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()), (StatusCode::OK, answer), "{path}");
    }
    assert_eq!(get(&router, "/ping").await, (StatusCode::OK, "OK".to_owned()));
}

#[tokio::test]
async fn what_is_wrong_is_told_in_the_one_form() {
    let router = router(Options::default(), Lifetime::new());
    for (path, errno, error, reason) in [
        ("/findJob", 400, "bad_request", "the query needs `name`"),
        ("/findSession", 400, "bad_request", "the query needs `sessionid`"),
        ("/nothing", 404, "not_found", "there is nothing at /nothing"),
        ("/ws", 400, "not_a_websocket", "this is a websocket"),
        ("/findJob?name=a&name=b", 400, "bad_value", "duplicate field `name`"),
        ("/sessions/%FF", 400, "bad_value", "UTF-8"),
        ("/lookup/nothing", 404, "not_found", "nothing"),
    ] {
        let (status, body) = get(&router, path).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status.as_u16(), &body["errno"], &body["error"]), (errno, &json!(errno), &json!(error)), "{path}");
        assert!(body["reason"].as_str().unwrap().contains(reason), "{body}");
    }
    let post = Request::post("/jobs").body(Body::empty()).unwrap();
    assert_eq!(router.clone().oneshot(post).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    // A page from elsewhere may not register nodes.
    let page = Request::get("/ws").header("origin", "https://evil.example").header("upgrade", "websocket");
    let page = page.header("host", "localhost").body(Body::empty()).unwrap();
    assert_eq!(router.oneshot(page).await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_nodes_have_is_listed_by_job_session_and_node() {
    let lookupd = Lookupd::start(pings(15.0)).await;
    let (mut a, mut b) = (lookupd.node().await, lookupd.node().await);
    a.identify("a", None).await;
    b.identify("b", None).await;
    a.register("s.x", &[2, 1]).await;
    b.register("s.x", &[]).await;
    b.register("default.y", &[7]).await;
    let get = async |path: &str| -> Value { serde_json::from_str(&lookupd.request("GET", path).await).unwrap() };
    let source = |name: &str, pids: &[u64]| {
        let origin = format!("http://{name}");
        json!({"name": name, "pids": pids, "node_info": {"name": name, "origin": origin, "version": "0.1"}})
    };
    let x = json!({"name": "s.x", "sources": [source("a", &[1, 2]), source("b", &[])]});
    let y = json!({"name": "default.y", "sources": [source("b", &[7])]});
    assert_eq!(get("/jobs").await, json!({"nb_jobs": 2, "jobs": [y, x]}));
    assert_eq!(get("/findSession?sessionid=s").await, json!({"nb_jobs": 1, "jobs": [x]}));
    assert_eq!(get("/findJob?name=y").await, json!({"sources": [source("b", &[7])]}));
    assert_eq!(get("/findJob?name=s%2Fx").await, json!({"sources": x["sources"]}));
    let of_a = json!({"nb_sessions": 1, "sessions": [{"sessionid": "s", "jobs": {"s.x": [source("a", &[1, 2])]}}]});
    assert_eq!(get("/sessions/a").await, of_a);
    assert_eq!(get("/sessions/http%3A%2F%2Fa").await, of_a);
    assert_eq!(get("/sessions").await["nb_sessions"], 2);
    let nodes: Vec<Value> = ["a", "b"].map(|name| source(name, &[])["node_info"].clone()).into();
    assert_eq!(get("/nodes").await, json!({"nodes": nodes}));
    lookupd.stop().await;
}
