//! Which nodes there are, and which of them has which jobs and processes: plain data, without connections, clocks or locks.
//!
//! A node belongs to the connection on which it identified itself, and is gone with it. It is known by its name and its origin together:
//! nodes of one name at several places are several nodes.
//!
//! When a node comes back on another connection, as the same run of the same program, it takes over what it had. It registers all of that
//! again, and until it has ([`Registry::synced`]) the rest stays as it was: so nobody who asks meanwhile misses a job that runs.

mod lists;
mod names;
mod node;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use gaffer_core::{
    ProcessId,
    api::lookup::{Change, NodeInfo, UnknownNode},
};

use self::{
    names::{check, session_of},
    node::{Node, Unconfirmed},
};

/// Most jobs of one node.
pub const MAX_JOBS: usize = 100_000;

/// Most processes of one node.
pub const MAX_PROCESSES: usize = 100_000;

/// Most bytes that the jobs and processes of all nodes may take, as far as that can be reckoned.
pub const MAX_SIZE: usize = 1024 * 1024 * 1024;

/// A connection of a node, as whoever holds it numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A node, whichever its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct NodeKey(u64);

/// Why something that a node said is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It did not say who it is.
    #[error("need to send IDENTIFY message first")]
    NotIdentified,
    /// It has said so already.
    #[error("this connection is identified already")]
    IdentifiedTwice,
    /// Another connection is of a node with this name and origin.
    #[error("another node is registered as `{name}` at {origin}")]
    Taken {
        /// That one.
        by: ConnectionId,
        /// The name.
        name: String,
        /// The origin.
        origin: String,
    },
    /// It has this job already.
    #[error("job `{0}` is already registered")]
    JobTaken(String),
    /// It has no such job.
    #[error("job `{0}` is not registered by this node")]
    UnknownJob(String),
    /// It has too much.
    #[error("{whose} may have at most {most} {what}")]
    TooMany {
        /// Who.
        whose: &'static str,
        /// Of what.
        what: &'static str,
        /// How many it may have.
        most: usize,
    },
    /// Something cannot be a name.
    #[error("{0}")]
    Invalid(String),
}

/// What changed, as far as somebody wants to know.
#[derive(Debug)]
pub struct Changes {
    told: Option<Vec<Change>>,
}

impl Changes {
    /// Keeps changes, or only makes them if they are wanted.
    pub fn new(are_wanted: bool) -> Self {
        Self { told: are_wanted.then(Vec::new) }
    }

    /// What changed, in order.
    pub fn take(&mut self) -> Vec<Change> {
        self.told.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn tell(&mut self, change: impl FnOnce() -> Change) {
        if let Some(told) = &mut self.told {
            told.push(change());
        }
    }
}

/// How a node came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It was not there.
    New,
    /// It was there, on this connection, which is nobody's now.
    Again(ConnectionId),
}

/// Which nodes there are, and what they have.
#[derive(Debug, Default)]
pub struct Registry {
    nodes: HashMap<NodeKey, Node>,
    /// Whose each connection is, once that was said.
    connections: HashMap<ConnectionId, NodeKey>,
    /// Nodes by name and origin. No name is without a node.
    identities: HashMap<Arc<str>, BTreeMap<Arc<str>, NodeKey>>,
    /// Who has each job. No job is without a node.
    jobs: BTreeMap<Arc<str>, Vec<NodeKey>>,
    /// The jobs of each session. No session is without a job.
    sessions: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    next_key: u64,
    /// As [`MAX_SIZE`] counts.
    size: usize,
}

impl Registry {
    /// A node says who it is.
    ///
    /// # Errors
    /// When this connection has said so before, or [`Refusal::Taken`]: if that other connection is dead, end it, and try again.
    pub fn identify(
        &mut self,
        connection: ConnectionId,
        info: NodeInfo,
        incarnation: Option<String>,
        changes: &mut Changes,
    ) -> Result<Arrival, Refusal> {
        if self.connections.contains_key(&connection) {
            return Err(Refusal::IdentifiedTwice);
        }
        for (what, text) in [("name", &info.name), ("origin", &info.origin), ("version", &info.version)] {
            check(what, text)?;
        }
        if let Some(incarnation) = &incarnation {
            check("incarnation", incarnation)?;
        }
        let known =
            self.identities.get(info.name.as_str()).and_then(|places| places.get(info.origin.as_str())).copied();
        if let Some((key, node)) = known.and_then(|key| Some((key, self.nodes.get_mut(&key)?))) {
            let is_same_run = incarnation.is_some() && node.incarnation == incarnation;
            if !is_same_run || node.info.version != info.version {
                let NodeInfo { name, origin, .. } = info;
                return Err(Refusal::Taken { by: node.connection, name, origin });
            }
            let before = std::mem::replace(&mut node.connection, connection);
            node.unconfirmed = Some(Unconfirmed::all_of(node));
            self.connections.remove(&before);
            self.connections.insert(connection, key);
            changes.tell(|| Change::Identify(info));
            return Ok(Arrival::Again(before));
        }
        let key = NodeKey(self.next_key);
        self.next_key += 1;
        self.nodes.insert(key, Node::new(connection, Arc::new(info.clone()), incarnation));
        self.connections.insert(connection, key);
        let places = self.identities.entry(Arc::from(info.name.as_str())).or_default();
        places.insert(Arc::from(info.origin.as_str()), key);
        changes.tell(|| Change::AddNode(UnknownNode::default()));
        changes.tell(|| Change::Identify(info));
        Ok(Arrival::New)
    }

    /// A node has a job.
    ///
    /// # Errors
    /// When it did not say who it is, has this job already, or too many.
    pub fn register_job(&mut self, connection: ConnectionId, job: &str, changes: &mut Changes) -> Result<(), Refusal> {
        let key = self.key(connection)?;
        check("job_name", job)?;
        let node = self.nodes.get_mut(&key).ok_or(Refusal::NotIdentified)?;
        if let Some(unconfirmed) = &mut node.unconfirmed
            && unconfirmed.jobs.remove(job)
        {
            return Ok(());
        }
        if node.jobs.contains_key(job) {
            return Err(Refusal::JobTaken(job.to_owned()));
        }
        if node.jobs.len() >= MAX_JOBS {
            return Err(Refusal::TooMany { whose: "a node", what: "jobs", most: MAX_JOBS });
        }
        self.size = enlarged(self.size, Node::size_of_job(job))?;
        // The name is kept once, whoever has it.
        let name = match self.jobs.get_key_value(job) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(job),
        };
        node.add_job(Arc::clone(&name));
        changes.tell(|| Change::AddJob { node: NodeInfo::clone(&node.info), job_name: job.to_owned() });
        let session = session_of(job);
        match self.sessions.get_mut(session) {
            Some(jobs) => {
                jobs.insert(Arc::clone(&name));
            }
            None => {
                self.sessions.insert(Arc::from(session), BTreeSet::from([Arc::clone(&name)]));
            }
        }
        self.jobs.entry(name).or_default().push(key);
        Ok(())
    }

    /// A node has a job no more. One that it never had is as good.
    ///
    /// # Errors
    /// When it did not say who it is.
    pub fn unregister_job(
        &mut self,
        connection: ConnectionId,
        job: &str,
        changes: &mut Changes,
    ) -> Result<(), Refusal> {
        let key = self.key(connection)?;
        self.remove_job(key, job, changes);
        Ok(())
    }

    /// A node runs a process. One that is known is as good.
    ///
    /// # Errors
    /// When it did not say who it is, has no such job, or too many processes.
    pub fn register_process(
        &mut self,
        connection: ConnectionId,
        job: &str,
        pid: ProcessId,
        changes: &mut Changes,
    ) -> Result<(), Refusal> {
        let key = self.key(connection)?;
        let node = self.nodes.get_mut(&key).ok_or(Refusal::NotIdentified)?;
        let Some(pids) = node.jobs.get_mut(job) else { return Err(Refusal::UnknownJob(job.to_owned())) };
        if let Some(unconfirmed) = &mut node.unconfirmed {
            unconfirmed.confirm(job, pid);
        }
        if let Err(place) = pids.binary_search(&pid) {
            if node.processes >= MAX_PROCESSES {
                return Err(Refusal::TooMany { whose: "a node", what: "processes", most: MAX_PROCESSES });
            }
            self.size = enlarged(self.size, Node::SIZE_OF_PROCESS)?;
            pids.insert(place, pid);
            node.processes += 1;
            changes.tell(|| Change::AddProcess { node: NodeInfo::clone(&node.info), job_name: job.to_owned(), pid });
        }
        Ok(())
    }

    /// A node runs a process no more. One that it never had is as good.
    ///
    /// # Errors
    /// When it did not say who it is, or has no such job.
    pub fn unregister_process(
        &mut self,
        connection: ConnectionId,
        job: &str,
        pid: ProcessId,
        changes: &mut Changes,
    ) -> Result<(), Refusal> {
        let node = self.node(connection)?;
        if !node.jobs.contains_key(job) {
            return Err(Refusal::UnknownJob(job.to_owned()));
        }
        let had = node.size();
        node.remove_process(job, pid, changes);
        self.size -= had - node.size();
        Ok(())
    }

    /// A node has registered all that it has: what it had on an earlier connection, and did not register again, is no more.
    ///
    /// # Errors
    /// When it did not say who it is.
    pub fn synced(&mut self, connection: ConnectionId, changes: &mut Changes) -> Result<(), Refusal> {
        let key = self.key(connection)?;
        let node = self.nodes.get_mut(&key).ok_or(Refusal::NotIdentified)?;
        let Some(Unconfirmed { jobs, pids }) = node.unconfirmed.take() else { return Ok(()) };
        let had = node.size();
        for (job, gone) in pids {
            if !jobs.contains(&job) {
                node.remove_processes(&job, &gone, changes);
            }
        }
        self.size -= had - node.size();
        for job in jobs {
            self.remove_job(key, &job, changes);
        }
        Ok(())
    }

    /// A connection has ended, and its node with it. Answers which, unless it has come on another one meanwhile, or never said who it is.
    pub fn disconnect(&mut self, connection: ConnectionId, changes: &mut Changes) -> Option<Arc<NodeInfo>> {
        let key = self.connections.remove(&connection)?;
        let node = self.nodes.remove(&key)?;
        self.size -= node.size();
        let NodeInfo { name, origin, .. } = &*node.info;
        if let Some(places) = self.identities.get_mut(name.as_str()) {
            places.remove(origin.as_str());
            if places.is_empty() {
                self.identities.remove(name.as_str());
            }
        }
        for job in node.jobs.keys() {
            self.forget_holder(key, job);
        }
        changes.tell(|| Change::RemoveNode(NodeInfo::clone(&node.info)));
        Some(node.info)
    }

    /// The name of a connection's node, if that has said who it is.
    pub fn name_of(&self, connection: ConnectionId) -> Option<String> {
        let node = self.connections.get(&connection).and_then(|key| self.nodes.get(key));
        node.map(|node| node.info.name.clone())
    }

    /// Whether a connection's node has said who it is.
    pub fn is_identified(&self, connection: ConnectionId) -> bool {
        self.connections.contains_key(&connection)
    }

    fn key(&self, connection: ConnectionId) -> Result<NodeKey, Refusal> {
        self.connections.get(&connection).copied().ok_or(Refusal::NotIdentified)
    }

    fn node(&mut self, connection: ConnectionId) -> Result<&mut Node, Refusal> {
        let key = self.key(connection)?;
        self.nodes.get_mut(&key).ok_or(Refusal::NotIdentified)
    }

    fn remove_job(&mut self, key: NodeKey, job: &str, changes: &mut Changes) {
        let Some(node) = self.nodes.get_mut(&key) else { return };
        let had = node.size();
        if node.remove_job(job, changes) {
            self.size -= had - node.size();
            self.forget_holder(key, job);
        }
    }

    /// A node is no longer among those that have a job.
    fn forget_holder(&mut self, key: NodeKey, job: &str) {
        let Some(holders) = self.jobs.get_mut(job) else { return };
        holders.retain(|holder| *holder != key);
        if !holders.is_empty() {
            return;
        }
        self.jobs.remove(job);
        let session = session_of(job);
        if let Some(jobs) = self.sessions.get_mut(session) {
            jobs.remove(job);
            if jobs.is_empty() {
                self.sessions.remove(session);
            }
        }
    }
}

/// The size with so much more.
fn enlarged(size: usize, more: usize) -> Result<usize, Refusal> {
    let all = size + more;
    let too_large =
        Refusal::TooMany { whose: "all nodes together", what: "bytes of jobs and processes", most: MAX_SIZE };
    if all > MAX_SIZE { Err(too_large) } else { Ok(all) }
}

#[cfg(test)]
mod tests;
