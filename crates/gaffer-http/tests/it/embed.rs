//! Routes of the embedder's own.

use axum::{Router, routing::get};
use gaffer_http::api::Options;

use crate::fixture::Node;

#[tokio::test]
async fn routes_of_the_embedder_stand_beside_ours() {
    let routes = Router::new()
        .route("/hello", get(async || "hello"))
        .route("/version", get(async || "mine"))
        .route("/explode", get(async || -> &'static str { panic!("boom") }));
    let node = Node::with_options(Options { routes, ..Options::default() });
    assert_eq!(node.get("/hello").await.body, "hello");
    assert_eq!(node.get("/version").await.body, "mine", "an embedder may replace what is ours");
    assert_eq!(node.get("/processes").await.body, "[]");
    node.get("/nothing/here").await.refused(404, "not_found");
    node.call("POST", "/hello", "").await.refused(405, "method_not_allowed");
    node.get("/explode").await.refused(500, "internal_error");
    assert!(node.get("/hello").await.header("server").starts_with("gaffer/"));
    let foreign = node.ask("POST", "/hello", &[("origin", "http://evil.example")]).await;
    foreign.refused(403, "forbidden_origin");
    node.stop().await;
}
