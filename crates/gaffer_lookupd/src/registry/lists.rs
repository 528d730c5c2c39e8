//! What those are told who ask.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use gaffer_core::{
    JobName,
    api::lookup::{Jobs, LookupJob, LookupSession, NodeInfo, Nodes, Sessions, Source, Sources},
};

use super::{NodeKey, Registry, names::session_of};

/// So many of any number of nodes are named in a line of the log.
const SOME: usize = 3;

impl Registry {
    /// All nodes, by name.
    pub fn nodes(&self) -> Nodes {
        Nodes::of(self.nodes.values().map(|node| NodeInfo::clone(&node.info)))
    }

    /// How many nodes have this name, and where some of them are.
    pub fn origins_of(&self, name: &str) -> (usize, Vec<String>) {
        let places = self.identities.get(name).into_iter().flatten();
        let some = places.clone().take(SOME).map(|(origin, _)| origin.to_string()).collect();
        (places.count(), some)
    }

    /// All jobs, by name.
    pub fn jobs(&self) -> Jobs {
        self.listed(self.jobs.iter().map(|(job, holders)| (job, holders.as_slice())))
    }

    /// So many jobs, by name, after the one of this name: who lists very many need not keep others from the registry meanwhile.
    pub fn jobs_after(&self, name: Option<&str>, most: usize) -> Vec<LookupJob> {
        let after = name.map_or(Bound::Unbounded, Bound::Excluded);
        let jobs = self.jobs.range::<str, _>((after, Bound::Unbounded)).take(most);
        self.listed(jobs.map(|(job, holders)| (job, holders.as_slice()))).jobs
    }

    /// The nodes that have a job. The name may be written as a node registered it, or as any other of its spellings.
    pub fn find_job(&self, name: &str) -> Sources {
        let full = || name.parse::<JobName>().ok().map(|name| name.to_string());
        let found = self.jobs.get_key_value(name).or_else(|| self.jobs.get_key_value(full()?.as_str()));
        Sources { sources: found.map(|(job, holders)| self.sources(job, holders)).unwrap_or_default() }
    }

    /// The jobs of a session, by name.
    pub fn find_session(&self, session: &str) -> Jobs {
        let jobs = self.sessions.get(session).into_iter().flatten();
        self.listed(jobs.filter_map(|job| Some((job, self.jobs.get(job)?.as_slice()))))
    }

    /// All sessions, by name; of the nodes that have this name or origin, if it is given.
    pub fn sessions(&self, node: Option<&str>) -> Sessions {
        let Some(word) = node else { return Self::by_session(self.jobs().jobs) };
        let mut holders: BTreeMap<&Arc<str>, Vec<NodeKey>> = BTreeMap::new();
        for (key, node) in self.nodes.iter().filter(|(_, node)| node.info.name == word || node.info.origin == word) {
            for job in node.jobs.keys() {
                holders.entry(job).or_default().push(*key);
            }
        }
        Self::by_session(self.listed(holders.iter().map(|(job, holders)| (*job, holders.as_slice()))).jobs)
    }

    /// These jobs by their sessions.
    pub fn by_session(jobs: Vec<LookupJob>) -> Sessions {
        let mut sessions: BTreeMap<String, BTreeMap<String, Vec<Source>>> = BTreeMap::new();
        for LookupJob { name, sources } in jobs {
            sessions.entry(session_of(&name).to_owned()).or_default().insert(name, sources);
        }
        let session = |(sessionid, jobs)| LookupSession { sessionid, jobs };
        Sessions { nb_sessions: sessions.len(), sessions: sessions.into_iter().map(session).collect() }
    }

    fn listed<'a>(&self, jobs: impl Iterator<Item = (&'a Arc<str>, &'a [NodeKey])>) -> Jobs {
        let listed =
            jobs.map(|(job, holders)| LookupJob { name: job.to_string(), sources: self.sources(job, holders) });
        let jobs: Vec<LookupJob> = listed.collect();
        Jobs { nb_jobs: jobs.len(), jobs }
    }

    fn sources(&self, job: &str, holders: &[NodeKey]) -> Vec<Source> {
        let nodes = holders.iter().filter_map(|key| self.nodes.get(key));
        let mut sources: Vec<Source> = nodes.map(|node| node.source(job)).collect();
        sources.sort_unstable_by(|one, other| one.node_info.cmp(&other.node_info));
        sources
    }
}
