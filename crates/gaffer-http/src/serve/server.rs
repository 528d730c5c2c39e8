//! The accept loop and the life of a connection.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpStream, sync::Semaphore, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use super::{
    Listener,
    backoff::{Backoff, Next},
};

/// What clients may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time for the headers of a request to arrive, and so also for the next request of a kept connection to begin. Default: 30 s.
    pub header_read_timeout: Duration,
    /// Connections at once, over all listeners; more wait in the kernel's queues. Default: 4,096, far more than clients of one
    /// node, and few enough that the usual 20,000 and more descriptors of a daemon leave most of them to the pipes of its
    /// processes.
    pub max_connections: usize,
    /// Time for answers that are under way to finish at a shutdown; then they are cut. Default: 3 s.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { header_read_timeout: Duration::from_secs(30), max_connections: 4096, drain: Duration::from_secs(3) }
    }
}

/// Most bytes of a request's head, and of an answer waiting to be written, that one connection may hold in memory.
const CONNECTION_BUFFER: usize = 64 * 1024;

/// A router being served. Dropping it lets it go on; end it with [`shutdown`](Self::shutdown).
#[derive(Debug)]
pub struct Server {
    /// No new connections, no next requests, no more of endless answers.
    closing: CancellationToken,
    /// The connections that are left are dropped.
    abort: CancellationToken,
    tasks: TaskTracker,
    drain: Duration,
}

impl Server {
    /// Serves `router` on all listeners, in tasks of the current runtime.
    ///
    /// `closing` is cancelled by [`shutdown`](Self::shutdown), so that endless answers (feeds) can end when it is. Whoever
    /// cancels it before has begun the shutdown.
    pub fn start(listeners: Vec<Listener>, router: Router, limits: &Limits, closing: CancellationToken) -> Self {
        let server = Self { closing, abort: CancellationToken::new(), tasks: TaskTracker::new(), drain: limits.drain };
        let slots = Arc::new(Semaphore::new(limits.max_connections));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(limits.header_read_timeout).max_buf_size(CONNECTION_BUFFER);
        for listener in listeners {
            let accepting = Accepting {
                listener,
                slots: slots.clone(),
                connections: Connections {
                    http: http.clone(),
                    router: router.clone(),
                    closing: server.closing.clone(),
                    abort: server.abort.clone(),
                },
                tasks: server.tasks.clone(),
            };
            server.tasks.spawn(accepting.run());
        }
        server
    }

    /// Stops accepting, lets answers finish within [`Limits::drain`], and cuts what is left. Answers how many that were.
    ///
    /// # Cancel safety
    /// When the future is dropped, the server is closing all the same, but nothing is cut.
    pub async fn shutdown(self) -> usize {
        self.closing.cancel();
        self.tasks.close();
        if tokio::time::timeout(self.drain, self.tasks.wait()).await.is_ok() {
            return 0;
        }
        let left = self.tasks.len();
        info!(connections = left, "answers were still under way at the end of the grace; they are cut");
        self.abort.cancel();
        self.tasks.wait().await;
        left
    }
}

struct Accepting {
    listener: Listener,
    slots: Arc<Semaphore>,
    connections: Connections,
    tasks: TaskTracker,
}

impl Accepting {
    async fn run(self) {
        let closing = self.connections.closing.clone();
        tokio::select! {
            biased;
            () = closing.cancelled() => {}
            () = self.accept_all() => {}
        }
    }

    async fn accept_all(self) {
        let mut backoff = Backoff::default();
        loop {
            // A slot first: connections beyond the cap wait in the kernel, where they cost no descriptor.
            let Ok(slot) = self.slots.clone().acquire_owned().await else { return };
            match self.listener.socket.accept().await {
                Ok((stream, peer)) => {
                    if backoff.accepted() {
                        info!(endpoint = self.listener.name(), "connections are accepted again");
                    }
                    let connection = self.connections.clone().serve(stream);
                    self.tasks.spawn(async move {
                        if let Err(error) = connection.await {
                            // The peer's doing: it spoke no HTTP, was too slow, or went away.
                            debug!(%peer, error = &error as &dyn std::error::Error, "connection ended early");
                        }
                        drop(slot);
                    });
                }
                Err(error) => match backoff.failed(&error) {
                    Next::Continue => {}
                    Next::Wait { pause, first } => {
                        if first {
                            warn!(endpoint = self.listener.name(), %error, "cannot accept connections; trying on");
                        }
                        drop(slot);
                        sleep(pause).await;
                    }
                },
            }
        }
    }
}

#[derive(Clone)]
struct Connections {
    http: http1::Builder,
    router: Router,
    closing: CancellationToken,
    abort: CancellationToken,
}

impl Connections {
    async fn serve(self, stream: TcpStream) -> Result<(), hyper::Error> {
        let service = TowerToHyperService::new(self.router);
        // With upgrades: a websocket takes the connection over.
        let connection = self.http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended,
            () = self.closing.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            biased;
            ended = connection => ended,
            () = self.abort.cancelled() => Ok(()),
        }
    }
}
