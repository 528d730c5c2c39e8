//! The life of a connection.

use std::{
    convert::Infallible,
    error::Error,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, routing::future::RouteFuture};
use hyper::{
    Request, Response,
    body::Incoming,
    server::conn::{http1, http2},
    service::Service,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use super::{
    Connected, Limits,
    activity::{Activity, AnswerBody, Answering, Overdue, Patience},
    farewell,
    stream::Stream,
    tls::HTTP2,
    watched::Watched,
};

/// Most bytes of a request's head, and of an answer waiting to be written, that one HTTP/1.1 connection may hold in memory.
const CONNECTION_BUFFER: usize = 64 * 1024;

/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 32;

/// Most bytes of the head of an HTTP/2 request.
const HEADER_LIST: u32 = 32 * 1024;

/// Most bytes of an answer that wait to be written, of each HTTP/2 request.
const STREAM_BUFFER: usize = 64 * 1024;

/// How often an HTTP/2 peer is asked whether it is there, and how long it may take to say so. (An HTTP/1.1 peer that vanished
/// is found by TCP keepalive.)
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(30);

/// Time that a connection on which nothing goes on has to end in good order when it is to.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection ended otherwise than by its protocol.
pub(super) type Ended = Result<(), Box<dyn Error + Send + Sync>>;

/// How each protocol is spoken; the same for all connections.
#[derive(Clone)]
pub(super) struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

/// What a connection is served with.
pub(super) struct Connection {
    pub(super) connected: Connected,
    pub(super) router: Router,
    pub(super) limits: Limits,
    pub(super) closing: CancellationToken,
}

impl Protocols {
    pub(super) fn new() -> Self {
        let mut http1 = http1::Builder::new();
        // Its timer would run while nothing is expected, too; ours knows the difference.
        http1.header_read_timeout(None).max_buf_size(CONNECTION_BUFFER);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEADER_LIST)
            .max_send_buf_size(STREAM_BUFFER)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        Self { http1, http2 }
    }

    /// Serves HTTP/1.1 to the end of the connection, or its upgrade.
    pub(super) async fn http1<I>(self, connection: Connection, io: I) -> Ended
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let activity = Activity::new(false);
        let service = Routed { router: connection.router, connected: connection.connected, activity: activity.clone() };
        let io = TokioIo::new(Watched::new(io, activity.clone()));
        // With upgrades: a websocket takes the connection over.
        let serving = self.http1.serve_connection(io, service).with_upgrades();
        let ended = live(pin!(serving), &activity, &connection.limits, &connection.closing).await;
        activity.ignore();
        ended
    }

    /// Serves whichever protocol is agreed on in a TLS handshake, to the end of the connection.
    pub(super) async fn tls(self, connection: Connection, stream: Stream, config: Arc<ServerConfig>) -> Ended {
        let accepting = TlsAcceptor::from(config).accept(stream).into_fallible();
        let handshake = timeout(connection.limits.header_timeout, accepting);
        // Nothing was promised to who is still at this.
        let Some(handshake) = connection.closing.run_until_cancelled(handshake).await else { return Ok(()) };
        let stream = match handshake.map_err(|_| "the TLS handshake was not over in time")? {
            Ok(stream) => stream,
            Err((error, stream)) => {
                // The alert that says why is written. Whether it was heard is not our concern.
                connection.closing.run_until_cancelled(farewell::end(stream)).await;
                return Err(error.into());
            }
        };
        if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
            self.http2(connection, stream).await
        } else {
            self.http1(connection, stream).await
        }
    }

    /// Serves HTTP/2 to the end of the connection.
    async fn http2<I>(self, connection: Connection, io: I) -> Ended
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let activity = Activity::new(true);
        let service = Routed { router: connection.router, connected: connection.connected, activity: activity.clone() };
        let serving = self.http2.serve_connection(TokioIo::new(io), service);
        live(pin!(serving), &activity, &connection.limits, &connection.closing).await
    }
}

/// A connection of either protocol.
trait Serving: Future<Output = Result<(), hyper::Error>> {
    /// No more requests; it ends with the answers that are under way.
    fn close(self: Pin<&mut Self>);
}

impl<I> Serving for http1::UpgradeableConnection<I, Routed>
where
    I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I> Serving for http2::Connection<I, Routed, TokioExecutor>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Lets a connection live until it ends, the server closes, or it is at the same thing for too long.
async fn live(
    mut serving: Pin<&mut impl Serving>,
    activity: &Activity,
    limits: &Limits,
    closing: &CancellationToken,
) -> Ended {
    let patience = Patience { head: limits.header_timeout, idle: limits.idle_timeout };
    let mut timer = pin!(Activity::timer(patience));
    tokio::select! {
        biased;
        ended = serving.as_mut() => return Ok(ended?),
        () = closing.cancelled() => {}
        overdue = poll_fn(|cx| activity.poll_overdue(patience, timer.as_mut(), cx)) => match overdue {
            Overdue::Head => return Err("the head of a request did not arrive in time".into()),
            Overdue::Idle => {}
        }
    }
    serving.as_mut().close();
    let patience = Patience { head: FAREWELL, idle: FAREWELL };
    activity.begin_anew();
    tokio::select! {
        biased;
        ended = serving => Ok(ended?),
        _ = poll_fn(|cx| activity.poll_overdue(patience, timer.as_mut(), cx)) => Ok(()),
    }
}

/// The router, for one connection.
struct Routed {
    router: Router,
    connected: Connected,
    activity: Activity,
}

impl Service<Request<Incoming>> for Routed {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, mut request: Request<Incoming>) -> Answer {
        let answering = self.activity.answer();
        request.extensions_mut().insert(self.connected.clone());
        // A router is always ready.
        Answer { routing: self.router.clone().call(request), answering: Some(answering) }
    }
}

/// An answer in the making.
struct Answer {
    routing: RouteFuture<Infallible>,
    answering: Option<Answering>,
}

impl Future for Answer {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(response) = ready!(Pin::new(&mut self.routing).poll(cx));
        let answering = self.answering.take();
        Poll::Ready(Ok(response.map(|body| AnswerBody::new(body, answering))))
    }
}
