//! Which hooks there are.

use std::{fmt::Write, sync::Arc};

use gaffer_core::{
    Manager,
    api::webhooks::{WebhookInfo, WebhookOrigin},
    config::WebhookConfig,
    events::{EventKind, Pattern},
};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    WebhookOptions,
    courier::{Courier, Deadline},
    ears::Ears,
    sender::Sender,
    tally::Tally,
};

/// Bytes of an id, each two digits.
const ID_BYTES: usize = 6;

/// A hook, at work or not yet.
#[derive(Debug)]
pub(super) struct Hook {
    pub(super) id: String,
    pub(super) origin: WebhookOrigin,
    pub(super) config: WebhookConfig,
    pub(super) sender: Arc<Sender>,
    tally: Arc<Tally>,
    removed: CancellationToken,
    /// Dropped by the courier at its end. None as long as there is no courier.
    courier: Option<oneshot::Receiver<()>>,
}

/// What couriers are made with.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) manager: Manager,
    pub(super) options: WebhookOptions,
    pub(super) deadline: Deadline,
    pub(super) tracker: TaskTracker,
}

impl Hook {
    pub(super) fn new(id: String, origin: WebhookOrigin, config: WebhookConfig, sender: Sender) -> Self {
        let (tally, removed) = (Arc::default(), CancellationToken::new());
        Self { id, origin, config, sender: Arc::new(sender), tally, removed, courier: None }
    }

    /// Has it hear what happens from now on, if it does not yet.
    pub(super) fn start(&mut self, place: &Place) {
        if self.courier.is_some() {
            return;
        }
        let ears = Ears::new(&place.manager, &self.config.events);
        let node = place.manager.node().to_owned();
        let (sender, tally) = (self.sender.clone(), self.tally.clone());
        let courier = Courier::new(self.to_string(), node, place.options, ears, sender, tally);
        let (removed, deadline) = (self.removed.clone(), place.deadline.clone());
        let (at_work, over) = oneshot::channel();
        self.courier = Some(over);
        place.tracker.spawn(async move {
            courier.run(removed, deadline).await;
            drop(at_work);
        });
    }

    /// Ends it: nothing is sent any more once this resolves, and what is under way is cut.
    pub(super) async fn end(self) {
        self.removed.cancel();
        if let Some(over) = self.courier {
            let _gone = over.await;
        }
    }

    /// Whether it is the same hook as that one, down to what is in its files.
    pub(super) fn is_same(&self, config: &WebhookConfig, sender: &Sender) -> bool {
        self.config == *config && self.sender.fingerprint == sender.fingerprint
    }

    pub(super) fn info(&self) -> WebhookInfo {
        let config = &self.config;
        let mut info = WebhookInfo {
            id: self.id.clone(),
            origin: self.origin,
            name: config.name.clone(),
            events: config.events.iter().map(written).collect(),
            url: config.url.to_string(),
            signed: self.sender.signs(),
            timeout: config.timeout.as_secs_f64(),
            cacert: config.cacert.as_ref().map(|file| file.display().to_string()),
            delivered: 0,
            failed: 0,
            retried: 0,
            dropped: 0,
            waiting: 0,
            last_error: None,
            last_status: None,
            last_success: None,
        };
        self.tally.tell(&mut info);
        info
    }
}

impl std::fmt::Display for Hook {
    /// By what may stand in a log: the rest of the URL may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.config.name.as_ref().unwrap_or(&self.id), self.config.url.origin())
    }
}

/// A pattern as people write it, so that it reads as the same.
pub(super) fn written(pattern: &Pattern) -> String {
    match pattern {
        // With a dot it would read as that event of a job that is called as the session is.
        Pattern::Job(job, None) if job.short() != job.name() && job.name().parse::<EventKind>().is_ok() => {
            format!("proc.{}:{}", job.session(), job.name())
        }
        Pattern::Job(job, None) => format!("proc.{}", job.short()),
        Pattern::Job(job, Some(kind)) => format!("proc.{}.{kind}", job.short()),
        Pattern::All | Pattern::Kind(_) | Pattern::Jobs | Pattern::Session(_) | Pattern::Process(..) => {
            pattern.to_string()
        }
    }
}

/// The id of a hook of the configuration: the same whenever it is read. One with a name keeps it whatever else changes.
pub(super) fn configured_id(config: &WebhookConfig) -> String {
    let mut digest = Sha256::new();
    match &config.name {
        Some(name) => digest.update(format!("name\0{name}")),
        None => {
            let events: Vec<String> = config.events.iter().map(written).collect();
            digest.update(format!("events\0{}\0{}", events.join(","), config.url));
        }
    }
    hexadecimal(&digest.finalize()[..ID_BYTES])
}

/// An id that no hook had; `None` if the system has no random bytes.
pub(super) fn new_id() -> Option<String> {
    let mut bytes = [0; ID_BYTES];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(hexadecimal(&bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        // Writing to a string does not fail.
        let _: std::fmt::Result = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_written_so_that_it_reads_as_the_same() {
        for (text, expected) in [
            (".", "."),
            ("load", "create"),
            ("proc", "proc"),
            ("proc.7.exit", "proc.7.exit"),
            ("job.shop", "job.shop"),
            ("proc.web", "proc.web"),
            ("job.default.web.exit", "proc.web.exit"),
            ("proc.shop.web.exit", "proc.shop.web.exit"),
            ("proc.a.b:web", "proc.a.b.web"),
            ("proc.exit", "proc.exit"),
            ("proc.exit.exit", "proc.exit.exit"),
            ("proc.shop:exit", "proc.shop:exit"),
            ("proc.a.b:exit", "proc.a.b:exit"),
            ("proc.shop.exit.spawn", "proc.shop.exit.spawn"),
        ] {
            let pattern: Pattern = text.parse().unwrap();
            assert_eq!(written(&pattern), expected);
            assert_eq!(expected.parse(), Ok(pattern), "{text}");
        }
    }

    #[test]
    fn a_hook_of_the_configuration_is_called_the_same_whenever_it_is_read() {
        let hook = |pattern: &str, url: &str| WebhookConfig::new(vec![pattern.parse().unwrap()], url.parse().unwrap());
        let id = configured_id(&hook("create", "http://a"));
        assert_eq!((id.len(), &id), (12, &configured_id(&hook("load", "http://a"))));
        assert_ne!(id, configured_id(&hook("exit", "http://a")));
        assert_ne!(id, configured_id(&hook("create", "http://b")));
        let [mut one, mut other] = [hook("create", "http://a"), hook("exit", "http://b")];
        one.name = Some("pager".to_owned());
        other.name.clone_from(&one.name);
        assert_eq!(configured_id(&one), configured_id(&other));
        assert_ne!(configured_id(&one), id);
    }
}
