//! What several servers say, as if one had said it.
//!
//! Each server knows what the nodes that are connected with it have told it. So what one knows is true, whoever else does not know it yet.

use std::collections::{BTreeMap, BTreeSet};

use gaffer_core::{
    ProcessId,
    api::lookup::{Jobs, LookupJob, LookupSession, NodeInfo, Nodes, Sessions, Source, Sources},
};

/// The nodes that have a job, and its processes there.
type Places = BTreeMap<NodeInfo, BTreeSet<ProcessId>>;

pub(super) fn nodes(answers: impl IntoIterator<Item = Nodes>) -> Nodes {
    Nodes::of(answers.into_iter().flat_map(|answer| answer.nodes))
}

pub(super) fn jobs(answers: impl IntoIterator<Item = Jobs>) -> Vec<LookupJob> {
    let mut all: BTreeMap<String, Places> = BTreeMap::new();
    for LookupJob { name, sources } in answers.into_iter().flat_map(|answer| answer.jobs) {
        add(all.entry(name).or_default(), sources);
    }
    all.into_iter().map(|(name, places)| LookupJob { name, sources: listed(places) }).collect()
}

pub(super) fn sessions(answers: impl IntoIterator<Item = Sessions>) -> Vec<LookupSession> {
    let mut all: BTreeMap<String, BTreeMap<String, Places>> = BTreeMap::new();
    for LookupSession { sessionid, jobs } in answers.into_iter().flat_map(|answer| answer.sessions) {
        let session = all.entry(sessionid).or_default();
        for (name, sources) in jobs {
            add(session.entry(name).or_default(), sources);
        }
    }
    let session = |(sessionid, jobs): (String, BTreeMap<String, Places>)| LookupSession {
        sessionid,
        jobs: jobs.into_iter().map(|(name, places)| (name, listed(places))).collect(),
    };
    all.into_iter().map(session).collect()
}

pub(super) fn sources(answers: impl IntoIterator<Item = Sources>) -> Vec<Source> {
    let mut all = Places::new();
    answers.into_iter().for_each(|answer| add(&mut all, answer.sources));
    listed(all)
}

fn add(places: &mut Places, sources: Vec<Source>) {
    for Source { pids, node_info, .. } in sources {
        places.entry(node_info).or_default().extend(pids);
    }
}

fn listed(places: Places) -> Vec<Source> {
    let source = |(node_info, pids): (NodeInfo, BTreeSet<ProcessId>)| Source {
        name: node_info.name.clone(),
        pids: pids.into_iter().collect(),
        node_info,
    };
    places.into_iter().map(source).collect()
}

#[cfg(test)]
mod tests {
    use gaffer_core::api::lookup::NameConflict;

    use super::*;

    fn node(name: &str, origin: &str) -> NodeInfo {
        NodeInfo { name: name.to_owned(), origin: origin.to_owned(), version: "0.1".to_owned() }
    }

    fn source(node_info: &NodeInfo, pids: &[u64]) -> Source {
        let pids = pids.iter().copied().map(ProcessId::new).collect();
        Source { name: node_info.name.clone(), pids, node_info: node_info.clone() }
    }

    #[test]
    fn what_several_servers_know_is_told_once() {
        let (a, b) = (node("a", "http://a"), node("b", "http://b"));
        let job = |name: &str, sources: Vec<Source>| LookupJob { name: name.to_owned(), sources };
        let answer = |jobs: Vec<LookupJob>| Jobs { nb_jobs: jobs.len(), jobs };
        let one = answer(vec![job("s.x", vec![source(&a, &[2, 1])])]);
        let other = answer(vec![job("s.x", vec![source(&b, &[1]), source(&a, &[1, 3])]), job("r.y", vec![])]);
        let expected = vec![job("r.y", vec![]), job("s.x", vec![source(&a, &[1, 2, 3]), source(&b, &[1])])];
        assert_eq!(jobs([one, other]), expected);
    }

    #[test]
    fn nodes_of_one_name_are_told_apart_also_if_no_server_knows_both() {
        let (a, b, other) = (node("n", "http://a"), node("n", "http://b"), node("m", "http://a"));
        let answer = |nodes: &[&NodeInfo]| Nodes { nodes: nodes.iter().copied().cloned().collect(), conflicts: vec![] };
        let merged = nodes([answer(&[&a, &other]), answer(&[&b, &other])]);
        assert_eq!(merged.nodes, [other, a, b]);
        let origins = vec!["http://a".to_owned(), "http://b".to_owned()];
        assert_eq!(merged.conflicts, [NameConflict { name: "n".to_owned(), origins }]);
    }
}
