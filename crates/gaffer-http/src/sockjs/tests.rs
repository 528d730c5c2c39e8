//! Sessions over the router, in a time that passes only when nothing else happens.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode},
};
use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use tokio::{sync::mpsc, time::Instant};
use tower::ServiceExt;

use super::{Options, Session, router};
use crate::serve::Lifetime;

const DELAY: Duration = Duration::from_secs(5);

async fn echo(session: Session) {
    while let Some(message) = session.recv().await {
        if session.send(message).await.is_err() {
            break;
        }
    }
}

async fn close(session: Session) {
    session.close(3000, "Go away!");
}

async fn deaf(session: Session) {
    while session.ready().await.is_ok() {
        std::future::pending::<()>().await;
    }
}

fn ask(method: &str, path: &str, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(format!("/s/0/{path}")).body(body).unwrap()
}

async fn open(routes: &Router, method: &str, path: &str, body: impl Into<Body>) -> Response<Body> {
    routes.clone().oneshot(ask(method, path, body.into())).await.unwrap()
}

async fn post(routes: &Router, path: &str, body: impl Into<Body>) -> (StatusCode, String) {
    let answer = open(routes, "POST", path, body).await;
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn poll(routes: &Router, id: &str) -> String {
    let (status, body) = post(routes, &format!("{id}/xhr"), "").await;
    assert_eq!(status, StatusCode::OK);
    body
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_come_back_is_gone_after_the_delay() {
    let (tell, mut ends) = mpsc::unbounded_channel();
    let service = move |session: Session| {
        let tell = tell.clone();
        async move {
            echo(session).await;
            tell.send(Instant::now()).unwrap();
        }
    };
    let routes = router("/s", service, Options::default(), Lifetime::new());
    assert_eq!(poll(&routes, "x").await, "o\n");
    // As long as somebody receives, it goes on.
    let begun = Instant::now();
    assert_eq!(poll(&routes, "x").await, "h\n");
    assert_eq!(begun.elapsed().as_secs(), 25);
    tokio::time::advance(DELAY - Duration::from_millis(100)).await;
    assert_eq!(poll(&routes, "x").await, "h\n");
    let left = Instant::now();
    assert_eq!(ends.recv().await.unwrap() - left, DELAY);
    let (status, _) = post(&routes, "x/xhr_send", r#"["a"]"#).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(poll(&routes, "x").await, "o\n", "it is another session");
}

#[tokio::test(start_paused = true)]
async fn an_end_is_told_for_as_long_as_the_delay_however_often_it_is_asked_for() {
    let routes = router("/s", close, Options::default(), Lifetime::new());
    assert_eq!(poll(&routes, "x").await, "o\n");
    assert_eq!(poll(&routes, "x").await, "c[3000,\"Go away!\"]\n");
    let told = Instant::now();
    while poll(&routes, "x").await == "c[3000,\"Go away!\"]\n" {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let kept = told.elapsed();
    assert!((DELAY..DELAY + Duration::from_millis(200)).contains(&kept), "{kept:?}");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_sessions_that_are_abandoned_leave_nothing() {
    const MOST: usize = 1000;
    let options = Options { max_sessions: MOST, ..Options::default() };
    let routes = router("/s", echo, options, Lifetime::new());
    for round in 0..3 {
        let mut held = Vec::new();
        for number in 0..MOST {
            let id = format!("{round}-{number}");
            match number % 4 {
                0 => assert_eq!(poll(&routes, &id).await, "o\n"),
                // Nothing of it is read.
                1 => drop(open(&routes, "GET", &format!("{id}/eventsource"), "").await),
                2 => {
                    let mut answer = open(&routes, "POST", &format!("{id}/xhr_streaming"), "").await;
                    answer.body_mut().frame().await.unwrap().unwrap();
                }
                _ => held.push(open(&routes, "GET", &format!("{id}/jsonp?c=f"), "").await),
            }
        }
        let (status, _) = post(&routes, "one-more/xhr", "").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "round {round}");
        drop(held);
        tokio::time::sleep(DELAY + Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_faster_than_the_news_waits_for_them() {
    let routes = router("/s", echo, Options::default(), Lifetime::new());
    assert_eq!(poll(&routes, "x").await, "o\n");
    let first = open(&routes, "POST", "x/xhr", "").await;
    let breaking = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(first);
    };
    let (again, ()) = tokio::join!(poll(&routes, "x"), breaking);
    assert_eq!(again, "c[1002,\"Connection interrupted\"]\n");
}

#[tokio::test(start_paused = true)]
async fn what_a_client_says_must_arrive() {
    let routes = router("/s", echo, Options::default(), Lifetime::new());
    let _held = open(&routes, "POST", "x/xhr_streaming", "").await;
    let begun = Instant::now();
    let endless = StreamBody::new(futures_util::stream::pending::<Result<http_body::Frame<Bytes>, Infallible>>());
    let (status, _) = post(&routes, "x/xhr_send", Body::new(endless)).await;
    assert_eq!((status, begun.elapsed().as_secs()), (StatusCode::REQUEST_TIMEOUT, 60));
}

#[tokio::test(start_paused = true)]
async fn a_client_does_not_wait_for_ever_for_a_service_to_listen() {
    let routes = router("/s", deaf, Options::default(), Lifetime::new());
    let _held = open(&routes, "POST", "x/xhr_streaming", "").await;
    let message = format!("[\"{}\"]", "x".repeat(100_000));
    assert_eq!(post(&routes, "x/xhr_send", message.clone()).await.0, StatusCode::NO_CONTENT);
    let begun = Instant::now();
    let (status, _) = post(&routes, "x/xhr_send", message).await;
    assert_eq!((status, begun.elapsed().as_secs()), (StatusCode::SERVICE_UNAVAILABLE, 60));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_begins_at_the_end_of_the_server_is_told_so() {
    let lifetime = Lifetime::new();
    let routes = router("/s", echo, Options::default(), lifetime.clone());
    lifetime.closing().cancel();
    let answer = open(&routes, "GET", "x/eventsource", "").await;
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "\r\ndata: o\r\n\r\ndata: c[1001,\"the server is shutting down\"]\r\n\r\n");
}
