//! Replacing a job's processes: new ones first, then the old, and never fewer than there were.
//!
//! Every slot gets an incoming process. When all of them have been launched, they take over and their predecessors are
//! reaped, oldest first. If one cannot be launched, an update is called off whole: the incoming ones go, the old
//! configuration and the old processes stay. In a restart a slot whose successor failed keeps its process.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Step, Supervisor,
    job::{Hold, JobKey},
    message::{Answer, Effect, Origin, Refusal, Ticket},
    process::Role,
};
use crate::{
    backend::SpawnError,
    config::JobConfig,
    events::{Detail, EventKind},
    names::ProcessId,
};

/// A replacement under way.
#[derive(Debug)]
pub(super) struct Rollout {
    /// The configuration to come, for an update.
    pub(super) update: Option<Arc<JobConfig>>,
    /// Who brought that.
    pub(super) origin: Origin,
    /// The job's number when it began: one that differs in the end was asked for meanwhile, and stays.
    number: u32,
    /// Who waits for the outcome.
    tickets: Vec<Ticket>,
    /// Launched, not yet answered.
    pending: BTreeSet<ProcessId>,
    /// Why one of them did not start.
    failure: Option<String>,
}

impl Supervisor {
    /// Begins a replacement of all processes of a wanted job; `update` brings a new configuration.
    pub(super) fn begin_rollout(
        &mut self,
        step: &mut Step<'_>,
        key: JobKey,
        update: Option<Arc<JobConfig>>,
        origin: Option<Origin>,
        ticket: Ticket,
    ) {
        if let Some(job) = self.jobs.get(&key) {
            let refusal = Refusal::Superseded(job.name().clone());
            self.call_off_rollout(step, key, &Err(refusal));
        }
        let Some(job) = self.jobs.get_mut(&key) else { return };
        let config = update.clone().unwrap_or_else(|| job.config.clone());
        // A slot that holds nothing, because it waits or its process is on its way out, is tried with the others.
        let mut places: Vec<u32> = job.slots.keys().copied().collect();
        let wanted = match &update {
            Some(new) if new.numprocesses() != job.config.numprocesses() => new.numprocesses(),
            _ => job.number,
        } as usize;
        let mut next = 1;
        while places.len() < wanted {
            if !job.slots.contains_key(&next) {
                places.push(next);
            }
            next += 1;
        }
        places.truncate(wanted);
        let (number, origin) = (job.number, origin.unwrap_or(job.origin));
        job.rollout =
            Some(Rollout { update, origin, number, tickets: vec![ticket], pending: BTreeSet::new(), failure: None });
        for place in places {
            if let Some(slot) = self.jobs.get_mut(&key).and_then(|job| job.slots.get_mut(&place)) {
                self.timers.cancel(step, &mut slot.timer);
            }
            let pid = self.launch(step, key, Role::Incoming(place), config.clone());
            if let Some(rollout) = self.jobs.get_mut(&key).and_then(|job| job.rollout.as_mut()) {
                rollout.pending.insert(pid);
            }
        }
        self.settle_rollout(step, key);
    }

    /// Has another command wait for the outcome of the rollout under way, if there is one.
    pub(super) fn join_rollout(&mut self, key: JobKey, ticket: Ticket) -> bool {
        match self.jobs.get_mut(&key).and_then(|job| job.rollout.as_mut()) {
            Some(rollout) => {
                rollout.tickets.push(ticket);
                true
            }
            None => false,
        }
    }

    /// An incoming process has been launched.
    pub(super) fn on_incoming_spawned(&mut self, step: &mut Step<'_>, key: JobKey, pid: ProcessId) {
        if let Some(rollout) = self.jobs.get_mut(&key).and_then(|job| job.rollout.as_mut()) {
            rollout.pending.remove(&pid);
        }
        self.settle_rollout(step, key);
    }

    /// An incoming process could not be launched, or ended before all its siblings were launched.
    pub(super) fn on_incoming_failed(&mut self, step: &mut Step<'_>, key: JobKey, pid: ProcessId, cause: String) {
        if let Some(rollout) = self.jobs.get_mut(&key).and_then(|job| job.rollout.as_mut()) {
            rollout.pending.remove(&pid);
            rollout.failure.get_or_insert(cause);
        }
        self.settle_rollout(step, key);
    }

    /// Ends a rollout without its being done, with this answer: incoming processes go, what was there stays.
    pub(super) fn call_off_rollout(
        &mut self,
        step: &mut Step<'_>,
        key: JobKey,
        answer: &Result<Answer, Refusal>,
    ) -> Option<Rollout> {
        let mut rollout = self.jobs.get_mut(&key)?.rollout.take()?;
        for ticket in rollout.tickets.drain(..) {
            step.answer(ticket, answer.clone());
        }
        self.dismiss_incoming(step, key);
        Some(rollout)
    }

    /// Ends the rollout of a job that is being stopped. An update is done with that: a stopped job only takes the new
    /// configuration.
    pub(super) fn stop_rollout(&mut self, step: &mut Step<'_>, key: JobKey) {
        if let Some(Rollout { update: Some(config), origin, number, .. }) =
            self.call_off_rollout(step, key, &Ok(Answer::Done))
        {
            self.adopt_config(step, key, config, origin, number);
        }
    }

    /// Has the rollout under way, if there is one, also bring the number back that it began with.
    pub(super) fn rollout_takes_number(&mut self, key: JobKey) {
        if let Some(job) = self.jobs.get_mut(&key)
            && let Some(rollout) = &mut job.rollout
        {
            rollout.number = job.number;
        }
    }

    fn settle_rollout(&mut self, step: &mut Step<'_>, key: JobKey) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        if !job.rollout.as_ref().is_some_and(|rollout| rollout.pending.is_empty()) {
            return;
        }
        let Some(Rollout { update, origin, number, tickets, failure, .. }) = job.rollout.take() else { return };
        let outcome = match &failure {
            None => Ok(Answer::Done),
            Some(cause) => Err(Refusal::NotStarted { job: job.name().clone(), cause: cause.clone() }),
        };
        if update.is_some() && failure.is_some() {
            self.dismiss_incoming(step, key);
        } else {
            let updated = update.is_some();
            if let Some(config) = update {
                self.adopt_config(step, key, config, origin, number);
            }
            self.take_over(step, key, updated);
        }
        for ticket in tickets {
            step.answer(ticket, outcome.clone());
        }
        self.fill(step, key);
    }

    /// Incoming processes take their slots, whose processes are reaped, oldest first.
    fn take_over(&mut self, step: &mut Step<'_>, key: JobKey, updated: bool) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        let (mut replaced, mut fresh_start) = (BTreeSet::new(), updated);
        for pid in &job.processes {
            let Some(process) = self.processes.get_mut(pid) else { continue };
            let Role::Incoming(place) = process.role else { continue };
            process.role = Role::Slot(place);
            let slot = job.slots.entry(place).or_default();
            slot.not_before = None;
            replaced.extend(slot.process.replace(*pid));
            fresh_start = true;
        }
        // Slots that are still empty are tried next, and tell their own cause.
        job.spawn_error = None;
        if fresh_start {
            job.forgive();
            if let Some(Hold::Resting(mut timer)) = job.hold.take() {
                self.timers.cancel(step, &mut timer);
            }
        }
        for pid in replaced {
            self.discard(step, pid);
        }
        self.fit_slots(step, key);
    }

    /// Puts a new configuration in force; what it says of the number is done by the slots' next fitting. The job's
    /// number stays if it was not `number`, or if the configured one did not change.
    pub(super) fn adopt_config(
        &mut self,
        step: &mut Step<'_>,
        key: JobKey,
        config: Arc<JobConfig>,
        origin: Origin,
        number: u32,
    ) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        if config.numprocesses() != job.config.numprocesses() && job.number == number {
            job.number = config.numprocesses();
        }
        job.config = config;
        job.origin = origin;
        step.emit(EventKind::Update, job.config.name());
    }

    fn dismiss_incoming(&mut self, step: &mut Step<'_>, key: JobKey) {
        let Some(job) = self.jobs.get(&key) else { return };
        let incoming = |pid: &&ProcessId| {
            self.processes.get(*pid).is_some_and(|process| matches!(process.role, Role::Incoming(_)))
        };
        for pid in job.processes.iter().filter(incoming).copied().collect::<Vec<_>>() {
            self.discard(step, pid);
        }
    }

    /// A process has lost its place: it goes, with a `reap` event.
    pub(super) fn discard(&mut self, step: &mut Step<'_>, pid: ProcessId) {
        if let Some(process) = self.processes.get_mut(&pid) {
            process.role = Role::Surplus;
        }
        self.end_process(step, pid, EventKind::Reap);
    }

    /// Notes why a launch failed, and emits `spawn_error` at the first failure and when the cause changes.
    ///
    /// A rollout tells its first failure, and leaves the job's own cause alone: what ran before still runs.
    pub(super) fn note_spawn_error(&mut self, step: &mut Step<'_>, pid: ProcessId, error: &SpawnError) {
        let Some(process) = self.processes.get(&pid) else { return };
        let Some(job) = self.jobs.get_mut(&process.job) else { return };
        let known = match (process.role, &job.rollout) {
            (Role::Incoming(_), Some(rollout)) => rollout.failure.is_some(),
            (Role::Incoming(_) | Role::Surplus | Role::Once(_), _) => false,
            (Role::Slot(_), _) => job.spawn_error.replace(error.clone()).as_ref() == Some(error),
        };
        if !known {
            let detail = Detail::Reason(error.to_string());
            step.effects.push(Effect::Emit(process.event(EventKind::SpawnError, detail)));
        }
    }
}
