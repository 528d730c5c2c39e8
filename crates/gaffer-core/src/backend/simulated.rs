//! A backend without an operating system: processes that do as they are told, on the runtime's clock.
//!
//! With tokio's time paused, hours of supervision pass in milliseconds, and every failure and delay can be had at will.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{Backend, ExitStatus, Fact, FactSender, LaunchPlan, SpawnError};
use crate::{
    names::{OsPid, ProcessId, Signal},
    streams::ProcessIo,
};

/// What a simulated process does.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// How long its launch takes.
    pub launch: Duration,
    /// Why its launch fails, if it does.
    pub failure: Option<SpawnError>,
    /// How long it lives, and how it ends, if nobody ends it before.
    pub life: Option<(Duration, ExitStatus)>,
    /// How long it takes to end after SIGTERM; `None` ignores it.
    pub on_term: Option<Duration>,
    /// Whether it leaves descendants when it ends, and how long these take to end after SIGTERM; `None` ignores it.
    pub descendants: Option<Option<Duration>>,
}

impl Default for Behaviour {
    /// Launches at once, lives until it is told to end, and ends at once.
    fn default() -> Self {
        Self { launch: Duration::ZERO, failure: None, life: None, on_term: Some(Duration::ZERO), descendants: None }
    }
}

/// Something that was done to a simulated process or that it did, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trace {
    /// It was launched.
    Launched(ProcessId),
    /// It was sent a signal by a client.
    Signalled(ProcessId, Signal),
    /// It was sent SIGTERM.
    Terminated(ProcessId),
    /// It was killed.
    Killed(ProcessId),
    /// Nothing is left of it.
    Gone(ProcessId),
}

/// Watches and steers the processes of a [`SimulatedBackend`]. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Simulation {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Whose tree has something left.
    live: BTreeMap<ProcessId, Arc<LaunchPlan>>,
    controls: BTreeMap<ProcessId, mpsc::UnboundedSender<Control>>,
    /// How to take a launch back that is under way.
    launching: BTreeMap<ProcessId, oneshot::Sender<()>>,
    trace: Vec<Trace>,
}

#[derive(Clone, Copy, Debug)]
enum Control {
    Term,
    Kill,
    Exit(ExitStatus),
}

impl Simulation {
    /// Processes of which something lives, with the plans they were launched by.
    pub fn live(&self) -> BTreeMap<ProcessId, Arc<LaunchPlan>> {
        self.lock().live.clone()
    }

    /// What happened since the last call.
    pub fn take_trace(&self) -> Vec<Trace> {
        std::mem::take(&mut self.lock().trace)
    }

    /// Has a process end now, unasked.
    pub fn exit(&self, pid: ProcessId, status: ExitStatus) {
        self.control(pid, Control::Exit(status));
    }

    fn control(&self, pid: ProcessId, control: Control) {
        if let Some(sender) = self.lock().controls.get(&pid) {
            let _ = sender.send(control); // It has just ended: as with a real one, the signal meets nobody.
        }
    }

    fn note(&self, trace: Trace) {
        self.lock().trace.push(trace);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the [module](self).
pub struct SimulatedBackend<F> {
    facts: FactSender,
    simulation: Simulation,
    behave: F,
    last_os_pid: i32,
}

impl<F: FnMut(&LaunchPlan) -> Behaviour + Send + 'static> SimulatedBackend<F> {
    /// Makes a backend whose processes behave as `behave` says at each launch.
    pub fn new(facts: FactSender, simulation: Simulation, behave: F) -> Self {
        Self { facts, simulation, behave, last_os_pid: 0 }
    }
}

impl<F> std::fmt::Debug for SimulatedBackend<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedBackend").field("simulation", &self.simulation).finish_non_exhaustive()
    }
}

impl<F: FnMut(&LaunchPlan) -> Behaviour + Send + 'static> Backend for SimulatedBackend<F> {
    fn launch(&mut self, plan: Arc<LaunchPlan>) {
        let behaviour = (self.behave)(&plan);
        self.last_os_pid += 1;
        let Some(os_pid) = OsPid::new(self.last_os_pid) else { return };
        // Bounded by what the supervisor sends: a few signals a process.
        let (sender, controls) = mpsc::unbounded_channel();
        let (cancel, cancelled) = oneshot::channel();
        {
            let mut state = self.simulation.lock();
            state.controls.insert(plan.pid, sender);
            state.launching.insert(plan.pid, cancel);
            if plan.survivor.is_some() && behaviour.failure.is_none() {
                state.live.insert(plan.pid, plan.clone());
            }
        }
        let process =
            Simulated { plan, os_pid, facts: self.facts.clone(), simulation: self.simulation.clone(), controls };
        tokio::spawn(process.live(behaviour, cancelled));
    }

    fn cancel(&mut self, pid: ProcessId) {
        let launching = {
            let mut state = self.simulation.lock();
            // What is there already cannot be called off.
            let is_there = state.live.contains_key(&pid);
            if is_there { None } else { state.launching.remove(&pid) }
        };
        if let Some(cancel) = launching {
            let _ = cancel.send(()); // An error: the runtime is ending.
        }
    }

    fn signal(&mut self, pid: ProcessId, signal: Signal) {
        self.simulation.note(Trace::Signalled(pid, signal));
        if signal == Signal::KILL {
            self.simulation.control(pid, Control::Exit(ExitStatus::Signal(signal.as_raw())));
        }
    }

    fn terminate(&mut self, pid: ProcessId) {
        self.simulation.note(Trace::Terminated(pid));
        self.simulation.control(pid, Control::Term);
    }

    fn kill(&mut self, pid: ProcessId) {
        self.simulation.note(Trace::Killed(pid));
        self.simulation.control(pid, Control::Kill);
    }
}

struct Simulated {
    plan: Arc<LaunchPlan>,
    os_pid: OsPid,
    facts: FactSender,
    simulation: Simulation,
    controls: mpsc::UnboundedReceiver<Control>,
}

impl Simulated {
    async fn live(mut self, behaviour: Behaviour, cancelled: oneshot::Receiver<()>) {
        let pid = self.plan.pid;
        let launched = async {
            tokio::time::sleep(behaviour.launch).await;
            // Too late to take it back from here on, unless that has just been done.
            self.simulation.lock().launching.remove(&pid).is_some()
        };
        let in_time = tokio::select! {
            biased;
            Ok(()) = cancelled => false,
            in_time = launched => in_time,
        };
        let failure = if in_time { behaviour.failure } else { Some(SpawnError::Cancelled) };
        if let Some(error) = failure {
            self.simulation.lock().controls.remove(&pid);
            self.tell(Fact::SpawnFailed { pid, error }).await;
            return;
        }
        {
            let mut state = self.simulation.lock();
            state.trace.push(Trace::Launched(pid));
            state.live.insert(pid, self.plan.clone());
        }
        self.tell(Fact::Spawned { pid, os_pid: self.os_pid, io: ProcessIo::default() }).await;
        let (status, killed) = self.until_end(behaviour.life, behaviour.on_term).await;
        let left = behaviour.descendants.filter(|_| !killed);
        if left.is_none() {
            self.gone();
        }
        self.tell(Fact::Exited { pid, status, tree_alive: left.is_some() }).await;
        if let Some(on_term) = left {
            self.until_end(None, on_term).await;
            self.gone();
            self.tell(Fact::TreeGone { pid }).await;
        }
    }

    /// Waits for the end by itself, by SIGTERM or by a kill; answers how it came and whether everything was killed.
    async fn until_end(
        &mut self,
        life: Option<(Duration, ExitStatus)>,
        on_term: Option<Duration>,
    ) -> (ExitStatus, bool) {
        let mut end = life.map(|(after, status)| (Box::pin(tokio::time::sleep(after)), status));
        loop {
            let natural = async {
                match &mut end {
                    Some((sleep, status)) => {
                        sleep.await;
                        *status
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                status = natural => return (status, false),
                control = self.controls.recv() => match control {
                    Some(Control::Exit(status)) => return (status, false),
                    Some(Control::Kill) => return (ExitStatus::Signal(Signal::KILL.as_raw()), true),
                    Some(Control::Term) => {
                        if let Some(after) = on_term {
                            end = Some((Box::pin(tokio::time::sleep(after)), ExitStatus::Signal(Signal::TERM.as_raw())));
                        }
                    }
                    None => std::future::pending().await, // Not reached: the sender goes after the process.
                },
            }
        }
    }

    fn gone(&self) {
        let pid = self.plan.pid;
        let mut state = self.simulation.lock();
        state.live.remove(&pid);
        state.controls.remove(&pid);
        state.trace.push(Trace::Gone(pid));
    }

    async fn tell(&self, fact: Fact) {
        drop(self.facts.send(fact).await); // The manager is gone: nobody wants to know.
    }
}
