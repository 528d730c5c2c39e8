//! A supervisor, a clock that stands still until it is moved, and processes that do as told. It watches the invariants.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    backend::{ExitStatus, SpawnError},
    config::{JobConfig, JobSpec},
    events::{Event, EventKind},
    names::{JobName, OsPid, ProcessId, Signal},
    supervisor::{Answer, Command, Effect, Input, OneOff, Origin, Refusal, Scale, Supervisor, Ticket, TimerId},
};

/// What the world knows of a process.
#[derive(Debug)]
pub(super) struct Simulated {
    pub(super) job: JobName,
    pub(super) config: Arc<JobConfig>,
    pub(super) instance: u32,
    /// Whether it was there before.
    pub(super) is_survivor: bool,
    pub(super) state: State,
    /// When it was first asked to end.
    pub(super) terminated: Option<Instant>,
    pub(super) killed: bool,
    /// Events so far.
    events: Vec<EventKind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Launching,
    Running,
    /// The leader has exited; descendants live.
    Remains,
    Gone,
}

pub(super) struct World {
    pub(super) supervisor: Supervisor,
    pub(super) now: Instant,
    pub(super) processes: BTreeMap<ProcessId, Simulated>,
    pub(super) timers: BTreeMap<(Instant, TimerId), ()>,
    pub(super) events: Vec<Event>,
    pub(super) answers: BTreeMap<Ticket, Result<Answer, Refusal>>,
    pub(super) finished: Option<Vec<ProcessId>>,
    pub(super) signals: Vec<(ProcessId, Signal)>,
    /// Launches that nobody wants any more.
    pub(super) cancelled: BTreeSet<ProcessId>,
    last_ticket: u64,
    /// Jobs that somebody wants to run. A launch for any other is a bug.
    wanted: BTreeSet<JobName>,
    /// One-off launches that were asked for and are not seen yet.
    commits: BTreeMap<JobName, usize>,
    /// For each update that is not answered: the job, and what was healthy then.
    updates: BTreeMap<Ticket, (JobName, BTreeSet<ProcessId>)>,
    /// The job that the input at hand is about, if it is about one alone.
    concerned: Option<JobName>,
    last_pid: u64,
}

pub(super) fn job(name: &str, change: impl FnOnce(&mut JobSpec)) -> Arc<JobConfig> {
    let mut spec = JobSpec::new(name.parse().unwrap(), "run");
    change(&mut spec);
    Arc::new(spec.check().unwrap())
}

pub(super) fn missing() -> SpawnError {
    SpawnError::ProgramNotFound { program: "run".into(), searched: None }
}

impl World {
    pub(super) fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin: only differences count")]
        let now = Instant::now();
        Self {
            supervisor: Supervisor::default(),
            now,
            processes: BTreeMap::new(),
            timers: BTreeMap::new(),
            events: Vec::new(),
            answers: BTreeMap::new(),
            finished: None,
            signals: Vec::new(),
            cancelled: BTreeSet::new(),
            last_ticket: 0,
            wanted: BTreeSet::new(),
            commits: BTreeMap::new(),
            updates: BTreeMap::new(),
            concerned: None,
            last_pid: 0,
        }
    }

    /// A world in which a job runs.
    pub(super) fn with(config: Arc<JobConfig>) -> Self {
        let mut world = Self::new();
        world.command(Command::Load { config, start: true });
        world.launch_all();
        world.take_events();
        world
    }

    // ---- acting

    pub(super) fn command(&mut self, command: Command) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.note_wish(ticket, &command);
        self.feed(Input::Command(ticket, command));
        self.concerned = None;
        ticket
    }

    /// Keeps the model of what is wanted, from the commands alone.
    fn note_wish(&mut self, ticket: Ticket, command: &Command) {
        let loaded = |name: &JobName| self.supervisor.config(name).is_some();
        self.concerned = None;
        match command {
            Command::Load { config, start } => {
                if *start && !loaded(config.name()) {
                    self.wanted.insert(config.name().clone());
                }
                self.concerned = Some(config.name().clone());
            }
            Command::Restore { config, standing, .. } => {
                if standing.started && !loaded(config.name()) {
                    self.wanted.insert(config.name().clone());
                }
                self.concerned = Some(config.name().clone());
            }
            Command::Reconfigure(config) => {
                let known = self.supervisor.config(config.name());
                match known.map(|known| known.spec().start) {
                    Some(start) if start == config.spec().start => {}
                    _ if config.spec().start => drop(self.wanted.insert(config.name().clone())),
                    Some(_) => drop(self.wanted.remove(config.name())),
                    None => {}
                }
                self.concerned = Some(config.name().clone());
            }
            Command::Update { config, start } => {
                if loaded(config.name()) {
                    if *start {
                        self.wanted.insert(config.name().clone());
                    }
                    // What an earlier rollout was bringing up on top of them goes with that rollout.
                    let in_slots = self.supervisor.in_slots(config.name());
                    let healthy = self.healthy(config.name()).intersection(&in_slots).copied().collect();
                    self.updates.retain(|_, (job, _)| job != config.name());
                    self.updates.insert(ticket, (config.name().clone(), healthy));
                }
                self.concerned = Some(config.name().clone());
            }
            Command::Start(name) | Command::Restart(name) => {
                if loaded(name) {
                    self.wanted.insert(name.clone());
                }
                self.concerned = Some(name.clone());
            }
            Command::UnloadConfigured(name) => {
                if self.supervisor.standing(name).is_some_and(|standing| standing.origin == Origin::Configuration) {
                    self.wanted.remove(name);
                }
                self.concerned = Some(name.clone());
            }
            Command::Stop(name) | Command::Unload(name) => {
                self.wanted.remove(name);
                self.concerned = Some(name.clone());
            }
            Command::Commit(name, _) => {
                if loaded(name) {
                    *self.commits.entry(name.clone()).or_default() += 1;
                }
                self.concerned = Some(name.clone());
            }
            Command::Reload(name) | Command::Scale(name, _) | Command::SignalJob(name, _) | Command::StopAll(name) => {
                self.concerned = Some(name.clone());
            }
            Command::Signal(pid, _) | Command::StopProcess(pid) => {
                self.concerned = self.processes.get(pid).map(|process| process.job.clone());
                if let Some(job) = &self.concerned {
                    self.updates.retain(|_, (other, _)| other != job);
                }
            }
            Command::Shutdown | Command::ShutdownNow => {
                self.wanted.clear();
                self.updates.clear();
            }
        }
        if !matches!(command, Command::Update { .. })
            && let Some(job) = &self.concerned
        {
            self.updates.retain(|_, (other, _)| other != job); // What that command did is not the update's doing.
        }
    }

    /// Loads a job; the caller decides about its launches.
    pub(super) fn load(&mut self, config: &Arc<JobConfig>) -> Ticket {
        self.command(Command::Load { config: config.clone(), start: true })
    }

    pub(super) fn scale(&mut self, name: &str, scale: &str) -> Ticket {
        self.command(Command::Scale(name.parse().unwrap(), scale.parse::<Scale>().unwrap()))
    }

    pub(super) fn commit(&mut self, name: &str) -> Ticket {
        self.command(Command::Commit(name.parse().unwrap(), OneOff::default()))
    }

    pub(super) fn answer_launch(&mut self, pid: ProcessId, outcome: Result<(), SpawnError>) {
        let process = self.processes.get_mut(&pid).unwrap();
        assert_eq!(process.state, State::Launching);
        match outcome {
            Ok(()) => {
                process.state = State::Running;
                let os_pid = OsPid::new(pid.get() as i32 + 1000).unwrap();
                self.feed(Input::Spawned { pid, os_pid });
            }
            Err(error) => {
                process.state = State::Gone;
                self.feed(Input::SpawnFailed { pid, error });
            }
        }
    }

    /// Lets every launch succeed, also those that follow from it.
    pub(super) fn launch_all(&mut self) -> Vec<ProcessId> {
        let mut launched = Vec::new();
        while let Some(pid) = self.in_state(State::Launching).first().copied() {
            self.answer_launch(pid, Ok(()));
            launched.push(pid);
        }
        launched
    }

    /// Lets every launch that is pending now fail.
    pub(super) fn fail_launches(&mut self, error: &SpawnError) {
        for pid in self.in_state(State::Launching) {
            self.answer_launch(pid, Err(error.clone()));
        }
    }

    pub(super) fn exit(&mut self, pid: ProcessId, status: ExitStatus, tree_alive: bool) {
        let process = self.processes.get_mut(&pid).unwrap();
        assert_eq!(process.state, State::Running);
        process.state = if tree_alive { State::Remains } else { State::Gone };
        let job = process.job.clone();
        self.updates.values_mut().filter(|(other, _)| *other == job).for_each(|(_, healthy)| {
            healthy.remove(&pid);
        });
        self.feed(Input::Exited { pid, status, tree_alive });
    }

    pub(super) fn tree_gone(&mut self, pid: ProcessId) {
        let process = self.processes.get_mut(&pid).unwrap();
        assert_eq!(process.state, State::Remains);
        process.state = State::Gone;
        self.feed(Input::TreeGone { pid });
    }

    /// Crashes a process: exit code 1, nothing left.
    pub(super) fn crash(&mut self, pid: ProcessId) {
        self.exit(pid, ExitStatus::Code(1), false);
    }

    /// Has everything that was asked to end do so.
    pub(super) fn obey(&mut self) {
        let asked = |process: &&Simulated| process.terminated.is_some() || process.killed;
        let due: Vec<ProcessId> =
            self.processes.iter().filter(|(_, process)| asked(process)).map(|(pid, _)| *pid).collect();
        for pid in due {
            match self.processes[&pid].state {
                State::Running => self.exit(pid, ExitStatus::Signal(15), false),
                State::Remains => self.tree_gone(pid),
                State::Launching | State::Gone => {}
            }
        }
    }

    /// Moves the clock, firing timers on the way.
    pub(super) fn advance(&mut self, by: Duration) {
        let until = self.now + by;
        while let Some((&(at, _), ())) = self.timers.first_key_value().filter(|((at, _), ())| *at <= until) {
            self.now = self.now.max(at);
            self.fire_next();
        }
        self.now = until;
    }

    /// Fires the next timer, moving the clock to it.
    pub(super) fn fire_next(&mut self) -> bool {
        let Some(((at, id), ())) = self.timers.pop_first() else { return false };
        self.now = self.now.max(at);
        self.feed(Input::TimerFired(id));
        true
    }

    fn feed(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.supervisor.handle(self.now, input, &mut effects);
        for effect in effects {
            self.carry_out(effect);
        }
    }

    // ---- watching

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Launch(launch) => {
                assert_eq!(launch.pid.get(), self.last_pid + 1, "pids grow by one");
                self.last_pid += 1;
                let name = launch.config.name().clone();
                if launch.instance == 0 {
                    let pending = self.commits.get_mut(&name).expect("a one-off is launched only when asked for");
                    *pending = pending.checked_sub(1).expect("a one-off is launched once");
                } else {
                    assert!(self.wanted.contains(&name), "{name} is launched though nobody wants it");
                }
                self.assert_concerned(&name);
                let process = Simulated {
                    job: name,
                    config: launch.config,
                    instance: launch.instance,
                    is_survivor: launch.survivor.is_some(),
                    state: State::Launching,
                    terminated: None,
                    killed: false,
                    events: Vec::new(),
                };
                assert!(self.processes.insert(launch.pid, process).is_none(), "two processes for one pid");
            }
            Effect::Cancel(pid) => {
                assert_eq!(self.processes[&pid].state, State::Launching, "only a launch is taken back");
                assert!(self.cancelled.insert(pid), "a launch is taken back once");
            }
            Effect::Signal(pid, signal) => {
                assert_eq!(self.processes[&pid].state, State::Running, "a signal reaches what lives");
                self.signals.push((pid, signal));
            }
            Effect::Terminate(pid) => {
                let now = self.now;
                let process = self.processes.get_mut(&pid).unwrap();
                assert!(matches!(process.state, State::Running | State::Remains), "SIGTERM reaches what lives");
                // How long it may take to end can have changed since its launch.
                if let Some(view) = self.supervisor.process(pid).filter(|_| process.terminated.is_none()) {
                    process.config = view.config;
                }
                process.terminated.get_or_insert(now);
                let name = process.job.clone();
                self.assert_concerned(&name);
            }
            Effect::Kill(pid) => {
                let process = self.processes.get_mut(&pid).unwrap();
                assert!(matches!(process.state, State::Running | State::Remains), "SIGKILL reaches what lives");
                process.killed = true;
            }
            Effect::SetTimer(id, at) => {
                assert!(at >= self.now, "timers lie ahead");
                self.timers.insert((at, id), ());
            }
            Effect::CancelTimer(id) => self.timers.retain(|(_, other), ()| *other != id),
            Effect::Emit(event) => {
                self.note_event(&event);
                self.events.push(event);
            }
            Effect::Answer(ticket, answer) => self.note_answer(ticket, answer),
            Effect::Released(pid) => {
                assert_eq!(self.processes[&pid].state, State::Gone, "what lives is not forgotten");
                let events = &self.processes[&pid].events;
                if events.contains(&EventKind::Spawn) {
                    assert_eq!(events.last(), Some(&EventKind::Exit), "a spawn is followed by an exit");
                }
            }
            Effect::Finished(left) => {
                assert!(self.finished.replace(left).is_none(), "a shutdown ends once");
            }
        }
    }

    /// A command touches no job but its own.
    fn assert_concerned(&self, name: &JobName) {
        if let Some(concerned) = &self.concerned {
            assert_eq!(concerned, name, "a command touches no job but its own");
        }
    }

    fn note_event(&mut self, event: &Event) {
        let Some(pid) = event.process.map(|process| process.pid) else { return };
        use EventKind::{Exit, Reap, Spawn, SpawnError, StopPid};
        let seen = &mut self.processes.get_mut(&pid).unwrap().events;
        let right = match event.kind {
            Spawn | SpawnError => seen.is_empty(),
            StopPid | Reap => *seen == [Spawn],
            Exit => matches!(seen.as_slice(), [Spawn] | [Spawn, StopPid | Reap]),
            EventKind::Create
            | EventKind::Start
            | EventKind::Stop
            | EventKind::Restart
            | EventKind::Update
            | EventKind::Delete
            | EventKind::Flap => false,
        };
        assert!(right, "{:?} after {seen:?} for process {pid}", event.kind);
        seen.push(event.kind);
    }

    fn note_answer(&mut self, ticket: Ticket, answer: Result<Answer, Refusal>) {
        if let Some((job, healthy)) = self.updates.remove(&ticket)
            && matches!(answer, Err(Refusal::NotStarted { .. }))
        {
            let now = self.healthy(&job);
            assert!(healthy.is_subset(&now), "a refused update took down {healthy:?}, of which {now:?} are left");
        }
        assert!(self.answers.insert(ticket, answer).is_none(), "a command is answered once");
    }

    // ---- looking

    fn healthy(&self, name: &JobName) -> BTreeSet<ProcessId> {
        let healthy = |process: &Simulated| {
            process.job == *name
                && process.instance > 0
                && process.state == State::Running
                && process.terminated.is_none()
                && !process.killed
        };
        self.processes.iter().filter(|(_, process)| healthy(process)).map(|(pid, _)| *pid).collect()
    }

    pub(super) fn in_state(&self, state: State) -> Vec<ProcessId> {
        self.processes.iter().filter(|(_, process)| process.state == state).map(|(pid, _)| *pid).collect()
    }

    pub(super) fn running(&self) -> Vec<u64> {
        self.in_state(State::Running).into_iter().map(ProcessId::get).collect()
    }

    /// Who was sent SIGTERM and has not ended.
    pub(super) fn terminating(&self) -> Vec<u64> {
        let asked = |process: &Simulated| process.terminated.is_some() && process.state != State::Gone;
        self.processes.iter().filter(|(_, process)| asked(process)).map(|(pid, _)| pid.get()).collect()
    }

    pub(super) fn info(&self, name: &str) -> crate::api::JobInfo {
        self.supervisor.info(&name.parse().unwrap(), self.now).unwrap()
    }

    /// The events since the last call, as `kind` or `kind pid`.
    pub(super) fn take_events(&mut self) -> Vec<String> {
        let text = |event: Event| match event.process {
            Some(process) => format!("{} {}", event.kind, process.pid),
            None => event.kind.to_string(),
        };
        std::mem::take(&mut self.events).into_iter().map(text).collect()
    }

    pub(super) fn wants(&self, name: &JobName) -> bool {
        self.wanted.contains(name)
    }

    pub(super) fn unanswered(&self) -> Vec<u64> {
        (1..=self.last_ticket).filter(|ticket| !self.answers.contains_key(&Ticket(*ticket))).collect()
    }
}
