//! The pure supervisor: what to do, decided without I/O, clock or threads.
//!
//! Facts, commands and the time go in through [`Supervisor::handle`]; what must be done comes out as [`Effect`]s. The
//! same inputs at the same times always give the same effects, so that every decision is tested without a process and
//! without a sleep.
//!
//! A **job** has as many **slots** as it wants processes. A slot holds a process, or waits for a back-off timer, or is
//! about to be filled. A process belongs to a slot, or is *incoming* (to take over a slot in a rollout),
//! *surplus* (its slot was taken or taken away, it is on its way out) or *once* (a one-off).

mod command;
mod info;
mod job;
mod life;
mod message;
mod process;
mod reconfigure;
mod restart;
mod rollout;
mod scale;
mod shutdown;
mod timers;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

pub use message::{Answer, Command, Effect, Input, Launch, OneOff, Origin, Refusal, Standing, Ticket};
pub use process::ProcessView;
pub use scale::{InvalidScale, Scale};
pub use timers::TimerId;

use crate::{
    events::{Detail, Event, EventKind},
    names::{JobName, ProcessId},
};
use job::{Job, JobKey};
use process::Process;
use shutdown::Shutdown;
use timers::{Purpose, Timers};

/// The state of all jobs and processes of a node, and the rules by which it changes.
#[derive(Debug, Default)]
pub struct Supervisor {
    /// By the order of their loading. A job that was unloaded stays here, nameless, until its last process is gone.
    jobs: BTreeMap<JobKey, Job>,
    names: HashMap<JobName, JobKey>,
    /// Every process that is being launched, lives, or has left descendants. Oldest first, as pids grow.
    processes: BTreeMap<ProcessId, Process>,
    timers: Timers,
    last_job: u64,
    last_pid: u64,
    shutdown: Option<Shutdown>,
}

/// The time of the input at hand, and where its effects go.
struct Step<'a> {
    now: Instant,
    effects: &'a mut Vec<Effect>,
}

impl Step<'_> {
    fn answer(&mut self, ticket: Ticket, answer: Result<Answer, Refusal>) {
        self.effects.push(Effect::Answer(ticket, answer));
    }

    fn emit(&mut self, kind: EventKind, job: &JobName) {
        self.effects.push(Effect::Emit(Event { kind, job: job.clone(), process: None, detail: Detail::None }));
    }
}

impl Supervisor {
    /// Takes in one input and appends what must now be done, in order.
    ///
    /// `now` never goes backwards between calls. A fact about a process that is gone, and a timer that was cancelled,
    /// are ignored.
    pub fn handle(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) {
        let step = &mut Step { now, effects };
        match input {
            Input::Command(ticket, command) => self.on_command(step, ticket, command),
            Input::Spawned { pid, os_pid } => self.on_spawned(step, pid, os_pid),
            Input::SpawnFailed { pid, error } => self.on_spawn_failed(step, pid, &error),
            Input::Exited { pid, status, tree_alive } => self.on_exited(step, pid, status, tree_alive),
            Input::TreeGone { pid } => self.on_gone(step, pid),
            Input::TimerFired(timer) => match self.timers.fire(timer) {
                Some(Purpose::Grace(pid)) => self.on_grace_over(step, pid),
                Some(Purpose::Backoff(key, slot)) => self.on_backoff_over(step, key, slot),
                Some(Purpose::Retry(key)) => self.on_retry(step, key),
                Some(Purpose::ShutdownDeadline) => self.on_shutdown_deadline(step),
                Some(Purpose::ShutdownEnd) => self.finish_shutdown(step),
                None => {} // Cancelled after it was under way.
            },
        }
    }
}
