//! The registry, its connections, and who watches it.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use bytes::Bytes;
use gaffer_core::{
    api::lookup::{Jobs, LookupJob, NodeInfo, NodeReply, NodeRequest},
    events::{Emitter, Subscription},
};
use gaffer_http::ws::{Pulse, Utf8Bytes};
use serde::Serialize;
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::{Level, debug, info, warn};

use crate::registry::{Arrival, Changes, ConnectionId, Refusal, Registry};

/// How long the connection of a node may take to show that it is there, when another says that it is this node.
const PROOF: Duration = Duration::from_secs(1);

/// Changes that may wait for one who watches; the oldest are lost beyond.
const MOST_WAITING: usize = 10_000;

/// So many jobs are listed at once.
const PIECE: usize = 256;

/// The registry, shared by all connections.
pub(crate) struct Directory {
    inner: RwLock<Inner>,
    /// Told under the lock, so that everybody sees one order.
    changes: Emitter<Utf8Bytes>,
    /// What nodes are told of it.
    ping_interval: Duration,
    jobs: Written,
    sessions: Written,
}

/// A long list as it was written last, and of which version. It is written once for all who ask, and by one at a time.
type Written = tokio::sync::Mutex<(u64, Bytes)>;

#[derive(Default)]
struct Inner {
    registry: Registry,
    /// Grows whenever the registry may have changed.
    version: u64,
    connections: HashMap<ConnectionId, Connection>,
    next: u64,
}

/// A connection of a node, or of who may become one.
#[derive(Clone, Default)]
pub(crate) struct Connection {
    /// By which it is found out whether the node is there.
    pub(crate) pulse: Arc<Pulse>,
    /// Ends it, as the node has come on another one.
    pub(crate) replaced: CancellationToken,
}

impl Directory {
    pub(crate) fn new(ping_interval: Duration) -> Arc<Self> {
        let changes = Emitter::new(MOST_WAITING);
        let [jobs, sessions] = [Written::default(), Written::default()];
        Arc::new(Self { inner: RwLock::default(), changes, ping_interval, jobs, sessions })
    }

    // Nothing that holds the lock panics, and each change is whole.

    fn inner(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn inner_mut(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks something up.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Registry) -> T) -> T {
        look(&self.inner().registry)
    }

    /// All jobs, as JSON.
    pub(crate) async fn jobs(self: &Arc<Self>) -> Bytes {
        self.written(&self.jobs, |jobs| Jobs { nb_jobs: jobs.len(), jobs }).await
    }

    /// All sessions, as JSON.
    pub(crate) async fn sessions(self: &Arc<Self>) -> Bytes {
        self.written(&self.sessions, Registry::by_session).await
    }

    async fn written<T: Serialize + Send + 'static>(
        self: &Arc<Self>,
        written: &Written,
        list: fn(Vec<LookupJob>) -> T,
    ) -> Bytes {
        let wanted = self.inner().version;
        let mut written = written.lock().await;
        if written.0 < wanted || written.1.is_empty() {
            let directory = Arc::clone(self);
            // It may take a while, which others need not wait for.
            let writing = spawn_blocking(move || {
                let (version, jobs) = directory.all_jobs();
                // Serialising texts and numbers does not fail.
                (version, Bytes::from(serde_json::to_vec(&list(jobs)).unwrap_or_default()))
            });
            // It neither panics nor is it cancelled.
            *written = writing.await.unwrap_or_default();
        }
        written.1.clone()
    }

    /// All jobs, as they are at this version or later: each as it is at some moment, and who is told changes hears of what comes behind it.
    /// In pieces, as nodes, and who asks for less, would have to wait otherwise.
    fn all_jobs(&self) -> (u64, Vec<LookupJob>) {
        let version = self.inner().version;
        let mut jobs: Vec<LookupJob> = Vec::new();
        loop {
            let piece = self.look(|registry| registry.jobs_after(jobs.last().map(|job| job.name.as_str()), PIECE));
            let is_last = piece.len() < PIECE;
            jobs.extend(piece);
            if is_last {
                return (version, jobs);
            }
        }
    }

    /// Subscribes to what changes from now on.
    pub(crate) fn watch(&self) -> Subscription<Utf8Bytes> {
        self.changes.subscribe::<&str>(&[])
    }

    /// A connection has come.
    pub(crate) fn connect(&self) -> (ConnectionId, Connection) {
        let mut inner = self.inner_mut();
        let id = ConnectionId(inner.next);
        inner.next += 1;
        let connection = Connection::default();
        inner.connections.insert(id, connection.clone());
        (id, connection)
    }

    /// A connection has ended.
    pub(crate) fn disconnect(&self, id: ConnectionId) {
        let gone = self.change(|inner, changes| {
            inner.connections.remove(&id);
            inner.registry.disconnect(id, changes)
        });
        if let Some(NodeInfo { name, origin, .. }) = gone.as_deref() {
            info!(node = name, origin, "a node is gone");
        }
    }

    pub(crate) fn is_identified(&self, id: ConnectionId) -> bool {
        self.look(|registry| registry.is_identified(id))
    }

    /// Does what a node asks.
    pub(crate) async fn hear(&self, id: ConnectionId, msgid: Value, request: NodeRequest) -> NodeReply {
        let done = match request {
            NodeRequest::Identify { node, incarnation } => {
                return match self.identify(id, &node, incarnation).await {
                    Ok(()) => {
                        let ping_interval = Some(self.ping_interval.as_secs_f64());
                        NodeReply { ping_interval, ..NodeReply::done(msgid) }
                    }
                    Err(refusal) => refused(msgid, &refusal),
                };
            }
            NodeRequest::RegisterJob { job_name } => {
                let done = self.change(|inner, changes| inner.registry.register_job(id, &job_name, changes));
                self.log_job(id, &job_name, "a job is registered", &done);
                done
            }
            NodeRequest::UnregisterJob { job_name } => {
                let done = self.change(|inner, changes| inner.registry.unregister_job(id, &job_name, changes));
                self.log_job(id, &job_name, "a job is unregistered", &done);
                done
            }
            NodeRequest::RegisterProcess { job_name, pid } => {
                self.change(|inner, changes| inner.registry.register_process(id, &job_name, pid, changes))
            }
            NodeRequest::UnregisterProcess { job_name, pid } => {
                self.change(|inner, changes| inner.registry.unregister_process(id, &job_name, pid, changes))
            }
            NodeRequest::Synced => self.change(|inner, changes| inner.registry.synced(id, changes)),
            NodeRequest::Ping => Ok(()),
        };
        match done {
            Ok(()) => NodeReply::done(msgid),
            Err(refusal) => refused(msgid, &refusal),
        }
    }

    /// Tells what came of a job, for those who want to know all.
    fn log_job(&self, id: ConnectionId, job: &str, what: &str, done: &Result<(), Refusal>) {
        if !tracing::enabled!(Level::DEBUG) {
            return;
        }
        let node = self.look(|registry| registry.name_of(id));
        match done {
            Ok(()) => debug!(node, job, "{what}"),
            Err(refusal) => debug!(node, job, "a job is refused: {refusal}"),
        }
    }

    /// Lets a node in: also in the place of a connection of its own that is dead.
    async fn identify(&self, id: ConnectionId, node: &NodeInfo, incarnation: Option<String>) -> Result<(), Refusal> {
        let try_it = || {
            self.change(|inner, changes| {
                let arrival = inner.registry.identify(id, node.clone(), incarnation.clone(), changes);
                match &arrival {
                    Ok(Arrival::Again(before)) => inner.replace(*before),
                    Ok(Arrival::New) | Err(_) => {}
                }
                let others = inner.registry.origins_of(&node.name);
                arrival.map(|arrival| (arrival, others))
            })
        };
        let outcome = match try_it() {
            Err(Refusal::Taken { by, .. }) => {
                let holder = self.inner().connections.get(&by).map(|connection| Arc::clone(&connection.pulse));
                if let Some(holder) = holder
                    && !holder.beats(PROOF).await
                {
                    self.change(|inner, changes| {
                        inner.replace(by);
                        inner.registry.disconnect(by, changes);
                    });
                }
                try_it()
            }
            outcome => outcome,
        };
        let NodeInfo { name, origin, version } = node;
        match outcome {
            Ok((arrival, (number, others))) => {
                let again = matches!(arrival, Arrival::Again(_));
                info!(node = name, origin, protocol = version, again, "a node has come");
                if number > 1 {
                    let origins = others.join(", ");
                    warn!(
                        node = name,
                        number, origins, "several nodes have this name; they are told apart by their origins"
                    );
                }
                Ok(())
            }
            // It stays what it is.
            Err(refusal @ Refusal::IdentifiedTwice) => Err(refusal),
            Err(refusal) => {
                warn!(node = name, origin, "a node is refused: {refusal}");
                Err(refusal)
            }
        }
    }

    /// Changes the registry, and tells who watches.
    fn change<T>(&self, change: impl FnOnce(&mut Inner, &mut Changes) -> T) -> T {
        let mut inner = self.inner_mut();
        inner.version += 1;
        let mut changes = Changes::new(self.changes.has_subscriber(&[]));
        let outcome = change(&mut inner, &mut changes);
        for change in changes.take() {
            // Serialising texts and numbers does not fail.
            let text = serde_json::to_string(&change).unwrap_or_default();
            self.changes.publish(&[], &text.into());
        }
        outcome
    }
}

impl Inner {
    /// Ends a connection whose node has come on another one.
    fn replace(&self, before: ConnectionId) {
        if let Some(connection) = self.connections.get(&before) {
            connection.replaced.cancel();
        }
    }
}

/// What a node is told that cannot have what it asks.
fn refused(msgid: Value, refusal: &Refusal) -> NodeReply {
    let (errno, error) = match refusal {
        Refusal::NotIdentified => (404, "not_identified"),
        Refusal::UnknownJob(_) => (404, "not_found"),
        Refusal::IdentifiedTwice | Refusal::Taken { .. } | Refusal::JobTaken(_) => (409, "conflict"),
        Refusal::TooMany { .. } => (400, "too_many"),
        Refusal::Invalid(_) => (400, "invalid_message"),
    };
    NodeReply::refused(msgid, errno, error, refusal.to_string())
}
