//! Webhooks: each event is posted as JSON to whoever has asked for it.
//!
//! | part | is |
//! | --- | --- |
//! | [`Webhooks`] | which hooks there are: a cheap handle, and an [`Application`] |
//! | `courier` | the task of one hook: hears, has events wait, delivers |
//! | `ears` | the events of several patterns, in their order and each once |
//! | `lanes` | what waits: in order for each job, bounded for the hook; pure |
//! | `retry` | what an answer means, and when to try again; pure |
//! | `sender`, `signature` | one attempt |
//! | `tally` | the counters, and what is told in the log |
//!
//! A hook has a subscription, a queue and connections of its own. One that is slow or dead holds up neither the manager nor other
//! hooks: its queue overflows, which is counted, and that is all.
//!
//! An event is delivered at least once, or given up: a receiver that took one and could not say so gets it again, with the same
//! `X-Gaffer-Delivery`. The events of one job arrive in their order, one after the other; those of several jobs, a few at a time.

mod courier;
mod ears;
mod lanes;
mod registry;
mod retry;
mod sender;
mod signature;
mod tally;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gaffer_core::{
    Manager,
    api::webhooks::{WebhookInfo, WebhookOrigin},
    applications::{Application, ApplicationError, BoxFuture},
    config::{SecretSource, WebhookConfig},
};
use gaffer_state::{Change, StateError, StateFile, WebhookRecord};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, timeout},
};
use tokio_util::task::TaskTracker;
use tracing::warn;

use self::{
    registry::{Hook, Place, configured_id, new_id, written},
    sender::Sender,
};
pub use self::{retry::RetryPolicy, sender::WebhookProblem};

/// What there is to choose about webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookOptions {
    /// Most events that wait for one hook. If there are more, the oldest are dropped. Default: 4096, as many as the node keeps.
    pub queue: usize,
    /// Most attempts of one hook at once. Default: 4.
    pub parallel: usize,
    /// When, and how often, an event is tried again.
    pub retry: RetryPolicy,
    /// How long to go on once the manager has stopped all jobs. Default: 5 s.
    pub drain: Duration,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self { queue: 4096, parallel: 4, retry: RetryPolicy::default(), drain: Duration::from_secs(5) }
    }
}

/// Most hooks that are added over the API: each may have [a queue](WebhookOptions::queue) of events waiting.
pub const MAX_ADDED: usize = 100;

/// How long past its time a courier may take to notice that.
const MOMENT: Duration = Duration::from_secs(1);

/// Why hooks are not as somebody wants them. Nothing is changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// A hook's files are wrong, say.
    #[error("{}{problem}", name.as_ref().map(|name| format!("[webhook:{name}] ")).unwrap_or_default())]
    Unusable {
        /// The hook's name, if it has one.
        name: Option<String>,
        /// What is wrong.
        problem: Box<WebhookProblem>,
    },
    /// There is no hook of this id.
    #[error("there is no webhook `{0}`")]
    Unknown(String),
    /// There is such a hook already.
    #[error("the webhook `{id}` sends these events there already")]
    Exists {
        /// Its id.
        id: String,
    },
    /// It is one of the configuration.
    #[error("the webhook `{id}` is one of the configuration; {}", where_from(name.as_deref()))]
    Configured {
        /// Its id.
        id: String,
        /// Its name, if it has one.
        name: Option<String>,
    },
    /// It has a secret in a file, or a certificate, which are not kept; or the path of its authorities is no text.
    #[error(
        "a webhook that is added has its secret in itself, shows no certificate, and has a path of UTF-8 for its authorities"
    )]
    Unkept,
    /// Enough is enough.
    #[error("there are {MAX_ADDED} webhooks of the API already; remove one")]
    TooMany,
    /// It cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// There is nothing to make an id of.
    #[error("the system has no random bytes")]
    Random,
    /// Nothing is delivered any more.
    #[error("the node is shutting down")]
    Ended,
}

fn where_from(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("take its section `[webhook:{name}]` out of the file"),
        None => "take it out of `[webhooks]` in the file".to_owned(),
    }
}

/// The webhooks of a node: a handle, cheap to clone.
///
/// ```no_run
/// use gaffer_core::{Manager, ManagerOptions, backend::RealBackend, config::WebhookConfig};
/// use gaffer_http::webhooks::{WebhookOptions, Webhooks};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let manager = Manager::start(ManagerOptions::default(), RealBackend::start)?;
/// let webhooks = Webhooks::open(WebhookOptions::default(), None).await?;
/// webhooks.start(&manager).await;
/// webhooks.add(WebhookConfig::new(vec!["exit".parse()?], "http://127.0.0.1:8080/".parse()?)).await?;
/// // At its end, it delivers what waits.
/// manager.start_applications(vec![Box::new(webhooks)]).await.map_err(|(_, error)| error)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Webhooks {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: WebhookOptions,
    state: Option<StateFile>,
    /// Those of the configuration, then those of the API.
    hooks: Mutex<Vec<Hook>>,
    /// Who changes them does so alone, from looking to keeping.
    changing: tokio::sync::Mutex<Option<Place>>,
    /// Set when all has to be over by then.
    ending: watch::Sender<Option<Instant>>,
    tracker: TaskTracker,
}

impl Webhooks {
    /// Reads the hooks of the API that are kept in a state file, where new ones are then kept, too. Without one they are gone when
    /// the handle is.
    ///
    /// # Errors
    /// When the file cannot be read. A hook that is kept and of no use is left alone, and told of in the log.
    pub async fn open(options: WebhookOptions, state: Option<StateFile>) -> Result<Self, StateError> {
        let kept = match &state {
            Some(file) => file.read().await?.webhooks,
            None => Vec::new(),
        };
        let mut hooks = Vec::new();
        for record in kept {
            let id = record.id.clone();
            let restored = match restored(record) {
                Ok(config) => prepared(vec![config], options).await.map_err(|error| error.to_string()),
                Err(problem) => Err(problem),
            };
            match restored {
                Ok(ready) => hooks.extend(
                    ready.into_iter().map(|(config, sender)| Hook::new(id.clone(), WebhookOrigin::Api, config, sender)),
                ),
                Err(problem) => warn!("webhook {id} is kept, and of no use: {problem}"),
            }
        }
        let shared = Shared {
            options,
            state,
            hooks: Mutex::new(hooks),
            changing: tokio::sync::Mutex::new(None),
            ending: watch::Sender::new(None),
            tracker: TaskTracker::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Has all hooks hear what happens on this manager from now on. A second call does nothing.
    pub async fn start(&self, manager: &Manager) {
        let mut place = self.shared.changing.lock().await;
        if place.is_some() || self.has_ended() {
            return;
        }
        let made = Place {
            manager: manager.clone(),
            options: self.shared.options,
            deadline: self.shared.ending.subscribe(),
            tracker: self.shared.tracker.clone(),
        };
        self.hooks().iter_mut().for_each(|hook| hook.start(&made));
        *place = Some(made);
    }

    /// All hooks: those of the configuration in its order, then those of the API in that of their making.
    pub fn list(&self) -> Vec<WebhookInfo> {
        self.hooks().iter().map(Hook::info).collect()
    }

    /// One hook.
    pub fn get(&self, id: &str) -> Option<WebhookInfo> {
        self.hooks().iter().find(|hook| hook.id == id).map(Hook::info)
    }

    /// Adds a hook of the API. It hears what happens once this resolves, and is kept by then.
    ///
    /// # Errors
    /// When there is such a hook or there are too many, and when it is of no use or cannot be kept.
    ///
    /// # Cancel safety
    /// If the future is dropped, the hook is added, wholly, or is not.
    pub async fn add(&self, config: WebhookConfig) -> Result<WebhookInfo, WebhookError> {
        let this = self.clone();
        uninterrupted(async move { this.add_now(config).await }).await
    }

    async fn add_now(&self, config: WebhookConfig) -> Result<WebhookInfo, WebhookError> {
        let place = self.shared.changing.lock().await;
        if self.has_ended() {
            return Err(WebhookError::Ended);
        }
        {
            let hooks = self.hooks();
            let is_same = |hook: &&Hook| hook.config.url == config.url && hook.config.events == config.events;
            if let Some(same) = hooks.iter().find(is_same) {
                return Err(WebhookError::Exists { id: same.id.clone() });
            }
            if hooks.iter().filter(|hook| hook.origin == WebhookOrigin::Api).count() >= MAX_ADDED {
                return Err(WebhookError::TooMany);
            }
        }
        let id = new_id().ok_or(WebhookError::Random)?;
        let record = record(&id, &config).ok_or(WebhookError::Unkept)?;
        let mut ready = prepared(vec![config], self.shared.options).await?;
        let Some((config, sender)) = ready.pop() else { return Err(WebhookError::Ended) };
        if let Some(state) = &self.shared.state {
            state.write(vec![Change::PutWebhook(record)]).await?;
        }
        let mut hook = Hook::new(id, WebhookOrigin::Api, config, sender);
        if let Some(place) = &*place {
            hook.start(place);
        }
        let info = hook.info();
        self.hooks().push(hook);
        Ok(info)
    }

    /// Removes a hook of the API. What waits for it is dropped, and what is under way is cut: nothing is sent any more once this resolves.
    ///
    /// # Errors
    /// When there is none of this id, when it is one of the configuration, and when that it is gone cannot be kept.
    ///
    /// # Cancel safety
    /// If the future is dropped, the hook is removed or is not.
    pub async fn remove(&self, id: &str) -> Result<(), WebhookError> {
        let (this, id) = (self.clone(), id.to_owned());
        uninterrupted(async move { this.remove_now(id).await }).await
    }

    async fn remove_now(&self, id: String) -> Result<(), WebhookError> {
        let _alone = self.shared.changing.lock().await;
        match self.hooks().iter().find(|hook| hook.id == id) {
            None => return Err(WebhookError::Unknown(id)),
            Some(Hook { origin: WebhookOrigin::Configuration, config, .. }) => {
                return Err(WebhookError::Configured { id, name: config.name.clone() });
            }
            Some(Hook { origin: WebhookOrigin::Api, .. }) => {}
        }
        if let Some(state) = &self.shared.state {
            state.write(vec![Change::DeleteWebhook(id.clone())]).await?;
        }
        let removed: Vec<Hook> = self.hooks().extract_if(.., |hook| hook.id == id).collect();
        for hook in removed {
            hook.end().await;
        }
        Ok(())
    }

    /// Makes the hooks of the configuration these: at the start, and when it is read again. A hook that is as it was, what is in its files
    /// included, is not touched; what is new is added; what is gone, or was another, is ended, with what waits for it. Hooks of the API stay.
    ///
    /// # Errors
    /// When one of them is of no use. Nothing is changed then.
    ///
    /// # Cancel safety
    /// If the future is dropped, all of this is done, or nothing.
    pub async fn set_configured(&self, configs: Vec<WebhookConfig>) -> Result<(), WebhookError> {
        let this = self.clone();
        uninterrupted(async move { this.set_configured_now(configs).await }).await
    }

    async fn set_configured_now(&self, configs: Vec<WebhookConfig>) -> Result<(), WebhookError> {
        let place = self.shared.changing.lock().await;
        let ready = prepared(configs, self.shared.options).await?;
        let mut gone: Vec<Hook> = Vec::new();
        {
            let mut hooks = self.hooks();
            let (mut old, added): (Vec<Hook>, Vec<Hook>) =
                hooks.drain(..).partition(|hook| hook.origin == WebhookOrigin::Configuration);
            let mut ids = HashSet::new();
            for (config, sender) in ready {
                let id = configured_id(&config);
                if !ids.insert(id.clone()) {
                    continue; // It is there twice.
                }
                let is_it = |hook: &Hook| hook.id == id && hook.is_same(&config, &sender);
                if let Some(position) = old.iter().position(is_it) {
                    hooks.push(old.swap_remove(position));
                    continue;
                }
                let mut hook = Hook::new(id, WebhookOrigin::Configuration, config, sender);
                // Before the one in whose place it comes is ended: better an event is told twice than never.
                if let Some(place) = &*place {
                    hook.start(place);
                }
                hooks.push(hook);
            }
            hooks.extend(added);
            gone.append(&mut old);
        }
        for hook in gone {
            hook.end().await;
        }
        Ok(())
    }

    fn has_ended(&self) -> bool {
        self.shared.ending.borrow().is_some()
    }

    fn hooks(&self) -> MutexGuard<'_, Vec<Hook>> {
        self.shared.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Application for Webhooks {
    fn name(&self) -> &str {
        "webhooks"
    }

    /// As [`Webhooks::start`].
    fn start(&mut self, manager: Manager) -> BoxFuture<'_, Result<(), ApplicationError>> {
        Box::pin(async move {
            Webhooks::start(self, &manager).await;
            Ok(())
        })
    }

    /// Delivers what waits, for at most the [time for that](WebhookOptions::drain).
    fn stop(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let Shared { options, ending, tracker, changing, .. } = &*self.shared;
            ending.send_replace(Instant::now().checked_add(options.drain));
            tracker.close();
            if timeout(options.drain.saturating_add(MOMENT), tracker.wait()).await.is_err() {
                warn!(left = tracker.len(), "webhooks did not end in time");
            }
            // It holds us as well.
            changing.lock().await.take();
        })
    }
}

/// Runs something to its end, whether somebody waits for it or not.
async fn uninterrupted<T: Send + 'static>(
    future: impl Future<Output = Result<T, WebhookError>> + Send + 'static,
) -> Result<T, WebhookError> {
    // It fails if the runtime ends, or by a panic, of which there is none.
    tokio::spawn(future).await.unwrap_or(Err(WebhookError::Ended))
}

/// Reads the files of hooks, where that may block.
async fn prepared(
    configs: Vec<WebhookConfig>,
    options: WebhookOptions,
) -> Result<Vec<(WebhookConfig, Sender)>, WebhookError> {
    let prepare = move |config: WebhookConfig| match Sender::new(&config, options.parallel) {
        Ok(sender) => Ok((config, sender)),
        Err(problem) => Err(WebhookError::Unusable { name: config.name, problem: Box::new(problem) }),
    };
    let preparing = spawn_blocking(move || configs.into_iter().map(prepare).collect());
    preparing.await.unwrap_or(Err(WebhookError::Ended))
}

/// What is kept of a hook of the API; `None` if that is not all of it.
fn record(id: &str, config: &WebhookConfig) -> Option<WebhookRecord> {
    let WebhookConfig { name: _, events, url, secret, timeout, cacert, certfile: None, keyfile: None, .. } = config
    else {
        return None;
    };
    let secret = match secret {
        Some(SecretSource::Text(secret)) => Some(secret.as_str().to_owned()),
        Some(SecretSource::File(_)) => return None,
        None => None,
    };
    let cacert = match cacert {
        Some(file) => Some(file.to_str()?.to_owned()),
        None => None,
    };
    let events = events.iter().map(written).collect();
    Some(WebhookRecord { id: id.to_owned(), events, url: url.to_string(), secret, timeout: *timeout, cacert })
}

/// A hook of the API as it is kept.
fn restored(record: WebhookRecord) -> Result<WebhookConfig, String> {
    let events: Result<Vec<_>, _> = record.events.iter().map(|event| event.parse()).collect();
    let events = events.map_err(|error: gaffer_core::events::InvalidPattern| error.to_string())?;
    let url = record.url.parse().map_err(|error: gaffer_core::config::InvalidWebhookUrl| format!("url: {error}"))?;
    let secret = record.secret.map(|secret| secret.parse().map(SecretSource::Text));
    let secret = secret.transpose().map_err(|error| format!("secret: {error}"))?;
    let mut config = WebhookConfig::new(events, url);
    config.secret = secret;
    config.timeout = record.timeout;
    config.cacert = record.cacert.map(Into::into);
    Ok(config)
}
