//! The cookie by which load balancers find the way back.

use super::site::Site;

#[tokio::test]
async fn every_transport_sets_the_cookie() {
    let site = Site::start().await;
    for (number, (method, transport)) in [
        ("POST", "xhr"),
        ("POST", "xhr_streaming"),
        ("GET", "eventsource"),
        ("GET", "htmlfile?c=%63allback"),
        ("GET", "jsonp?c=%63allback"),
    ]
    .into_iter()
    .enumerate()
    {
        let session = format!("/cookie_needed_echo/000/{number}");
        let answer = site.open(method, &format!("{session}/{transport}"), &[], "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers.get("set-cookie"), "JSESSIONID=dummy; Path=/", "{transport}");
        let said = site.submit(&format!("{session}/jsonp_send"), "d=%5B%22x%22%5D").await;
        assert_eq!(said.says(), (200, "ok"));
        assert_eq!(said.headers.get("set-cookie"), "JSESSIONID=dummy; Path=/", "{transport}");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_cookie_that_is_there_stays() {
    let site = Site::start().await;
    for cookies in ["JSESSIONID=abcdef", "a=b; JSESSIONID=abcdef; c=d"] {
        let answer = site.ask("OPTIONS", "/cookie_needed_echo/000/x/xhr", &[("Cookie", cookies)]).await;
        assert_eq!(answer.headers.get("set-cookie"), "JSESSIONID=abcdef; Path=/", "{cookies}");
    }
    let answer = site.ask("POST", "/cookie_needed_echo/000/x/xhr", &[("Cookie", "JSESSIONID=abcdef")]).await;
    assert_eq!(answer.says(), (200, "o\n"));
    assert_eq!(answer.headers.get("set-cookie"), "JSESSIONID=abcdef; Path=/");
    site.stop().await;
}

#[tokio::test]
async fn what_is_no_session_has_no_cookie() {
    let site = Site::start().await;
    for path in ["/cookie_needed_echo", "/cookie_needed_echo/info", "/cookie_needed_echo/iframe.html"] {
        assert!(!site.get(path).await.headers.has("set-cookie"), "{path}");
    }
    assert!(!site.post("/echo/000/x/xhr", "").await.headers.has("set-cookie"));
    site.stop().await;
}
