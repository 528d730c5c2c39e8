//! Having a job be as the node's configuration says, with as little done to its processes as can be.

use std::sync::Arc;

use super::{
    Step, Supervisor,
    job::JobKey,
    message::{Answer, Origin, Refusal, Standing, Ticket},
    process::Phase,
};
use crate::config::JobConfig;

impl Supervisor {
    pub(super) fn reconfigure(
        &mut self,
        step: &mut Step<'_>,
        ticket: Ticket,
        config: Arc<JobConfig>,
    ) -> Result<Option<Answer>, Refusal> {
        let Some(key) = self.names.get(config.name()).copied() else {
            let standing = Standing::configured(&config, Origin::Configuration);
            return self.load(step, ticket, config, standing, Vec::new());
        };
        let Some(job) = self.jobs.get_mut(&key) else { return Ok(None) };
        let coming = job.rollout.as_ref().and_then(|rollout| rollout.update.as_ref());
        if **coming.unwrap_or(&job.config) == *config {
            let is_coming = coming.is_some();
            // It is the configuration's from now on, or once it is as that says.
            match &mut job.rollout {
                Some(rollout) if is_coming => rollout.origin = Origin::Configuration,
                Some(_) | None => job.origin = Origin::Configuration,
            }
            let waits = is_coming && self.join_rollout(key, ticket);
            return Ok(if waits { None } else { Some(Answer::Done) });
        }
        let start = (config.spec().start != job.config.spec().start).then_some(config.spec().start);
        if job.wanted && start != Some(false) && job.config.needs_new_processes(&config) {
            self.begin_rollout(step, key, Some(config), Some(Origin::Configuration), ticket);
            return Ok(None);
        }
        let number = job.number;
        if coming.is_some() {
            // A change that is under way leads to something else than what is asked for now.
            let refusal = Refusal::Superseded(config.name().clone());
            self.call_off_rollout(step, key, &Err(refusal));
        }
        self.adopt_config(step, key, config, Origin::Configuration, number);
        self.look_after_by_config(key);
        if start == Some(false) {
            self.stop_job(step, key);
        }
        if self.jobs.get(&key).is_some_and(super::job::Job::is_active) {
            self.fit_slots(step, key);
            self.fill(step, key);
        }
        if start == Some(true) {
            return Ok(self.start(step, ticket, key));
        }
        Ok(self.answer_when_settled(key, ticket, Answer::Done))
    }

    /// Has what runs be ended as the job's configuration says by now. One-offs may have been given a time of their own, and for those
    /// that are being stopped it runs already.
    fn look_after_by_config(&mut self, key: JobKey) {
        let Some(job) = self.jobs.get(&key) else { return };
        for pid in &job.processes {
            let Some(process) = self.processes.get_mut(pid) else { continue };
            let is_over = process.is_once() || matches!(process.phase, Phase::Stopping | Phase::Killed);
            if !is_over && !process.config.needs_new_processes(&job.config) {
                process.grace = job.config.graceful_timeout();
                process.config = job.config.clone();
            }
        }
    }
}
