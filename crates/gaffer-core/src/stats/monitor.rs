//! Figures again and again, read once for all who listen and not at all while nobody does.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use super::{
    figures::ProcessStats,
    roster::{Member, Roster, StatsSource, Target},
    sampler::Sampler,
};
use crate::{
    events::{Delivery, Emitter, Subscription},
    names::JobName,
};

/// Targets that are asked for one by one. When there are more, one question for all processes is cheaper.
const FEW_TARGETS: usize = 8;

/// First segments of the topics under which updates are published. Each goes out under both, and nobody listens to
/// both.
const BY_JOB: &str = "job";
const BY_PROCESS: &str = "process";

/// The figures of one process at one refresh.
#[derive(Clone, Debug, PartialEq)]
pub struct StatsUpdate {
    /// The job that the process belongs to.
    pub job: JobName,
    /// The figures, shared by all who listen.
    pub stats: Arc<ProcessStats>,
}

/// An interval that is too short to be of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a refresh interval of {0:?} is too short; at least 0.1 s is needed to measure processor use")]
pub struct InvalidInterval(pub Duration);

/// Tells whoever listens what processes use, at a fixed interval. Cheap to clone.
///
/// One refresh serves all listeners: each process is read once, however many want it. While nobody listens there is no
/// task, no timer and no open file. A refresh that takes longer than the interval delays the next one; none is made up
/// for.
#[derive(Clone)]
pub struct Monitor {
    shared: Arc<Shared>,
}

type MakeSource = dyn Fn() -> Box<dyn StatsSource> + Send + Sync;

struct Shared {
    interval: Duration,
    roster: Arc<dyn Roster>,
    make_source: Box<MakeSource>,
    emitter: Emitter<StatsUpdate>,
    listeners: Mutex<Listeners>,
    /// Refreshes so far, over the monitor's whole life.
    refreshes: AtomicU64,
}

#[derive(Default)]
struct Listeners {
    targets: HashMap<Target, usize>,
    refresh: Option<JoinHandle<()>>,
    closed: bool,
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listeners = self.shared.listeners().targets.values().sum::<usize>();
        let mut monitor = f.debug_struct("Monitor");
        monitor.field("interval", &self.shared.interval).field("listeners", &listeners).finish_non_exhaustive()
    }
}

impl Monitor {
    /// The interval of the original.
    pub const DEFAULT_INTERVAL: Duration = Duration::from_millis(100);
    /// The shortest interval.
    pub const MIN_INTERVAL: Duration = Duration::from_millis(100);

    /// Makes a monitor of real processes. `roster` is asked at every refresh.
    ///
    /// # Errors
    /// When the interval is shorter than [`Monitor::MIN_INTERVAL`].
    pub fn new(interval: Duration, roster: Arc<dyn Roster>) -> Result<Self, InvalidInterval> {
        Self::with_source(interval, roster, || Box::new(Sampler::new()))
    }

    /// As [`Monitor::new`], with figures from elsewhere. `make_source` is called whenever a first listener comes, and what it
    /// makes is dropped soon after the last one left.
    ///
    /// # Errors
    /// When the interval is shorter than [`Monitor::MIN_INTERVAL`].
    pub fn with_source(
        interval: Duration,
        roster: Arc<dyn Roster>,
        make_source: impl Fn() -> Box<dyn StatsSource> + Send + Sync + 'static,
    ) -> Result<Self, InvalidInterval> {
        if interval < Self::MIN_INTERVAL {
            return Err(InvalidInterval(interval));
        }
        let shared = Shared {
            interval,
            roster,
            make_source: Box::new(make_source),
            emitter: Emitter::new(Emitter::<StatsUpdate>::DEFAULT_MAX_SIZE),
            listeners: Mutex::default(),
            refreshes: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Subscribes to the figures of a target: at each refresh one update for each process that it has then, in order
    /// of their numbers, also for those that came after the subscription. A target that has no process, or is unknown, is silent.
    ///
    /// The first listener starts the refresh, with a reading at once, in which processor use is that since the start of
    /// the process. Later ones wait for the next refresh.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time enabled.
    pub fn subscribe(&self, target: Target) -> StatsSubscription {
        let updates = match &target {
            Target::All => self.shared.emitter.subscribe(&[BY_JOB]),
            Target::Job(job) => self.shared.emitter.subscribe(&[BY_JOB, &job.to_string()]),
            Target::Process(pid) => self.shared.emitter.subscribe(&[BY_PROCESS, &pid.to_string()]),
        };
        let mut listeners = self.shared.listeners();
        *listeners.targets.entry(target.clone()).or_default() += 1;
        // One that has finished although there were listeners has panicked, in the roster: the next listener tries anew.
        let running = listeners.refresh.as_ref().is_some_and(|refresh| !refresh.is_finished());
        if !running && !listeners.closed {
            listeners.refresh = Some(tokio::spawn(refresh(self.shared.clone())));
        }
        drop(listeners);
        StatsSubscription { updates, _listener: Listener { shared: self.shared.clone(), target } }
    }

    /// Ends the refresh and all subscriptions, once they have read what is queued. Later ones end at once.
    pub fn close(&self) {
        let mut listeners = self.shared.listeners();
        listeners.closed = true;
        listeners.stop();
        drop(listeners);
        self.shared.emitter.close();
    }
}

impl Listeners {
    fn stop(&mut self) {
        if let Some(refresh) = self.refresh.take() {
            refresh.abort();
        }
    }
}

impl Shared {
    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner) // No step in between leaves it half done.
    }

    /// The processes that are wanted now, each once, in order of their numbers.
    async fn members(&self) -> Vec<Member> {
        let targets: Vec<Target> = self.listeners().targets.keys().cloned().collect();
        let wants_all = targets.contains(&Target::All);
        let mut members = Vec::new();
        if wants_all || targets.len() > FEW_TARGETS {
            members = self.roster.processes(&Target::All).await;
        } else {
            for target in &targets {
                members.extend(self.roster.processes(target).await);
            }
        }
        if !wants_all {
            let targets: HashSet<Target> = targets.into_iter().collect();
            members.retain(|member| {
                targets.contains(&Target::Process(member.pid)) || targets.contains(&Target::Job(member.job.clone()))
            });
        }
        members.sort_unstable_by_key(|member| member.pid);
        members.dedup_by_key(|member| member.pid);
        members
    }

    fn publish(&self, job: JobName, stats: ProcessStats) {
        let process = stats.pid.to_string();
        let update = StatsUpdate { job, stats: Arc::new(stats) };
        self.emitter.publish(&[BY_JOB, &update.job.to_string()], &update);
        self.emitter.publish(&[BY_PROCESS, &process], &update);
    }
}

/// Refreshes until it is aborted.
async fn refresh(shared: Arc<Shared>) {
    let mut source = (shared.make_source)();
    let mut ticks = interval(shared.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let members = shared.members().await;
        let reading = tokio::task::spawn_blocking(move || {
            let stats = source.sample(&members);
            (source, members, stats)
        });
        match reading.await {
            Ok((used, members, stats)) => {
                source = used;
                for (member, stats) in members.into_iter().zip(stats) {
                    if let Some(stats) = stats {
                        shared.publish(member.job, stats);
                    }
                }
            }
            Err(error) if error.is_panic() => {
                tracing::error!(%error, "failed to read the statistics of processes; starting over");
                source = (shared.make_source)();
            }
            Err(_) => return, // The runtime is shutting down.
        }
        shared.refreshes.fetch_add(1, Relaxed);
    }
}

/// Receives the figures of a target; dropping it ends the subscription.
#[derive(Debug)]
pub struct StatsSubscription {
    updates: Subscription<StatsUpdate>,
    _listener: Listener, // Held for its drop.
}

impl StatsSubscription {
    /// The next update; `None` once the monitor is closed and all was read. Who reads too slowly loses the oldest and is
    /// told how many.
    ///
    /// # Cancel safety
    /// Nothing is lost: what was not returned stays queued.
    pub async fn recv(&mut self) -> Option<Delivery<StatsUpdate>> {
        self.updates.recv().await
    }

    /// As [`StatsSubscription::recv`].
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Delivery<StatsUpdate>>> {
        self.updates.poll_recv(context)
    }

    /// What is queued now.
    pub fn try_recv(&mut self) -> Option<Delivery<StatsUpdate>> {
        self.updates.try_recv()
    }
}

/// Counts as one who listens.
struct Listener {
    shared: Arc<Shared>,
    target: Target,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listeners = self.shared.listeners();
        if let Some(count) = listeners.targets.get_mut(&self.target) {
            *count -= 1;
            if *count == 0 {
                listeners.targets.remove(&self.target);
            }
        }
        if listeners.targets.is_empty() {
            listeners.stop();
        }
    }
}

#[cfg(test)]
mod tests;
