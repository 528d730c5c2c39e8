//! Taking in the connections of one endpoint.

use std::{sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    Connected, Lifetime, Listener, Peer,
    backoff::{Backoff, Next},
    connection::{Connection, Protocols},
    refusal::{self, REFUSALS},
    stream::Stream,
};

/// Pause between two warnings of connections that were refused: who makes them must not fill the log, too.
const SILENCE: Duration = Duration::from_secs(60);

/// The accept loop of one endpoint.
pub(super) struct Accepting {
    listener: Arc<Listener>,
    endpoint: Arc<str>,
    is_loopback: bool,
    slots: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    router: Router,
    protocols: Protocols,
    /// The endpoint's.
    lifetime: Lifetime,
}

impl Accepting {
    pub(super) fn new(listener: Arc<Listener>, router: Router, protocols: Protocols, lifetime: Lifetime) -> Self {
        let most = listener.limits().max_connections.min(Semaphore::MAX_PERMITS);
        Self {
            is_loopback: listener.listening().address.is_loopback(),
            endpoint: listener.listening().endpoint.as_str().into(),
            slots: Arc::new(Semaphore::new(most)),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            listener,
            router,
            protocols,
            lifetime,
        }
    }

    /// Accepts until it is told to end, or the endpoint closes.
    pub(super) async fn run(self, enough: CancellationToken) {
        let closing = self.lifetime.closing().clone();
        enough.run_until_cancelled_owned(closing.run_until_cancelled_owned(self.accept_all())).await;
    }

    async fn accept_all(self) {
        let mut backoff = Backoff::default();
        let mut warned: Option<Instant> = None;
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    if backoff.accepted() {
                        info!(endpoint = &*self.endpoint, "connections are accepted again");
                    }
                    let taken = self.take(stream, peer);
                    if !taken && warned.is_none_or(|at| at.elapsed() > SILENCE) {
                        warned = Some(Instant::now());
                        let limit = self.listener.limits().max_connections;
                        warn!(endpoint = &*self.endpoint, limit, "too many connections; more are refused");
                    }
                }
                Err(error) => match backoff.failed(&error) {
                    Next::Continue => {}
                    Next::Wait { pause, first } => {
                        if first {
                            warn!(endpoint = &*self.endpoint, %error, "cannot accept connections; trying on");
                        }
                        sleep(pause).await;
                    }
                },
            }
        }
    }

    /// Serves a connection, or refuses it if there are enough. Answers which.
    fn take(&self, stream: Stream, peer: Peer) -> bool {
        let tls = self.listener.tls();
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            // In TLS nothing could be said without a handshake, which costs more than all the rest.
            if tls.is_none() {
                self.refuse(stream);
            }
            return false;
        };
        let connected =
            Connected::new(self.endpoint.clone(), peer, tls.is_some(), self.is_loopback, self.lifetime.clone(), slot);
        let connection = Connection {
            connected: connected.clone(),
            router: self.router.clone(),
            limits: self.listener.limits().clone(),
            closing: self.lifetime.closing().clone(),
        };
        let protocols = self.protocols.clone();
        match tls {
            None => self.attend(connected, protocols.http1(connection, stream)),
            Some(tls) => self.attend(connected, protocols.tls(connection, stream, tls.config())),
        }
        true
    }

    /// Lets a connection live in a task of its own.
    fn attend(&self, connected: Connected, serving: impl Future<Output = super::connection::Ended> + Send + 'static) {
        self.lifetime.spawn(async move {
            if let Err(error) = serving.await {
                // The peer's doing: it spoke no HTTP, was too slow, or went away.
                let error: &(dyn std::error::Error + 'static) = &*error;
                debug!(peer = %connected.peer(), error, "connection ended early");
            }
        });
    }

    fn refuse(&self, stream: Stream) {
        if let Ok(turn) = self.refusals.clone().try_acquire_owned() {
            let closing = self.lifetime.closing().clone();
            self.lifetime.spawn(async move {
                // Whether it was heard is not our concern.
                closing.run_until_cancelled_owned(refusal::refuse(stream)).await;
                drop(turn);
            });
        }
    }
}
