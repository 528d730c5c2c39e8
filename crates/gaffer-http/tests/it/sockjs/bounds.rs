//! What clients may cost, and who waits for whom.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use gaffer_http::sockjs::{Options, Session};
use tokio::sync::{Notify, oneshot};

use super::{
    client::Open,
    site::{Site, echo, options},
};
use crate::wire::{DEADLINE, Wire};

/// More than the systems on both sides keep of what is not read, in messages of [`LARGE`].
const MANY: usize = 1024;
const LARGE: usize = 32 * 1024;

#[tokio::test]
async fn who_comes_beyond_the_most_sessions_is_refused() {
    let delay = Duration::from_millis(100);
    let site = Site::of(echo, Options { max_sessions: 2, disconnect_delay: delay, ..options() }).await;
    let held = [site.stream("/s/000/a").await, site.stream("/s/000/b").await];
    for (method, transport) in [
        ("POST", "xhr"),
        ("POST", "xhr_streaming"),
        ("GET", "eventsource"),
        ("GET", "htmlfile?c=f"),
        ("GET", "jsonp?c=f"),
    ] {
        let answer = site.ask(method, &format!("/s/000/c/{transport}"), &[("Origin", "test")]).await;
        assert_eq!(answer.says(), (503, "there are too many sessions\n"), "{transport}");
        // A page that may not read it would not know why.
        answer.headers.shared_with(Some("test"));
    }
    // Those that are there go on, and websockets are no matter of this.
    site.say("/s/000/a", r#"["a"]"#).await;
    let mut socket = site.socket("/s/000/c/websocket").await;
    assert_eq!(socket.text().await, "o");
    drop((held, socket));
    let coming = async { while site.post("/s/000/c/xhr", "").await.status == 503 {} };
    tokio::time::timeout(DEADLINE, coming).await.expect("room, once those are forgotten");
    site.stop().await;
}

#[tokio::test]
async fn what_is_said_at_once_is_limited() {
    let site = Site::of(echo, Options { max_message: 1024, ..options() }).await;
    assert_eq!(site.poll("/s/000/x").await, "o\n");
    let fits = format!("[\"{}\"]", "x".repeat(1020));
    let too_large = format!("[\"{}\"]", "x".repeat(1021));
    for transport in ["xhr_send", "jsonp_send"] {
        let answer = site.post(&format!("/s/000/x/{transport}"), &too_large).await;
        assert_eq!(answer.status, 413, "{transport}");
    }
    // Also if it does not say how much it is.
    let mut wire = site.connect().await;
    wire.send("POST /s/000/x/xhr_send HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    wire.send(&format!("{:x}\r\n{too_large}\r\n0\r\n\r\n", too_large.len())).await;
    assert_eq!(Open::read(wire, true).await.status, 413);

    site.say("/s/000/x", &fits).await;
    assert_eq!(site.poll("/s/000/x").await, format!("a{fits}\n"));
    site.stop().await;
}

#[tokio::test]
async fn what_is_said_at_once_over_a_websocket_is_limited() {
    let site = Site::of(echo, Options { max_message: 1024, ..options() }).await;
    let mut socket = site.socket("/s/000/x/websocket").await;
    assert_eq!(socket.text().await, "o");
    let fits = format!("[\"{}\"]", "x".repeat(1020));
    socket.send(fits.as_str()).await;
    assert_eq!(socket.text().await, format!("a{fits}"));
    socket.send("x".repeat(1025)).await;
    assert_eq!(socket.closed().await, 1009);
    let mut bare = site.socket("/s/websocket").await;
    bare.send("x".repeat(1025)).await;
    assert_eq!(bare.closed().await, 1009);
    site.stop().await;
}

/// A service that says much, and how much of it it got rid of. It closes at the end.
async fn flooding() -> (Site, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&sent);
    let service = move |session: Session| {
        let sent = Arc::clone(&counting);
        async move {
            for number in 0..MANY {
                if session.send(format!("{number:0LARGE$}")).await.is_err() {
                    break;
                }
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    (Site::of(service, Options { response_limit: usize::MAX, ..options() }).await, sent)
}

/// The numbers in a frame of the flood.
fn numbers(frame: &str) -> Vec<usize> {
    let messages: Vec<String> = serde_json::from_str(frame.strip_prefix('a').unwrap()).unwrap();
    messages.iter().map(|message| message.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_service_waits_for_a_client_that_does_not_read_its_answer() {
    let (site, sent) = flooding().await;
    let wire = Wire::over(site.connect_small().await);
    let mut stream = Open::ask(wire, "POST", "/s/000/x/xhr_streaming", &[], "").await;
    let before = site.settled(&sent).await;
    assert!(before < MANY, "nobody has taken {before} messages");
    stream.chunk().await;
    stream.chunks(&["o\n"]).await;
    let mut seen = Vec::new();
    while seen.len() < MANY {
        seen.extend(numbers(stream.chunk().await.trim_end()));
    }
    assert!(seen.into_iter().eq(0..MANY));
    stream.chunks(&["c[1000,\"Normal closure\"]\n", ""]).await;
    site.stop().await;
}

#[tokio::test]
async fn a_service_waits_for_a_client_that_does_not_poll() {
    let (site, sent) = flooding().await;
    assert_eq!(site.poll("/s/000/x").await, "o\n");
    let before = site.settled(&sent).await;
    assert!(before <= 3, "{before} messages wait");
    let mut seen = Vec::new();
    for _ in 0..10 {
        seen.extend(numbers(site.poll("/s/000/x").await.trim_end()));
    }
    assert!(seen.iter().copied().eq(0..seen.len()));
    site.stop().await;
}

#[tokio::test]
async fn a_service_waits_for_a_client_that_does_not_read_its_websocket() {
    for path in ["/s/000/x/websocket", "/s/websocket"] {
        let (site, sent) = flooding().await;
        let mut socket = site.socket_over(site.connect_small().await, path).await;
        let before = site.settled(&sent).await;
        assert!(before < MANY, "nobody has taken {before} messages");
        let is_bare = path == "/s/websocket";
        if !is_bare {
            assert_eq!(socket.text().await, "o");
        }
        let mut seen = Vec::new();
        while seen.len() < MANY {
            let text = socket.text().await;
            if is_bare { seen.push(text.parse().unwrap()) } else { seen.extend(numbers(&text)) }
        }
        assert!(seen.into_iter().eq(0..MANY));
        if !is_bare {
            assert_eq!(socket.text().await, r#"c[1000,"Normal closure"]"#);
        }
        assert_eq!(socket.closed().await, 1000);
        site.stop().await;
    }
}

/// A service that listens only once it is told to, and then echoes how much each message was.
async fn late_listening() -> (Site, Arc<Notify>) {
    let begin = Arc::new(Notify::new());
    let told = Arc::clone(&begin);
    let service = move |session: Session| {
        let told = Arc::clone(&told);
        async move {
            told.notified().await;
            while let Some(message) = session.recv().await {
                if session.send(message.len().to_string()).await.is_err() {
                    break;
                }
            }
        }
    };
    (Site::of(service, options()).await, begin)
}

#[tokio::test]
async fn a_client_waits_for_a_service_that_does_not_listen() {
    let (site, begin) = late_listening().await;
    let mut stream = site.stream("/s/000/x").await;
    stream.chunks(&["o\n"]).await;
    let message = format!("[\"{}\"]", "x".repeat(100_000));
    site.say("/s/000/x", &message).await; // There is room until there is too much.
    let listening = AtomicBool::new(false);
    let saying = async {
        site.say("/s/000/x", &message).await;
        assert!(listening.load(Ordering::Relaxed), "somebody has listened");
    };
    let meanwhile = async {
        for _ in 0..10 {
            assert_eq!(site.get("/s/info").await.status, 200);
        }
        listening.store(true, Ordering::Relaxed);
        begin.notify_one();
    };
    tokio::join!(saying, meanwhile);
    stream.chunks(&["a[\"100000\"]\n", "a[\"100000\"]\n"]).await;
    drop(stream);
    site.stop().await;
}

#[tokio::test]
async fn who_waits_to_be_heard_is_let_go_when_the_session_ends() {
    let (over, is_over) = oneshot::channel();
    let is_over = is_over.shared();
    let service = move |session: Session| {
        let is_over = is_over.clone();
        async move {
            is_over.await.unwrap();
            session.close(3000, "Go away!");
        }
    };
    let site = Site::of(service, options()).await;
    assert_eq!(site.poll("/s/000/x").await, "o\n");
    let message = format!("[\"{}\"]", "x".repeat(100_000));
    site.say("/s/000/x", &message).await;
    let meanwhile = async {
        assert_eq!(site.get("/s/info").await.status, 200);
        over.send(()).unwrap();
    };
    tokio::join!(site.say("/s/000/x", &message), meanwhile);
    assert_eq!(site.poll("/s/000/x").await, "c[3000,\"Go away!\"]\n");
    site.stop().await;
}

#[tokio::test]
async fn a_websocket_waits_for_a_service_that_does_not_listen() {
    for path in ["/s/000/x/websocket", "/s/websocket"] {
        let (site, begin) = late_listening().await;
        let mut socket = site.socket_over(site.connect_small().await, path).await;
        let message = if path == "/s/websocket" { "x".repeat(LARGE) } else { format!("[\"{}\"]", "x".repeat(LARGE)) };
        let said = AtomicUsize::new(0);
        let saying = async {
            for _ in 0..MANY {
                socket.send(message.as_str()).await;
                said.fetch_add(1, Ordering::Relaxed);
            }
        };
        let meanwhile = async {
            let before = site.settled(&said).await;
            assert!(before < MANY, "nobody has heard {before} messages");
            begin.notify_one();
        };
        tokio::join!(saying, meanwhile);
        let mut heard = 0;
        while heard < MANY {
            heard += socket.text().await.matches("32768").count();
        }
        drop(socket);
        site.stop().await;
    }
}
