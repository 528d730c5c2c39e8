//! A manager on simulated processes, and a look at what it did.

use std::collections::BTreeMap;

use gaffer_core::{
    JobConfig, JobName, JobSpec, Manager, ManagerOptions, ProcessId,
    backend::{
        LaunchPlan,
        simulated::{Behaviour, SimulatedBackend, Simulation},
    },
    events::{Delivery, EventKind, Notification, Pattern, Subscription},
};

/// A manager, its processes, and everything that it told.
pub(crate) struct World {
    pub(crate) manager: Manager,
    pub(crate) simulation: Simulation,
    events: Subscription<std::sync::Arc<Notification>>,
}

pub(crate) fn name(text: &str) -> JobName {
    text.parse().unwrap()
}

pub(crate) fn job(text: &str, change: impl FnOnce(&mut JobSpec)) -> JobConfig {
    let mut spec = JobSpec::new(name(text), "run");
    change(&mut spec);
    spec.check().unwrap()
}

impl World {
    pub(crate) fn new(behave: impl FnMut(&LaunchPlan) -> Behaviour + Send + 'static) -> Self {
        let simulation = Simulation::default();
        let options =
            ManagerOptions { environment: BTreeMap::new(), event_queue: 1_000_000, ..ManagerOptions::default() };
        let backend = |facts| Ok(SimulatedBackend::new(facts, simulation.clone(), behave));
        let manager = Manager::start(options, backend).unwrap();
        let events = manager.subscribe(&Pattern::All);
        Self { manager, simulation, events }
    }

    /// Waits for the next event of a kind.
    pub(crate) async fn next(&mut self, kind: EventKind) -> ProcessId {
        loop {
            match self.events.recv().await.unwrap() {
                Delivery::Item(told) if told.event().kind == kind => {
                    return told.event().process.map_or(ProcessId::new(0), |process| process.pid);
                }
                Delivery::Item(_) => {}
                Delivery::Lagged(n) => panic!("{n} events lost"),
            }
        }
    }

    /// Checks the order of events of each process; answers how many processes were seen.
    pub(crate) fn check_events(&mut self, alive: &[ProcessId]) -> usize {
        use EventKind::{Exit, Reap, Spawn, SpawnError, StopPid};
        let mut seen: BTreeMap<ProcessId, Vec<EventKind>> = BTreeMap::new();
        let mut last_id = 0;
        while let Some(delivery) = self.events.try_recv() {
            let Delivery::Item(told) = delivery else { panic!("events were lost") };
            assert!(told.id() > last_id, "notifications are counted upwards");
            last_id = told.id();
            let event = told.event();
            let is_twin = told.topic().to_string().starts_with("proc.");
            if let (Some(process), false) = (event.process, is_twin) {
                seen.entry(process.pid).or_default().push(event.kind);
            }
        }
        for (pid, kinds) in &seen {
            let complete =
                matches!(kinds.as_slice(), [Spawn, Exit] | [Spawn, StopPid | Reap, Exit] | [SpawnError] | []);
            let under_way = matches!(kinds.as_slice(), [Spawn] | [Spawn, StopPid | Reap]);
            assert!(complete || (under_way && alive.contains(pid)), "process {pid}: {kinds:?}");
        }
        seen.len()
    }
}
