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
use gaffer_http::api;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::wire::DEADLINE;

pub(crate) struct Node {
    pub(crate) manager: Manager,
    pub(crate) closing: CancellationToken,
    router: Router,
}

/// An answer with its body read to the end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
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
        let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
        let closing = CancellationToken::new();
        Self { router: api::router(manager.clone(), options, closing.clone()), manager, closing }
    }

    /// Sends a request; the answer's body is still open.
    pub(crate) async fn open(&self, method: &str, path: &str, body: impl Into<Body>) -> (StatusCode, HeaderMap, Body) {
        let method: Method = method.parse().unwrap();
        self.send(Request::builder().method(method).uri(path).body(body.into()).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Body) {
        let answering = self.router.clone().oneshot(request);
        let answer = tokio::time::timeout(DEADLINE, answering).await.expect("an answer").unwrap();
        let (parts, body) = answer.into_parts();
        (parts.status, parts.headers, body)
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        Self::read(self.open(method, path, body).await).await
    }

    /// Asks with headers.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method.parse::<Method>().unwrap()).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Self::read(self.send(request.body(Body::empty()).unwrap()).await).await
    }

    async fn read((status, headers, body): (StatusCode, HeaderMap, Body)) -> Answer {
        let body = tokio::time::timeout(DEADLINE, body.collect()).await.expect("an end of the answer").unwrap();
        Answer { status, headers, body: String::from_utf8(body.to_bytes().to_vec()).unwrap() }
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
