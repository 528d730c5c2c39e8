//! From a request to a session.

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Query, Request, State},
    http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use tokio::time::timeout;

use super::{
    Options, Service, Session,
    conversation::{Conversation, Place},
    gate,
    headers::{NOT_CACHED, no_method, options, set_cookie, share, takes},
    page,
    payload::{self, Malformed},
    registry::{Found, Registered, Registry},
    transport::{Answer, Format, Framed, FramedIntake, Limits, Raw, RawIntake, Transport},
};
use crate::{
    serve::{Connected, Lifetime},
    ws::{self, Close, Upgrade},
};

/// Ids are the client's choice; a longer one is nobody's.
const MAX_ID: usize = 256;

/// Time for what a client says to arrive, and for the service to have room for it.
const ARRIVAL: Duration = Duration::from_secs(60);

/// How long the end of a connection may take to be known here.
const NEWS: Duration = Duration::from_millis(100);

/// Serves a service at a path, such as `/echo`, and below it. The routes answer every method themselves, and also what browsers ask
/// about other pages.
///
/// Sessions end with `lifetime`, and with the endpoint that they were begun at.
pub fn router<S: Service>(path: &str, service: S, options: Options, lifetime: Lifetime) -> Router {
    let registry = Registry::new(options.max_sessions);
    let server = Arc::new(Server { service, options, registry, lifetime, prefix: path.to_owned() });
    Router::new()
        .route(path, any(handle::<S>))
        .route(&format!("{path}/"), any(handle::<S>))
        .route(&format!("{path}/{{*rest}}"), any(handle::<S>))
        .with_state(server)
}

struct Server<S> {
    service: S,
    options: Options,
    registry: Registry,
    lifetime: Lifetime,
    prefix: String,
}

/// What a path below the service's is.
enum Target<'a> {
    Greeting,
    Info,
    Iframe,
    RawWebsocket,
    Session { id: &'a str, transport: Transport },
}

impl<'a> Target<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let is_id = |part: &str| !part.is_empty() && !part.contains('.') && part.len() <= MAX_ID;
        let mut parts = path.split('/');
        parts.next().filter(|before| before.is_empty())?;
        Some(match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (None | Some(""), None, None, None) => Self::Greeting,
            (Some("info"), None, None, None) => Self::Info,
            (Some("websocket"), None, None, None) => Self::RawWebsocket,
            (Some(page), None, None, None) if page.starts_with("iframe") && page.ends_with(".html") => Self::Iframe,
            (Some(server), Some(id), Some(transport), None) if is_id(server) && is_id(id) => {
                Self::Session { id, transport: Transport::of(transport)? }
            }
            _ => return None,
        })
    }

    fn methods(&self) -> &'static str {
        match self {
            Self::Greeting | Self::Iframe | Self::RawWebsocket => "GET",
            Self::Info => "OPTIONS, GET",
            Self::Session { transport, .. } => transport.methods(),
        }
    }
}

async fn handle<S: Service>(State(server): State<Arc<Server<S>>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    // The router saw to it that it is there.
    let Some(target) = path.strip_prefix(server.prefix.as_str()).and_then(Target::of) else {
        return server.refuse(StatusCode::NOT_FOUND, &format!("there is nothing at {path}"));
    };
    // To receive for a session without its answer would be its end.
    let is_blind = parts.method == Method::HEAD && matches!(target, Target::Session { .. });
    if is_blind || !takes(target.methods(), &parts.method) {
        return no_method(target.methods());
    }
    match target {
        Target::Greeting => return page::greeting(),
        Target::Iframe => return page::iframe(&server.options, &parts.headers),
        Target::Info | Target::RawWebsocket | Target::Session { .. } => {}
    }
    if !gate::allows(&server.options.origins, &parts.headers, &parts.uri) {
        return server.refuse(StatusCode::FORBIDDEN, "a web page from elsewhere may not connect here");
    }
    let asked = parts.headers.clone();
    let mut response = match target {
        _ if parts.method == Method::OPTIONS => options(target.methods()),
        Target::Session { id, transport } => server.session(id, transport, &mut parts, body).await,
        Target::RawWebsocket => server.websocket(&mut parts, true),
        Target::Greeting | Target::Info | Target::Iframe => page::info(&server.options),
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        share(&mut response, &asked);
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if server.options.cookie && matches!(target, Target::Session { .. }) {
            set_cookie(&mut response, &asked);
        }
    }
    response
}

/// What transports that have no other way say in a query.
#[derive(Default, Deserialize)]
struct CallbackQuery {
    c: Option<String>,
    callback: Option<String>,
}

impl CallbackQuery {
    fn name(parts: &Parts) -> Option<String> {
        let Query(query) = Query::<Self>::try_from_uri(&parts.uri).unwrap_or_default();
        query.c.or(query.callback)
    }
}

impl<S: Service> Server<S> {
    fn refuse(&self, status: StatusCode, reason: &str) -> Response {
        (self.options.refuse)(status, reason)
    }

    /// Whether a request may speak and hear in a session.
    fn is_of(&self, conversation: &Conversation, request: &Extensions) -> bool {
        (self.options.is_of)(conversation.extensions(), request)
    }

    /// How long what a request begins may go on.
    fn lifetime_of<'a>(&'a self, request: &'a Extensions) -> &'a Lifetime {
        request.get::<Connected>().map_or(&self.lifetime, Connected::lifetime)
    }

    /// Whose a session is, is nobody's business.
    fn nobodys(&self) -> Response {
        self.refuse(StatusCode::NOT_FOUND, "there is no such session")
    }

    async fn session(&self, id: &str, transport: Transport, parts: &mut Parts, body: Body) -> Response {
        let format = match transport {
            Transport::Websocket => return self.websocket(parts, false),
            Transport::XhrSend | Transport::JsonpSend => {
                return self.send(id, transport, parts, body).await.unwrap_or_else(|refusal| refusal);
            }
            Transport::Xhr => Ok(Format::Lines { streaming: false }),
            Transport::XhrStreaming => Ok(Format::Lines { streaming: true }),
            Transport::EventSource => Ok(Format::Events),
            Transport::HtmlFile => Format::page(CallbackQuery::name(parts)),
            Transport::Jsonp => Format::script(CallbackQuery::name(parts)),
        };
        match format {
            Ok(format) => self.receive(id, format, &parts.extensions).await,
            Err(invalid) => failed(&invalid.to_string()),
        }
    }

    /// Answers with what a session has to say, and begins it if need be.
    async fn receive(&self, id: &str, format: Format, extensions: &Extensions) -> Response {
        let conversation = match self.registry.get_or_begin(id, || (self.options.introduce)(extensions)) {
            Found::Known(conversation) if !self.is_of(&conversation, extensions) => return self.nobodys(),
            Found::Known(conversation) => conversation,
            Found::New(conversation, registered) => {
                self.begin(&conversation, registered, self.lifetime_of(extensions));
                conversation
            }
            Found::Full => return self.refuse(StatusCode::SERVICE_UNAVAILABLE, "there are too many sessions"),
        };
        let limits = Limits { bytes: self.options.response_limit, heartbeat: self.options.heartbeat };
        let content_type = format.content_type();
        let mut place = conversation.sit(false);
        if matches!(place, Place::Taken) {
            // A client may be faster than the news that its last connection is gone.
            let _either_way = timeout(NEWS, conversation.vacated()).await;
            place = conversation.sit(false);
        }
        let answer = Answer::new(format, place, limits);
        let mut response = Response::new(Body::new(answer));
        let headers = response.headers_mut();
        headers.extend([NOT_CACHED, (header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        // A proxy that collects chunks would hold frames back.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }

    /// Has the service speak on a session, and keeps that until its client has not come back for long enough.
    fn begin(&self, conversation: &Arc<Conversation>, registered: Registered, lifetime: &Lifetime) {
        lifetime.spawn(self.service.serve(Session::new(Arc::clone(conversation))));
        let (conversation, delay) = (Arc::clone(conversation), self.options.disconnect_delay);
        let closing = lifetime.closing().clone();
        // A task of its own: a service that ends, or panics, leaves a client that is to be told.
        lifetime.spawn(async move {
            match closing.run_until_cancelled(conversation.lapsed(delay)).await {
                Some(()) => conversation.expire(),
                None => conversation.close(Close::GOING_AWAY),
            }
            drop(registered);
        });
    }

    /// Takes in what a client says.
    async fn send(&self, id: &str, transport: Transport, parts: &Parts, body: Body) -> Result<Response, Response> {
        let conversation = self.registry.get(id).filter(|conversation| self.is_of(conversation, &parts.extensions));
        let Some(conversation) = conversation else { return Err(self.nobodys()) };
        let headers = &parts.headers;
        let most = self.options.max_message;
        let ending = || self.refuse(StatusCode::SERVICE_UNAVAILABLE, "the server is shutting down");
        let reading = timeout(ARRIVAL, Limited::new(body, most).collect());
        let closing = self.lifetime_of(&parts.extensions).closing();
        let body = closing.run_until_cancelled(reading).await.ok_or_else(ending)?;
        let late = |_| self.refuse(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time");
        let broken = |error: Box<dyn Error + Send + Sync>| {
            if error.is::<LengthLimitError>() {
                self.refuse(StatusCode::PAYLOAD_TOO_LARGE, &format!("a body may have {most} bytes"))
            } else {
                self.refuse(StatusCode::BAD_REQUEST, &format!("the body does not read: {error}"))
            }
        };
        let body = body.map_err(late)?.map_err(broken)?.to_bytes();
        let payload = if transport == Transport::JsonpSend && is_form(headers) { from_form(&body) } else { body };
        let messages = payload::read(&payload).map_err(|malformed: Malformed| failed(&malformed.to_string()))?;
        if !messages.is_empty() {
            let offering = timeout(ARRIVAL, conversation.offer(messages));
            let offered = closing.run_until_cancelled(offering).await;
            // What is said after the end is nothing to complain about: the client is told of the end otherwise.
            let full = |_| self.refuse(StatusCode::SERVICE_UNAVAILABLE, "the session takes no more at the moment");
            let _over = offered.ok_or_else(ending)?.map_err(full)?;
        }
        let plain = (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
        Ok(if transport == Transport::JsonpSend {
            // Some browsers do strange things to a frame that gets nothing.
            ([plain, NOT_CACHED], "ok").into_response()
        } else {
            (StatusCode::NO_CONTENT, [plain, NOT_CACHED]).into_response()
        })
    }

    /// Begins a session over a websocket, which is nothing else's.
    fn websocket(&self, parts: &mut Parts, raw: bool) -> Response {
        if !self.options.websocket {
            return self.refuse(StatusCode::NOT_FOUND, "there are no websockets here");
        }
        let upgrade = match Upgrade::from_parts(parts) {
            Ok(upgrade) => upgrade,
            Err(no_websocket) => {
                let version = [(header::SEC_WEBSOCKET_VERSION, Upgrade::VERSION)];
                let refusal = self.refuse(StatusCode::BAD_REQUEST, &no_websocket.to_string());
                return (version, refusal).into_response();
            }
        };
        let kept = parts.extensions.get::<Connected>().cloned();
        let lifetime = kept.as_ref().map_or(&self.lifetime, Connected::lifetime).clone();
        let conversation = Conversation::new((self.options.introduce)(&parts.extensions));
        let Place::Free(seat) = conversation.sit(true) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response(); // Not reached: nobody else knows it.
        };
        lifetime.spawn(self.service.serve(Session::new(Arc::clone(&conversation))));
        let options = ws::Options { max_message: self.options.max_message, ..ws::Options::default() };
        if raw {
            let session = ws::Session { source: Raw::new(seat), receiver: RawIntake::new(conversation), options };
            upgrade.start(session, kept, &lifetime)
        } else {
            let source = Framed::new(seat, self.options.heartbeat);
            let session = ws::Session { source, receiver: FramedIntake::new(conversation), options };
            upgrade.start(session, kept, &lifetime)
        }
    }
}

/// The status that the protocol has for all that a client does wrong.
fn failed(why: &str) -> Response {
    let plain = (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    (StatusCode::INTERNAL_SERVER_ERROR, [plain], why.to_owned()).into_response()
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.trim().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")
}

/// The payload in a form; empty if it has none.
fn from_form(body: &[u8]) -> Bytes {
    let payload = form_urlencoded::parse(body).find(|(name, _)| name == "d");
    payload.map(|(_, payload)| payload.into_owned().into()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(path: &str) -> &'static str {
        match Target::of(path) {
            None => "nothing",
            Some(Target::Greeting) => "greeting",
            Some(Target::Info) => "info",
            Some(Target::Iframe) => "iframe",
            Some(Target::RawWebsocket) => "raw",
            Some(Target::Session { .. }) => "session",
        }
    }

    #[test]
    fn paths_are_what_the_protocol_says() {
        for (path, expected) in [
            ("", "greeting"),
            ("/", "greeting"),
            ("//", "nothing"),
            ("/a", "nothing"),
            ("a", "nothing"),
            ("/info", "info"),
            ("/info/", "nothing"),
            ("/iframe.html", "iframe"),
            ("/iframe-a.html", "iframe"),
            ("/iframe-.html", "iframe"),
            ("/iframe-0.1.2abc-dirty.2144.html", "iframe"),
            ("/iframe.htm", "nothing"),
            ("/IFRAME.HTML", "nothing"),
            ("/iframe-/.html", "nothing"),
            ("/websocket", "raw"),
            ("/0/x/websocket", "session"),
            ("/_/_/xhr", "session"),
            ("/abc%20/x%20/xhr", "session"),
            ("/0/x/nonsense", "nothing"),
            ("/0/x/xhr/", "nothing"),
            ("/0//xhr", "nothing"),
            ("//x/xhr", "nothing"),
            ("/a./a/xhr", "nothing"),
            ("/a/a./xhr", "nothing"),
            ("/xhr", "nothing"),
        ] {
            assert_eq!(is(path), expected, "{path}");
        }
        assert_eq!(is(&format!("/0/{}/xhr", "x".repeat(257))), "nothing");
    }

    #[test]
    fn a_payload_comes_in_a_form_or_bare() {
        assert_eq!(from_form(b"d=%5B%22x%22%5D"), "[\"x\"]");
        assert_eq!(from_form(b"a=b&d=1+2"), "1 2");
        for body in ["", "d=", "p=p"] {
            assert!(from_form(body.as_bytes()).is_empty());
        }
    }
}
