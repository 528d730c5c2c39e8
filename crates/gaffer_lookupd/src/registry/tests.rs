//! The registry beside a model that is as simple as can be, and beside a watcher who knows only what changed.

use std::collections::{BTreeMap, BTreeSet};

use gaffer_core::api::lookup::{LookupJob, MAX_NAME, NameConflict};
use proptest::prelude::*;

use super::*;

fn info(name: &str, origin: &str) -> NodeInfo {
    NodeInfo { name: name.to_owned(), origin: origin.to_owned(), version: "0.1".to_owned() }
}

fn pid(number: u64) -> ProcessId {
    ProcessId::new(number)
}

const ONE: ConnectionId = ConnectionId(1);
const TWO: ConnectionId = ConnectionId(2);

/// A registry, and what has changed in it.
struct Quiet(Registry, Changes);

impl Default for Quiet {
    fn default() -> Self {
        Self(Registry::default(), Changes::new(true))
    }
}

impl Quiet {
    fn identify(&mut self, connection: ConnectionId, info: &NodeInfo, run: Option<&str>) -> Result<Arrival, Refusal> {
        self.0.identify(connection, info.clone(), run.map(str::to_owned), &mut self.1)
    }

    fn job(&mut self, connection: ConnectionId, job: &str) -> Result<(), Refusal> {
        self.0.register_job(connection, job, &mut self.1)
    }

    fn process(&mut self, connection: ConnectionId, job: &str, number: u64) -> Result<(), Refusal> {
        self.0.register_process(connection, job, pid(number), &mut self.1)
    }

    fn pids(&self, job: &str) -> Vec<Vec<u64>> {
        let sources = self.0.find_job(job).sources;
        sources.iter().map(|source| source.pids.iter().map(|pid| pid.get()).collect()).collect()
    }

    fn told(&mut self) -> Vec<String> {
        let word = |change: &Change| match change {
            Change::AddNode(_) => "add_node".to_owned(),
            Change::Identify(node) => format!("identify {}", node.name),
            Change::RemoveNode(node) => format!("remove_node {}", node.name),
            Change::AddJob { job_name, .. } => format!("+{job_name}"),
            Change::RemoveJob { job_name, .. } => format!("-{job_name}"),
            Change::AddProcess { job_name, pid, .. } => format!("+{job_name} {pid}"),
            Change::RemoveProcess { job_name, pid, .. } => format!("-{job_name} {pid}"),
            Change::Lost { lost } => format!("lost {lost}"),
        };
        self.1.take().iter().map(word).collect()
    }
}

#[test]
fn who_did_not_say_who_it_is_may_say_nothing_else() {
    let mut registry = Quiet::default();
    assert_eq!(registry.job(ONE, "s.a"), Err(Refusal::NotIdentified));
    assert_eq!(registry.process(ONE, "s.a", 1), Err(Refusal::NotIdentified));
    assert_eq!(registry.0.synced(ONE, &mut Changes::new(false)), Err(Refusal::NotIdentified));
    assert_eq!(registry.0.disconnect(ONE, &mut Changes::new(false)), None);
    assert!(registry.told().is_empty());
}

#[test]
fn what_a_node_registers_is_found_until_it_is_gone() {
    let mut registry = Quiet::default();
    assert_eq!(registry.identify(ONE, &info("a", "http://a"), None), Ok(Arrival::New));
    assert_eq!(registry.identify(ONE, &info("b", "http://b"), None), Err(Refusal::IdentifiedTwice));
    registry.job(ONE, "s.x").unwrap();
    assert_eq!(registry.job(ONE, "s.x"), Err(Refusal::JobTaken("s.x".to_owned())));
    assert_eq!(registry.process(ONE, "s.y", 1), Err(Refusal::UnknownJob("s.y".to_owned())));
    for number in [2, 1, 2] {
        registry.process(ONE, "s.x", number).unwrap();
    }
    assert_eq!(registry.pids("s.x"), [[1, 2]]);
    assert_eq!(registry.told(), ["add_node", "identify a", "+s.x", "+s.x 2", "+s.x 1"]);
    for _ in 0..2 {
        registry.0.unregister_process(ONE, "s.x", pid(2), &mut registry.1).unwrap();
        registry.0.unregister_job(ONE, "s.never", &mut registry.1).unwrap();
    }
    assert_eq!(registry.told(), ["-s.x 2"]);
    registry.0.disconnect(ONE, &mut registry.1).unwrap();
    assert_eq!(registry.told(), ["remove_node a"]);
    assert!(registry.0.jobs().jobs.is_empty() && registry.0.sessions(None).sessions.is_empty());
}

#[test]
fn a_job_is_found_by_any_of_its_spellings_and_by_the_one_it_was_registered_with() {
    let mut registry = Quiet::default();
    registry.identify(ONE, &info("a", "http://a"), None).unwrap();
    for job in ["default.web", "shop.eu.web", "plain", "odd name"] {
        registry.job(ONE, job).unwrap();
    }
    for word in ["default.web", "web", "shop.eu.web", "shop.eu:web", "shop.eu/web", "plain", "odd name"] {
        assert_eq!(registry.pids(word).len(), 1, "{word}");
    }
    assert!(registry.pids("shop.web").is_empty());
    let names = |session: &str| -> Vec<String> {
        registry.0.find_session(session).jobs.into_iter().map(|job| job.name).collect()
    };
    assert_eq!(names("default"), ["default.web", "odd name", "plain"]);
    assert_eq!(names("shop.eu"), ["shop.eu.web"]);
    assert_eq!(names("shop"), [""; 0]);
}

#[test]
fn nodes_of_one_name_are_told_apart() {
    let mut registry = Quiet::default();
    registry.identify(ONE, &info("n", "http://b"), None).unwrap();
    registry.identify(TWO, &info("n", "http://a"), None).unwrap();
    registry.job(ONE, "s.x").unwrap();
    registry.job(TWO, "s.y").unwrap();
    let nodes = registry.0.nodes();
    assert_eq!(nodes.nodes, [info("n", "http://a"), info("n", "http://b")]);
    let origins = vec!["http://a".to_owned(), "http://b".to_owned()];
    assert_eq!(nodes.conflicts, [NameConflict { name: "n".to_owned(), origins }]);
    let of = |node: &str| registry.0.sessions(Some(node)).sessions.iter().map(|s| s.jobs.len()).sum::<usize>();
    assert_eq!([of("n"), of("http://a"), of("http://b"), of("m")], [2, 1, 1, 0]);
}

#[test]
fn a_place_is_taken_until_its_connection_ends() {
    let mut registry = Quiet::default();
    let node = info("a", "http://a");
    registry.identify(ONE, &node, Some("run 1")).unwrap();
    registry.job(ONE, "s.x").unwrap();
    let taken = Refusal::Taken { by: ONE, name: "a".to_owned(), origin: "http://a".to_owned() };
    assert_eq!(registry.identify(TWO, &node, Some("run 2")), Err(taken.clone()));
    assert_eq!(registry.identify(TWO, &node, None), Err(taken));
    assert_eq!(registry.pids("s.x").len(), 1);
    registry.0.disconnect(ONE, &mut registry.1).unwrap();
    assert_eq!(registry.identify(TWO, &node, Some("run 2")), Ok(Arrival::New));
    assert!(registry.pids("s.x").is_empty(), "it is another run");
}

#[test]
fn a_node_that_comes_back_keeps_what_it_has_and_loses_what_it_has_no_more() {
    let mut registry = Quiet::default();
    let node = info("a", "http://a");
    registry.identify(ONE, &node, Some("run")).unwrap();
    for (job, number) in [("s.x", 1), ("s.y", 2), ("s.z", 3)] {
        registry.job(ONE, job).unwrap();
        registry.process(ONE, job, number).unwrap();
    }
    registry.told();
    assert_eq!(registry.identify(TWO, &node, Some("run")), Ok(Arrival::Again(ONE)));
    assert_eq!(registry.pids("s.x"), [[1]], "nobody who asks meanwhile misses it");
    assert_eq!(registry.job(ONE, "s.new"), Err(Refusal::NotIdentified), "the old connection is nobody's");
    assert_eq!(registry.0.disconnect(ONE, &mut registry.1), None);
    registry.job(TWO, "s.x").unwrap();
    registry.process(TWO, "s.x", 1).unwrap();
    registry.job(TWO, "s.y").unwrap();
    registry.process(TWO, "s.y", 4).unwrap();
    registry.0.synced(TWO, &mut registry.1).unwrap();
    assert_eq!(registry.told(), ["identify a", "+s.y 4", "-s.y 2", "-s.z"]);
    assert_eq!((registry.pids("s.y"), registry.pids("s.z").len()), (vec![vec![4]], 0));
    assert_eq!(registry.job(TWO, "s.x"), Err(Refusal::JobTaken("s.x".to_owned())), "now it is as ever");
}

#[test]
fn what_cannot_be_a_name_is_refused() {
    let mut registry = Quiet::default();
    assert!(matches!(registry.identify(ONE, &info("", "http://a"), None), Err(Refusal::Invalid(_))));
    assert!(matches!(registry.identify(ONE, &info("a", "http://\u{1b}"), None), Err(Refusal::Invalid(_))));
    registry.identify(ONE, &info("a", "http://a"), None).unwrap();
    assert!(matches!(registry.job(ONE, &"x".repeat(MAX_NAME + 1)), Err(Refusal::Invalid(_))));
}

#[test]
fn what_all_nodes_have_together_is_bounded() {
    let mut registry = Quiet::default();
    registry.identify(ONE, &info("a", "http://a"), None).unwrap();
    registry.0.size = MAX_SIZE - Node::size_of_job("s.x");
    registry.job(ONE, "s.x").unwrap();
    let full = registry.job(ONE, "s.y").unwrap_err();
    assert_eq!(full.to_string(), "all nodes together may have at most 1073741824 bytes of jobs and processes");
    assert!(registry.process(ONE, "s.x", 1).is_err());
    registry.0.unregister_job(ONE, "s.x", &mut registry.1).unwrap();
    assert!(registry.job(ONE, "s.y").is_ok());
}

#[test]
fn a_node_that_comes_back_without_its_many_processes_costs_no_more_than_they_are() {
    let mut registry = Quiet::default();
    let node = info("a", "http://a");
    registry.identify(ONE, &node, Some("run")).unwrap();
    registry.job(ONE, "s.x").unwrap();
    for number in 0..MAX_PROCESSES as u64 {
        registry.process(ONE, "s.x", number).unwrap();
    }
    let many = registry.process(ONE, "s.x", u64::MAX).unwrap_err();
    assert_eq!(many.to_string(), "a node may have at most 100000 processes");
    registry.identify(TWO, &node, Some("run")).unwrap();
    registry.job(TWO, "s.x").unwrap();
    registry.0.synced(TWO, &mut Changes::new(false)).unwrap();
    assert_eq!(registry.pids("s.x"), [[0; 0]]);
    assert_eq!(registry.0.size, Node::size_of_job("s.x"));
}

#[test]
fn the_same_run_does_not_speak_another_version() {
    let mut registry = Quiet::default();
    registry.identify(ONE, &info("a", "http://a"), Some("run")).unwrap();
    let other = NodeInfo { version: "0.2".to_owned(), ..info("a", "http://a") };
    assert!(matches!(registry.identify(TWO, &other, Some("run")), Err(Refusal::Taken { .. })));
}

/// What a connection says, of few names, so that they meet.
#[derive(Clone, Debug)]
enum Said {
    Identify {
        node: u8,
        run: Option<u8>,
    },
    Job(u8),
    NoJob(u8),
    Process(u8, u64),
    NoProcess(u8, u64),
    Synced,
    /// Also of a connection that never was.
    Gone,
}

fn said() -> impl Strategy<Value = Said> {
    let (job, number) = (0..4u8, 1..5u64);
    prop_oneof![
        2 => (0..3u8, proptest::option::of(0..2u8)).prop_map(|(node, run)| Said::Identify { node, run }),
        3 => job.clone().prop_map(Said::Job),
        1 => job.clone().prop_map(Said::NoJob),
        4 => (job.clone(), number.clone()).prop_map(|(job, number)| Said::Process(job, number)),
        2 => (job, number).prop_map(|(job, number)| Said::NoProcess(job, number)),
        1 => Just(Said::Synced),
        1 => Just(Said::Gone),
    ]
}

fn job_name(number: u8) -> String {
    ["s.a", "s.b", "r.a", "plain"][usize::from(number)].to_owned()
}

/// Whether something was registered on the present connection.
type IsFresh = bool;

#[derive(Default)]
struct ModelNode {
    connection: u64,
    node: u8,
    run: Option<u8>,
    jobs: BTreeMap<String, (IsFresh, BTreeMap<u64, IsFresh>)>,
}

#[derive(Default)]
struct Model(Vec<ModelNode>);

type Seen = BTreeMap<(NodeInfo, String), BTreeSet<u64>>;

fn node_info(node: u8) -> NodeInfo {
    // Two of one name.
    info(if node == 2 { "b" } else { "a" }, &format!("http://{node}"))
}

impl Model {
    fn hear(&mut self, connection: u64, said: &Said) {
        if let Said::Identify { node, run } = said {
            if self.0.iter().any(|one| one.connection == connection) {
                return;
            }
            match self.0.iter_mut().find(|one| one.node == *node) {
                Some(holder) if run.is_some() && holder.run == *run => {
                    holder.connection = connection;
                    for (is_fresh, pids) in holder.jobs.values_mut() {
                        *is_fresh = false;
                        pids.values_mut().for_each(|is_fresh| *is_fresh = false);
                    }
                }
                Some(_) => {}
                None => self.0.push(ModelNode { connection, node: *node, run: *run, ..ModelNode::default() }),
            }
            return;
        }
        let Some(place) = self.0.iter().position(|one| one.connection == connection) else { return };
        let jobs = &mut self.0[place].jobs;
        match said {
            Said::Job(job) => jobs.entry(job_name(*job)).or_default().0 = true,
            Said::NoJob(job) => drop(jobs.remove(&job_name(*job))),
            Said::Process(job, number) => {
                if let Some((_, pids)) = jobs.get_mut(&job_name(*job)) {
                    pids.insert(*number, true);
                }
            }
            Said::NoProcess(job, number) => {
                if let Some((_, pids)) = jobs.get_mut(&job_name(*job)) {
                    pids.remove(number);
                }
            }
            Said::Synced => {
                jobs.retain(|_, (is_fresh, _)| *is_fresh);
                jobs.values_mut().for_each(|(_, pids)| pids.retain(|_, is_fresh| *is_fresh));
                // From here on whatever is there is as good as registered now.
            }
            Said::Gone => drop(self.0.remove(place)),
            Said::Identify { .. } => {}
        }
    }

    fn seen(&self) -> (BTreeSet<NodeInfo>, Seen) {
        let mut seen = Seen::new();
        for ModelNode { node, jobs, .. } in &self.0 {
            for (job, (_, pids)) in jobs {
                seen.insert((node_info(*node), job.clone()), pids.keys().copied().collect());
            }
        }
        (self.0.iter().map(|one| node_info(one.node)).collect(), seen)
    }
}

/// Knows what it was told.
#[derive(Default)]
struct Watcher {
    nodes: BTreeSet<NodeInfo>,
    seen: Seen,
}

impl Watcher {
    fn hear(&mut self, change: Change) {
        match change {
            Change::AddNode(_) => {}
            Change::Identify(node) => drop(self.nodes.insert(node)),
            Change::RemoveNode(node) => {
                assert!(self.nodes.remove(&node));
                self.seen.retain(|(of, _), _| *of != node);
            }
            Change::AddJob { node, job_name } => {
                assert!(self.seen.insert((node, job_name), BTreeSet::new()).is_none());
            }
            Change::RemoveJob { node, job_name } => assert!(self.seen.remove(&(node, job_name)).is_some()),
            Change::AddProcess { node, job_name, pid } => {
                assert!(self.seen.get_mut(&(node, job_name)).unwrap().insert(pid.get()));
            }
            Change::RemoveProcess { node, job_name, pid } => {
                assert!(self.seen.get_mut(&(node, job_name)).unwrap().remove(&pid.get()));
            }
            Change::Lost { .. } => panic!("nothing is lost here"),
        }
    }
}

fn listed(registry: &Registry) -> (BTreeSet<NodeInfo>, Seen) {
    let mut seen = Seen::new();
    for LookupJob { name, sources } in registry.jobs().jobs {
        assert!(!sources.is_empty(), "{name} is nowhere");
        assert_eq!(registry.find_job(&name).sources, sources);
        for source in sources {
            let pids = source.pids.iter().map(|pid| pid.get()).collect();
            seen.insert((source.node_info, name.clone()), pids);
        }
    }
    let of_sessions = registry.sessions(None).sessions.into_iter().flat_map(|session| {
        let found = registry.find_session(&session.sessionid).jobs;
        assert_eq!(found.iter().map(|job| &job.name).collect::<Vec<_>>(), session.jobs.keys().collect::<Vec<_>>());
        session.jobs
    });
    let by_session: BTreeMap<String, usize> = of_sessions.map(|(job, sources)| (job, sources.len())).collect();
    let mut pieces: Vec<LookupJob> = Vec::new();
    loop {
        let piece = registry.jobs_after(pieces.last().map(|job| job.name.as_str()), 2);
        if piece.is_empty() {
            break;
        }
        pieces.extend(piece);
    }
    assert_eq!(pieces, registry.jobs().jobs);
    assert_eq!(Registry::by_session(pieces), registry.sessions(None));
    let by_job: BTreeMap<String, usize> =
        registry.jobs().jobs.into_iter().map(|job| (job.name, job.sources.len())).collect();
    assert_eq!(by_session, by_job);
    (registry.nodes().nodes.into_iter().collect(), seen)
}

fn say(registry: &mut Registry, connection: u64, said: &Said, changes: &mut Changes) {
    let connection = ConnectionId(connection);
    // What is refused changes nothing, which the model knows.
    let _refused = match said {
        Said::Identify { node, run } => {
            let run = run.map(|run| run.to_string());
            registry.identify(connection, node_info(*node), run, changes).map(drop)
        }
        Said::Job(job) => registry.register_job(connection, &job_name(*job), changes),
        Said::NoJob(job) => registry.unregister_job(connection, &job_name(*job), changes),
        Said::Process(job, number) => registry.register_process(connection, &job_name(*job), pid(*number), changes),
        Said::NoProcess(job, number) => registry.unregister_process(connection, &job_name(*job), pid(*number), changes),
        Said::Synced => registry.synced(connection, changes),
        Said::Gone => {
            drop(registry.disconnect(connection, changes));
            Ok(())
        }
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_registry_is_what_its_nodes_have_and_who_watches_knows_it(
        history in prop::collection::vec((0..5u64, said()), 1..60)
    ) {
        let (mut registry, mut model, mut watcher) = (Registry::default(), Model::default(), Watcher::default());
        for (connection, said) in &history {
            let mut changes = Changes::new(true);
            say(&mut registry, *connection, said, &mut changes);
            model.hear(*connection, said);
            changes.take().into_iter().for_each(|change| watcher.hear(change));
            let seen = listed(&registry);
            prop_assert_eq!(&seen, &model.seen(), "after {:?} of {}", said, connection);
            let counted: usize = registry.nodes.values().map(Node::size).sum();
            prop_assert_eq!(registry.size, counted);
            prop_assert_eq!(&seen, &(watcher.nodes.clone(), watcher.seen.clone()));
        }
        for connection in 0..5 {
            registry.disconnect(ConnectionId(connection), &mut Changes::new(false));
        }
        let Registry { nodes, connections, identities, jobs, sessions, size, .. } = registry;
        prop_assert_eq!(size, 0);
        prop_assert!(nodes.is_empty() && connections.is_empty() && identities.is_empty());
        prop_assert!(jobs.is_empty() && sessions.is_empty(), "nothing is left of who is gone");
    }
}
