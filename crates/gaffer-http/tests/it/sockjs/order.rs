//! Nothing is lost, doubled or out of order.

use std::{collections::VecDeque, time::Duration};

use gaffer_http::sockjs::{Options, Session};
use proptest::prelude::*;

use super::site::{Site, options};

/// How a client is told something next.
#[derive(Clone, Copy, Debug)]
enum Way {
    Poll,
    Stream,
    Events,
    Page,
    Script,
}

const WAYS: [Way; 5] = [Way::Poll, Way::Stream, Way::Events, Way::Page, Way::Script];

impl Way {
    /// The frames of one answer, read to its end.
    async fn frames(self, site: &Site) -> Vec<String> {
        let (method, transport) = match self {
            Self::Poll => ("POST", "xhr"),
            Self::Stream => ("POST", "xhr_streaming"),
            Self::Events => ("GET", "eventsource"),
            Self::Page => ("GET", "htmlfile?c=f"),
            Self::Script => ("GET", "jsonp?c=f"),
        };
        let mut answer = site.open(method, &format!("/s/000/x/{transport}"), &[], "").await;
        assert_eq!(answer.status, 200);
        if !answer.headers.has("transfer-encoding") {
            return vec![self.read(&answer.whole().await.body)];
        }
        let mut frames = VecDeque::new();
        loop {
            let chunk = answer.chunk().await;
            if chunk.is_empty() {
                break;
            }
            frames.push_back(chunk);
        }
        if matches!(self, Self::Stream | Self::Events | Self::Page) {
            frames.pop_front();
        }
        frames.iter().map(|chunk| self.read(chunk)).collect()
    }

    /// The frame in a chunk.
    fn read(self, chunk: &str) -> String {
        let in_script = || {
            let string = chunk.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).unwrap().0;
            serde_json::from_str(string).unwrap()
        };
        match self {
            Self::Poll | Self::Stream => chunk.trim_end().to_owned(),
            Self::Events => chunk.strip_prefix("data: ").unwrap().trim_end().to_owned(),
            Self::Page | Self::Script => in_script(),
        }
    }
}

/// A client that says so many numbers at once each time, and is told of them in these ways, again and again.
async fn counts(batches: Vec<usize>, ways: Vec<Way>, response_limit: usize) {
    let total: usize = batches.iter().sum();
    let service = move |session: Session| async move {
        for expected in 0..total {
            assert_eq!(session.recv().await, Some(expected.to_string()), "out of order");
            session.send(expected.to_string()).await.unwrap();
        }
        session.close(3000, "all is said");
    };
    // Heartbeats come whenever there is a pause.
    let options = Options { response_limit, heartbeat: Duration::from_millis(1), ..options() };
    let site = Site::of(service, options).await;
    assert_eq!(site.poll("/s/000/x").await, "o\n");
    let saying = async {
        let mut numbers = 0..total;
        for (batch, transport) in batches.iter().zip(["xhr_send", "jsonp_send"].into_iter().cycle()) {
            let batch: Vec<String> = numbers.by_ref().take(*batch).map(|number| number.to_string()).collect();
            let payload = serde_json::to_string(&batch).unwrap();
            let answer = site.post(&format!("/s/000/x/{transport}"), payload).await;
            assert!(matches!(answer.status, 200 | 204), "{answer:?}");
        }
    };
    let hearing = async {
        let mut heard = Vec::new();
        for way in ways.into_iter().cycle() {
            for frame in way.frames(&site).await {
                match frame.strip_prefix('a') {
                    Some(messages) => heard.extend(serde_json::from_str::<Vec<String>>(messages).unwrap()),
                    None if frame == "h" => {}
                    None => {
                        assert_eq!(frame, r#"c[3000,"all is said"]"#);
                        return heard;
                    }
                }
            }
        }
        heard
    };
    let ((), heard) = tokio::join!(saying, hearing);
    assert!(heard.iter().map(|number| number.parse::<usize>().unwrap()).eq(0..total), "{heard:?}");
    site.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn over_whatever_connections_everything_arrives_once_and_in_order(
        batches in prop::collection::vec(0..40_usize, 1..30),
        ways in prop::collection::vec(prop::sample::select(&WAYS[..]), 1..6),
        response_limit in 1..2000_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(counts(batches, ways, response_limit));
    }
}
