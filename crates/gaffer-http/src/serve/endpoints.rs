//! Endpoints that come and go while a server runs.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use axum::Router;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{
    BindError, Certificates, Endpoint, Lifetime, Listener, Listening, accept::Accepting, connection::Protocols,
    listener::Former,
};

/// Where a server listens, for as long as it does. A clone is of the same server.
#[derive(Clone)]
pub struct Endpoints {
    shared: Arc<Shared>,
}

struct Shared {
    /// Of two changes, one is made after the other.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

struct State {
    endpoints: Vec<Served>,
    /// From the start of the server.
    service: Option<Service>,
}

/// What is served, everywhere.
#[derive(Clone)]
struct Service {
    router: Router,
    protocols: Protocols,
    lifetime: Lifetime,
}

/// One endpoint.
struct Served {
    /// Who accepts has it, and closes it with the server, whoever still has this.
    listener: Weak<Listener>,
    /// Until the start of the server.
    waiting: Option<Arc<Listener>>,
    /// From the start of the server.
    running: Option<Running>,
}

struct Running {
    lifetime: Lifetime,
    /// No more is accepted.
    enough: CancellationToken,
    accepting: JoinHandle<Option<()>>,
}

/// An endpoint that is about to be.
struct Fresh {
    listener: Listener,
    /// Whether it has the socket of one that goes.
    succeeds: bool,
}

/// An endpoint without its socket.
struct Closed {
    former: Former,
    /// From the start of the server.
    lifetime: Option<Lifetime>,
}

/// Which endpoint could not be listened at, so that all stay as they were.
#[derive(Debug, thiserror::Error)]
#[error("endpoint `{endpoint}`")]
pub struct ReplaceError {
    /// The endpoint's name.
    pub endpoint: String,
    /// Why.
    #[source]
    pub source: BindError,
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoints").field(&self.addresses()).finish()
    }
}

impl Endpoints {
    /// Those of these listeners, for a server that is still to be [started](super::Server::on).
    pub fn new(listeners: Vec<Listener>) -> Self {
        let endpoints = listeners.into_iter().map(Served::new).collect();
        let state = Mutex::new(State { endpoints, service: None });
        Self { shared: Arc::new(Shared { turn: tokio::sync::Mutex::default(), state }) }
    }

    /// Serves on all of them from now on.
    pub(super) fn serve(&self, router: Router, lifetime: Lifetime) {
        // Prepares what every request would otherwise have to.
        let service = Service { router: router.with_state(()), protocols: Protocols::new(), lifetime };
        let mut state = self.shared.state();
        for served in &mut state.endpoints {
            served.start(&service, service.lifetime.part());
        }
        state.service = Some(service);
    }

    /// Where each of them really listens.
    pub fn addresses(&self) -> Vec<Listening> {
        self.shared.state().listeners().iter().map(|listener| listener.listening().clone()).collect()
    }

    /// The certificates of those that speak TLS now, to be read anew.
    pub fn certificates(&self) -> Certificates {
        Certificates::of(self.shared.state().listeners().iter().map(|listener| &**listener))
    }

    /// Listens at the endpoints that `come`, and no longer at those that `go`, by their names; or, when one of the former fails, changes
    /// nothing. One that is to be another in some respect goes and comes. All others, and their connections, do not notice.
    ///
    /// Those that go accept nothing more. What is under way there may finish within `drain`, then it is cut; feeds and websockets
    /// end as at a shutdown. It is not waited for. One that comes where another goes has its socket, so that nobody who connects meanwhile is
    /// refused. Only where the addresses overlap without being the same (all addresses, and one of them) the one is closed before the
    /// other is opened; and opened again, if that fails.
    ///
    /// Answers where those that come listen, in the order given.
    ///
    /// # Errors
    /// The first endpoint that cannot be listened at.
    ///
    /// # Cancel safety
    /// When the future is dropped, the change goes on.
    pub async fn replace(
        &self,
        come: Vec<Endpoint>,
        go: Vec<String>,
        drain: Duration,
    ) -> Result<Vec<Listening>, ReplaceError> {
        let shared = Arc::clone(&self.shared);
        let change = async move {
            let _turn = shared.turn.lock().await;
            shared.replace(&come, &go, drain).await
        };
        match tokio::spawn(change).await {
            Ok(outcome) => outcome,
            // The runtime ends: so do all endpoints.
            Err(_) => Ok(Vec::new()),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic, and each change is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn replace(&self, come: &[Endpoint], go: &[String], drain: Duration) -> Result<Vec<Listening>, ReplaceError> {
        let goes = |listener: &Listener| go.contains(&listener.listening().endpoint);
        // Those whose sockets are still to be had.
        let mut free = self.state().listeners();
        free.retain(|listener| goes(listener));
        let mut fresh: Vec<Option<Fresh>> = Vec::with_capacity(come.len());
        for endpoint in come {
            fresh.push(open(endpoint, &mut free).await.map_err(|source| failed(endpoint, source))?);
        }
        let late = come.iter().zip(&fresh).filter_map(|(endpoint, fresh)| fresh.is_none().then_some(endpoint));
        free.retain(|listener| late.clone().any(|endpoint| listener.is_in_the_way_of(&endpoint.bind)));
        let closed = self.close(free).await;
        for (position, endpoint) in come.iter().enumerate() {
            let Some(place @ None) = fresh.get_mut(position) else { continue };
            match Listener::bind(endpoint).await {
                Ok(listener) => *place = Some(Fresh { listener, succeeds: false }),
                Err(source) => {
                    // What was opened meanwhile may be in the way.
                    drop(fresh);
                    self.reopen(closed).await;
                    return Err(failed(endpoint, source));
                }
            }
        }
        Ok(self.commit(fresh.into_iter().flatten(), goes, closed, drain).await)
    }

    /// Closes sockets, and nothing else of their endpoints. They are closed when this is over.
    async fn close(&self, listeners: Vec<Arc<Listener>>) -> Vec<Closed> {
        let mut closed = Vec::with_capacity(listeners.len());
        for listener in listeners {
            let served = self.state().take(|one| Arc::ptr_eq(one, &listener)).pop();
            let former = listener.former();
            drop(listener);
            let Some(Served { running, .. }) = served else { continue };
            let lifetime = match running {
                Some(running) => Some(running.pause().await),
                None => None,
            };
            closed.push(Closed { former, lifetime });
        }
        closed
    }

    /// Opens again what was closed, and lets it go on.
    async fn reopen(&self, closed: Vec<Closed>) {
        for Closed { former, lifetime } in closed {
            match Listener::again(former).await {
                Ok(listener) => {
                    let mut state = self.state();
                    let mut served = Served::new(listener);
                    if let Some((service, lifetime)) = state.service.as_ref().zip(lifetime) {
                        served.start(service, lifetime);
                    }
                    state.endpoints.push(served);
                }
                // Somebody was faster than we are.
                Err(error) => error!(error = &error as &dyn std::error::Error, "an endpoint is lost"),
            }
        }
    }

    /// Makes the change, which nothing can hinder any more.
    async fn commit(
        &self,
        fresh: impl Iterator<Item = Fresh>,
        goes: impl Fn(&Listener) -> bool,
        closed: Vec<Closed>,
        drain: Duration,
    ) -> Vec<Listening> {
        let gone = self.state().take(|listener| goes(listener));
        let mut ending: Vec<Lifetime> = closed.into_iter().filter_map(|closed| closed.lifetime).collect();
        for running in gone.into_iter().filter_map(|served| served.running) {
            ending.push(running.pause().await);
        }
        let mut listening = Vec::new();
        for Fresh { listener, succeeds } in fresh {
            if succeeds && let Err(error) = listener.settle().await {
                let endpoint = &*listener.listening().endpoint;
                warn!(endpoint, error = &error as &dyn std::error::Error, "a socket has not all that it should have");
            }
            listening.push(listener.listening().clone());
            let mut served = Served::new(listener);
            let mut state = self.state();
            if let Some(service) = &state.service {
                served.start(service, service.lifetime.part());
            }
            state.endpoints.push(served);
        }
        let whole = self.state().service.as_ref().map(|service| service.lifetime.clone());
        for lifetime in ending {
            lifetime.closing().cancel();
            if let Some(whole) = &whole {
                whole.spawn(async move { lifetime.end(drain).await });
            }
        }
        listening
    }
}

impl State {
    /// Those that listen.
    fn listeners(&self) -> Vec<Arc<Listener>> {
        self.endpoints.iter().filter_map(|served| served.listener.upgrade()).collect()
    }

    /// Takes those out for which this holds.
    fn take(&mut self, is: impl Fn(&Arc<Listener>) -> bool) -> Vec<Served> {
        self.endpoints
            .extract_if(.., |served| served.listener.upgrade().is_some_and(|listener| is(&listener)))
            .collect()
    }
}

impl Served {
    fn new(listener: Listener) -> Self {
        let listener = Arc::new(listener);
        Self { listener: Arc::downgrade(&listener), waiting: Some(listener), running: None }
    }

    /// Accepts from now on.
    fn start(&mut self, service: &Service, lifetime: Lifetime) {
        let Some(listener) = self.waiting.take() else { return };
        let Service { router, protocols, .. } = service.clone();
        let accepting = Accepting::new(listener, router, protocols, lifetime.clone());
        let enough = CancellationToken::new();
        let accepting = lifetime.spawn(accepting.run(enough.clone()));
        self.running = Some(Running { lifetime, enough, accepting });
    }
}

impl Running {
    /// Accepts nothing more. What was accepted goes on.
    async fn pause(self) -> Lifetime {
        self.enough.cancel();
        // It holds the listener until then.
        let _its_end: Result<_, JoinError> = self.accepting.await;
        self.lifetime
    }
}

/// Listens at an endpoint: on a socket that is to be had, if there is one for it. `None` if one that is to be had is in the way.
async fn open(endpoint: &Endpoint, free: &mut Vec<Arc<Listener>>) -> Result<Option<Fresh>, BindError> {
    for (position, former) in free.iter().enumerate() {
        if former.is_at(&endpoint.bind).await {
            let listener = former.succeed(endpoint).await?;
            free.remove(position);
            return Ok(Some(Fresh { listener, succeeds: true }));
        }
    }
    match Listener::bind(endpoint).await {
        Ok(listener) => Ok(Some(Fresh { listener, succeeds: false })),
        Err(BindError::InUse { .. }) if free.iter().any(|one| one.is_in_the_way_of(&endpoint.bind)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn failed(endpoint: &Endpoint, source: BindError) -> ReplaceError {
    ReplaceError { endpoint: endpoint.name.clone(), source }
}
