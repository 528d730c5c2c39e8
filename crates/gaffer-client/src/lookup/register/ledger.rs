//! What a server was told, and so what is still to be said.

use std::collections::{BTreeMap, BTreeSet};

use gaffer_core::{
    JobName, ProcessId,
    api::lookup::NodeRequest,
    events::{Event, EventKind},
};

/// What a server was told on one connection. New ones know nothing.
///
/// Events may tell what it knows already: one who subscribes first, and then looks what there is, hears of some things twice. The last event
/// about something is what counts, so it ends up right.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    told: BTreeMap<JobName, BTreeSet<ProcessId>>,
}

impl Ledger {
    /// What to say of something that happened, if anything.
    pub(super) fn event(&mut self, event: &Event) -> Option<NodeRequest> {
        let job_name = event.job.to_string();
        match (event.kind, event.process) {
            (EventKind::Create, _) => {
                let is_new = !self.told.contains_key(&event.job);
                self.told.entry(event.job.clone()).or_default();
                is_new.then_some(NodeRequest::RegisterJob { job_name })
            }
            (EventKind::Delete, _) => self.told.remove(&event.job).map(|_| NodeRequest::UnregisterJob { job_name }),
            (EventKind::Spawn, Some(process)) => {
                // A job that is not there was unloaded meanwhile.
                let pids = self.told.get_mut(&event.job)?;
                pids.insert(process.pid).then_some(NodeRequest::RegisterProcess { job_name, pid: process.pid })
            }
            (EventKind::Exit, Some(process)) => {
                let pids = self.told.get_mut(&event.job)?;
                pids.remove(&process.pid).then_some(NodeRequest::UnregisterProcess { job_name, pid: process.pid })
            }
            (
                EventKind::Start
                | EventKind::Stop
                | EventKind::Restart
                | EventKind::Update
                | EventKind::Spawn
                | EventKind::Exit
                | EventKind::Reap
                | EventKind::StopPid
                | EventKind::Flap
                | EventKind::SpawnError,
                _,
            ) => None,
        }
    }

    /// What to say so that the server knows what there is.
    pub(super) fn roster(&mut self, roster: Vec<(JobName, Vec<ProcessId>)>) -> Vec<NodeRequest> {
        let mut said = Vec::new();
        let now: BTreeMap<JobName, BTreeSet<ProcessId>> =
            roster.iter().map(|(job, pids)| (job.clone(), pids.iter().copied().collect())).collect();
        for job in self.told.keys().filter(|job| !now.contains_key(*job)) {
            said.push(NodeRequest::UnregisterJob { job_name: job.to_string() });
        }
        let nothing = BTreeSet::new();
        for (job, _) in roster {
            let job_name = job.to_string();
            let Some(pids) = now.get(&job) else { continue };
            let told = self.told.get(&job);
            if told.is_none() {
                said.push(NodeRequest::RegisterJob { job_name: job_name.clone() });
            }
            let told = told.unwrap_or(&nothing);
            for pid in told.difference(pids) {
                said.push(NodeRequest::UnregisterProcess { job_name: job_name.clone(), pid: *pid });
            }
            for pid in pids.difference(told) {
                said.push(NodeRequest::RegisterProcess { job_name: job_name.clone(), pid: *pid });
            }
        }
        self.told = now;
        said
    }
}

#[cfg(test)]
mod tests {
    use gaffer_core::events::{Detail, EventProcess};
    use proptest::prelude::*;

    use super::*;

    type State = BTreeMap<String, BTreeSet<ProcessId>>;

    /// A server that takes everything literally, and complains of what makes no sense.
    #[derive(Default)]
    struct Server(State);

    impl Server {
        fn hear(&mut self, request: NodeRequest) {
            match request {
                NodeRequest::RegisterJob { job_name } => {
                    assert!(self.0.insert(job_name, BTreeSet::new()).is_none(), "it has it");
                }
                NodeRequest::UnregisterJob { job_name } => assert!(self.0.remove(&job_name).is_some(), "it had it"),
                NodeRequest::RegisterProcess { job_name, pid } => {
                    assert!(self.0.get_mut(&job_name).expect("it has the job").insert(pid), "it has it");
                }
                NodeRequest::UnregisterProcess { job_name, pid } => {
                    assert!(self.0.get_mut(&job_name).expect("it has the job").remove(&pid), "it had it");
                }
                NodeRequest::Identify { .. } | NodeRequest::Synced | NodeRequest::Ping => panic!("not of a ledger"),
            }
        }
    }

    /// A node as it is, and what happens to it.
    #[derive(Default)]
    struct Node {
        jobs: BTreeMap<JobName, BTreeSet<ProcessId>>,
        /// Processes of jobs that were unloaded.
        orphans: Vec<(JobName, ProcessId)>,
        next: u64,
    }

    impl Node {
        fn event(kind: EventKind, job: &JobName, pid: Option<ProcessId>) -> Event {
            let process = pid.map(|pid| EventProcess { pid, os_pid: None });
            Event { kind, job: job.clone(), process, detail: Detail::None }
        }

        /// Something happens, by dice.
        fn happen(&mut self, (what, which): (u8, u8)) -> Option<Event> {
            let job: JobName = ["s.a", "s.b", "web"][usize::from(which) % 3].parse().unwrap();
            match what % 5 {
                0 if !self.jobs.contains_key(&job) => {
                    self.jobs.insert(job.clone(), BTreeSet::new());
                    Some(Self::event(EventKind::Create, &job, None))
                }
                1 => {
                    let pids = self.jobs.remove(&job)?;
                    self.orphans.extend(pids.into_iter().map(|pid| (job.clone(), pid)));
                    Some(Self::event(EventKind::Delete, &job, None))
                }
                2 | 3 => {
                    self.next += 1;
                    let pid = ProcessId::new(self.next);
                    self.jobs.get_mut(&job)?.insert(pid);
                    Some(Self::event(EventKind::Spawn, &job, Some(pid)))
                }
                _ => {
                    if let Some((job, pid)) = self.orphans.pop() {
                        return Some(Self::event(EventKind::Exit, &job, Some(pid)));
                    }
                    let pid = self.jobs.get_mut(&job)?.pop_first()?;
                    Some(Self::event(EventKind::Exit, &job, Some(pid)))
                }
            }
        }

        fn roster(&self) -> Vec<(JobName, Vec<ProcessId>)> {
            self.jobs.iter().map(|(job, pids)| (job.clone(), pids.iter().copied().collect())).collect()
        }

        fn state(&self) -> State {
            self.jobs.iter().map(|(job, pids)| (job.to_string(), pids.clone())).collect()
        }
    }

    proptest! {
        /// A look at what there is comes late, behind some events that it knows of; and again when some were lost.
        #[test]
        fn the_server_ends_up_with_what_there_is(
            before in prop::collection::vec(any::<(u8, u8)>(), 0..20),
            seen_twice in prop::collection::vec(any::<(u8, u8)>(), 0..20),
            after in prop::collection::vec(any::<(u8, u8)>(), 0..20),
            lost in prop::collection::vec(any::<(u8, u8)>(), 0..20),
            rest in prop::collection::vec(any::<(u8, u8)>(), 0..20),
        ) {
            let (mut node, mut ledger, mut server) = (Node::default(), Ledger::default(), Server::default());
            before.into_iter().for_each(|dice| drop(node.happen(dice)));
            let queued: Vec<Event> = seen_twice.into_iter().filter_map(|dice| node.happen(dice)).collect();
            ledger.roster(node.roster()).into_iter().for_each(|said| server.hear(said));
            prop_assert_eq!(&server.0, &node.state());
            queued.iter().filter_map(|event| ledger.event(event)).for_each(|said| server.hear(said));
            prop_assert_eq!(&server.0, &node.state(), "what was heard twice");
            for dice in after {
                let said = node.happen(dice).and_then(|event| ledger.event(&event));
                said.into_iter().for_each(|said| server.hear(said));
                prop_assert_eq!(&server.0, &node.state());
            }
            lost.into_iter().for_each(|dice| drop(node.happen(dice)));
            ledger.roster(node.roster()).into_iter().for_each(|said| server.hear(said));
            prop_assert_eq!(&server.0, &node.state(), "after a loss");
            for dice in rest {
                let said = node.happen(dice).and_then(|event| ledger.event(&event));
                said.into_iter().for_each(|said| server.hear(said));
                prop_assert_eq!(&server.0, &node.state());
            }
        }
    }
}
