//! The body of an answer that goes on as long as its source.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use futures_core::Stream;
use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{FeedKind, FeedOptions, Item, Media, encoder::Encoder};

/// Answers with the items of `source`, until it ends or `closing` is cancelled.
pub fn response<S>(source: S, options: FeedOptions, media: Media, closing: CancellationToken) -> Response
where
    S: Stream<Item = Item> + Send + Unpin + 'static,
{
    let content_type = match (options.kind, media) {
        (FeedKind::EventSource, _) => "text/event-stream",
        (_, Media::Json) => "application/json",
        (_, Media::Bytes) => "application/octet-stream",
    };
    let mut response = Response::new(Body::new(FeedBody::new(source, options, media, closing)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // A proxy that collects chunks would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

struct FeedBody<S> {
    /// `None` once nothing more is to be read.
    source: Option<S>,
    encoder: Encoder,
    /// Chunks of the last item that are not sent yet; at most a few.
    chunks: VecDeque<Bytes>,
    only_first: bool,
    heartbeat: Option<Heartbeat>,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
}

struct Heartbeat {
    pause: Duration,
    next: Pin<Box<Sleep>>,
}

impl<S> FeedBody<S> {
    fn new(source: S, options: FeedOptions, media: Media, closing: CancellationToken) -> Self {
        Self {
            source: Some(source),
            encoder: Encoder::new(options.kind, media),
            chunks: VecDeque::new(),
            only_first: options.kind == FeedKind::Longpoll,
            heartbeat: options.heartbeat.map(|pause| Heartbeat { pause, next: Box::pin(sleep(pause)) }),
            closing: Box::pin(closing.cancelled_owned()),
        }
    }
}

impl<S: Stream<Item = Item> + Unpin> FeedBody<S> {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(chunk) = self.chunks.pop_front() {
                return Poll::Ready(Some(chunk));
            }
            let Some(source) = &mut self.source else { return Poll::Ready(None) };
            if self.closing.as_mut().poll(cx).is_ready() {
                self.source = None;
                return Poll::Ready(None);
            }
            match Pin::new(source).poll_next(cx) {
                Poll::Ready(Some(item)) => {
                    self.encoder.encode(item, &mut self.chunks);
                    if self.only_first && !self.chunks.is_empty() {
                        self.source = None;
                    }
                }
                Poll::Ready(None) => {
                    self.source = None;
                    self.encoder.finish(&mut self.chunks);
                }
                Poll::Pending => {
                    let Some(heartbeat) = &mut self.heartbeat else { return Poll::Pending };
                    std::task::ready!(heartbeat.next.as_mut().poll(cx));
                    return Poll::Ready(Some(self.encoder.heartbeat()));
                }
            }
        }
    }
}

impl<S: Stream<Item = Item> + Unpin> http_body::Body for FeedBody<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = self.get_mut();
        let chunk = std::task::ready!(body.poll_chunk(cx));
        if let (Some(_), Some(heartbeat)) = (&chunk, &mut body.heartbeat) {
            heartbeat.next.as_mut().reset(Instant::now() + heartbeat.pause);
        }
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::sync::mpsc;

    use super::*;
    use crate::feed::{FeedId, FeedQuery, Message, Output};

    struct Source(mpsc::Receiver<Item>);

    impl Stream for Source {
        type Item = Item;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
            self.0.poll_recv(cx)
        }
    }

    struct Feed {
        items: Option<mpsc::Sender<Item>>,
        body: Body,
        content_type: String,
        closing: CancellationToken,
        written: u64,
    }

    impl Feed {
        fn new(media: Media, feed: &str, heartbeat: Option<&str>) -> Self {
            let (items, source) = mpsc::channel(16);
            let closing = CancellationToken::new();
            let query = FeedQuery {
                feed: Some(feed.to_owned()),
                heartbeat: heartbeat.map(str::to_owned),
                ..FeedQuery::default()
            };
            let options = query.options(None).unwrap();
            let response = response(Source(source), options, media, closing.clone());
            let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
            Self { items: Some(items), body: response.into_body(), content_type, closing, written: 0 }
        }

        fn output(&mut self, data: &'static [u8]) {
            self.written += data.len() as u64;
            let end = FeedId { incarnation: "n".into(), number: self.written };
            self.item(Item::Output(Output {
                label: "out".parse().unwrap(),
                data: Bytes::from_static(data),
                end: Some(end),
            }));
        }

        fn message(&mut self, json: &'static str) {
            self.item(Item::Message(Message {
                event: "spawn".into(),
                id: Some(FeedId { incarnation: "n".into(), number: 1 }),
                json: Bytes::from_static(json.as_bytes()),
            }));
        }

        fn item(&mut self, item: Item) {
            self.items.as_ref().unwrap().try_send(item).unwrap();
        }

        /// The next chunk as text; `None` at the end.
        async fn next(&mut self) -> Option<String> {
            let frame = self.body.frame().await?.unwrap().into_data().unwrap();
            Some(String::from_utf8(frame.to_vec()).unwrap())
        }
    }

    #[tokio::test]
    async fn a_longpoll_ends_after_the_first_item() {
        let mut feed = Feed::new(Media::Bytes, "longpoll", None);
        feed.output(b"");
        feed.item(Item::OutputLost("out".parse().unwrap(), 3));
        feed.output(b"one\n");
        feed.output(b"two\n");
        assert_eq!(feed.content_type, "application/octet-stream");
        assert_eq!(feed.next().await.as_deref(), Some("one\n"));
        assert_eq!(feed.next().await, None);
        assert!(feed.items.unwrap().is_closed(), "the subscription is freed at once");
    }

    #[tokio::test]
    async fn a_continuous_feed_of_output_holds_the_bytes_alone() {
        let mut feed = Feed::new(Media::Bytes, "continuous", None);
        feed.output(b"a");
        feed.item(Item::OutputLost("out".parse().unwrap(), 3));
        feed.output(b"b\n");
        feed.items = None;
        assert_eq!(feed.next().await.as_deref(), Some("a"));
        assert_eq!(feed.next().await.as_deref(), Some("b\n"));
        assert_eq!(feed.next().await, None, "the source ended");
    }

    #[tokio::test]
    async fn an_event_stream_of_output_is_text_in_which_no_character_is_split() {
        let mut feed = Feed::new(Media::Bytes, "eventsource", None);
        feed.output(b"caf\xc3");
        feed.output(b"\xa9\n");
        feed.output(b"\xc3");
        feed.item(Item::OutputLost("out".parse().unwrap(), 7));
        feed.output(b"\xe2\x82");
        feed.items = None;
        assert_eq!(feed.content_type, "text/event-stream");
        let open = "event: out\r\nid: n-3\r\ndata: caf\r\n: no line break\r\n\r\n";
        assert_eq!(feed.next().await.as_deref(), Some(open));
        assert_eq!(feed.next().await.as_deref(), Some("event: out\r\nid: n-5\r\ndata: é\r\n\r\n"));
        let cut = "event: out\r\ndata: \u{FFFD}\r\n: no line break\r\n\r\n";
        assert_eq!(feed.next().await.as_deref(), Some(cut));
        assert_eq!(feed.next().await.as_deref(), Some(": 7 bytes of out lost\r\n\r\n"));
        assert_eq!(feed.next().await.as_deref(), Some(cut));
        assert_eq!(feed.next().await, None);
    }

    #[tokio::test]
    async fn a_line_break_that_was_read_alone_makes_no_event() {
        let mut feed = Feed::new(Media::Bytes, "eventsource", None);
        feed.output(b"prompt>");
        feed.output(b"\n");
        feed.output(b"next\n");
        feed.items = None;
        let prompt = "event: out\r\nid: n-7\r\ndata: prompt>\r\n: no line break\r\n\r\n";
        assert_eq!(feed.next().await.as_deref(), Some(prompt));
        assert_eq!(feed.next().await.as_deref(), Some(": line break of out\r\n\r\n"));
        assert_eq!(feed.next().await.as_deref(), Some("event: out\r\nid: n-12\r\ndata: next\r\n\r\n"));
        assert_eq!(feed.next().await, None);

        let mut resumed = Feed::new(Media::Bytes, "eventsource", None);
        resumed.item(Item::Resumed("out".parse().unwrap()));
        resumed.output(b"\nnext\n");
        let next = "event: out\r\nid: n-5\r\ndata: next\r\n: after a line break\r\n\r\n";
        assert_eq!(resumed.next().await.as_deref(), Some(next));
    }

    #[tokio::test]
    async fn a_note_is_for_event_streams_alone() {
        for (feed, expected) in [("eventsource", ": hello\r\n\r\n"), ("continuous", "{}\r\n"), ("longpoll", "{}\r\n")] {
            let mut feed = Feed::new(Media::Json, feed, None);
            feed.item(Item::Note("hello"));
            feed.message("{}");
            assert_eq!(feed.next().await.as_deref(), Some(expected));
        }
    }

    #[tokio::test]
    async fn the_source_is_asked_for_no_more_than_the_reader_takes() {
        let mut feed = Feed::new(Media::Bytes, "eventsource", None);
        for _ in 0..16 {
            feed.output(b"line\n");
        }
        assert_eq!(feed.items.as_ref().unwrap().capacity(), 0);
        feed.next().await.unwrap();
        feed.next().await.unwrap();
        assert_eq!(feed.items.as_ref().unwrap().capacity(), 2, "two were taken, and none ahead");
    }

    #[tokio::test]
    async fn messages_are_lines_or_events() {
        let mut lines = Feed::new(Media::Json, "continuous", None);
        lines.message("{\"n\":1}");
        lines.item(Item::MessagesLost(4));
        assert_eq!(lines.content_type, "application/json");
        assert_eq!(lines.next().await.as_deref(), Some("{\"n\":1}\r\n"));
        assert_eq!(lines.next().await.as_deref(), Some("{\"lagged\":4}\r\n"));

        let mut events = Feed::new(Media::Json, "eventsource", None);
        events.message("{\"n\":1}");
        events.item(Item::MessagesLost(4));
        assert_eq!(events.next().await.as_deref(), Some("event: spawn\r\nid: n-1\r\ndata: {\"n\":1}\r\n\r\n"));
        assert_eq!(events.next().await.as_deref(), Some(": 4 events lost\r\n\r\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_comes_after_each_silence() {
        for (media, feed, sign) in [
            (Media::Bytes, "continuous", "\n"),
            (Media::Bytes, "eventsource", ": hb\r\n\r\n"),
            (Media::Json, "continuous", "\r\n"),
        ] {
            let mut feed = Feed::new(media, feed, Some("true"));
            let begun = Instant::now();
            assert_eq!(feed.next().await.as_deref(), Some(sign));
            assert_eq!(feed.next().await.as_deref(), Some(sign));
            assert_eq!(begun.elapsed().as_secs(), 120);
            feed.output(b"x");
            feed.next().await.unwrap();
            assert_eq!(begun.elapsed().as_secs(), 120);
            assert_eq!(feed.next().await.as_deref(), Some(sign));
            assert_eq!(begun.elapsed().as_secs(), 180, "what is sent puts the heartbeat off");
        }
    }

    #[tokio::test]
    async fn a_feed_ends_when_the_server_closes() {
        let mut feed = Feed::new(Media::Bytes, "continuous", None);
        feed.closing.cancel();
        assert_eq!(feed.next().await, None);
        assert!(feed.items.unwrap().is_closed());
    }

    #[tokio::test]
    async fn a_reader_that_goes_away_frees_the_source() {
        let Feed { items, body, .. } = Feed::new(Media::Bytes, "continuous", None);
        drop(body);
        assert!(items.unwrap().is_closed());
    }
}
