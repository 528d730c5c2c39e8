//! What there is to choose about a service.

use std::time::Duration;

use axum::{
    http::{Extensions, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::origin::Origins;

/// How a service is served.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which web pages may connect.
    pub origins: Origins,
    /// After how long a silence a client is sent a heartbeat, so that nothing on the way takes the connection for dead.
    /// Default: 25 s.
    pub heartbeat: Duration,
    /// How long a session is kept without a connection. Default: 5 s.
    pub disconnect_delay: Duration,
    /// From so many bytes on a streaming answer ends, as browsers keep all of it in memory; the client opens the next. Default:
    /// 128 KiB.
    pub response_limit: usize,
    /// Whether websockets are offered. Default: yes.
    pub websocket: bool,
    /// Whether a `JSESSIONID` is set, by which some load balancers find the way back to the same server. Default: no. (Cookies
    /// know no ports: it would also reach whatever else is served at this host.)
    pub cookie: bool,
    /// Where the page that carries some transports across domains has the client's code from. Default: the copy of sockjs-client
    /// at jsDelivr.
    pub client_url: String,
    /// Most bytes of what a client sends at once. Default: 1 MiB.
    pub max_message: usize,
    /// Sessions at once, those over websockets aside; who comes beyond them is refused. They count while they have no
    /// connection, too. Default: 1,024.
    pub max_sessions: usize,
    /// How a refusal is answered: its status, and a sentence. Default: plain text. (What the protocol has words for, or no body, is not
    /// asked for here.)
    pub refuse: fn(StatusCode, &str) -> Response,
    /// What a session is to know of the request that began it: see [`Session::extensions`](super::Session::extensions). Default: nothing.
    pub introduce: fn(&Extensions) -> Extensions,
    /// Whether a request may speak and hear in a session, of which the first is what `introduce` has kept, the second the request's own.
    /// Otherwise there is no such session for it. Default: whoever knows the session's id.
    pub is_of: fn(&Extensions, &Extensions) -> bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            origins: Origins::default(),
            heartbeat: Duration::from_secs(25),
            disconnect_delay: Duration::from_secs(5),
            response_limit: 128 * 1024,
            websocket: true,
            cookie: false,
            client_url: "https://cdn.jsdelivr.net/npm/sockjs-client@1.6.1/dist/sockjs.min.js".to_owned(),
            max_message: gaffer_core::api::MAX_MESSAGE,
            max_sessions: 1024,
            refuse,
            introduce: |_| Extensions::new(),
            is_of: |_, _| true,
        }
    }
}

fn refuse(status: StatusCode, reason: &str) -> Response {
    let plain = (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    (status, [plain], format!("{reason}\n")).into_response()
}
