//! The one task that owns the supervisor: takes in commands and facts, carries out effects, never waits for either.

#![expect(clippy::disallowed_methods, reason = "the shell reads the clocks that the supervisor is told")]

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    time::{Sleep, timeout},
};
use tracing::error;

use super::{
    Manager, ManagerOptions, ProcessRecord,
    applications::{self, Started},
    launches::{Launched, Launches},
    live::{Live, Recent, View},
    log,
    shared::{End, Leftover, Request, Shared, Stage},
    stats::ManagerRoster,
    timers::Timers,
};
use crate::{
    backend::{Backend, Fact, FactSender, LaunchPlan},
    events::{Event, Journal},
    names::{JobName, OsPid, ProcessId},
    stats::Monitor,
    supervisor::{Answer, Command, Effect, Input, Launch, ProcessView, Refusal, Supervisor, Ticket},
};

/// Requests that may wait for the actor; a client that finds the queue full waits. Each is handled in microseconds, so
/// that this is a moment's work.
const REQUESTS: usize = 1024;

/// Facts that may wait for the actor; a backend that finds the queue full waits.
const FACTS: usize = 1024;

/// Time for killed processes to be gone, after the actor has failed.
const LAST_KILLS: Duration = Duration::from_secs(2);

impl Manager {
    /// Starts a manager on a backend, which is made with the way to report its facts.
    ///
    /// Must be called within a tokio runtime with time enabled.
    ///
    /// # Errors
    /// What making the backend came to.
    pub fn start<B: Backend>(
        options: ManagerOptions,
        backend: impl FnOnce(FactSender) -> io::Result<B>,
    ) -> io::Result<Self> {
        let (requests, request_queue) = mpsc::channel(REQUESTS);
        let (fact_sender, facts) = mpsc::channel(FACTS);
        let backend = backend(fact_sender)?;
        let (stage_sender, stage) = watch::channel(Stage::Running);
        let node = format!("{:016x}", RandomState::new().hash_one(SystemTime::now()));
        let interval = options.stats_interval.max(Monitor::MIN_INTERVAL);
        let roster = ManagerRoster::default();
        let monitor = Monitor::new(interval, Arc::new(roster.clone())).map_err(io::Error::other)?;
        let shared = Arc::new(Shared {
            requests,
            journal: Arc::new(Journal::new(options.event_queue, Self::EVENTS_KEPT)),
            launches: Arc::default(),
            monitor,
            applications: Mutex::new(Started::default()),
            stage,
            node: node.clone(),
        });
        roster.set(&shared);
        let actor = Actor {
            supervisor: Supervisor::default(),
            backend,
            live: HashMap::new(),
            recent: Recent::default(),
            plans: HashMap::new(),
            tickets: HashMap::new(),
            last_ticket: 0,
            timers: Timers::default(),
            journal: Arc::clone(&shared.journal),
            launches: Arc::clone(&shared.launches),
            options,
            node,
            left: None,
        };
        let weak = Arc::downgrade(&shared);
        let running = tokio::spawn(actor.run(request_queue, facts));
        tokio::spawn(async move {
            // A cancelled task says that the runtime is being torn down, and this task with it.
            let end = running.await.unwrap_or_else(|error| {
                let failure = failure(&error);
                error!("{failure}");
                End { failure: Some(failure), ..End::default() }
            });
            // Without a handle there is nobody to tell.
            if let Some(shared) = weak.upgrade() {
                applications::close(shared, stage_sender, end).await;
            }
        });
        Ok(Self { shared })
    }
}

/// A command that is not answered yet.
struct Asked {
    client: oneshot::Sender<Result<Answer, Refusal>>,
    /// The job that it may change.
    changes: Option<JobName>,
}

struct Actor<B> {
    supervisor: Supervisor,
    backend: B,
    live: HashMap<ProcessId, Live>,
    recent: Recent,
    /// Of launches that are not answered yet.
    plans: HashMap<ProcessId, Arc<LaunchPlan>>,
    tickets: HashMap<Ticket, Asked>,
    last_ticket: u64,
    timers: Timers,
    journal: Arc<Journal>,
    launches: Arc<Launches>,
    options: ManagerOptions,
    node: String,
    /// Set once the shutdown is over.
    left: Option<Vec<Leftover>>,
}

impl<B: Backend> Actor<B> {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>, mut facts: mpsc::Receiver<Fact>) -> End {
        let mut sleep = pin!(tokio::time::sleep(Duration::ZERO));
        let mut handles_left = true;
        loop {
            if let Some(left) = self.left.take() {
                return End { left, failure: None };
            }
            let armed = self.arm(&mut sleep);
            // Every branch is cancel safe: a branch that is not taken has taken nothing out.
            let handled = tokio::select! {
                request = requests.recv(), if handles_left => match request {
                    Some(request) => caught(|| self.on_request(request)),
                    None => {
                        // The last handle is gone: nobody can ever stop the jobs any more.
                        handles_left = false;
                        caught(|| self.feed(Input::Command(Ticket(0), Command::Shutdown)))
                    }
                },
                Some(fact) = facts.recv() => {
                    let gone = wholly_gone(&fact);
                    let handled = caught(|| self.on_fact(fact));
                    if handled.is_err() && let Some(gone) = gone {
                        self.live.remove(&gone);
                    }
                    handled
                }
                () = &mut sleep, if armed => caught(|| self.on_time()),
            };
            if let Err(failure) = handled {
                drop(requests); // Whoever waits is told that the manager has stopped.
                return self.fail(failure, facts).await;
            }
        }
    }

    /// Ends what it can after a panic: what the supervisor knows may be wrong now, and nobody would look after the processes.
    async fn fail(mut self, failure: String, mut facts: mpsc::Receiver<Fact>) -> End {
        error!("{failure}; killing all processes");
        self.tickets.clear();
        let known: Vec<ProcessId> = self.live.keys().chain(self.plans.keys()).copied().collect();
        for pid in known {
            self.kill_after_failure(pid);
        }
        let gone = async {
            while !(self.live.is_empty() && self.plans.is_empty()) {
                let Some(fact) = facts.recv().await else { break };
                if let Some(gone) = wholly_gone(&fact) {
                    self.live.remove(&gone);
                }
                match fact {
                    Fact::Spawned { pid, os_pid, io } => {
                        if let Some(plan) = self.plans.remove(&pid) {
                            self.live.insert(pid, Live::new(None, os_pid, io, &plan, SystemTime::now()));
                        }
                        self.kill_after_failure(pid);
                    }
                    Fact::SpawnFailed { pid, .. } => drop(self.plans.remove(&pid)),
                    Fact::Exited { .. } | Fact::TreeGone { .. } => {}
                }
            }
        };
        // What is not gone by then is told as left.
        let _: Result<(), tokio::time::error::Elapsed> = timeout(LAST_KILLS, gone).await;
        let left = self.live.keys().chain(self.plans.keys());
        let left = left.filter_map(|pid| caught(|| self.leftover(*pid)).ok().flatten()).collect();
        End { left, failure: Some(failure) }
    }

    /// Kills through a backend that may itself be what failed.
    fn kill_after_failure(&mut self, pid: ProcessId) {
        if let Err(failure) = caught(|| self.backend.kill(pid)) {
            error!(pid = pid.get(), "{failure}");
        }
    }

    fn on_time(&mut self) {
        let now = now();
        while let Some(timer) = self.timers.pop(now) {
            self.feed(Input::TimerFired(timer));
        }
    }

    /// Sets the alarm to the next timer; answers whether there is one.
    fn arm(&self, sleep: &mut Pin<&mut Sleep>) -> bool {
        let Some(at) = self.timers.next() else { return false };
        let at = tokio::time::Instant::from_std(at);
        if sleep.deadline() != at || sleep.is_elapsed() {
            sleep.as_mut().reset(at);
        }
        true
    }

    fn on_request(&mut self, request: Request) {
        match request {
            Request::Command(command, client) => {
                self.last_ticket += 1;
                let ticket = Ticket(self.last_ticket);
                let changes = command.changes().filter(|_| self.options.records.is_some()).cloned();
                self.tickets.insert(ticket, Asked { client, changes });
                self.feed(Input::Command(ticket, command));
            }
            Request::Query(look) => {
                let view = View { now: now(), supervisor: &self.supervisor, live: &self.live, recent: &self.recent };
                // Nothing is changed by a look: whoever asked gets no answer, and all goes on.
                if let Err(failure) = caught(|| look(&view)) {
                    error!("a query failed: {failure}");
                }
            }
        }
    }

    fn on_fact(&mut self, fact: Fact) {
        match fact {
            Fact::Spawned { pid, os_pid, io } => {
                if let Some(plan) = self.plans.remove(&pid) {
                    self.launches.tell(|| {
                        let job = self.supervisor.process_job(pid)?;
                        Some(Launched { pid, job, io: io.clone() })
                    });
                    let job = self.supervisor.process_job(pid);
                    self.live.insert(pid, Live::new(job, os_pid, io, &plan, SystemTime::now()));
                    self.record_launch(pid, os_pid, &plan);
                }
                self.feed(Input::Spawned { pid, os_pid });
            }
            Fact::SpawnFailed { pid, error } => {
                self.plans.remove(&pid);
                self.feed(Input::SpawnFailed { pid, error });
            }
            Fact::Exited { pid, status, tree_alive } => {
                // A writer that waits for the process to read would learn of its end at its next write only.
                if let Some(live) = self.live.get(&pid) {
                    live.io.close_inputs();
                }
                self.feed(Input::Exited { pid, status, tree_alive });
            }
            Fact::TreeGone { pid } => self.feed(Input::TreeGone { pid }),
        }
    }

    fn record_launch(&self, pid: ProcessId, os_pid: OsPid, plan: &LaunchPlan) {
        if let Some(records) = &self.options.records
            && let Some((config, once)) = self.supervisor.launched_with(pid)
        {
            let (mark, root) = match &plan.survivor {
                Some(survivor) => (survivor.mark.clone(), Some(survivor.root)),
                None => (format!("{}:{pid}", self.node), None),
            };
            records.process(ProcessRecord::Launched { pid, os_pid, mark, root, config, once });
        }
    }

    /// Has the supervisor decide on an input, and on what its effects at once lead to.
    fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        let mut effects = Vec::new();
        while let Some(input) = inputs.pop_front() {
            self.supervisor.handle(now(), input, &mut effects);
            for effect in effects.drain(..) {
                inputs.extend(self.carry_out(effect));
            }
        }
    }

    /// Starts what an effect asks for; never waits for it. Answers what is known at once.
    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Launch(launch) => return self.launch(&launch),
            Effect::Cancel(pid) => self.backend.cancel(pid),
            Effect::Signal(pid, signal) => self.backend.signal(pid, signal),
            Effect::Terminate(pid) => {
                // What is left of one whose leader is gone has nobody else who would ask it, and one-offs are anybody's.
                let is_asked =
                    |process: ProcessView| process.config.is_owned() && process.leader_alive && !process.once;
                if !self.supervisor.process(pid).is_some_and(is_asked) {
                    self.backend.terminate(pid);
                }
            }
            Effect::Kill(pid) => {
                log::kill(&self.supervisor, pid);
                self.backend.kill(pid);
            }
            Effect::SetTimer(id, at) => self.timers.set(id, at),
            Effect::CancelTimer(id) => self.timers.cancel(id),
            Effect::Emit(event) => self.emit(event),
            Effect::Answer(ticket, answer) => {
                if let Some(asked) = self.tickets.remove(&ticket) {
                    self.answer(asked, answer);
                }
            }
            Effect::Released(pid) => {
                if let Some(live) = self.live.remove(&pid) {
                    // Each holds a descriptor, and its task, for as long as somebody else keeps the other end open.
                    live.io.abandon_inputs();
                    self.recent.keep(pid, live.job, live.io);
                }
                self.plans.remove(&pid);
                if let Some(records) = &self.options.records {
                    records.process(ProcessRecord::Gone(pid));
                }
            }
            Effect::Finished(left) => {
                self.left = Some(left.into_iter().filter_map(|pid| self.leftover(pid)).collect());
            }
        }
        None
    }

    fn answer(&self, asked: Asked, answer: Result<Answer, Refusal>) {
        let Asked { client, changes } = asked;
        if let (Some(records), Some(name)) = (&self.options.records, changes)
            && !answer.as_ref().is_err_and(Refusal::changes_nothing)
        {
            let job = self.supervisor.config(&name).cloned().zip(self.supervisor.standing(&name));
            records.job(name, job, answer, client);
        } else {
            drop(client.send(answer)); // The client has gone: what it asked for is done all the same.
        }
    }

    fn leftover(&self, pid: ProcessId) -> Option<Leftover> {
        let job = self.supervisor.process_job(pid)?;
        Some(Leftover { pid, job, os_pid: self.live.get(&pid).map(|live| live.os_pid.as_raw()) })
    }

    fn launch(&mut self, launch: &Launch) -> Option<Input> {
        let pid = launch.pid;
        if let Some(survivor) = &launch.survivor {
            let plan = Arc::new(LaunchPlan::taking_back(pid, &launch.config, survivor.clone()));
            self.plans.insert(pid, plan.clone());
            self.backend.launch(plan);
            return None;
        }
        match LaunchPlan::new(pid, &launch.config, &self.options.environment, &launch.env, &self.node) {
            Ok(plan) => {
                let (terminal, expect_sinks) = (self.options.terminal, self.options.expect_sinks);
                let plan = Arc::new(LaunchPlan { terminal, expect_sinks, ..plan });
                self.plans.insert(pid, plan.clone());
                self.backend.launch(plan);
                None
            }
            Err(error) => Some(Input::SpawnFailed { pid, error }),
        }
    }

    fn emit(&self, event: Event) {
        log::event(&event);
        self.journal.publish(event, SystemTime::now());
    }
}

/// Whose last fact this is, if it is one.
fn wholly_gone(fact: &Fact) -> Option<ProcessId> {
    match fact {
        Fact::Exited { pid, tree_alive: false, .. } | Fact::TreeGone { pid } => Some(*pid),
        Fact::Exited { .. } | Fact::Spawned { .. } | Fact::SpawnFailed { .. } => None,
    }
}

/// Does something; answers what it panicked with, if it did. What it has changed half is the caller's affair.
fn caught<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|payload| {
        let text =
            payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        failure(&text.unwrap_or("unknown cause"))
    })
}

fn failure(cause: &dyn std::fmt::Display) -> String {
    format!("internal error in the manager: {cause}")
}

/// The runtime's clock, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
