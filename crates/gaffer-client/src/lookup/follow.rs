//! A client of whichever node has a job.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::poll_fn,
    pin::Pin,
    task::Poll,
    time::Duration,
};

use futures_core::Stream;
use gaffer_core::{
    JobName,
    api::lookup::{Change, NodeInfo},
};

use tokio::time::timeout;

use super::{Lookup, Told, Watch};
use crate::{Client, Endpoint, Error};

/// How a node is spoken with that was found.
type Connect = dyn Fn(&Endpoint) -> Result<Client, Error> + Send + Sync;

/// Follows a job as it moves from node to node.
///
/// It stays with a node as long as that has the job, and takes another one that has it then. Whoever registers at a lookup server says where
/// clients go: what `connect` shows them, such as a key, should be for that node alone.
///
/// ```no_run
/// use gaffer_client::{Client, lookup::Lookup};
///
/// # async fn run(lookup: Lookup) -> Result<(), Box<dyn std::error::Error>> {
/// let mut web = lookup.follow(&"shop.web".parse()?, Client::new);
/// loop {
///     let client = web.client().await?;
///     println!("shop.web is at {}", client.endpoint());
///     web.moved().await;
/// }
/// # }
/// ```
pub struct Follower {
    job: String,
    watch: Watch,
    connect: Box<Connect>,
    /// The nodes that have the job.
    holders: BTreeMap<NodeInfo, Endpoint>,
    /// Those of them that could not be reached.
    avoided: BTreeSet<NodeInfo>,
    current: Option<(NodeInfo, Client)>,
    /// Whether all servers are on this machine: only then an address may mean this one.
    is_here: bool,
}

impl Lookup {
    /// Follows a job. `connect` makes a client of the node at an address, such as [`Client::new`].
    pub fn follow(
        &self,
        job: &JobName,
        connect: impl Fn(&Endpoint) -> Result<Client, Error> + Send + Sync + 'static,
    ) -> Follower {
        let (job, watch, connect) = (job.to_string(), self.watch_all(), Box::new(connect));
        let is_here = self.servers().iter().all(|server| server.endpoint().is_local());
        Follower { job, watch, connect, holders: BTreeMap::new(), avoided: BTreeSet::new(), current: None, is_here }
    }
}

impl Follower {
    /// A client of the node that has the job: the last one, if that has it still. Waits until there is one.
    ///
    /// # Errors
    /// What `connect` says.
    ///
    /// # Cancel safety
    /// Nothing is lost if this is dropped before it resolves.
    pub async fn client(&mut self) -> Result<Client, Error> {
        self.avoided.clear();
        self.next_client().await
    }

    /// The same, but of none of the nodes that are avoided.
    async fn next_client(&mut self) -> Result<Client, Error> {
        self.catch_up().await;
        loop {
            if let Some((_, client)) = &self.current {
                return Ok(client.clone());
            }
            let mut holders = self.holders.iter();
            if let Some((node, endpoint)) = holders.find(|(node, _)| !self.avoided.contains(*node)) {
                let client = (self.connect)(endpoint)?;
                self.current = Some((node.clone(), client.clone()));
                return Ok(client);
            }
            self.step().await;
        }
    }

    /// The node that [`client`](Self::client) gave out last, if it has the job still.
    pub fn node(&self) -> Option<&NodeInfo> {
        self.current.as_ref().map(|(node, _)| node)
    }

    /// Resolves when the node that [`client`](Self::client) gave out last has the job no more, or is gone itself. At once, if there is none.
    ///
    /// # Cancel safety
    /// Nothing is lost if this is dropped before it resolves.
    pub async fn moved(&mut self) {
        while self.current.is_some() {
            self.step().await;
        }
    }

    /// Does something with the node that has the job; and again with another, if that node cannot be reached, breaks off, or has the job no
    /// more, until it is done or fails for another reason. So it may be done twice: if a node did it, and broke off before it said so.
    ///
    /// If there is no other node, one is waited for, for 30 s.
    ///
    /// # Errors
    /// What it says of itself; the last of them, if nothing helps.
    pub async fn call<T>(&mut self, mut call: impl AsyncFnMut(Client) -> Result<T, Error>) -> Result<T, Error> {
        let mut client = self.client().await?;
        loop {
            let error = match call(client).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            self.catch_up().await;
            if matches!(error, Error::Unreachable { .. } | Error::Interrupted { .. }) {
                self.avoided.extend(self.current.take().map(|(node, _)| node));
            } else if !error.is_not_found() || self.current.is_some() {
                return Err(error);
            }
            client = match timeout(Self::PATIENCE, self.next_client()).await {
                Ok(client) => client?,
                Err(_) => return Err(error),
            };
        }
    }

    /// How long another node may take to have the job.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Takes in what is known already, without waiting for more.
    async fn catch_up(&mut self) {
        loop {
            let told = poll_fn(|cx| match Pin::new(&mut self.watch).poll_next(cx) {
                Poll::Ready(told) => Poll::Ready(told),
                Poll::Pending => Poll::Ready(None),
            });
            let Some(told) = told.await else { return };
            self.take_in(told);
        }
    }

    async fn step(&mut self) {
        match self.watch.next().await {
            Some(told) => self.take_in(told),
            // There are no servers.
            None => std::future::pending().await,
        }
    }

    fn take_in(&mut self, told: Told) {
        let Told::Change(change) = told else { return };
        match change {
            Change::AddJob { node, job_name } if job_name == self.job => {
                let endpoint = node.origin.parse::<Endpoint>().ok().filter(|endpoint| endpoint.is_for(self.is_here));
                self.avoided.remove(&node);
                self.holders.extend(endpoint.map(|endpoint| (node, endpoint)));
            }
            Change::RemoveJob { node, job_name } if job_name == self.job => self.forget(&node),
            Change::RemoveNode(node) => self.forget(&node),
            Change::AddNode(_)
            | Change::Identify(_)
            | Change::AddJob { .. }
            | Change::RemoveJob { .. }
            | Change::AddProcess { .. }
            | Change::RemoveProcess { .. }
            | Change::Lost { .. } => {}
        }
    }

    fn forget(&mut self, node: &NodeInfo) {
        self.holders.remove(node);
        self.avoided.remove(node);
        if self.node() == Some(node) {
            self.current = None;
        }
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("job", &self.job).field("current", &self.current).finish_non_exhaustive()
    }
}
