//! How sessions end, and what their clients and services hear of it.

use std::time::Duration;

use gaffer_http::sockjs::{Options, Session, SessionOver};
use tokio::sync::mpsc;

use super::site::{Site, echo, options};
use crate::wire::DEADLINE;

const SOON: Duration = Duration::from_millis(100);

const INTERRUPTED: &str = "c[1002,\"Connection interrupted\"]\n";

/// What a service tells of each session's end.
type Ends = mpsc::UnboundedReceiver<Result<(), SessionOver>>;

/// An echo that tells when its client is gone, and what comes of saying something then.
async fn telling(options: Options) -> (Site, Ends) {
    let (tell, ends) = mpsc::unbounded_channel();
    let service = move |session: Session| {
        let tell = tell.clone();
        async move {
            while let Some(message) = session.recv().await {
                let _either_way = session.send(message).await;
            }
            tell.send(session.send("too late").await).unwrap();
        }
    };
    (Site::of(service, options).await, ends)
}

async fn next(ends: &mut Ends) -> Result<(), SessionOver> {
    tokio::time::timeout(DEADLINE, ends.recv()).await.expect("an end").unwrap()
}

#[tokio::test]
async fn a_close_ends_the_answer_and_is_there_for_the_next() {
    let site = Site::start().await;
    let mut first = site.stream("/close/000/x").await;
    first.chunks(&["o\n", "c[3000,\"Go away!\"]\n"]).await;
    let mut second = site.stream("/close/000/x").await;
    second.chunks(&["c[3000,\"Go away!\"]\n", ""]).await;
    first.chunks(&[""]).await;
    site.stop().await;
}

#[tokio::test]
async fn a_second_receiver_is_told_so_and_the_first_goes_on() {
    let site = Site::start().await;
    let mut first = site.stream("/echo/000/x").await;
    first.chunks(&["o\n"]).await;
    let mut second = site.stream("/echo/000/x").await;
    second.chunks(&["c[2010,\"Another connection still open\"]\n", ""]).await;
    site.say("/echo/000/x", r#"["a"]"#).await;
    first.chunks(&["a[\"a\"]\n"]).await;
    drop(first);
    site.stop().await;
}

#[tokio::test]
async fn who_breaks_off_a_stream_has_ended_the_session() {
    let (site, mut ends) = telling(options()).await;
    let mut first = site.stream("/s/000/x").await;
    first.chunks(&["o\n"]).await;
    drop(first);
    // As soon as the client asks again: it may be faster than the news.
    let mut again = site.stream("/s/000/x").await;
    again.chunks(&[INTERRUPTED, ""]).await;
    assert_eq!(next(&mut ends).await, Err(SessionOver));
    site.stop().await;
}

#[tokio::test]
async fn who_breaks_off_a_poll_has_ended_the_session() {
    let (site, mut ends) = telling(options()).await;
    assert_eq!(site.poll("/s/000/x").await, "o\n");
    let poll = site.open("POST", "/s/000/x/xhr", &[], "").await;
    assert_eq!(site.poll("/s/000/x").await, "c[2010,\"Another connection still open\"]\n");
    drop(poll);
    assert_eq!(site.poll("/s/000/x").await, INTERRUPTED);
    assert_eq!(next(&mut ends).await, Err(SessionOver));
    site.stop().await;
}

#[tokio::test]
async fn a_service_hears_that_a_websocket_is_gone() {
    let (site, mut ends) = telling(options()).await;
    for path in ["/s/000/x/websocket", "/s/websocket"] {
        drop(site.socket(path).await);
        assert_eq!(next(&mut ends).await, Err(SessionOver));
        let mut closing = site.socket(path).await;
        closing.socket.close(None).await.unwrap();
        assert_eq!(next(&mut ends).await, Err(SessionOver));
    }
    site.stop().await;
}

#[tokio::test]
async fn what_was_said_before_a_websocket_was_closed_is_heard() {
    let (heard, mut hears) = mpsc::unbounded_channel();
    let service = move |session: Session| {
        let heard = heard.clone();
        async move {
            while let Some(message) = session.recv().await {
                heard.send(message).unwrap();
            }
        }
    };
    let site = Site::of(service, options()).await;
    let mut socket = site.socket("/s/000/x/websocket").await;
    for number in 0..100 {
        socket.send(format!("[\"{number}\"]")).await;
    }
    socket.socket.close(None).await.unwrap();
    drop(socket);
    for number in 0..100 {
        let message = tokio::time::timeout(DEADLINE, hears.recv()).await.expect("a message");
        assert_eq!(message, Some(number.to_string()));
    }
    site.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_come_back_is_forgotten() {
    let (site, mut ends) = telling(Options { disconnect_delay: SOON, ..options() }).await;
    assert_eq!(site.poll("/s/000/x").await, "o\n");
    assert_eq!(next(&mut ends).await, Err(SessionOver));
    assert_eq!(site.post("/s/000/x/xhr_send", r#"["a"]"#).await.status, 404);
    assert_eq!(site.poll("/s/000/x").await, "o\n", "it is another session");
    site.stop().await;
}

#[tokio::test]
async fn an_end_is_told_until_the_session_is_forgotten() {
    let close = async |session: Session| session.close(3000, "Go away!");
    let close = move |session| close(session);
    let site = Site::of(close, Options { disconnect_delay: SOON, ..options() }).await;
    assert_eq!(site.poll("/s/000/x").await, "o\n");
    let asking = async {
        // To ask for the end does not put it off.
        while site.poll("/s/000/x").await == "c[3000,\"Go away!\"]\n" {}
    };
    tokio::time::timeout(DEADLINE, asking).await.expect("the id is free again");
    site.stop().await;
}

#[tokio::test]
async fn a_service_that_ends_has_closed_its_session() {
    let service = async |session: Session| session.send("bye").await.unwrap();
    let service = move |session| service(session);
    let site = Site::of(service, options()).await;
    let mut stream = site.stream("/s/000/x").await;
    stream.chunks(&["o\n", "a[\"bye\"]\n", "c[1000,\"Normal closure\"]\n", ""]).await;
    let mut socket = site.socket("/s/websocket").await;
    assert_eq!(socket.text().await, "bye");
    assert_eq!(socket.closed().await, 1000);
    site.stop().await;
}

#[tokio::test]
async fn a_service_that_panics_ends_its_session_and_no_other() {
    let service = |session: Session| async move {
        while let Some(message) = session.recv().await {
            assert_ne!(message, "panic", "as asked for");
            session.send(message).await.unwrap();
        }
    };
    let site = Site::of(service, options()).await;
    let mut other = site.stream("/s/000/other").await;
    other.chunks(&["o\n"]).await;

    let mut stream = site.stream("/s/000/x").await;
    stream.chunks(&["o\n"]).await;
    site.say("/s/000/x", r#"["a","panic"]"#).await;
    stream.chunks(&["a[\"a\"]\n", "c[1011,\"an error inside the server\"]\n", ""]).await;
    assert_eq!(site.poll("/s/000/x").await, "c[1011,\"an error inside the server\"]\n");

    let mut socket = site.socket("/s/000/x/websocket").await;
    assert_eq!(socket.text().await, "o");
    socket.send(r#"["panic"]"#).await;
    assert_eq!(socket.text().await, r#"c[1011,"an error inside the server"]"#);
    assert_eq!(socket.closed().await, 1011);
    let mut bare = site.socket("/s/websocket").await;
    bare.send("panic").await;
    assert_eq!(bare.closed().await, 1011);

    site.say("/s/000/other", r#"["b"]"#).await;
    other.chunks(&["a[\"b\"]\n"]).await;
    drop(other);
    site.stop().await;
}

#[tokio::test]
async fn to_ask_for_nothing_but_headers_is_no_end() {
    let site = Site::of(echo, options()).await;
    assert_eq!(site.poll("/s/000/x").await, "o\n");
    for transport in ["eventsource", "htmlfile?c=f", "jsonp?c=f"] {
        let answer = site.ask("HEAD", &format!("/s/000/x/{transport}"), &[]).await;
        assert_eq!(answer.says(), (405, ""), "{transport}");
    }
    site.say("/s/000/x", r#"["a"]"#).await;
    assert_eq!(site.poll("/s/000/x").await, "a[\"a\"]\n");
    for path in ["/s", "/s/info", "/s/iframe.html"] {
        assert_eq!(site.ask("HEAD", path, &[]).await.says(), (200, ""), "{path}");
    }
    site.stop().await;
}
