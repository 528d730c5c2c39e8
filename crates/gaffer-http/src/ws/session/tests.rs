use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::DuplexStream,
    sync::{Notify, mpsc},
    task::JoinHandle,
};

use super::*;

struct Source(mpsc::Receiver<Outgoing>);

impl Stream for Source {
    type Item = Outgoing;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        self.0.poll_recv(cx)
    }
}

/// Echoes, but waits at each message that begins with `wait`.
struct Echo {
    pulse: Arc<Pulse>,
    taken: Arc<Mutex<Vec<Data>>>,
    go_on: Arc<Notify>,
}

impl Receiver for Echo {
    async fn receive(&mut self, message: Data) -> Vec<Outgoing> {
        if message.clone().into_bytes().starts_with(b"wait") {
            self.go_on.notified().await;
        }
        self.taken.lock().unwrap().push(message.clone());
        if message == Data::text("go") {
            return vec![Outgoing::Close(Close { code: 4000, reason: "as you wish".into() })];
        }
        vec![Outgoing::Data(message)]
    }

    fn pulse(&self) -> Option<Arc<Pulse>> {
        Some(Arc::clone(&self.pulse))
    }
}

struct Fixture {
    pulse: Arc<Pulse>,
    client: WebSocketStream<DuplexStream>,
    source: Option<mpsc::Sender<Outgoing>>,
    taken: Arc<Mutex<Vec<Data>>>,
    go_on: Arc<Notify>,
    closing: CancellationToken,
    /// Held by the session as long as its connection.
    kept: std::sync::Weak<()>,
    session: JoinHandle<()>,
}

impl Fixture {
    /// A session over a pipe that holds so many bytes each way.
    async fn start(options: Options, pipe: usize) -> Self {
        let (near, far) = tokio::io::duplex(pipe);
        let (sender, source) = mpsc::channel(16);
        let (taken, go_on) = (Arc::new(Mutex::default()), Arc::new(Notify::new()));
        let pulse = Arc::new(Pulse::default());
        let receiver = Echo { pulse: Arc::clone(&pulse), taken: Arc::clone(&taken), go_on: Arc::clone(&go_on) };
        let (kept, closing) = (Arc::new(()), CancellationToken::new());
        let session = Session { source: Source(source), receiver, options };
        let weak = Arc::downgrade(&kept);
        Self {
            pulse,
            client: WebSocketStream::from_raw_socket(near, Role::Client, None).await,
            source: Some(sender),
            taken,
            go_on,
            session: tokio::spawn(session.run(far, kept, closing.clone())),
            closing,
            kept: weak,
        }
    }

    async fn plain() -> Self {
        Self::start(Options { keep_alive: None, ..Options::default() }, 1 << 16).await
    }

    async fn say(&self, text: &str) {
        self.source.as_ref().unwrap().send(Outgoing::Data(Data::text(text))).await.unwrap();
    }

    /// The next message but pings; a close as `code reason`.
    async fn next(&mut self) -> String {
        loop {
            match timeout(Duration::from_secs(7200), self.client.next()).await.expect("something, or the end") {
                Some(Ok(Message::Text(text))) => return text.to_string(),
                Some(Ok(Message::Binary(bytes))) => return format!("{bytes:?}"),
                Some(Ok(Message::Close(Some(close)))) => return format!("{} {}", close.code, close.reason),
                Some(Ok(Message::Pong(_))) => return "pong".to_owned(),
                Some(Ok(Message::Ping(_))) => {}
                other => return format!("{other:?}"),
            }
        }
    }

    async fn end(self) {
        self.session.await.unwrap();
        assert!(self.kept.upgrade().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn both_sides_speak_until_the_source_ends() {
    let mut fixture = Fixture::plain().await;
    fixture.say("welcome").await;
    assert_eq!(fixture.next().await, "welcome");
    fixture.client.send(Message::text("one")).await.unwrap();
    fixture.client.send(Message::binary(vec![0, 255])).await.unwrap();
    assert_eq!(fixture.next().await, "one");
    assert_eq!(fixture.next().await, r#"b"\0\xff""#);
    fixture.say("bye").await;
    fixture.source = None;
    assert_eq!(fixture.next().await, "bye");
    assert_eq!(fixture.next().await, "1000 ");
    assert_eq!(fixture.next().await, "None");
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_may_close() {
    let mut fixture = Fixture::plain().await;
    fixture.client.send(Message::text("go")).await.unwrap();
    assert_eq!(fixture.next().await, "4000 as you wish");
    assert_eq!(fixture.next().await, "None");
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_why_and_closes() {
    let (near, far) = tokio::io::duplex(1 << 16);
    let mut client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    let session = Session::refusal(Data::text("no"), Close { code: 4404, reason: "not_found".into() });
    let session = tokio::spawn(session.run(far, (), CancellationToken::new()));
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("no"));
    let Some(Ok(Message::Close(Some(close)))) = client.next().await else { panic!("no close") };
    assert_eq!((u16::from(close.code), close.reason.as_str()), (4404, "not_found"));
    assert!(client.next().await.is_none());
    session.await.unwrap();
}

/// Has a session say something and close, to a peer that does not close, over a pipe that holds so many bytes each way.
/// Answers after how many seconds it is over.
async fn seconds_to_part(said: usize, pipe: usize) -> u64 {
    let (near, far) = tokio::io::duplex(pipe);
    let session = Session::refusal(Data::text("x".repeat(said)), Close::NORMAL);
    let begun = tokio::time::Instant::now();
    session.run(far, (), CancellationToken::new()).await;
    drop(near);
    begun.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_has_little_time_to_close_as_well() {
    assert_eq!(seconds_to_part(200, 1 << 16).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_line_has_more_time_for_what_is_under_way() {
    assert_eq!(seconds_to_part(200_000, 1 << 20).await, 10, "it is in the hands of the system");
    assert_eq!(seconds_to_part(20, 24).await, 10, "half of the close is in ours");
}

#[tokio::test(start_paused = true)]
async fn who_sends_without_end_after_a_refusal_is_cut_off() {
    const MANY: usize = 64 * 1024 * 1024;
    let message = [&[0x82, 0xFE, 0x40, 0x00, 0, 0, 0, 0][..], &[b'x'; 0x4000]].concat();
    let garbage = vec![0xFF; 0x4000];
    for bytes in [message, garbage] {
        let (mut near, far) = tokio::io::duplex(1 << 16);
        let session = Session::refusal(Data::text("no"), Close::NORMAL);
        let session = tokio::spawn(session.run(far, (), CancellationToken::new()));
        let mut sent = 0;
        while sent < MANY && tokio::io::AsyncWriteExt::write_all(&mut near, &bytes).await.is_ok() {
            sent += bytes.len();
        }
        assert!(sent < MANY / 2, "{sent}");
        session.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stuck_receiver_holds_up_neither_the_source_nor_pings_nor_a_close() {
    let mut fixture = Fixture::plain().await;
    fixture.client.send(Message::text("wait")).await.unwrap();
    fixture.client.send(Message::text("behind it")).await.unwrap();
    fixture.say("news").await;
    assert_eq!(fixture.next().await, "news");
    fixture.client.send(Message::Ping(Bytes::new())).await.unwrap();
    assert_eq!(fixture.next().await, "pong");
    fixture.client.close(None).await.unwrap();
    assert_eq!(fixture.client.next().await.map(Result::unwrap), Some(Message::Close(None)));
    assert!(fixture.client.next().await.is_none());
    fixture.source.as_ref().unwrap().closed().await;
    assert!(fixture.kept.upgrade().is_some(), "the connection is closed, but what came on it still takes memory");
    // What came before the close is taken all the same.
    fixture.go_on.notify_one();
    let taken = Arc::clone(&fixture.taken);
    fixture.end().await;
    assert_eq!(*taken.lock().unwrap(), [Data::text("wait"), Data::text("behind it")]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_stays_stuck_is_dropped_in_the_end() {
    let mut fixture = Fixture::plain().await;
    fixture.client.send(Message::text("wait")).await.unwrap();
    drop(fixture.client.close(None).await);
    assert!(fixture.next().await.contains("Close"));
    let (taken, begun) = (Arc::clone(&fixture.taken), tokio::time::Instant::now());
    tokio::time::sleep(LAST_MESSAGES - Duration::from_millis(10)).await;
    assert!(fixture.kept.upgrade().is_some(), "as long as the message is there");
    fixture.end().await;
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert!(taken.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stuck_receiver_stops_the_reading_but_not_the_end() {
    let mut fixture = Fixture::plain().await;
    let (mut writer, mut reader) = fixture.client.split();
    let flood = tokio::spawn(async move {
        let mut sent = 0;
        while writer.send(Message::text(format!("wait {}", "x".repeat(10_000)))).await.is_ok() {
            sent += 1;
        }
        sent
    });
    fixture.source.as_ref().unwrap().send(Outgoing::Data(Data::text("news"))).await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), Message::text("news"));
    // Nothing else can be known: pings go on though nothing is read.
    assert_eq!(reader.next().await.unwrap().unwrap(), Message::Ping(Bytes::new()));
    fixture.source = None;
    let Some(Ok(Message::Close(Some(close)))) = reader.next().await else { panic!("no close") };
    assert_eq!(u16::from(close.code), 1000);
    drop(reader);
    fixture.session.await.unwrap();
    // Once it was over all was read, and dropped; before, no more than the pipes and the lookahead hold.
    flood.abort();
    assert!(fixture.taken.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_sent_no_more_and_holds_up_no_shutdown() {
    let mut fixture = Fixture::start(Options { keep_alive: None, ..Options::default() }, 1000).await;
    let source = fixture.source.take().unwrap();
    // One is in our hands, the rest stays where it can be dropped.
    source.send(Outgoing::Data(Data::text("x".repeat(5000)))).await.unwrap();
    for _ in 0..16 {
        source.send(Outgoing::Data(Data::text("more"))).await.unwrap();
    }
    tokio::task::yield_now().await;
    assert!(source.try_send(Outgoing::Data(Data::text("more"))).is_err(), "nobody takes it");
    fixture.closing.cancel();
    fixture.session.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_server_is_told() {
    let mut fixture = Fixture::plain().await;
    fixture.client.send(Message::text("wait")).await.unwrap();
    fixture.say("news").await;
    assert_eq!(fixture.next().await, "news");
    fixture.closing.cancel();
    assert_eq!(fixture.next().await, "1001 the server is shutting down");
    assert_eq!(fixture.next().await, "None");
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn pending_messages_are_answered_when_the_source_ends() {
    let mut fixture = Fixture::plain().await;
    fixture.client.send(Message::text("wait")).await.unwrap();
    fixture.client.send(Message::Ping(Bytes::new())).await.unwrap();
    assert_eq!(fixture.next().await, "pong");
    fixture.source = None;
    fixture.go_on.notify_one();
    assert_eq!(fixture.next().await, "wait");
    assert_eq!(fixture.next().await, "1000 ");
    assert_eq!(fixture.next().await, "None");
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_breaks_the_protocol_is_closed_with_the_code_for_it() {
    let options = Options { max_message: 1000, keep_alive: None, ..Options::default() };
    let masked = |first: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap();
        [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
    };
    for (bytes, close) in [
        (masked(0x81, b"\xff\xfe"), "1007 a text message must be UTF-8"),
        (masked(0x83, b"a reserved opcode"), "1002 this breaks the websocket protocol"),
        (masked(0xC1, b"a reserved bit"), "1002 this breaks the websocket protocol"),
        (masked(0x80, b"continues nothing"), "1002 this breaks the websocket protocol"),
        (masked(0x88, b"x"), "1002 this breaks the websocket protocol"),
        (b"\x81\x05hello".to_vec(), "1002 this breaks the websocket protocol"),
        ([&b"GET / HTTP/1.1\r\n"[..], &[b'x'; 200]].concat(), "1002 this breaks the websocket protocol"),
        (b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0".to_vec(), "1009 a message may have at most 1000 bytes"),
        (b"\x82\xfe\x03\xe9\0\0\0\0".to_vec(), "1009 a message may have at most 1000 bytes"),
    ] {
        let mut fixture = Fixture::start(options, 1 << 16).await;
        tokio::io::AsyncWriteExt::write_all(fixture.client.get_mut(), &bytes).await.unwrap();
        assert_eq!(fixture.next().await, close, "{bytes:x?}");
        drop(fixture.client);
        fixture.session.await.unwrap();
    }

    // Small frames that add up.
    let mut fixture = Fixture::start(options, 1 << 16).await;
    for first in [0x02, 0x00, 0x00] {
        let part = [&[first, 0xFE, 0x01, 0x90, 0, 0, 0, 0][..], &[b'x'; 400]].concat();
        tokio::io::AsyncWriteExt::write_all(fixture.client.get_mut(), &part).await.unwrap();
    }
    assert_eq!(fixture.next().await, "1009 a message may have at most 1000 bytes");
}

#[tokio::test(start_paused = true)]
async fn what_we_say_may_be_larger_than_what_we_hear() {
    let mut fixture = Fixture::start(Options { max_message: 1000, keep_alive: None, ..Options::default() }, 4096).await;
    // More than may wait to be written.
    let large = "é".repeat(100_000);
    let bytes = Bytes::from(vec![b'x'; 200_000]);
    let source = fixture.source.clone().unwrap();
    for data in [Data::text(large.as_str()), Data::Binary(bytes.clone()), Data::text("x")] {
        source.send(Outgoing::Data(data)).await.unwrap();
    }
    assert!(fixture.next().await == large);
    assert!(fixture.next().await == format!("{bytes:?}"));
    assert_eq!(fixture.next().await, "x");
    fixture.say("y").await;
    assert_eq!(fixture.next().await, "y");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_vanishes_frees_the_source_at_once() {
    let Fixture { client, source, session, kept, .. } = Fixture::plain().await;
    drop(client);
    source.unwrap().closed().await;
    session.await.unwrap();
    assert!(kept.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_gives_no_sign_of_life_is_dropped() {
    let fixture = Fixture::start(Options::default(), 1 << 16).await;
    let begun = tokio::time::Instant::now();
    fixture.source.as_ref().unwrap().closed().await;
    assert_eq!(begun.elapsed().as_secs(), 60);
    fixture.session.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_is_kept() {
    let mut fixture = Fixture::start(Options::default(), 1 << 16).await;
    let hour = tokio::time::timeout(Duration::from_secs(3600), fixture.next()).await;
    assert!(hour.is_err(), "{hour:?}");
    fixture.say("still there").await;
    assert_eq!(fixture.next().await, "still there");
}

#[tokio::test(start_paused = true)]
async fn pings_without_end_from_who_does_not_read_take_no_memory() {
    let fixture = Fixture::start(Options { max_message: 1000, keep_alive: None, ..Options::default() }, 4096).await;
    let mut client = fixture.client.into_inner();
    let ping = [&[0x89, 0xFD, 0, 0, 0, 0][..], &[b'x'; 125]].concat();
    for _ in 0..2000 {
        tokio::io::AsyncWriteExt::write_all(&mut client, &ping).await.unwrap();
    }
    fixture.closing.cancel();
    fixture.session.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn whether_the_peer_is_there_can_be_asked_from_outside() {
    let mut fixture = Fixture::plain().await;
    let pulse = Arc::clone(&fixture.pulse);
    // A peer that does not read does not answer.
    assert!(!pulse.beats(Duration::from_secs(1)).await);
    let asking = tokio::spawn(async move { pulse.beats(Duration::from_secs(1)).await });
    for _ in 0..2 {
        assert!(matches!(fixture.client.next().await, Some(Ok(Message::Ping(_)))));
    }
    fixture.client.flush().await.unwrap();
    assert!(asking.await.unwrap());
}
