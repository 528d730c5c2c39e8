//! The state as those who ask see it.

use std::{sync::Arc, time::Instant};

use super::{
    Supervisor,
    job::{Hold, Job},
    message::Standing,
    process::{Phase, Process, ProcessView},
};
use crate::{
    api::{JobInfo, JobState},
    config::JobConfig,
    names::{JobName, ProcessId},
};

impl Supervisor {
    /// Names of the loaded jobs in the order of their loading.
    pub fn names(&self) -> impl Iterator<Item = &JobName> {
        self.jobs.values().filter(|job| !job.unloaded).map(Job::name)
    }

    /// A job's configuration.
    pub fn config(&self, name: &JobName) -> Option<&Arc<JobConfig>> {
        self.job(name).map(|job| &job.config)
    }

    /// How a job stands, for who is to bring it back: whatever the end of the node does to it.
    pub fn standing(&self, name: &JobName) -> Option<Standing> {
        self.job(name).map(|job| Standing {
            started: job.wanted || job.wanted_at_end,
            number: job.number,
            origin: job.origin,
        })
    }

    /// A job as it stands.
    pub fn info(&self, name: &JobName, now: Instant) -> Option<JobInfo> {
        self.job(name).map(|job| self.info_of(job, now))
    }

    /// All jobs as they stand, in the order of their loading.
    pub fn infos(&self, now: Instant) -> Vec<JobInfo> {
        self.jobs.values().filter(|job| !job.unloaded).map(|job| self.info_of(job, now)).collect()
    }

    /// What a process is doing; `None` for one that is gone or still being launched.
    pub fn process(&self, pid: ProcessId) -> Option<ProcessView> {
        let process = self.processes.get(&pid).filter(|process| process.os_pid.is_some())?;
        Some(ProcessView {
            config: process.config.clone(),
            extra_env: process.extra_env.clone(),
            once: process.is_once(),
            leader_alive: !process.exited,
            stopping: matches!(process.phase, Phase::Stopping | Phase::Killed),
        })
    }

    /// What a process was launched with, or is being; and whether it is a one-off.
    pub(crate) fn launched_with(&self, pid: ProcessId) -> Option<(Arc<JobConfig>, bool)> {
        self.processes.get(&pid).map(|process| (process.config.clone(), process.is_once()))
    }

    /// The job of a process that is not wholly gone.
    pub fn process_job(&self, pid: ProcessId) -> Option<JobName> {
        self.processes.get(&pid).map(|process| process.config.name().clone())
    }

    /// The processes that fill a job's slots.
    #[cfg(test)]
    pub(super) fn in_slots(&self, name: &JobName) -> std::collections::BTreeSet<ProcessId> {
        self.job(name).map(|job| job.slots.values().filter_map(|slot| slot.process).collect()).unwrap_or_default()
    }

    fn job(&self, name: &JobName) -> Option<&Job> {
        self.jobs.get(self.names.get(name)?)
    }

    /// Why a job does not run as it should.
    fn cause(&self, job: &Job) -> Option<String> {
        let unfilled =
            |pid: Option<ProcessId>| pid.and_then(|pid| self.processes.get(&pid)).is_none_or(Process::is_launching);
        let failing = job.slots.values().any(|slot| unfilled(slot.process));
        let flapped = job.hold.as_ref().and(job.flapped.clone());
        let failed = job.spawn_error.as_ref().filter(|_| failing).map(ToString::to_string);
        let parts: Vec<String> = flapped.into_iter().chain(failed).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    fn info_of(&self, job: &Job, now: Instant) -> JobInfo {
        let living = || {
            let processes = job.processes.iter().filter_map(|pid| self.processes.get(pid));
            processes.filter(|process| process.os_pid.is_some())
        };
        let pids = |once: bool| living().filter(move |process| process.is_once() == once).map(|process| process.pid);
        let once: Vec<ProcessId> = pids(true).collect();
        let running = living().count();
        let births = living().filter(|process| !process.is_once() && !process.exited);
        JobInfo {
            name: job.name().clone(),
            state: match (&job.hold, job.wanted) {
                (_, false) => JobState::Stopped,
                (None, true) => JobState::Started,
                (Some(Hold::Resting(_)), true) => JobState::Flapping,
                (Some(Hold::GivenUp), true) => JobState::GivenUp,
            },
            active: running > 0,
            running,
            running_out: once.len(),
            max_processes: job.number,
            pids: pids(false).collect(),
            once,
            uptime: births
                .filter_map(|process: &Process| process.born)
                .min()
                .map(|born| now.duration_since(born).as_secs_f64()),
            restarts: job.restarts,
            last_exit: job.last_exit,
            cause: self.cause(job),
        }
    }
}
