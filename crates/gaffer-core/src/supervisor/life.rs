//! The life of a process: launch, exit, end, and what takes its place.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Effect, Launch, Step, Supervisor,
    job::{Hold, JobKey},
    message::Answer,
    process::{Doom, Phase, Process, Role},
    restart::{self, Verdict},
    timers::Purpose,
};
use crate::{
    api::LastExit,
    backend::{ExitStatus, SpawnError, Survivor},
    config::JobConfig,
    events::{Detail, Event, EventKind},
    names::{OsPid, ProcessId},
    supervisor::Refusal,
};

/// How long descendants that outlive an unasked exit may take to end, at most: their replacement waits for it.
const SWEEP: Duration = Duration::from_secs(5);

impl Supervisor {
    pub(super) fn launch(&mut self, step: &mut Step<'_>, key: JobKey, role: Role, config: Arc<JobConfig>) -> ProcessId {
        let grace = config.graceful_timeout();
        self.launch_with(step, key, role, config, grace, BTreeMap::new())
    }

    pub(super) fn launch_with(
        &mut self,
        step: &mut Step<'_>,
        key: JobKey,
        role: Role,
        config: Arc<JobConfig>,
        grace: Duration,
        env: BTreeMap<String, String>,
    ) -> ProcessId {
        let instance = match role {
            Role::Slot(place) | Role::Incoming(place) => place,
            Role::Surplus | Role::Once(_) => 0,
        };
        self.begin(step, key, role, grace, |pid| Launch { pid, config, env, instance, survivor: None })
    }

    /// Gives a place of a job to a process that is there already.
    pub(super) fn take_back(
        &mut self,
        step: &mut Step<'_>,
        key: JobKey,
        place: u32,
        config: Arc<JobConfig>,
        survivor: Survivor,
    ) -> ProcessId {
        let grace = config.graceful_timeout();
        let env = BTreeMap::new();
        let launch = |pid| Launch { pid, config, env, instance: place, survivor: Some(survivor) };
        self.begin(step, key, Role::Slot(place), grace, launch)
    }

    fn begin(
        &mut self,
        step: &mut Step<'_>,
        key: JobKey,
        role: Role,
        grace: Duration,
        launch: impl FnOnce(ProcessId) -> Launch,
    ) -> ProcessId {
        self.last_pid += 1;
        let pid = ProcessId::new(self.last_pid);
        let launch = launch(pid);
        let (config, env, survivor) = (launch.config.clone(), launch.env.clone(), launch.survivor.is_some());
        step.effects.push(Effect::Launch(launch));
        let phase = Phase::Launching { then: None };
        let process = Process {
            pid,
            job: key,
            role,
            phase,
            config,
            extra_env: env,
            grace,
            survivor,
            os_pid: None,
            born: None,
            asked: false,
            exited: false,
            timer: None,
        };
        self.processes.insert(pid, process);
        if let Some(job) = self.jobs.get_mut(&key) {
            job.processes.insert(pid);
            job.launching += 1;
        }
        pid
    }

    pub(super) fn on_spawned(&mut self, step: &mut Step<'_>, pid: ProcessId, os_pid: OsPid) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        let Phase::Launching { then } = process.phase else { return };
        process.phase = Phase::Running;
        process.os_pid = Some(os_pid);
        process.born = Some(step.now);
        let detail = Detail::Spawn { detached: process.config.detach(), once: process.is_once() };
        step.effects.push(Effect::Emit(process.event(EventKind::Spawn, detail)));
        let (key, role) = (process.job, process.role);
        if let Role::Once(ticket) = &mut process.role
            && let Some(ticket) = ticket.take()
        {
            step.answer(ticket, Ok(Answer::Launched(pid)));
        }
        if let Some(job) = self.jobs.get_mut(&key) {
            job.launching -= 1;
            if matches!(role, Role::Slot(_)) {
                job.spawn_error = None;
            }
        }
        match then {
            None => {}
            Some(Doom::Stop(kind)) => self.end_process(step, pid, kind),
            Some(Doom::Kill) => self.kill_process(step, pid),
        }
        if matches!(role, Role::Incoming(_)) {
            self.on_incoming_spawned(step, key, pid);
        }
        self.answer_launched(step, key, pid);
    }

    pub(super) fn on_spawn_failed(&mut self, step: &mut Step<'_>, pid: ProcessId, error: &SpawnError) {
        let Some(process) = self.processes.get(&pid) else { return };
        let Phase::Launching { then } = process.phase else { return };
        let (key, role, name) = (process.job, process.role, process.config.name().clone());
        // One that is not wanted any more may have been called off, and one that was to be taken back be gone: that is no news.
        let is_news = then.is_none() && !process.survivor;
        if is_news {
            self.note_spawn_error(step, pid, error);
        }
        if let Some(job) = self.jobs.get_mut(&key) {
            job.launching -= 1;
        }
        self.remove_process(step, pid);
        match role {
            Role::Slot(place) if is_news => {
                // The same path as an exit at once, but never without a pause: a rule that allows many attempts must
                // not make a missing program burn the machine.
                let wait = self.judge_exit(step, key, place, None, step.now);
                self.set_not_before(key, place, step.now + wait);
            }
            Role::Once(Some(ticket)) => {
                let refusal = Refusal::NotLaunched { job: name, error: error.clone() };
                step.answer(ticket, Err(refusal));
            }
            Role::Slot(_) | Role::Incoming(_) | Role::Surplus | Role::Once(None) => {}
        }
        match role {
            Role::Incoming(_) => self.on_incoming_failed(step, key, pid, error.to_string()),
            Role::Slot(_) | Role::Surplus | Role::Once(_) => self.fill(step, key),
        }
        self.answer_launched(step, key, pid);
        self.forget_if_over(key);
        self.advance_shutdown(step);
    }

    pub(super) fn on_exited(&mut self, step: &mut Step<'_>, pid: ProcessId, status: ExitStatus, tree_alive: bool) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        if process.exited || process.is_launching() {
            return;
        }
        process.exited = true;
        let once = process.is_once();
        let (exit_code, term_signal) = (status.code(), status.signal());
        step.effects.push(Effect::Emit(process.event(EventKind::Exit, Detail::Exit { exit_code, term_signal, once })));
        let (key, role, asked, born) = (process.job, process.role, process.asked, process.born);
        if let Some(job) = self.jobs.get_mut(&key) {
            job.last_exit = Some(LastExit { pid, exit_code, term_signal });
        }
        match role {
            Role::Slot(place) if !asked => {
                let wait = self.judge_exit(step, key, place, born, step.now);
                self.set_not_before(key, place, step.now + wait);
            }
            Role::Incoming(_) => {
                if let Some(process) = self.processes.get_mut(&pid) {
                    process.role = Role::Surplus;
                }
                self.on_incoming_failed(step, key, pid, format!("it ended at once, with {status}"));
            }
            Role::Slot(_) | Role::Surplus | Role::Once(_) => {}
        }
        if tree_alive {
            self.sweep_descendants(step, pid);
        } else {
            self.on_gone(step, pid);
        }
    }

    /// The leader is gone and descendants are left: they are asked to end, if that was not done, and killed in time.
    fn sweep_descendants(&mut self, step: &mut Step<'_>, pid: ProcessId) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        match process.phase {
            Phase::Running => {
                process.phase = Phase::Stopping;
                let at = step.now + process.grace.min(SWEEP);
                process.timer = Some(self.timers.set(step, at, Purpose::Grace(pid)));
                step.effects.push(Effect::Terminate(pid));
            }
            // The time that the stop was given goes on to run; those outside the group have not had their SIGTERM.
            Phase::Stopping => step.effects.push(Effect::Terminate(pid)),
            Phase::Killed => step.effects.push(Effect::Kill(pid)),
            Phase::Launching { .. } => {} // Not reached: what was not launched cannot exit.
        }
    }

    /// Nothing of a process is left.
    pub(super) fn on_gone(&mut self, step: &mut Step<'_>, pid: ProcessId) {
        let Some(process) = self.processes.get(&pid) else { return };
        if !process.exited {
            return;
        }
        let key = process.job;
        self.remove_process(step, pid);
        self.fill(step, key);
        self.forget_if_over(key);
        self.advance_shutdown(step);
    }

    fn remove_process(&mut self, step: &mut Step<'_>, pid: ProcessId) {
        let Some(mut process) = self.processes.remove(&pid) else { return };
        self.timers.cancel(step, &mut process.timer);
        if let Some(job) = self.jobs.get_mut(&process.job) {
            job.processes.remove(&pid);
            if let Role::Slot(place) = process.role
                && let Some(slot) = job.slots.get_mut(&place)
            {
                slot.process = None;
            }
        }
        step.effects.push(Effect::Released(pid));
    }

    /// Asks a process to end: SIGTERM now, SIGKILL after its graceful timeout. Does nothing if that was done before.
    pub(super) fn end_process(&mut self, step: &mut Step<'_>, pid: ProcessId, kind: EventKind) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        process.asked = true;
        match &mut process.phase {
            Phase::Launching { then } => {
                if then.is_none() {
                    *then = Some(Doom::Stop(kind));
                    step.effects.push(Effect::Cancel(pid));
                }
            }
            Phase::Running if process.exited => {} // It made its job flap; its descendants are about to be swept.
            Phase::Running => {
                process.phase = Phase::Stopping;
                step.effects.push(Effect::Emit(process.event(kind, Detail::None)));
                step.effects.push(Effect::Terminate(pid));
                let at = step.now + process.grace;
                process.timer = Some(self.timers.set(step, at, Purpose::Grace(pid)));
            }
            Phase::Stopping | Phase::Killed => {}
        }
    }

    /// Kills a process and all its descendants now.
    pub(super) fn kill_process(&mut self, step: &mut Step<'_>, pid: ProcessId) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        process.asked = true;
        match &mut process.phase {
            Phase::Launching { then } => {
                if then.replace(Doom::Kill).is_none() {
                    step.effects.push(Effect::Cancel(pid));
                }
            }
            Phase::Running | Phase::Stopping => {
                process.phase = Phase::Killed;
                step.effects.push(Effect::Kill(pid));
                let mut timer = process.timer.take();
                self.timers.cancel(step, &mut timer);
            }
            Phase::Killed => {}
        }
    }

    pub(super) fn on_grace_over(&mut self, step: &mut Step<'_>, pid: ProcessId) {
        if let Some(process) = self.processes.get_mut(&pid) {
            process.timer = None;
            // Descendants of an unasked exit were not asked for either: that the sweep kills them changes nothing.
            let asked = process.asked;
            self.kill_process(step, pid);
            if let Some(process) = self.processes.get_mut(&pid) {
                process.asked = asked;
            }
        }
    }

    /// Takes in an unasked exit, or a failed launch (`born` is `None`), and gives the time to wait before the slot is
    /// filled again. May put the whole job on hold.
    fn judge_exit(
        &mut self,
        step: &mut Step<'_>,
        key: JobKey,
        place: u32,
        born: Option<Instant>,
        now: Instant,
    ) -> Duration {
        let lived = born.map_or(Duration::ZERO, |born| now.duration_since(born));
        let Some(job) = self.jobs.get_mut(&key) else { return Duration::ZERO };
        let backoff = job.slots.get_mut(&place).map(|slot| slot.backoff.after_run(lived)).unwrap_or_default();
        if !job.is_active() {
            return Duration::ZERO;
        }
        // What is about to be replaced must not put its replacement on hold: that may be the cure.
        if job.rollout.is_some() {
            return backoff;
        }
        let Some(rule) = job.config.flapping() else {
            job.restarts += 1;
            return backoff;
        };
        let kept = job.processes.iter().filter_map(|pid| self.processes.get(pid)).filter(|process| !process.is_once());
        let births = kept.filter_map(|process| process.born);
        if births.chain(born).any(|born| restart::proves_itself(&rule, born, job.last_retry, now)) {
            job.retries = 0;
        }
        let verdict = restart::judge(&rule, &mut job.exits, &mut job.retries, lived, now);
        let often = format!("{} exits within {} s", rule.attempts, rule.window.as_secs_f64());
        let reason = match verdict {
            Verdict::Fine => {
                job.restarts += 1;
                return if born.is_some() { Duration::ZERO } else { backoff };
            }
            Verdict::Rest => {
                job.last_retry = Some(now + rule.retry_in);
                let timer = self.timers.set(step, now + rule.retry_in, Purpose::Retry(key));
                job.hold = Some(Hold::Resting(Some(timer)));
                let rest = rule.retry_in.as_secs_f64();
                format!("{often}; retry {} of {} in {rest} s", job.retries, rule.max_retry)
            }
            Verdict::GiveUp => {
                job.hold = Some(Hold::GivenUp);
                format!("{often}; given up after {} retries", rule.max_retry)
            }
        };
        let name = job.config.name().clone();
        job.flapped = Some(reason.clone());
        for slot in job.slots.values_mut() {
            self.timers.cancel(step, &mut slot.timer);
        }
        let flap = Event { kind: EventKind::Flap, job: name.clone(), process: None, detail: Detail::Reason(reason) };
        step.effects.push(Effect::Emit(flap));
        step.emit(EventKind::Stop, &name);
        // One-off processes are none of the rule's business.
        let kept = |pid: &&ProcessId| self.processes.get(*pid).is_some_and(|process| !process.is_once());
        let kept: Vec<ProcessId> =
            self.jobs.get(&key).map(|job| job.processes.iter().filter(kept).copied().collect()).unwrap_or_default();
        for pid in kept {
            self.end_process(step, pid, EventKind::StopPid);
        }
        Duration::ZERO
    }

    fn set_not_before(&mut self, key: JobKey, place: u32, at: Instant) {
        if let Some(slot) = self.jobs.get_mut(&key).and_then(|job| job.slots.get_mut(&place)) {
            slot.not_before = Some(at);
        }
    }

    pub(super) fn on_backoff_over(&mut self, step: &mut Step<'_>, key: JobKey, place: u32) {
        if let Some(slot) = self.jobs.get_mut(&key).and_then(|job| job.slots.get_mut(&place)) {
            slot.timer = None;
            slot.not_before = None;
        }
        self.fill(step, key);
    }

    pub(super) fn on_retry(&mut self, step: &mut Step<'_>, key: JobKey) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        if !matches!(job.hold, Some(Hold::Resting(_))) {
            return;
        }
        job.hold = None;
        job.last_retry = Some(step.now);
        for slot in job.slots.values_mut() {
            slot.not_before = None;
        }
        step.emit(EventKind::Start, job.config.name());
        self.fit_slots(step, key);
        self.fill(step, key);
    }

    /// Gives slots that wait for a back-off their process now: somebody asked for it.
    pub(super) fn retry_waiting_slots(&mut self, step: &mut Step<'_>, key: JobKey) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        for slot in job.slots.values_mut().filter(|slot| slot.process.is_none()) {
            self.timers.cancel(step, &mut slot.timer);
            slot.not_before = None;
        }
        self.fill(step, key);
    }

    /// Makes as many slots as the job wants processes. Too many: those without a process go first, then the oldest.
    pub(super) fn fit_slots(&mut self, step: &mut Step<'_>, key: JobKey) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        let wanted = job.number as usize;
        let mut place = 1;
        while job.slots.len() < wanted {
            job.slots.entry(place).or_default();
            place += 1;
        }
        let Some(excess) = job.slots.len().checked_sub(wanted).filter(|excess| *excess > 0) else { return };
        // `None` sorts before any pid; among those without a process the last places go first.
        let mut order: Vec<(Option<ProcessId>, std::cmp::Reverse<u32>)> =
            job.slots.iter().map(|(place, slot)| (slot.process, std::cmp::Reverse(*place))).collect();
        order.sort_unstable();
        for (pid, std::cmp::Reverse(place)) in order.into_iter().take(excess) {
            let slot = self.jobs.get_mut(&key).and_then(|job| job.slots.remove(&place));
            if let Some(mut slot) = slot {
                self.timers.cancel(step, &mut slot.timer);
            }
            if let Some(pid) = pid {
                self.discard(step, pid);
            }
        }
    }

    /// Launches a process for every slot that has none and need not wait.
    pub(super) fn fill(&mut self, step: &mut Step<'_>, key: JobKey) {
        let Some(job) = self.jobs.get_mut(&key) else { return };
        if !job.is_active() || job.rollout.is_some() {
            return;
        }
        let config = job.config.clone();
        let mut empty = Vec::new();
        for (place, slot) in job.slots.iter_mut().filter(|(_, slot)| slot.process.is_none() && slot.timer.is_none()) {
            match slot.not_before {
                Some(at) if at > step.now => {
                    slot.timer = Some(self.timers.set(step, at, Purpose::Backoff(key, *place)));
                }
                _ => empty.push(*place),
            }
        }
        for place in empty {
            let pid = self.launch(step, key, Role::Slot(place), config.clone());
            if let Some(slot) = self.jobs.get_mut(&key).and_then(|job| job.slots.get_mut(&place)) {
                slot.process = Some(pid);
                slot.not_before = None;
            }
        }
    }

    /// Drops a job that was unloaded once its last process is gone.
    pub(super) fn forget_if_over(&mut self, key: JobKey) {
        if self.jobs.get(&key).is_some_and(|job| job.unloaded && job.processes.is_empty()) {
            self.jobs.remove(&key);
        }
    }
}
