//! The application that runs those of plugins.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gaffer_core::{
    JobConfig, JobName, Manager, ManagerError, ProcessId, SessionId,
    api::{
        JobState,
        plugins::{AppInfo, AppState, PluginInfo},
    },
    applications::{Application, ApplicationError, BoxFuture},
    events::{Delivery, Detail, EventKind, Notification, Pattern, Subscription},
    supervisor::Refusal,
};
use gaffer_http::api::PluginList;
use tokio::{
    sync::{Notify, watch},
    task::spawn_blocking,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, warn};

use crate::{
    PluginSet,
    talk::{Opening, Orders, Talk},
};

/// Time for programs to be launched before others go on. Those that take longer are launched meanwhile.
const LAUNCHES: Duration = Duration::from_secs(1);

/// How much longer than they may take ends are waited for: a kill needs a moment.
const AFTER_KILL: Duration = Duration::from_secs(3);

/// Time at the end for what processes said last.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The plugins of a node, as an application of its manager. A cheap handle: all clones are the same.
///
/// Their programs are jobs: they are launched at the start, and stopped as jobs are, those that others need last. As they have the first
/// priorities they are launched before others and stopped after them, if they are started before other jobs are loaded.
#[derive(Clone, Debug)]
pub struct Plugins {
    inner: Arc<Inner>,
}

/// What another set of plugins has changed, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Programs that were not there.
    pub started: Vec<String>,
    /// Programs that were there, and about which something is new.
    pub restarted: Vec<String>,
    /// Programs that are there no more.
    pub stopped: Vec<String>,
    /// Programs that could not be started, and why: as the manager is stopping.
    pub failed: Vec<String>,
}

#[derive(Debug)]
struct Inner {
    endpoints: Arc<[String]>,
    state: Mutex<State>,
    /// Held while a set is applied: one after the other.
    applying: tokio::sync::Mutex<()>,
    /// Tells that a process has ended.
    ended: Notify,
    tasks: TaskTracker,
    end: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    set: PluginSet,
    /// From the start on.
    manager: Option<Manager>,
    talks: HashMap<ProcessId, Spoken>,
    orders: Orders,
}

/// A process that is spoken with.
#[derive(Debug)]
struct Spoken {
    job: JobName,
    orders: watch::Sender<Orders>,
    ready: Arc<AtomicBool>,
}

impl Plugins {
    /// Those of a set, on a node that is reached there.
    pub fn new(set: PluginSet, endpoints: Vec<String>) -> Self {
        let inner = Inner {
            endpoints: endpoints.into(),
            state: Mutex::new(State { set, ..State::default() }),
            applying: tokio::sync::Mutex::new(()),
            ended: Notify::new(),
            tasks: TaskTracker::new(),
            end: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Tells all programs that the node is up: its jobs are loaded, and it can be called.
    pub fn node_is_up(&self) {
        self.inner.order_all(|orders| orders.started = true);
    }

    /// Puts another set in the place of the one that is there: programs that are not in it are stopped, those about which anything is
    /// new are stopped and started, and new ones are started. The others are not touched, but started if somebody has unloaded their jobs.
    ///
    /// Resolves when the old ones have ended, and the new ones were launched or could not be; a launch that takes long is not waited
    /// for.
    ///
    /// # Cancel safety
    /// If this is dropped, some of it may be done. To apply the same set again does the rest.
    pub async fn apply(&self, set: PluginSet) -> Applied {
        let inner = &self.inner;
        let _one_at_a_time = inner.applying.lock().await;
        let (old, manager) = {
            let state = inner.state();
            (state.set.clone(), state.manager.clone())
        };
        let mut applied = Applied::default();
        let Some(manager) = manager else {
            inner.state().set = set; // It is for the start to do.
            return applied;
        };
        let mut ending: Vec<&JobConfig> = Vec::new();
        for plugin in old.plugins().iter().rev() {
            let Some(job) = plugin.job() else { continue };
            let new = set.get(plugin.name());
            if new == Some(plugin) {
                continue;
            }
            let stays = new.is_some_and(|new| new.job().is_some());
            let list = if stays { &mut applied.restarted } else { &mut applied.stopped };
            list.push(plugin.name().to_owned());
            // If somebody else has unloaded it, all is well.
            drop(manager.unload(job.name()).await);
            ending.push(job);
        }
        inner.until_gone(&ending).await;
        let mut jobs = Vec::new();
        for plugin in set.plugins() {
            let Some(job) = plugin.job() else { continue };
            if old.get(plugin.name()).is_none_or(|old| old.job().is_none()) {
                applied.started.push(plugin.name().to_owned());
            }
            if matches!(manager.get(job.name()).await, Err(ManagerError::Refused(Refusal::UnknownJob(_)))) {
                jobs.push(job.clone());
            }
        }
        inner.state().set = set;
        applied.failed = launch(&manager, jobs).await;
        applied
    }

    /// What `/plugins` tells.
    pub fn list(&self) -> PluginList {
        let inner = Arc::clone(&self.inner);
        PluginList::new(move || Box::pin(told(Arc::clone(&inner))))
    }
}

/// Loads jobs, in this order. Answers which could not be.
async fn launch(manager: &Manager, jobs: Vec<JobConfig>) -> Vec<String> {
    let names: Vec<JobName> = jobs.iter().map(|job| job.name().clone()).collect();
    // What was handed over is launched, whether it is waited for or not.
    let Ok(outcomes) = timeout(LAUNCHES, manager.load_all(jobs)).await else { return Vec::new() };
    let failed = names.iter().zip(outcomes).filter_map(|(name, outcome)| Some(format!("{name}: {}", outcome.err()?)));
    failed.collect()
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all processes, and those that come, something.
    fn order_all(&self, change: impl Fn(&mut Orders)) {
        let mut state = self.state();
        change(&mut state.orders);
        for spoken in state.talks.values() {
            spoken.orders.send_modify(&change);
        }
    }

    fn order(&self, pid: ProcessId, change: impl FnOnce(&mut Orders)) {
        if let Some(spoken) = self.state().talks.get(&pid) {
            spoken.orders.send_modify(change);
        }
    }

    /// A process has ended.
    fn gone(&self, pid: ProcessId) {
        if let Some(spoken) = self.state().talks.remove(&pid) {
            spoken.orders.send_modify(|orders| orders.gone = true);
        }
        self.ended.notify_waiters();
    }

    /// Waits until no process of these jobs is left.
    async fn until_gone(&self, jobs: &[&JobConfig]) {
        let Some(longest) = jobs.iter().map(|job| job.graceful_timeout()).max() else { return };
        let is_left = || self.state().talks.values().any(|spoken| jobs.iter().any(|job| *job.name() == spoken.job));
        let gone = async {
            loop {
                let mut ended = std::pin::pin!(self.ended.notified());
                ended.as_mut().enable(); // In line first, then the look: no end is missed.
                if !is_left() {
                    return;
                }
                ended.await;
            }
        };
        if timeout(longest.saturating_add(AFTER_KILL), gone).await.is_err() {
            warn!("programs of plugins do not end; others are started all the same");
        }
    }

    /// Begins to speak with a process.
    async fn open(&self, manager: &Manager, job: &JobName, pid: ProcessId, spawned: u64) {
        let Ok(io) = manager.recent_streams(pid).await else { return }; // Gone, and many others with it.
        let mut state = self.state();
        let Some(plugin) = state.set.get(job.name()).cloned() else { return };
        let Some(app) = plugin.app().cloned() else { return };
        if state.talks.contains_key(&pid) {
            return;
        }
        let (sender, orders) = watch::channel(state.orders.clone());
        let ready = Arc::new(AtomicBool::new(false));
        state.talks.insert(pid, Spoken { job: job.clone(), orders: sender, ready: Arc::clone(&ready) });
        drop(state);
        let endpoints = Arc::clone(&self.endpoints);
        let opening = Opening { manager: manager.clone(), plugin, pid, spawned, io, endpoints, orders, ready };
        self.tasks.spawn(Talk::new(opening, &app).hold());
    }

    /// Hears of an event of a program's job.
    async fn hear(&self, manager: &Manager, notification: &Notification) {
        let event = notification.event();
        let Some(process) = &event.process else { return };
        match event.kind {
            // A one-off may be launched by anybody, with variables that make something else of it: it is not spoken with.
            EventKind::Spawn if matches!(event.detail, Detail::Spawn { once: false, .. }) => {
                self.open(manager, &event.job, process.pid, notification.id()).await;
            }
            EventKind::StopPid | EventKind::Reap => self.order(process.pid, |orders| orders.stop = true),
            EventKind::Exit => self.gone(process.pid),
            EventKind::Create
            | EventKind::Start
            | EventKind::Stop
            | EventKind::Restart
            | EventKind::Update
            | EventKind::Delete
            | EventKind::Spawn
            | EventKind::Flap
            | EventKind::SpawnError => {}
        }
    }

    /// Events were lost: looks at what there is.
    async fn catch_up(&self, manager: &Manager, session: &SessionId) {
        let Ok(processes) = manager.processes().await else { return };
        let ours: Vec<_> = processes.into_iter().filter(|process| process.name.session() == session).collect();
        let known: Vec<ProcessId> = self.state().talks.keys().copied().collect();
        for pid in known {
            match ours.iter().find(|process| process.pid == pid) {
                Some(process) if process.active && process.stopping => self.order(pid, |orders| orders.stop = true),
                Some(process) if process.active => {}
                Some(_) | None => self.gone(pid),
            }
        }
        for process in ours.iter().filter(|process| process.active && !process.once) {
            self.open(manager, &process.name, process.pid, u64::MAX).await;
        }
    }

    /// Follows what happens to the processes.
    async fn follow(
        self: Arc<Self>,
        manager: Manager,
        session: SessionId,
        mut events: Subscription<Arc<Notification>>,
    ) {
        while let Some(Some(delivery)) = self.end.run_until_cancelled(events.recv()).await {
            match delivery {
                Delivery::Item(notification) => self.hear(&manager, &notification).await,
                Delivery::Lagged(_) => self.catch_up(&manager, &session).await,
            }
        }
        // All have ended, whether it was heard or not.
        let left: Vec<ProcessId> = self.state().talks.keys().copied().collect();
        left.into_iter().for_each(|pid| self.gone(pid));
    }
}

impl Application for Plugins {
    fn name(&self) -> &str {
        "plugins"
    }

    fn start(&mut self, manager: Manager) -> BoxFuture<'_, Result<(), ApplicationError>> {
        Box::pin(async move {
            let inner = &self.inner;
            let session: SessionId = SessionId::PLUGINS.parse()?;
            // Before anything is launched.
            let events = manager.subscribe(&Pattern::Session(session.clone()));
            let jobs: Vec<JobConfig> = {
                let mut state = inner.state();
                state.manager = Some(manager.clone());
                state.set.plugins().iter().filter_map(|plugin| plugin.job().cloned()).collect()
            };
            inner.tasks.spawn(Arc::clone(inner).follow(manager.clone(), session, events));
            for failed in launch(&manager, jobs).await {
                error!("the program of a plugin was not started: {failed}");
            }
            Ok(())
        })
    }

    fn stop(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let inner = &self.inner;
            inner.end.cancel();
            inner.tasks.close();
            if timeout(LAST_WORDS, inner.tasks.wait()).await.is_err() {
                warn!("{} programs of plugins had more to say than could be done", inner.tasks.len());
            }
        })
    }

    fn restart(&mut self) -> BoxFuture<'_, ()> {
        self.inner.order_all(|orders| orders.restarts += 1);
        Box::pin(std::future::ready(()))
    }
}

/// All plugins, and what their programs do.
async fn told(inner: Arc<Inner>) -> Vec<PluginInfo> {
    let (set, manager) = {
        let state = inner.state();
        (state.set.clone(), state.manager.clone())
    };
    let (set, mut sites) = spawn_blocking(move || {
        let sites = set.sites();
        (set, sites)
    })
    .await
    .unwrap_or_default(); // It does not panic; without it there would be no sites.
    let mut told = Vec::new();
    for plugin in set.plugins() {
        let folder = plugin.folder().file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let app = match (plugin.job(), &manager) {
            (Some(job), Some(manager)) => Some(app(&inner, manager, job.name()).await),
            (Some(_), None) | (None, _) => None,
        };
        told.push(PluginInfo {
            name: plugin.name().to_owned(),
            version: plugin.version().map(str::to_owned),
            description: plugin.description().map(str::to_owned),
            mandatory: plugin.mandatory().to_vec(),
            site: sites.remove(folder),
            app,
        });
    }
    told.retain(|plugin| {
        plugin.site.is_some() || set.get(&plugin.name).is_some_and(|plugin| plugin.is_more_than_a_site())
    });
    // Sites need not have been there at the start.
    told.extend(sites.into_iter().map(|(name, site)| PluginInfo {
        name,
        version: None,
        description: None,
        mandatory: Vec::new(),
        site: Some(site),
        app: None,
    }));
    told.sort_by(|one, other| one.name.cmp(&other.name));
    told
}

async fn app(inner: &Inner, manager: &Manager, job: &JobName) -> AppInfo {
    let nothing = AppInfo { job: job.clone(), state: AppState::Stopped, pid: None, restarts: 0, cause: None };
    let info = match manager.info(job).await {
        Ok(info) => info,
        Err(error) => return AppInfo { cause: Some(error.to_string()), ..nothing },
    };
    let talks = |pid: &&ProcessId| inner.state().talks.contains_key(*pid);
    let pid = info.pids.iter().find(talks).copied();
    let is_ready = |pid| inner.state().talks.get(&pid).is_some_and(|spoken| spoken.ready.load(Ordering::Relaxed));
    let state = match pid {
        Some(pid) if is_ready(pid) => AppState::Ready,
        Some(_) => AppState::Running,
        None if info.state == JobState::Stopped => AppState::Stopped,
        None => AppState::Waiting,
    };
    AppInfo { state, pid, restarts: info.restarts, cause: info.cause, ..nothing }
}
