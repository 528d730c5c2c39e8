//! Processes that write and end when a test says so.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
};

use bytes::Bytes;

use crate::{
    backend::{Backend, ExitStatus, Fact, FactSender, LaunchPlan},
    names::{OsPid, ProcessId, Signal},
    streams::{Output, ProcessIo},
    sync::lock,
};

/// All processes of one manager. Cheap to clone.
#[derive(Clone, Default)]
pub(in super::super) struct Puppets {
    facts: Arc<OnceLock<FactSender>>,
    live: Arc<Mutex<BTreeMap<ProcessId, ProcessIo>>>,
}

impl Puppets {
    pub(in super::super) fn backend(&self, facts: FactSender) -> Self {
        assert!(self.facts.set(facts).is_ok());
        self.clone()
    }

    /// An output: stdout is 0, stderr is 1.
    pub(in super::super) fn output(&self, pid: ProcessId, number: usize) -> Arc<Output> {
        Arc::clone(&lock(&self.live)[&pid].outputs[number])
    }

    /// Writes as a process does: when there is room.
    pub(in super::super) async fn write(&self, pid: ProcessId, number: usize, data: &[u8]) {
        let output = self.output(pid, number);
        output.writable().await;
        output.push(Bytes::copy_from_slice(data));
    }

    /// Ends a process with all its outputs.
    pub(in super::super) fn exit(&self, pid: ProcessId, status: ExitStatus) {
        if let Some(io) = lock(&self.live).remove(&pid) {
            io.outputs.iter().for_each(|output| output.close());
            self.tell(Fact::Exited { pid, status, tree_alive: false });
        }
    }

    /// Ends a process whose outputs somebody else keeps open. Answers them.
    pub(in super::super) fn exit_but_for_output(&self, pid: ProcessId) -> Vec<Arc<Output>> {
        let io = lock(&self.live).remove(&pid).unwrap();
        self.tell(Fact::Exited { pid, status: ExitStatus::Code(0), tree_alive: false });
        io.outputs
    }

    fn tell(&self, fact: Fact) {
        self.facts.get().unwrap().try_send(fact).unwrap();
    }
}

impl Backend for Puppets {
    fn launch(&mut self, plan: Arc<LaunchPlan>) {
        let outputs = plan.outputs.iter().map(|label| {
            if plan.expect_sinks { Output::expecting_sink(label.clone()) } else { Output::new(label.clone()) }
        });
        let io = ProcessIo { outputs: outputs.collect(), ..ProcessIo::default() };
        lock(&self.live).insert(plan.pid, io.clone());
        let os_pid = OsPid::new(plan.pid.get() as i32).unwrap();
        self.tell(Fact::Spawned { pid: plan.pid, os_pid, io });
    }

    fn signal(&mut self, _: ProcessId, _: Signal) {}

    fn terminate(&mut self, pid: ProcessId) {
        self.exit(pid, ExitStatus::Signal(Signal::TERM.as_raw()));
    }

    fn kill(&mut self, pid: ProcessId) {
        self.exit(pid, ExitStatus::Signal(Signal::KILL.as_raw()));
    }
}
