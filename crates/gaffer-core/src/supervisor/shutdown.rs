//! The end: jobs in reverse order of priority, all under one deadline.

use std::time::Duration;

use super::{
    Effect, Step, Supervisor,
    job::{Hold, JobKey},
    message::Refusal,
    process::Process,
    timers::{Purpose, TimerId},
};
use crate::{events::EventKind, names::ProcessId};

/// How long after the kill the end comes in any case.
const AFTER_KILL: Duration = Duration::from_secs(2);

/// A shutdown under way.
#[derive(Debug, Default)]
pub(super) struct Shutdown {
    timer: Option<TimerId>,
    killed: bool,
    finished: bool,
}

impl Supervisor {
    /// Begins to stop everything. Nothing is launched any more; `detach` processes are left alone.
    pub(super) fn begin_shutdown(&mut self, step: &mut Step<'_>) {
        if self.shutdown.is_some() {
            return;
        }
        self.shutdown = Some(Shutdown::default());
        for key in self.jobs.keys().copied().collect::<Vec<_>>() {
            self.drop_wishes(step, key);
        }
        let longest = self.ours().map(|process| process.grace).max().unwrap_or_default();
        let timer = self.timers.set(step, step.now + longest, Purpose::ShutdownDeadline);
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.timer = Some(timer);
        }
        self.advance_shutdown(step);
    }

    /// Kills everything now.
    pub(super) fn shutdown_now(&mut self, step: &mut Step<'_>) {
        self.begin_shutdown(step);
        self.on_shutdown_deadline(step);
    }

    /// A job is not wanted any more, and nothing of it is pending; what runs of it runs on for now.
    fn drop_wishes(&mut self, step: &mut Step<'_>, key: JobKey) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        job.wanted_at_end = std::mem::replace(&mut job.wanted, false);
        if let Some(Hold::Resting(mut timer)) = job.hold.take() {
            self.timers.cancel(step, &mut timer);
        }
        for slot in job.slots.values_mut() {
            self.timers.cancel(step, &mut slot.timer);
        }
        self.call_off_rollout(step, key, &Err(Refusal::ShuttingDown));
    }

    /// Stops the jobs of the last priority that still has processes, once those after it are gone.
    pub(super) fn advance_shutdown(&mut self, step: &mut Step<'_>) {
        if self.shutdown.as_ref().is_none_or(|shutdown| shutdown.finished) {
            return;
        }
        let Some(level) = self.ours().map(|process| process.config.priority()).max() else {
            self.finish_shutdown(step);
            return;
        };
        let healthy = self.ours().filter(|process| process.config.priority() == level && process.is_healthy());
        let mut due: Vec<(JobKey, ProcessId)> = healthy.map(|process| (process.job, process.pid)).collect();
        due.sort_unstable();
        let mut told = None;
        for (key, pid) in due {
            if told != Some(key) {
                told = Some(key);
                if let Some(job) = self.jobs.get(&key) {
                    step.emit(EventKind::Stop, job.name());
                }
            }
            self.end_process(step, pid, EventKind::StopPid);
        }
    }

    pub(super) fn on_shutdown_deadline(&mut self, step: &mut Step<'_>) {
        let Some(shutdown) = &mut self.shutdown else { return };
        if shutdown.killed || shutdown.finished {
            return;
        }
        shutdown.killed = true;
        let mut timer = shutdown.timer.take();
        self.timers.cancel(step, &mut timer);
        for pid in self.ours().map(|process| process.pid).collect::<Vec<_>>() {
            self.kill_process(step, pid);
        }
        let timer = self.timers.set(step, step.now + AFTER_KILL, Purpose::ShutdownEnd);
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.timer = Some(timer);
        }
    }

    pub(super) fn finish_shutdown(&mut self, step: &mut Step<'_>) {
        let left: Vec<ProcessId> = self.ours().map(|process| process.pid).collect();
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.finished = true;
            let mut timer = shutdown.timer.take();
            self.timers.cancel(step, &mut timer);
            step.effects.push(Effect::Finished(left));
        }
    }

    /// Processes that the shutdown must end.
    fn ours(&self) -> impl Iterator<Item = &Process> {
        self.processes.values().filter(|process| !process.config.detach())
    }
}
