//! The router over a manager with real processes.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode},
};
use gaffer_core::{
    Manager, ManagerOptions,
    backend::RealBackend,
    events::{Delivery, EventKind},
};
use gaffer_http::{api, serve::Lifetime};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{
    contract::{Contract, Promise},
    wire::DEADLINE,
};

fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder().method(method.parse::<Method>().unwrap()).uri(path).body(body.into()).unwrap()
}

pub(crate) struct Node {
    pub(crate) manager: Manager,
    pub(crate) closing: CancellationToken,
    router: Router,
    /// Whether all routes are ours, so that answers are as our description says.
    described: bool,
}

/// One for all nodes: they are described alike.
static CONTRACT: OnceCell<Contract> = OnceCell::const_new();

/// An answer with its body read to the end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// An endless answer.
pub(crate) struct Feed {
    pub(crate) content_type: String,
    /// Where an event stream begins; empty for others.
    pub(crate) begins: String,
    body: Body,
    promise: Promise,
}

/// An answer whose body is still open.
struct Opened {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
    promise: Promise,
}

impl Feed {
    /// The next chunk as text; `None` at its end.
    pub(crate) async fn next(&mut self) -> Option<String> {
        let frame = tokio::time::timeout(DEADLINE, self.body.frame()).await.expect("a chunk or the end")?;
        Some(String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
    }

    /// The next chunk, which is to be a line of JSON.
    pub(crate) async fn json(&mut self) -> Value {
        let chunk = self.next().await.expect("a line");
        let line = chunk.strip_suffix("\r\n").unwrap_or_else(|| panic!("no line end in {chunk:?}"));
        self.promise.check(line);
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// The next chunk, which is to be an event: its name, id and data.
    pub(crate) async fn event(&mut self) -> (String, String, String) {
        let chunk = self.next().await.expect("an event");
        let field = |name: &str| {
            let lines = chunk.split("\r\n").filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            lines.collect::<Vec<_>>().join("\n")
        };
        assert!(chunk.ends_with("\r\n\r\n"), "{chunk:?}");
        (field("event"), field("id"), field("data"))
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that it is an error in the one form, and answers its reason.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> String {
        assert_eq!(
            (self.status.as_u16(), self.header("content-type")),
            (status, "application/json; charset=UTF-8"),
            "{self:?}"
        );
        let body = self.json();
        assert_eq!((body["errno"].as_u64(), body["error"].as_str()), (Some(status.into()), Some(code)), "{self:?}");
        assert_eq!(body.as_object().unwrap().len(), 3, "{self:?}");
        body["reason"].as_str().unwrap().to_owned()
    }
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::with_options(api::Options::default())
    }

    pub(crate) fn with_options(options: api::Options) -> Self {
        Self::of(ManagerOptions::default(), options)
    }

    pub(crate) fn of(manager: ManagerOptions, options: api::Options) -> Self {
        let manager = Manager::start(manager, RealBackend::start).unwrap();
        let lifetime = Lifetime::new();
        let closing = lifetime.closing().clone();
        let described = !options.routes.has_routes();
        Self { router: api::router(manager.clone(), options, lifetime), manager, closing, described }
    }

    /// Asks for a feed, which must be granted.
    pub(crate) async fn feed(&self, path: &str) -> Feed {
        self.feed_after(path, None).await
    }

    /// Asks for a feed as a reader that comes back.
    pub(crate) async fn feed_after(&self, path: &str, last_event_id: Option<&str>) -> Feed {
        let request = Request::builder().uri(path);
        let request = last_event_id.into_iter().fold(request, |request, id| request.header("Last-Event-ID", id));
        let Opened { status, headers, body, promise } = self.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        Feed { content_type: header("content-type"), begins: header("last-event-id"), body, promise }
    }

    /// Sends a request. What comes back is held against the description.
    async fn send(&self, request: Request<Body>) -> Opened {
        let (method, path) = (request.method().clone(), request.uri().to_string());
        let answering = self.router.clone().oneshot(request);
        let answer = tokio::time::timeout(DEADLINE, answering).await.expect("an answer").unwrap();
        let (parts, body) = answer.into_parts();
        let promise = if self.described {
            let contract = CONTRACT.get_or_init(|| self.contract()).await;
            contract.check(&method, &path, parts.status, &parts.headers)
        } else {
            Promise::none()
        };
        Opened { status: parts.status, headers: parts.headers, body, promise }
    }

    /// Asks for something, which must be granted, and leaves its body unread.
    pub(crate) async fn unread(&self, path: &str) -> Body {
        let opened = self.send(request("GET", path, "")).await;
        assert_eq!(opened.status, StatusCode::OK, "{path}");
        opened.body
    }

    async fn contract(&self) -> Contract {
        let answer = self.router.clone().oneshot(request("GET", "/openapi.json", "")).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Contract::new(serde_json::from_slice(&body).unwrap())
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        Self::read(self.send(request(method, path, body)).await).await
    }

    /// Asks as somebody.
    pub(crate) async fn call_as(&self, key: Option<&str>, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        let mut request = request(method, path, body);
        if let Some(key) = key {
            request.headers_mut().insert("x-api-key", key.parse().unwrap());
        }
        Self::read(self.send(request).await).await
    }

    /// Asks as somebody, and answers the status only: the answer may have no end.
    pub(crate) async fn status_as(&self, key: Option<&str>, method: &str, path: &str, body: &str) -> StatusCode {
        let mut request = request(method, path, body.to_owned());
        if let Some(key) = key {
            request.headers_mut().insert("x-api-key", key.parse().unwrap());
        }
        self.send(request).await.status
    }

    /// Asks for a feed as somebody, which must be granted.
    pub(crate) async fn feed_as(&self, key: &str, path: &str) -> Feed {
        let request = Request::builder().uri(path).header("X-Api-Key", key);
        let Opened { status, headers, body, promise } = self.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        Feed { content_type: header("content-type"), begins: header("last-event-id"), body, promise }
    }

    /// Asks with headers.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method.parse::<Method>().unwrap()).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Self::read(self.send(request.body(Body::empty()).unwrap()).await).await
    }

    async fn read(Opened { status, headers, body, promise }: Opened) -> Answer {
        let body = tokio::time::timeout(DEADLINE, body.collect()).await.expect("an end of the answer").unwrap();
        let body = String::from_utf8(body.to_bytes().to_vec()).unwrap();
        promise.check(&body);
        Answer { status, headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "").await
    }

    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.call("POST", path, "").await
    }

    /// Loads a job that must be fine, as JSON.
    pub(crate) async fn load(&self, job: Value) {
        let answer = self.call("POST", "/processes", job.to_string()).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, r#"{"ok":true}"#), "{answer:?}");
    }

    /// Does something, and waits for an event of this kind.
    pub(crate) async fn until<T>(&self, kind: EventKind, act: impl Future<Output = T>) -> T {
        let mut events = self.manager.subscribe(&gaffer_core::events::Pattern::Kind(kind));
        let done = act.await;
        let event = tokio::time::timeout(DEADLINE, events.recv()).await.expect("the event");
        assert!(matches!(event, Some(Delivery::Item(_))), "{event:?}");
        done
    }

    /// Waits until nothing of a job runs.
    pub(crate) async fn until_idle(&self, name: &str) {
        let name = name.parse().unwrap();
        let mut exits = self.manager.subscribe(&gaffer_core::events::Pattern::Kind(EventKind::Exit));
        while self.manager.info(&name).await.unwrap().running > 0 {
            tokio::time::timeout(DEADLINE, exits.recv()).await.expect("an exit");
        }
    }

    pub(crate) async fn stop(self) {
        tokio::time::timeout(DEADLINE, self.manager.stop_now()).await.expect("the manager should stop");
    }
}
