//! Paths of sessions, and what all transports have in common.

use super::site::Site;

#[tokio::test]
async fn a_session_may_have_any_name() {
    let site = Site::start().await;
    for name in ["a/a", "_/_", "1/1", "abcdefgh_i-j%20/abcdefg_i-j%20"] {
        assert_eq!(site.poll(&format!("/echo/{name}")).await, "o\n", "{name}");
    }
    site.stop().await;
}

#[tokio::test]
async fn what_is_no_name_is_not_found() {
    let site = Site::start().await;
    for name in ["//", "/a./a", "/a/a.", "/./.", "/", "///", "/a", "/a/b/c"] {
        let path = format!("/echo{name}/xhr");
        assert_eq!(site.get(&path).await.status, 404, "{name}");
        assert_eq!(site.post(&path, "").await.status, 404, "{name}");
    }
    site.stop().await;
}

#[tokio::test]
async fn the_first_part_of_a_name_means_nothing() {
    let site = Site::start().await;
    assert_eq!(site.poll("/echo/000/x").await, "o\n");
    site.say("/echo/000/x", r#"["a"]"#).await;
    assert_eq!(site.poll("/echo/999/x").await, "a[\"a\"]\n");
    site.stop().await;
}

#[tokio::test]
async fn services_know_nothing_of_each_others_sessions() {
    let site = Site::start().await;
    assert_eq!(site.poll("/echo/000/x").await, "o\n");
    assert_eq!(site.post("/close/000/x/xhr_send", r#"["a"]"#).await.status, 404);
    assert_eq!(site.poll("/close/000/x").await, "o\n");
    site.stop().await;
}

#[tokio::test]
async fn a_session_opens_talks_and_has_one_receiver_at_a_time() {
    let site = Site::start().await;
    assert_eq!(site.poll("/echo/000/x").await, "o\n");
    site.say("/echo/000/x", r#"["a"]"#).await;
    assert_eq!(site.poll("/echo/000/x").await, "a[\"a\"]\n");
    assert_eq!(site.post("/echo/000/nobody/xhr_send", r#"["a"]"#).await.status, 404);

    let first = site.open("POST", "/echo/000/x/xhr", &[], "").await;
    assert_eq!(site.poll("/echo/000/x").await, "c[2010,\"Another connection still open\"]\n");
    // That one goes on.
    site.say("/echo/000/x", r#"["b"]"#).await;
    assert_eq!(first.whole().await.says(), (200, "a[\"b\"]\n"));
    site.stop().await;
}

#[tokio::test]
async fn a_session_goes_on_over_another_transport() {
    let site = Site::start().await;
    assert_eq!(site.poll("/echo/000/x").await, "o\n");
    site.say("/echo/000/x", r#"["a"]"#).await;
    assert_eq!(site.get("/echo/000/x/jsonp?c=f").await.body, "/**/f(\"a[\\\"a\\\"]\");\r\n");
    assert_eq!(site.submit("/echo/000/x/jsonp_send", "d=%5B%22b%22%5D").await.says(), (200, "ok"));
    site.stream("/echo/000/x").await.chunks(&["a[\"b\"]\n"]).await;
    site.stop().await;
}

#[tokio::test]
async fn a_closed_session_says_so_as_often_as_it_is_asked() {
    let site = Site::start().await;
    assert_eq!(site.poll("/close/000/x").await, "o\n");
    for _ in 0..3 {
        assert_eq!(site.poll("/close/000/x").await, "c[3000,\"Go away!\"]\n");
    }
    // What is said after the end is nobody's fault.
    site.say("/close/000/x", r#"["a"]"#).await;
    site.stop().await;
}
