//! One node, and what it has.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use gaffer_core::{
    ProcessId,
    api::lookup::{Change, NodeInfo, Source},
};

use super::{Changes, ConnectionId};

#[derive(Debug)]
pub(super) struct Node {
    pub(super) connection: ConnectionId,
    pub(super) info: Arc<NodeInfo>,
    pub(super) incarnation: Option<String>,
    /// The processes of each job, in order.
    pub(super) jobs: HashMap<Arc<str>, Vec<ProcessId>>,
    /// How many there are of all jobs.
    pub(super) processes: usize,
    /// Bytes of the names of its jobs.
    names: usize,
    /// After it came back, until it has registered all.
    pub(super) unconfirmed: Option<Unconfirmed>,
}

/// What a node had on an earlier connection, and did not register again yet.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    pub(super) jobs: HashSet<Arc<str>>,
    /// In order, as they are told.
    pub(super) pids: BTreeMap<Arc<str>, BTreeSet<ProcessId>>,
}

impl Unconfirmed {
    pub(super) fn all_of(node: &Node) -> Self {
        let pids = |(job, pids): (&Arc<str>, &Vec<ProcessId>)| (Arc::clone(job), pids.iter().copied().collect());
        Self { jobs: node.jobs.keys().cloned().collect(), pids: node.jobs.iter().map(pids).collect() }
    }

    pub(super) fn confirm(&mut self, job: &str, pid: ProcessId) {
        if let Some(pids) = self.pids.get_mut(job) {
            pids.remove(&pid);
        }
    }
}

impl Node {
    pub(super) fn new(connection: ConnectionId, info: Arc<NodeInfo>, incarnation: Option<String>) -> Self {
        Self { connection, info, incarnation, jobs: HashMap::new(), processes: 0, names: 0, unconfirmed: None }
    }

    /// What a process takes, and its place among those that a node that comes back has still to confirm.
    pub(super) const SIZE_OF_PROCESS: usize = 4 * size_of::<ProcessId>();

    /// What a job takes beside its name: its places here and in all indices, where maps and lists have room for more than they hold.
    const SIZE_OF_JOB: usize = 512;

    pub(super) fn size_of_job(job: &str) -> usize {
        Self::SIZE_OF_JOB + job.len()
    }

    /// About what its jobs and processes take.
    pub(super) fn size(&self) -> usize {
        self.names + self.jobs.len() * Self::SIZE_OF_JOB + self.processes * Self::SIZE_OF_PROCESS
    }

    pub(super) fn add_job(&mut self, job: Arc<str>) {
        self.names += job.len();
        self.jobs.insert(job, Vec::new());
    }

    /// Whether it had it.
    pub(super) fn remove_job(&mut self, job: &str, changes: &mut Changes) -> bool {
        let Some(pids) = self.jobs.remove(job) else { return false };
        self.processes -= pids.len();
        self.names -= job.len();
        if let Some(unconfirmed) = &mut self.unconfirmed {
            unconfirmed.jobs.remove(job);
            unconfirmed.pids.remove(job);
        }
        changes.tell(|| Change::RemoveJob { node: NodeInfo::clone(&self.info), job_name: job.to_owned() });
        true
    }

    pub(super) fn remove_process(&mut self, job: &str, pid: ProcessId, changes: &mut Changes) {
        let Some(pids) = self.jobs.get_mut(job) else { return };
        let Ok(place) = pids.binary_search(&pid) else { return };
        pids.remove(place);
        self.processes -= 1;
        if let Some(unconfirmed) = &mut self.unconfirmed {
            unconfirmed.confirm(job, pid);
        }
        changes.tell(|| Change::RemoveProcess { node: NodeInfo::clone(&self.info), job_name: job.to_owned(), pid });
    }

    /// Removes many at once: one after the other it would take a time that grows with the square of their number.
    pub(super) fn remove_processes(&mut self, job: &str, gone: &BTreeSet<ProcessId>, changes: &mut Changes) {
        let Some(pids) = self.jobs.get_mut(job) else { return };
        let before = pids.len();
        pids.retain(|pid| {
            let stays = !gone.contains(pid);
            if !stays {
                let (node, job_name) = (&self.info, job);
                changes.tell(|| Change::RemoveProcess {
                    node: NodeInfo::clone(node),
                    job_name: job_name.to_owned(),
                    pid: *pid,
                });
            }
            stays
        });
        self.processes -= before - pids.len();
    }

    /// It, as one that has a job.
    pub(super) fn source(&self, job: &str) -> Source {
        Source {
            name: self.info.name.clone(),
            pids: self.jobs.get(job).cloned().unwrap_or_default(),
            node_info: NodeInfo::clone(&self.info),
        }
    }
}
