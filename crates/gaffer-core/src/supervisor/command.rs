//! Commands: what clients ask for.

use std::sync::Arc;

use super::{
    Step, Supervisor,
    job::{Hold, Job, JobKey, Waiting},
    message::{Answer, Command, Effect, OneOff, Origin, Refusal, Standing, Ticket},
    process::Role,
    scale::Scale,
};
use crate::{
    backend::Survivor,
    config::{JobConfig, MAX_PROCESSES, MAX_SPAN},
    events::EventKind,
    names::{JobName, ProcessId, SessionId, Signal},
};

/// Who runs there is trusted: nobody but the application of plugins may say what that is.
fn refuse_strangers(config: &JobConfig) -> Result<(), Refusal> {
    let is_strange = config.name().session().as_str() == SessionId::PLUGINS && !config.is_owned();
    if is_strange { Err(Refusal::Reserved(config.name().clone())) } else { Ok(()) }
}

impl Supervisor {
    pub(super) fn on_command(&mut self, step: &mut Step<'_>, ticket: Ticket, command: Command) {
        let starts_something = match &command {
            Command::Load { .. }
            | Command::Restore { .. }
            | Command::Reconfigure(_)
            | Command::Unload(_)
            | Command::UnloadConfigured(_)
            | Command::Update { .. }
            | Command::Start(_)
            | Command::Stop(_)
            | Command::Restart(_)
            | Command::Reload(_)
            | Command::Scale(..)
            | Command::Commit(..)
            | Command::StopAll(_) => true,
            Command::Signal(..)
            | Command::SignalJob(..)
            | Command::StopProcess(_)
            | Command::Shutdown
            | Command::ShutdownNow => false,
        };
        if starts_something && self.shutdown.is_some() {
            step.answer(ticket, Err(Refusal::ShuttingDown));
            return;
        }
        // A command that answers later, when its launches are done, gives `None`.
        let answer = match command {
            Command::Load { config, start } => {
                let origin = if config.is_owned() { Origin::Program } else { Origin::Client };
                let standing = Standing { started: start, ..Standing::configured(&config, origin) };
                self.load(step, ticket, config, standing, Vec::new())
            }
            Command::Restore { config, standing, survivors } => self.load(step, ticket, config, standing, survivors),
            Command::Reconfigure(config) => self.reconfigure(step, ticket, config),
            Command::Unload(name) => self.key(&name).map(|key| self.unload(step, key)),
            Command::UnloadConfigured(name) => self.key(&name).map(|key| {
                let is_theirs = self.jobs.get(&key).is_some_and(|job| job.origin == Origin::Configuration);
                if is_theirs { self.unload(step, key) } else { Some(Answer::Done) }
            }),
            Command::Update { config, start } => {
                self.key(config.name()).and_then(|key| self.update(step, ticket, key, config, start))
            }
            Command::Start(name) => self.key(&name).map(|key| self.start(step, ticket, key)),
            Command::Stop(name) => self.key(&name).map(|key| {
                self.stop_job(step, key);
                Some(Answer::Done)
            }),
            Command::Restart(name) => self.key(&name).map(|key| self.restart(step, ticket, key)),
            Command::Reload(name) => self.key(&name).map(|key| self.reload(step, ticket, key)),
            Command::Scale(name, scale) => self.key(&name).and_then(|key| self.scale(step, ticket, key, scale)),
            Command::Commit(name, once) => self.key(&name).map(|key| self.commit(step, ticket, key, once)),
            Command::Signal(pid, signal) => self.signal(step, pid, signal),
            Command::SignalJob(name, signal) => self.key(&name).map(|key| self.signal_job(step, key, signal)),
            Command::StopProcess(pid) => self.stop_process(step, pid),
            Command::StopAll(name) => self.key(&name).map(|key| {
                self.end_slots(step, key);
                Some(Answer::Done)
            }),
            Command::Shutdown => {
                self.begin_shutdown(step);
                Ok(Some(Answer::Done))
            }
            Command::ShutdownNow => {
                self.shutdown_now(step);
                Ok(Some(Answer::Done))
            }
        };
        match answer {
            Ok(Some(answer)) => step.answer(ticket, Ok(answer)),
            Ok(None) => {}
            Err(refusal) => step.answer(ticket, Err(refusal)),
        }
    }

    fn key(&self, name: &JobName) -> Result<JobKey, Refusal> {
        self.names.get(name).copied().ok_or_else(|| Refusal::UnknownJob(name.clone()))
    }

    pub(super) fn load(
        &mut self,
        step: &mut Step<'_>,
        ticket: Ticket,
        config: Arc<JobConfig>,
        standing: Standing,
        survivors: Vec<Survivor>,
    ) -> Result<Option<Answer>, Refusal> {
        let name = config.name().clone();
        refuse_strangers(&config)?;
        if self.names.contains_key(&name) {
            return Err(Refusal::AlreadyLoaded(name));
        }
        if standing.number > MAX_PROCESSES {
            return Err(Refusal::TooMany { job: name, asked: standing.number.into(), max: MAX_PROCESSES });
        }
        self.last_job += 1;
        let key = JobKey(self.last_job);
        self.jobs.insert(key, Job::new(config.clone(), standing));
        self.names.insert(name.clone(), key);
        step.emit(EventKind::Create, &name);
        if !standing.started {
            return Ok(Some(Answer::Done));
        }
        for (place, survivor) in (1..=standing.number).zip(survivors) {
            let pid = self.take_back(step, key, place, config.clone(), survivor);
            if let Some(job) = self.jobs.get_mut(&key) {
                job.slots.entry(place).or_default().process = Some(pid);
            }
        }
        Ok(self.start(step, ticket, key))
    }

    fn unload(&mut self, step: &mut Step<'_>, key: JobKey) -> Option<Answer> {
        self.stop_job(step, key);
        if let Some(job) = self.jobs.get_mut(&key) {
            job.unloaded = true;
            self.names.remove(job.config.name());
            step.emit(EventKind::Delete, job.config.name());
            self.forget_if_over(key);
        }
        Some(Answer::Done)
    }

    fn update(
        &mut self,
        step: &mut Step<'_>,
        ticket: Ticket,
        key: JobKey,
        config: Arc<JobConfig>,
        start: bool,
    ) -> Result<Option<Answer>, Refusal> {
        refuse_strangers(&config)?;
        let Some(job) = self.jobs.get(&key) else { return Ok(None) };
        if job.wanted {
            self.begin_rollout(step, key, Some(config), None, ticket);
            return Ok(None);
        }
        let (number, origin) = (job.number, job.origin);
        self.adopt_config(step, key, config, origin, number);
        Ok(if start { self.start(step, ticket, key) } else { Some(Answer::Done) })
    }

    pub(super) fn start(&mut self, step: &mut Step<'_>, ticket: Ticket, key: JobKey) -> Option<Answer> {
        let job = self.jobs.get_mut(&key)?;
        if !job.is_active() {
            job.wanted = true;
            job.forgive();
            if let Some(Hold::Resting(mut timer)) = job.hold.take() {
                self.timers.cancel(step, &mut timer);
            }
            step.emit(EventKind::Start, job.config.name());
            self.fit_slots(step, key);
        }
        self.retry_waiting_slots(step, key);
        self.answer_when_settled(key, ticket, Answer::Done)
    }

    fn restart(&mut self, step: &mut Step<'_>, ticket: Ticket, key: JobKey) -> Option<Answer> {
        let job = self.jobs.get(&key)?;
        step.emit(EventKind::Restart, job.name());
        if !job.is_active() {
            return self.start(step, ticket, key);
        }
        // One that is under way brings what is asked for.
        if !self.join_rollout(key, ticket) {
            self.begin_rollout(step, key, None, None, ticket);
        }
        None
    }

    fn reload(&mut self, step: &mut Step<'_>, ticket: Ticket, key: JobKey) -> Option<Answer> {
        let job = self.jobs.get_mut(&key)?;
        job.number = job.config.numprocesses();
        if !job.is_active() {
            return Some(Answer::Done);
        }
        step.emit(EventKind::Restart, job.config.name());
        self.fit_slots(step, key);
        self.rollout_takes_number(key);
        if !self.join_rollout(key, ticket) {
            self.begin_rollout(step, key, None, None, ticket);
        }
        None
    }

    fn scale(
        &mut self,
        step: &mut Step<'_>,
        ticket: Ticket,
        key: JobKey,
        scale: Scale,
    ) -> Result<Option<Answer>, Refusal> {
        let Some(job) = self.jobs.get_mut(&key) else { return Ok(None) };
        let asked = scale.apply(job.number);
        let number = match u32::try_from(asked) {
            Ok(number) if number <= MAX_PROCESSES => number,
            _ => return Err(Refusal::TooMany { job: job.name().clone(), asked, max: MAX_PROCESSES }),
        };
        job.number = number;
        step.emit(EventKind::Update, job.config.name());
        if job.is_active() {
            self.fit_slots(step, key);
            self.fill(step, key);
        }
        Ok(self.answer_when_settled(key, ticket, Answer::Number(number)))
    }

    fn commit(&mut self, step: &mut Step<'_>, ticket: Ticket, key: JobKey, once: OneOff) -> Option<Answer> {
        let job = self.jobs.get(&key)?;
        let config = job.config.clone();
        let grace = once.graceful_timeout.unwrap_or_else(|| config.graceful_timeout()).min(MAX_SPAN);
        self.launch_with(step, key, Role::Once(Some(ticket)), config, grace, once.env);
        None
    }

    fn signal(&mut self, step: &mut Step<'_>, pid: ProcessId, signal: Signal) -> Result<Option<Answer>, Refusal> {
        match self.processes.get(&pid) {
            Some(process) if !process.exited && process.os_pid.is_some() => {
                step.effects.push(Effect::Signal(pid, signal));
                Ok(Some(Answer::Done))
            }
            _ => Err(Refusal::UnknownProcess(pid)),
        }
    }

    fn signal_job(&mut self, step: &mut Step<'_>, key: JobKey, signal: Signal) -> Option<Answer> {
        for pid in &self.jobs.get(&key)?.processes {
            if self.processes.get(pid).is_some_and(|process| !process.exited && process.os_pid.is_some()) {
                step.effects.push(Effect::Signal(*pid, signal));
            }
        }
        Some(Answer::Done)
    }

    fn stop_process(&mut self, step: &mut Step<'_>, pid: ProcessId) -> Result<Option<Answer>, Refusal> {
        if self.processes.get(&pid).is_none_or(|process| process.os_pid.is_none()) {
            return Err(Refusal::UnknownProcess(pid));
        }
        self.end_process(step, pid, EventKind::StopPid);
        Ok(Some(Answer::Done))
    }

    /// Stops a job: nothing of it is wanted any more.
    pub(super) fn stop_job(&mut self, step: &mut Step<'_>, key: JobKey) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        let was_wanted = std::mem::replace(&mut job.wanted, false);
        if let Some(Hold::Resting(mut timer)) = job.hold.take() {
            self.timers.cancel(step, &mut timer);
        }
        let healthy = |pid: &ProcessId| self.processes.get(pid).is_some_and(super::process::Process::is_healthy);
        if was_wanted || job.processes.iter().any(healthy) {
            step.emit(EventKind::Stop, job.config.name());
        }
        for slot in job.slots.values_mut() {
            self.timers.cancel(step, &mut slot.timer);
        }
        self.stop_rollout(step, key);
        self.end_processes(step, key, EventKind::StopPid);
        self.answer_waiting(step, key);
    }

    /// Asks the processes that fill a job's slots to end, oldest first.
    fn end_slots(&mut self, step: &mut Step<'_>, key: JobKey) {
        let Some(job) = self.jobs.get(&key) else { return };
        let mut filling: Vec<ProcessId> = job.slots.values().filter_map(|slot| slot.process).collect();
        filling.sort_unstable();
        for pid in filling {
            self.end_process(step, pid, EventKind::StopPid);
        }
    }

    /// Asks all processes of a job to end, oldest first.
    pub(super) fn end_processes(&mut self, step: &mut Step<'_>, key: JobKey, kind: EventKind) {
        let Some(job) = self.jobs.get(&key) else { return };
        for pid in job.processes.iter().copied().collect::<Vec<_>>() {
            self.end_process(step, pid, kind);
        }
    }

    /// Answers now if no launch of the job is pending, else once those that are pending now are done.
    pub(super) fn answer_when_settled(&mut self, key: JobKey, ticket: Ticket, answer: Answer) -> Option<Answer> {
        let newest = ProcessId::new(self.last_pid);
        match self.jobs.get_mut(&key) {
            Some(job) if job.launching > 0 => {
                job.waiting.push(Waiting { ticket, answer, newest, pending: job.launching });
                None
            }
            _ => Some(answer),
        }
    }

    /// Answers the commands for which this was the last launch that they waited for.
    pub(super) fn answer_launched(&mut self, step: &mut Step<'_>, key: JobKey, pid: ProcessId) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        for waiting in &mut job.waiting {
            waiting.pending -= usize::from(pid <= waiting.newest);
        }
        for waiting in job.waiting.extract_if(.., |waiting| waiting.pending == 0) {
            step.answer(waiting.ticket, Ok(waiting.answer));
        }
    }

    /// Answers all commands that wait for launches of the job.
    fn answer_waiting(&mut self, step: &mut Step<'_>, key: JobKey) {
        if let Some(job) = self.jobs.get_mut(&key) {
            for waiting in job.waiting.drain(..) {
                step.answer(waiting.ticket, Ok(waiting.answer));
            }
        }
    }
}
