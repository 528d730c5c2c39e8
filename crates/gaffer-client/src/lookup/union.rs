//! What several servers tell, as if one told it: without the servers.

use std::collections::{BTreeMap, BTreeSet};

use gaffer_core::{
    ProcessId,
    api::lookup::{Change, Jobs, NodeInfo, Nodes, UnknownNode},
};

/// What one server knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// By name and origin.
    nodes: BTreeMap<NodeInfo, BTreeMap<String, BTreeSet<ProcessId>>>,
}

impl View {
    /// What a server answers.
    pub(super) fn of(nodes: Nodes, jobs: Jobs) -> Self {
        let mut view = Self::default();
        view.nodes.extend(nodes.nodes.into_iter().map(|node| (node, BTreeMap::new())));
        for job in jobs.jobs {
            for source in job.sources {
                let node = view.nodes.entry(source.node_info).or_default();
                node.entry(job.name.clone()).or_default().extend(source.pids);
            }
        }
        view
    }

    fn has_node(&self, node: &NodeInfo) -> bool {
        self.nodes.contains_key(node)
    }

    fn has_job(&self, node: &NodeInfo, job: &str) -> bool {
        self.nodes.get(node).is_some_and(|jobs| jobs.contains_key(job))
    }

    fn has_process(&self, node: &NodeInfo, job: &str, pid: ProcessId) -> bool {
        self.nodes.get(node).and_then(|jobs| jobs.get(job)).is_some_and(|pids| pids.contains(&pid))
    }

    fn add<'a>(&mut self, node: &NodeInfo, jobs: impl Iterator<Item = (&'a String, &'a BTreeSet<ProcessId>)>) {
        let known = self.nodes.entry(node.clone()).or_default();
        for (job, pids) in jobs {
            known.entry(job.clone()).or_default().extend(pids);
        }
    }

    /// Takes a change in. What it knows already changes nothing: who asks what there is, while it is told what changes, is told some of it
    /// twice.
    fn apply(&mut self, change: &Change) {
        match change {
            Change::AddNode(_) | Change::Lost { .. } => {}
            Change::Identify(node) => {
                self.nodes.entry(node.clone()).or_default();
            }
            Change::RemoveNode(node) => {
                self.nodes.remove(node);
            }
            Change::AddJob { node, job_name } => {
                self.nodes.entry(node.clone()).or_default().entry(job_name.clone()).or_default();
            }
            Change::RemoveJob { node, job_name } => {
                if let Some(jobs) = self.nodes.get_mut(node) {
                    jobs.remove(job_name);
                }
            }
            Change::AddProcess { node, job_name, pid } => {
                let jobs = self.nodes.entry(node.clone()).or_default();
                jobs.entry(job_name.clone()).or_default().insert(*pid);
            }
            Change::RemoveProcess { node, job_name, pid } => {
                if let Some(pids) = self.nodes.get_mut(node).and_then(|jobs| jobs.get_mut(job_name)) {
                    pids.remove(pid);
                }
            }
        }
    }

    /// What makes this of that: what goes, then what comes.
    fn changes_from(&self, before: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (node, jobs) in &before.nodes {
            if !self.has_node(node) {
                changes.push(Change::RemoveNode(node.clone()));
                continue;
            }
            for (job, pids) in jobs {
                if !self.has_job(node, job) {
                    changes.push(Change::RemoveJob { node: node.clone(), job_name: job.clone() });
                    continue;
                }
                let gone = pids.iter().filter(|pid| !self.has_process(node, job, **pid));
                changes.extend(gone.map(|pid| Change::RemoveProcess {
                    node: node.clone(),
                    job_name: job.clone(),
                    pid: *pid,
                }));
            }
        }
        for (node, jobs) in &self.nodes {
            if !before.has_node(node) {
                changes.extend([Change::AddNode(UnknownNode::default()), Change::Identify(node.clone())]);
            }
            for (job, pids) in jobs {
                if !before.has_job(node, job) {
                    changes.push(Change::AddJob { node: node.clone(), job_name: job.clone() });
                }
                let new = pids.iter().filter(|pid| !before.has_process(node, job, **pid));
                changes.extend(new.map(|pid| Change::AddProcess {
                    node: node.clone(),
                    job_name: job.clone(),
                    pid: *pid,
                }));
            }
        }
        changes
    }
}

/// What all servers together know.
///
/// What a server knew that is lost counts beside what the others know, until that [has settled](Self::settle): they know it, too, unless they
/// have just come back themselves, and nodes have not yet; or unless none is there at all.
#[derive(Debug, Default)]
pub(super) struct Union {
    /// Of each server; none of one that is lost.
    views: Vec<Option<View>>,
    /// What servers knew when they were lost.
    remembered: View,
}

impl Union {
    pub(super) fn new(servers: usize) -> Self {
        Self { views: vec![None; servers], remembered: View::default() }
    }

    /// A server has told what there is. Answers what is new.
    pub(super) fn snapshot(&mut self, server: usize, view: View) -> Vec<Change> {
        self.step(Place::Everywhere, |union| union.views[server] = Some(view))
    }

    /// A server has told a change. Answers it, if it is one for all.
    pub(super) fn change(&mut self, server: usize, change: &Change) -> Vec<Change> {
        let Some(place) = place_of(change) else { return Vec::new() };
        self.step(place, |union| {
            if let Some(view) = &mut union.views[server] {
                view.apply(change);
            }
            if is_removal(change) {
                union.remembered.apply(change);
            }
        })
    }

    /// A server is lost. That changes nothing yet: what it knew is no more only once others had time to know it.
    pub(super) fn lost(&mut self, server: usize) {
        let Some(view) = self.views[server].take() else { return };
        view.nodes.iter().for_each(|(node, jobs)| self.remembered.add(node, jobs.iter()));
    }

    /// Servers that were lost had time enough to know again what there is. Answers what is no more.
    pub(super) fn settle(&mut self) -> Vec<Change> {
        self.step(Place::Everywhere, |union| {
            if union.views.iter().any(Option::is_some) {
                union.remembered = View::default();
            }
        })
    }

    /// Whether something counts that no server has confirmed.
    pub(super) fn is_unsettled(&self) -> bool {
        self.remembered != View::default() && self.views.iter().any(Option::is_some)
    }

    /// All that is known of a place.
    fn merged(&self, place: Place<'_>) -> View {
        let mut all = View::default();
        for view in self.views.iter().flatten().chain([&self.remembered]) {
            match place {
                Place::Everywhere => view.nodes.iter().for_each(|(node, jobs)| all.add(node, jobs.iter())),
                Place::Node(node) => {
                    if let Some(jobs) = view.nodes.get(node) {
                        all.add(node, jobs.iter());
                    }
                }
                Place::Job(node, job) => {
                    if let Some(jobs) = view.nodes.get(node) {
                        all.add(node, jobs.get_key_value(job).into_iter());
                    }
                }
            }
        }
        all
    }

    /// Does something at a place, and answers what changed there.
    fn step(&mut self, place: Place<'_>, step: impl FnOnce(&mut Self)) -> Vec<Change> {
        let before = self.merged(place);
        step(self);
        self.merged(place).changes_from(&before)
    }
}

/// What a change is about. Only that is looked at: there may be many thousand jobs, and changes each second.
#[derive(Clone, Copy)]
enum Place<'a> {
    Everywhere,
    Node(&'a NodeInfo),
    Job(&'a NodeInfo, &'a str),
}

fn place_of(change: &Change) -> Option<Place<'_>> {
    match change {
        Change::AddNode(_) | Change::Lost { .. } => None,
        Change::Identify(node) | Change::RemoveNode(node) => Some(Place::Node(node)),
        Change::AddJob { node, job_name }
        | Change::RemoveJob { node, job_name }
        | Change::AddProcess { node, job_name, .. }
        | Change::RemoveProcess { node, job_name, .. } => Some(Place::Job(node, job_name)),
    }
}

fn is_removal(change: &Change) -> bool {
    matches!(change, Change::RemoveNode(_) | Change::RemoveJob { .. } | Change::RemoveProcess { .. })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(name: &str) -> NodeInfo {
        NodeInfo { name: name.to_owned(), origin: format!("http://{name}"), version: "0.1".to_owned() }
    }

    /// `a s.x 1` is a node, a job of it, and a process of that; fewer words are less.
    fn view(places: &[&str]) -> View {
        let mut view = View::default();
        for place in places {
            let words: Vec<&str> = place.split(' ').collect();
            let jobs = view.nodes.entry(node(words[0])).or_default();
            if let Some(job) = words.get(1) {
                let pids = jobs.entry((*job).to_owned()).or_default();
                pids.extend(words.get(2).map(|pid| ProcessId::new(pid.parse().unwrap())));
            }
        }
        view
    }

    fn told(changes: &[Change]) -> Vec<String> {
        let words = changes.iter().filter_map(|change| match change {
            Change::AddNode(_) | Change::Lost { .. } => None,
            Change::Identify(node) => Some(format!("+{}", node.name)),
            Change::RemoveNode(node) => Some(format!("-{}", node.name)),
            Change::AddJob { node, job_name } => Some(format!("+{} {job_name}", node.name)),
            Change::RemoveJob { node, job_name } => Some(format!("-{} {job_name}", node.name)),
            Change::AddProcess { node, job_name, pid } => Some(format!("+{} {job_name} {pid}", node.name)),
            Change::RemoveProcess { node, job_name, pid } => Some(format!("-{} {job_name} {pid}", node.name)),
        });
        words.collect()
    }

    /// A server is lost; answers what is another than before.
    fn lose(union: &mut Union, server: usize) -> Vec<Change> {
        let before = union.merged(Place::Everywhere);
        union.lost(server);
        union.merged(Place::Everywhere).changes_from(&before)
    }

    fn add_job(name: &str, job: &str) -> Change {
        Change::AddJob { node: node(name), job_name: job.to_owned() }
    }

    fn remove_job(name: &str, job: &str) -> Change {
        Change::RemoveJob { node: node(name), job_name: job.to_owned() }
    }

    #[test]
    fn what_two_servers_tell_is_told_once() {
        let mut union = Union::new(2);
        assert_eq!(told(&union.snapshot(0, view(&["a s.x 1"]))), ["+a", "+a s.x", "+a s.x 1"]);
        assert_eq!(told(&union.snapshot(1, view(&["a s.x 1", "b"]))), ["+b"]);
        assert_eq!(told(&union.change(0, &add_job("a", "s.y"))), ["+a s.y"]);
        assert_eq!(told(&union.change(1, &add_job("a", "s.y"))), [""; 0]);
        assert_eq!(told(&union.change(1, &remove_job("a", "s.y"))), [""; 0], "one still has it");
        assert_eq!(told(&union.change(0, &remove_job("a", "s.y"))), ["-a s.y"]);
        assert_eq!(told(&union.change(1, &Change::RemoveNode(node("a")))), [""; 0]);
        assert_eq!(told(&union.change(0, &Change::RemoveNode(node("a")))), ["-a"]);
    }

    #[test]
    fn what_only_a_lost_server_knew_is_no_more_after_a_while() {
        let mut union = Union::new(2);
        union.snapshot(0, view(&["a s.x"]));
        union.snapshot(1, view(&["a", "b"]));
        assert_eq!(told(&lose(&mut union, 0)), [""; 0]);
        assert!(union.is_unsettled());
        assert_eq!(told(&union.change(1, &Change::RemoveNode(node("b")))), ["-b"]);
        assert_eq!(told(&union.settle()), ["-a s.x"]);
        assert!(!union.is_unsettled());
    }

    #[test]
    fn when_all_are_lost_it_stays_as_it_was_until_they_know_again() {
        let mut union = Union::new(2);
        union.snapshot(0, view(&["a s.x 1", "b s.y"]));
        assert_eq!(told(&lose(&mut union, 0)), [""; 0]);
        assert!(!union.is_unsettled(), "nobody is there who could know");
        assert_eq!(told(&union.settle()), [""; 0]);
        // The server is back, and its nodes come one after the other.
        assert_eq!(told(&union.snapshot(0, view(&[]))), [""; 0]);
        assert!(union.is_unsettled());
        assert_eq!(told(&union.change(0, &add_job("a", "s.x"))), [""; 0]);
        assert_eq!(told(&union.change(0, &remove_job("a", "s.x"))), ["-a s.x"], "what is taken back does not count");
        assert_eq!(told(&lose(&mut union, 0)), [""; 0], "it was no good for long");
        union.snapshot(0, view(&["c"]));
        assert_eq!(told(&union.settle()), ["-a", "-b"]);
        assert!(!union.is_unsettled());
    }

    #[test]
    fn servers_that_are_lost_one_after_the_other_take_nothing_along() {
        let mut union = Union::new(2);
        union.snapshot(0, view(&["a s.x"]));
        union.snapshot(1, view(&["a s.x"]));
        union.lost(0);
        // It is back, and its nodes are not yet, when the other goes.
        assert_eq!(told(&union.snapshot(0, view(&[]))), [""; 0]);
        assert_eq!(told(&lose(&mut union, 1)), [""; 0]);
        assert_eq!(told(&union.change(0, &add_job("a", "s.x"))), [""; 0]);
        assert_eq!(told(&union.settle()), [""; 0]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Snapshot(usize, Vec<String>),
        Change(usize, bool, String),
        Lost(usize),
        Settle,
    }

    fn place() -> impl Strategy<Value = String> {
        prop_oneof!["[ab]", "[ab] s\\.[xy]", "[ab] s\\.[xy] [12]"]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            2 => (0..2usize, prop::collection::vec(place(), 0..6)).prop_map(|(server, places)| Step::Snapshot(server, places)),
            8 => (0..2usize, any::<bool>(), place()).prop_map(|(server, adds, place)| Step::Change(server, adds, place)),
            1 => (0..2usize).prop_map(Step::Lost),
            1 => Just(Step::Settle),
        ]
    }

    fn change(adds: bool, place: &str) -> Change {
        let words: Vec<&str> = place.split(' ').collect();
        let (node, job_name) = (node(words[0]), words.get(1).copied().unwrap_or_default().to_owned());
        match (adds, words.get(2)) {
            (true, _) if job_name.is_empty() => Change::Identify(node),
            (false, _) if job_name.is_empty() => Change::RemoveNode(node),
            (true, None) => Change::AddJob { node, job_name },
            (false, None) => Change::RemoveJob { node, job_name },
            (true, Some(pid)) => Change::AddProcess { node, job_name, pid: ProcessId::new(pid.parse().unwrap()) },
            (false, Some(pid)) => Change::RemoveProcess { node, job_name, pid: ProcessId::new(pid.parse().unwrap()) },
        }
    }

    proptest! {
        #[test]
        fn who_is_told_each_change_knows_what_all_know(steps in prop::collection::vec(step(), 1..40)) {
            let (mut union, mut told) = (Union::new(2), View::default());
            for step in steps {
                let changes = match &step {
                    Step::Snapshot(server, places) => {
                        union.snapshot(*server, view(&places.iter().map(String::as_str).collect::<Vec<_>>()))
                    }
                    Step::Change(server, adds, place) => union.change(*server, &change(*adds, place)),
                    Step::Lost(server) => lose(&mut union, *server),
                    Step::Settle => union.settle(),
                };
                for change in &changes {
                    let before = told.clone();
                    told.apply(change);
                    prop_assert!(before != told || matches!(change, Change::AddNode(_)), "{:?} says nothing new", change);
                }
                prop_assert_eq!(&told, &union.merged(Place::Everywhere), "after {:?}", step);
            }
        }
    }
}
