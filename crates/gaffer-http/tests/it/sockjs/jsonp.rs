//! Polling by scripts, and what is said by forms.

use super::site::Site;

#[tokio::test]
async fn scripts_carry_frames() {
    let site = Site::start().await;
    let opened = site.get("/echo/000/x/jsonp?c=%63allback").await;
    assert_eq!(opened.says(), (200, "/**/callback(\"o\");\r\n"));
    assert_eq!(opened.headers.get("content-type"), "application/javascript; charset=UTF-8");
    opened.headers.not_cached();

    let said = site.submit("/echo/000/x/jsonp_send", "d=%5B%22x%22%5D").await;
    // Some browsers do strange things when there is nothing.
    assert_eq!(said.says(), (200, "ok"));
    assert_eq!(said.headers.get("content-type"), "text/plain; charset=UTF-8");
    said.headers.not_cached();

    let answer = site.get("/echo/000/x/jsonp?c=%63allback").await;
    assert_eq!(answer.says(), (200, "/**/callback(\"a[\\\"x\\\"]\");\r\n"));
    site.stop().await;
}

#[tokio::test]
async fn forms_without_messages_are_refused_and_the_session_goes_on() {
    let site = Site::start().await;
    assert_eq!(site.get("/echo/000/x/jsonp?c=x").await.body, "/**/x(\"o\");\r\n");
    let broken = site.submit("/echo/000/x/jsonp_send", "d=%5B%22x").await;
    assert_eq!(broken.says(), (500, "Broken JSON encoding."));
    for form in ["", "d=", "p=p"] {
        let answer = site.submit("/echo/000/x/jsonp_send", form).await;
        assert_eq!(answer.says(), (500, "Payload expected."), "{form}");
    }
    assert_eq!(site.submit("/echo/000/x/jsonp_send", "d=%5B%22b%22%5D").await.says(), (200, "ok"));
    assert_eq!(site.get("/echo/000/x/jsonp?c=x").await.body, "/**/x(\"a[\\\"b\\\"]\");\r\n");
    assert_eq!(site.submit("/echo/000/nobody/jsonp_send", "d=%5B%22b%22%5D").await.status, 404);
    site.stop().await;
}

#[tokio::test]
async fn messages_come_in_a_form_or_bare() {
    let site = Site::start().await;
    assert_eq!(site.get("/echo/000/x/jsonp?c=x").await.body, "/**/x(\"o\");\r\n");
    assert_eq!(site.submit("/echo/000/x/jsonp_send", "d=%5B%22abc%22%5D").await.body, "ok");
    assert_eq!(site.get("/echo/000/x/jsonp?c=x").await.body, "/**/x(\"a[\\\"abc\\\"]\");\r\n");
    let plain = [("Content-Type", "text/plain")];
    let bare = site.open("POST", "/echo/000/x/jsonp_send", &plain, r#"["%61bc"]"#).await.whole().await;
    assert_eq!(bare.body, "ok");
    assert_eq!(site.get("/echo/000/x/jsonp?c=x").await.body, "/**/x(\"a[\\\"%61bc\\\"]\");\r\n");
    site.stop().await;
}

#[tokio::test]
async fn a_script_says_that_the_session_is_closed() {
    let site = Site::start().await;
    assert_eq!(site.get("/close/000/x/jsonp?c=x").await.body, "/**/x(\"o\");\r\n");
    for _ in 0..2 {
        assert_eq!(site.get("/close/000/x/jsonp?c=x").await.body, "/**/x(\"c[3000,\\\"Go away!\\\"]\");\r\n");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_form_may_hold_no_messages() {
    let site = Site::start().await;
    assert_eq!(site.get("/echo/000/x/jsonp?c=x").await.body, "/**/x(\"o\");\r\n");
    assert_eq!(site.submit("/echo/000/x/jsonp_send", "d=%5B%5D").await.says(), (200, "ok"));
    assert_eq!(site.submit("/echo/000/x/jsonp_send", "d=%5B%22x%22%5D").await.says(), (200, "ok"));
    assert_eq!(site.get("/echo/000/x/jsonp?c=x").await.body, "/**/x(\"a[\\\"x\\\"]\");\r\n");
    site.stop().await;
}
