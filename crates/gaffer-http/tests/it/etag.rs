//! What a client knows is not sent again.

use serde_json::json;

use crate::fixture::Node;

#[tokio::test]
async fn who_knows_an_answer_is_spared_it() {
    let node = Node::start();
    let answer = node.get("/processes").await;
    let tag = answer.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");

    for known in [tag.clone(), format!("\"other\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
        let answer = node.ask("GET", "/processes", &[("if-none-match", &known)]).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (304, ""), "{known}");
        assert_eq!(answer.header("etag"), tag);
    }
    let head = node.ask("HEAD", "/processes", &[]).await;
    assert_eq!((head.status.as_u16(), head.header("etag")), (200, tag.as_str()));

    node.load(json!({"name": "web", "cmd": "sleep 1000", "start": false})).await;
    let changed = node.ask("GET", "/processes", &[("if-none-match", &tag)]).await;
    assert_eq!((changed.status.as_u16(), changed.body.as_str()), (200, r#"["web"]"#));
    assert_ne!(changed.header("etag"), tag);

    assert_eq!(node.get("/processes/nope").await.header("etag"), "", "errors have none");
    assert_eq!(node.post("/processes/web/_stop").await.header("etag"), "", "nor has what was done");
    node.stop().await;
}
