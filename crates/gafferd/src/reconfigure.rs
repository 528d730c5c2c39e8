//! Reading the configuration again while the node runs: at SIGHUP, and when a client asks.
//!
//! It is read whole, and refused whole: what the node cannot do (an address that is taken, say) is found out before anything of it is
//! done. Then the difference is applied. Of two readings the second begins when the first is over.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use gaffer_core::{
    JobConfig, JobName, Manager, ManagerError,
    api::{Changes, Failed, JobChanges, Reconfiguration},
    applications::SignalHandler,
    config::WebhookConfig,
    ini::NodeConfig,
    supervisor::{Origin, Refusal},
};
use gaffer_daemon::{reread_certificates, systemd::Notifier};
use gaffer_http::{
    DEFAULT_DRAIN,
    api::{Reconfigure, ReconfigureError},
    serve::{Endpoint, Endpoints},
    webhooks::Webhooks,
};
use gaffer_plugins::{Plugin, PluginSet, Plugins};
use tokio::{
    sync::{Mutex, Semaphore, watch},
    task::spawn_blocking,
    time::timeout,
};
use tracing::{error, info, warn};

use crate::{
    args::Args,
    endpoints::{self, Configured, exposed, spare_descriptors},
    settings::{Settings, at_restart},
};

/// Time for processes to be launched, of which a program may be on a file system that hangs. What is not done by then goes on. Clients
/// wait a little longer for an answer.
const PATIENCE: Duration = Duration::from_secs(45);

/// Readings at once: one that is under way, and one that waits, which finds whatever is in the file by then.
const READINGS: usize = 2;

/// Reads the configuration again, and has the node be as it says.
#[derive(Clone)]
pub(crate) struct Reconfigurer {
    shared: Arc<Shared>,
    manager: watch::Sender<Option<Manager>>,
}

/// What the configuration speaks of, beside the jobs.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) endpoints: Endpoints,
    pub(crate) webhooks: Webhooks,
    pub(crate) plugins: Plugins,
}

struct Shared {
    args: Args,
    parts: Parts,
    /// How many files may be open.
    descriptors: Option<u64>,
    notifier: Notifier,
    /// From when all jobs are loaded.
    manager: watch::Receiver<Option<Manager>>,
    /// What is in force. Who has it reads the next one.
    current: Mutex<Current>,
    turns: Semaphore,
    /// That of the start, by which what counts only then still is.
    started: NodeConfig,
    has_keys: bool,
    /// Whether lookup servers are told of an endpoint.
    is_registered: bool,
}

/// What is in force, beside the jobs, which the manager knows.
struct Current {
    /// As they are configured: what clients may cost is lowered by how many endpoints there are.
    endpoints: Vec<Endpoint>,
    webhooks: Vec<WebhookConfig>,
    plugins: PluginSet,
}

/// A configuration that was read, and found to be good.
struct Next {
    jobs: Vec<JobConfig>,
    endpoints: Vec<Configured>,
    webhooks: Vec<WebhookConfig>,
    plugins: PluginSet,
    told: Reconfiguration,
}

type Outcome = Result<Reconfiguration, ReconfigureError>;

impl Reconfigurer {
    /// For a node that was started with these.
    pub(crate) fn new(
        args: Args,
        settings: &Settings,
        parts: Parts,
        descriptors: Option<u64>,
        notifier: Notifier,
    ) -> Self {
        let hooks = settings.webhooks.clone();
        let configured = endpoints::of(&args, &settings.config).unwrap_or_default();
        let current = Current {
            endpoints: configured.into_iter().map(|one| one.endpoint).collect(),
            webhooks: hooks,
            plugins: settings.plugins.clone(),
        };
        let (started, turns) = (settings.config.clone(), Semaphore::new(READINGS));
        let (has_keys, is_registered) = (settings.state.requires_key, settings.lookup.is_some());
        let (sender, manager) = watch::channel(None);
        let current = Mutex::new(current);
        Self {
            shared: Arc::new(Shared {
                args,
                parts,
                descriptors,
                notifier,
                manager,
                current,
                turns,
                started,
                has_keys,
                is_registered,
            }),
            manager: sender,
        }
    }

    /// The jobs are loaded: they can be changed from now on. Who wanted that before has waited.
    pub(crate) fn manage(&self, manager: Manager) {
        self.manager.send_replace(Some(manager));
    }

    /// Has SIGHUP do it.
    pub(crate) fn at_hangup(&self, signals: SignalHandler) -> SignalHandler {
        let shared = Arc::clone(&self.shared);
        signals.on_reload(move |_| {
            let shared = Arc::clone(&shared);
            Box::pin(async move {
                if shared.args.config().is_none() {
                    let _told_until_it_is_over = shared.notifier.reloading();
                    info!("SIGHUP: there is no configuration file to be read again");
                    if let Err(problem) = shared.reread_certificates().await {
                        error!("{problem}");
                    }
                    return;
                }
                // It tells the log what came of it.
                let _told: Outcome = shared.apply().await;
            })
        })
    }
}

impl Reconfigure for Reconfigurer {
    fn plan(&self) -> BoxFuture<'static, Outcome> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let _turn = shared.turns.try_acquire().map_err(|_| ReconfigureError::Busy)?;
            let current = shared.current.lock().await;
            let manager = shared.manager().await?;
            Ok(shared.read(&current, &manager).await?.told)
        })
    }

    fn apply(&self) -> BoxFuture<'static, Outcome> {
        let shared = Arc::clone(&self.shared);
        // In a task of its own: a client that goes away must not leave it half done.
        let applying = async move { shared.apply().await };
        Box::pin(async move { tokio::spawn(applying).await.unwrap_or(Err(ReconfigureError::Stopping)) })
    }
}

impl Shared {
    async fn manager(&self) -> Result<Manager, ReconfigureError> {
        let mut manager = self.manager.clone();
        let manager = manager.wait_for(Option::is_some).await.map_err(|_| ReconfigureError::Stopping)?;
        manager.clone().ok_or(ReconfigureError::Stopping)
    }

    /// Reads the configuration and finds out what is different. Nothing is done.
    async fn read(&self, current: &Current, manager: &Manager) -> Result<Next, ReconfigureError> {
        let Some(path) = self.args.config() else { return Err(ReconfigureError::None) };
        let args = self.args.clone();
        let read = spawn_blocking(move || {
            let config = NodeConfig::read(&path)?;
            Settings::new(&args, config)
        });
        let settings = match read.await {
            Ok(Ok(settings)) => settings,
            Ok(Err(mistakes)) => return Err(ReconfigureError::Invalid(mistakes.to_string())),
            Err(_) => return Err(ReconfigureError::Stopping),
        };
        let live = manager.standings().await.map_err(|_| ReconfigureError::Stopping)?;
        let Settings { config, jobs, endpoints, webhooks, plugins, mut warnings, .. } = settings;
        let theirs =
            live.iter().filter(|(_, standing)| standing.origin == Origin::Client).map(|(config, _)| config.name());
        let taken = theirs.filter(|name| jobs.iter().any(|job| job.name() == *name));
        warnings.extend(taken.map(|name| {
            format!("job `{name}`: it was loaded by a client, and is in the configuration by now, which counts")
        }));
        let named = |endpoint: &'_ Endpoint| endpoint.name.clone();
        let [old, new] = [
            current.endpoints.iter().map(|one| (named(one), one)).collect::<Vec<_>>(),
            endpoints.iter().map(|one| (named(&one.endpoint), &one.endpoint)).collect(),
        ];
        fn by_name<'a>(all: &'a [(String, &'a Endpoint)]) -> impl Iterator<Item = (&'a str, &'a Endpoint)> {
            all.iter().map(|(name, endpoint)| (name.as_str(), *endpoint))
        }
        let changes = Changes::between(by_name(&old), by_name(&new));
        if !changes.is_empty() {
            warnings.extend(self.descriptors.and_then(|limit| spare_descriptors(&mut endpoints.clone(), limit)));
            if self.is_registered {
                let told = "lookup servers are told where the node was at its start, until the next one".to_owned();
                warnings.push(told);
            }
        }
        let told = Reconfiguration {
            applied: false,
            files: config.files.iter().map(|file| file.display().to_string()).collect(),
            jobs: JobChanges::between(&live, &jobs),
            endpoints: changes,
            webhooks: changed_hooks(&current.webhooks, &webhooks),
            plugins: changed_plugins(&current.plugins, &plugins),
            at_restart: at_restart(&self.started, &config),
            warnings,
            ..Reconfiguration::default()
        };
        Ok(Next { jobs, endpoints, webhooks, plugins, told })
    }

    async fn apply(&self) -> Outcome {
        let _turn = self.turns.try_acquire().map_err(|_| ReconfigureError::Busy)?;
        let mut current = self.current.lock().await;
        let manager = self.manager().await?;
        let _told_until_it_is_over = self.notifier.reloading();
        let outcome = match self.read(&current, &manager).await {
            Ok(next) => self.commit(&mut current, next, &manager).await,
            Err(error) => Err(error),
        };
        match &outcome {
            Ok(done) => tell(done),
            Err(error) => {
                // A line of the log is one line.
                let mistakes = error.to_string().replace('\n', "; ");
                error!("the configuration was not read again, and all goes on as it was: {mistakes}");
            }
        }
        outcome
    }

    /// Does what there is to do. What can fail as a whole comes first.
    async fn commit(&self, current: &mut Current, next: Next, manager: &Manager) -> Outcome {
        let Next { jobs, endpoints, webhooks, plugins, mut told } = next;
        if !told.webhooks.is_empty() {
            let set = self.parts.webhooks.set_configured(webhooks.clone()).await;
            set.map_err(|error| ReconfigureError::Invalid(error.to_string()))?;
        }
        if let Err(error) = self.replace_endpoints(&endpoints, &mut told).await {
            // They were good before.
            let _as_before = self.parts.webhooks.set_configured(current.webhooks.clone()).await;
            return Err(error);
        }

        let certificates = self.reread_certificates().await;
        // In a task of its own: it goes on when it is waited for no longer.
        let (jobs, extensions) = (
            change_jobs(manager.clone(), told.jobs.removed.clone(), jobs),
            change_plugins(self.parts.plugins.clone(), plugins.clone()),
        );
        let changing = tokio::spawn(async { tokio::join!(jobs, extensions) });
        match timeout(PATIENCE, changing).await {
            Ok(Ok((failed, extensions))) => told.failed = [failed, extensions].concat(),
            Ok(Err(_)) => return Err(ReconfigureError::Stopping),
            Err(_) => {
                let reason =
                    format!("not all are as they are to be after {} s; they are still at it", PATIENCE.as_secs());
                told.failed.push(Failed { name: "jobs".to_owned(), reason });
            }
        }
        if let Err(reason) = certificates {
            told.failed.push(Failed { name: "certificates".to_owned(), reason });
        }
        told.applied = true;
        (current.webhooks, current.plugins) = (webhooks, plugins);
        current.endpoints = endpoints.into_iter().map(|one| one.endpoint).collect();
        Ok(told)
    }

    /// Has the endpoints be as they are configured: all, or none.
    async fn replace_endpoints(
        &self,
        endpoints: &[Configured],
        told: &mut Reconfiguration,
    ) -> Result<(), ReconfigureError> {
        if told.endpoints.is_empty() {
            return Ok(());
        }
        let Changes { added, removed, changed } = &told.endpoints;
        let comes = |one: &&Configured| added.contains(&one.endpoint.name) || changed.contains(&one.endpoint.name);
        let mut lowered = endpoints.to_vec();
        if let Some(limit) = self.descriptors {
            spare_descriptors(&mut lowered, limit);
        }
        let come: Vec<Configured> = lowered.iter().filter(comes).cloned().collect();
        let go = removed.iter().chain(changed).cloned().collect();
        // Who asked for this may have done so at one that goes, and is answered when all is done.
        let drain = PATIENCE + DEFAULT_DRAIN;
        let replaced =
            self.parts.endpoints.replace(come.iter().map(|one| one.endpoint.clone()).collect(), go, drain).await;
        let listening = replaced.map_err(|error| {
            let origin = endpoints.iter().find(|one| one.endpoint.name == error.endpoint);
            let origin = origin.and_then(|one| one.origin.as_deref()).unwrap_or("endpoint:");
            ReconfigureError::Invalid(format!("{origin} {:#}", anyhow::Error::new(error.source)))
        })?;
        told.warnings.extend(exposed(&come, &listening, self.has_keys));
        for address in listening {
            info!(endpoint = address.endpoint, "listening on {address}");
        }
        Ok(())
    }

    /// Those that stay; new ones have just been read.
    async fn reread_certificates(&self) -> Result<(), String> {
        let certificates = self.parts.endpoints.certificates();
        if certificates.is_empty() {
            return Ok(());
        }
        reread_certificates(&certificates).await?;
        info!(endpoints = certificates.len(), "certificates were read again, for new connections");
        Ok(())
    }
}

/// What changes of webhooks, by their names, else by the events that they want.
fn changed_hooks(old: &[WebhookConfig], new: &[WebhookConfig]) -> Changes {
    let name = |hook: &WebhookConfig| {
        let events = || hook.events.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        hook.name.clone().unwrap_or_else(events)
    };
    let named = |hooks: &[WebhookConfig]| hooks.iter().map(name).collect::<Vec<_>>();
    let names = [named(old), named(new)];
    let pairs = |position: usize, hooks| names[position].iter().map(String::as_str).zip(hooks);
    Changes::between(pairs(0, old), pairs(1, new))
}

fn changed_plugins(old: &PluginSet, new: &PluginSet) -> Changes {
    fn named(set: &PluginSet) -> impl Iterator<Item = (&str, &Plugin)> {
        set.plugins().iter().map(|plugin| (plugin.name(), plugin))
    }
    Changes::between(named(old), named(new))
}

/// Has the applications of plugins be as they are configured. Answers what could not be done.
async fn change_plugins(plugins: Plugins, set: PluginSet) -> Vec<Failed> {
    let failed = plugins.apply(set).await.failed.into_iter();
    failed.map(|reason| Failed { name: "plugins".to_owned(), reason }).collect()
}

/// Has the jobs be as they are configured. Answers what could not be done.
async fn change_jobs(manager: Manager, gone: Vec<JobName>, jobs: Vec<JobConfig>) -> Vec<Failed> {
    let names: Vec<JobName> = jobs.iter().map(|job| job.name().clone()).collect();
    // Neither waits for the other: what is slow to be unloaded keeps nothing from being loaded.
    let (unloaded, changed) = tokio::join!(
        manager.unload_configured(gone.iter().cloned()),
        manager.reconfigure_all(jobs.into_iter().map(Arc::new))
    );
    let outcomes = gone.iter().chain(&names).zip(unloaded.into_iter().chain(changed));
    let failed = outcomes.filter_map(|(name, outcome)| match outcome {
        // A client was faster.
        Ok(()) | Err(ManagerError::Refused(Refusal::UnknownJob(_))) => None,
        Err(error) => Some(Failed { name: name.to_string(), reason: error.to_string() }),
    });
    failed.collect()
}

/// Tells the log what was done.
fn tell(done: &Reconfiguration) {
    for warning in &done.warnings {
        warn!("{warning}");
    }
    for Failed { name, reason } in &done.failed {
        error!("{name} is not as the configuration says: {reason}");
    }
    let mut text = String::new();
    for line in done.lines() {
        // Writing to a string does not fail.
        let _: std::fmt::Result = write!(text, "{}{line}", if text.is_empty() { "" } else { "; " });
    }
    let changes = if text.is_empty() { "nothing is different" } else { &text };
    info!(
        file = done.files.first().map(String::as_str),
        unchanged = done.jobs.unchanged,
        "the configuration was read again: {changes}"
    );
}
