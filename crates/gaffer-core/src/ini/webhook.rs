//! `[webhooks]` and `[webhook:NAME]`: which events are sent where.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use super::{
    Place, Problem,
    error::Findings,
    scanner::{Entry, Section},
    value::unknown_key,
};
use crate::{
    config::{MAX_PATTERNS, SecretSource, WebhookConfig, WebhookUrl},
    events::Pattern,
};

/// The keys of `[webhook:NAME]`.
const KEYS: [&str; 9] = ["events", "event", "url", "secret", "secret_file", "timeout", "cacert", "certfile", "keyfile"];

/// What a time-out is.
const SPAN: &str = "a number of seconds from 0.1 to 300";

/// Why there may not be as many patterns as one likes.
const TOO_MANY: &str =
    "names too many events; `.` is everything, `proc` everything of all jobs, `job.SESSION` that of a session's";

/// A webhook, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Webhook {
    /// Its key in `[webhooks]`, or the header of its section.
    pub place: Place,
    /// What it does.
    pub config: WebhookConfig,
}

/// Reads the sections of all files.
#[derive(Debug, Default)]
pub(super) struct WebhooksReader {
    pub(super) webhooks: Vec<Webhook>,
    /// The topics of `[webhooks]` so far, as they were written: those of all files are one section.
    topics: HashMap<String, Place>,
}

impl WebhooksReader {
    /// Takes in a `[webhooks]`.
    pub(super) fn pairs(&mut self, section: &Section, findings: &mut Findings) {
        for entry in &section.entries {
            if let Err(problem) = self.pair(entry) {
                findings.error(&entry.place, Some(&section.header), Some(&entry.key), problem);
            }
        }
    }

    fn pair(&mut self, entry: &Entry) -> Result<(), Problem> {
        // Job names, which stand in dotted topics, are not case-blind.
        let topic = if entry.key.contains('.') { entry.key.clone() } else { entry.key.to_lowercase() };
        if let Some(first) = self.topics.get(&topic) {
            return Err(Problem::DuplicateKey { first: first.clone() });
        }
        self.topics.insert(topic.clone(), entry.place.clone());
        let pattern: Pattern = topic.parse()?;
        let Some(url) = url(entry)? else { return Ok(()) };
        let config = WebhookConfig::new(vec![pattern], url);
        // Two spellings of one topic, such as `create` and `load`.
        if let Some(same) = self.webhooks.iter().find(|other| other.config == config) {
            return Err(Problem::DuplicateKey { first: same.place.clone() });
        }
        self.webhooks.push(Webhook { place: entry.place.clone(), config });
        Ok(())
    }

    /// Takes in a `[webhook:NAME]`.
    pub(super) fn named(&mut self, name: &str, section: &Section, findings: &mut Findings) {
        let mut draft = Draft::default();
        let mut seen: HashMap<&'static str, &Entry> = HashMap::new();
        let mut good = true;
        for entry in &section.entries {
            if let Err(problem) = draft.read(entry, &mut seen) {
                good = false;
                findings.error(&entry.place, Some(&section.header), Some(&entry.key), problem);
            }
        }
        for (key, problem) in draft.conflicts() {
            if let Some(entry) = seen.get(key) {
                good = false;
                findings.error(&entry.place, Some(&section.header), Some(&entry.key), Problem::Alone(problem));
            }
        }
        let Some(url) = draft.url.take() else {
            // A wrong one was told already.
            if !seen.contains_key("url") || good {
                let problem = Problem::Missing { key: "url", cure: "say where the events go, or remove the section" };
                findings.error(&section.place, Some(&section.header), None, problem);
            }
            return;
        };
        if good {
            let config = draft.config(name, url);
            self.webhooks.push(Webhook { place: section.place.clone(), config });
        }
    }
}

/// What was read of a section.
#[derive(Debug, Default)]
struct Draft {
    events: Vec<Pattern>,
    url: Option<WebhookUrl>,
    secret: Option<SecretSource>,
    timeout: Option<Duration>,
    cacert: Option<PathBuf>,
    certfile: Option<PathBuf>,
    keyfile: Option<PathBuf>,
}

impl Draft {
    fn read<'a>(&mut self, entry: &'a Entry, seen: &mut HashMap<&'static str, &'a Entry>) -> Result<(), Problem> {
        let key = entry.key.to_lowercase();
        let known = KEYS.iter().find(|known| **known == key).ok_or_else(|| unknown_key(&key, KEYS))?;
        // Two names of one setting are one key.
        let unique = match *known {
            "event" => "events",
            other => other,
        };
        if let Some(first) = seen.get(unique) {
            return Err(Problem::DuplicateKey { first: first.place.clone() });
        }
        seen.insert(unique, entry);
        if let Some((_, problem)) = entry.swallowed_key(KEYS) {
            return Err(problem);
        }
        match *known {
            "events" | "event" => {
                for word in entry.list() {
                    let pattern: Pattern = word.parse()?;
                    if !self.events.contains(&pattern) {
                        self.events.push(pattern);
                    }
                }
                if self.events.len() > MAX_PATTERNS {
                    return Err(Problem::Alone(TOO_MANY));
                }
            }
            "url" => self.url = url(entry)?,
            "secret" | "secret_file" if self.secret.is_some() => {
                return Err(Problem::Alone("is one of two secrets; give either `secret` or `secret_file`"));
            }
            "secret" => self.secret = Some(SecretSource::Text(entry.line()?.parse()?)),
            "secret_file" => self.secret = entry.optional()?.map(SecretSource::File),
            "timeout" => {
                let (least, most) = WebhookConfig::TIMEOUTS;
                let span = entry.seconds(least, SPAN)?;
                if span > most {
                    return Err(entry.wrong(SPAN, entry.line()?));
                }
                self.timeout = Some(span);
            }
            "cacert" => self.cacert = entry.optional()?,
            "certfile" => self.certfile = entry.optional()?,
            _ => self.keyfile = entry.optional()?,
        }
        Ok(())
    }

    /// Keys that do not go with the others, and why.
    fn conflicts(&self) -> Vec<(&'static str, &'static str)> {
        let mut conflicts = Vec::new();
        if self.keyfile.is_some() && self.certfile.is_none() {
            conflicts.push(("keyfile", "needs `certfile`, whose key it is"));
        }
        let is_plain = self.url.as_ref().is_some_and(|url| !url.is_tls());
        for (key, file) in [("cacert", &self.cacert), ("certfile", &self.certfile)] {
            if is_plain && file.is_some() {
                conflicts.push((key, "has no meaning without TLS; give a `url` that begins with `https://`"));
            }
        }
        conflicts
    }

    fn config(self, name: &str, url: WebhookUrl) -> WebhookConfig {
        let Self { events, url: _, secret, timeout, cacert, certfile, keyfile } = self;
        let events = if events.is_empty() { vec![Pattern::All] } else { events };
        let timeout = timeout.unwrap_or(WebhookConfig::DEFAULT_TIMEOUT);
        let name = Some(name.to_owned());
        WebhookConfig { name, secret, timeout, cacert, certfile, keyfile, ..WebhookConfig::new(events, url) }
    }
}

/// Where to send something; `None` if nothing is given.
fn url(entry: &Entry) -> Result<Option<WebhookUrl>, Problem> {
    let line = entry.line()?;
    if line.is_empty() {
        return Ok(None);
    }
    line.parse().map(Some).map_err(|error| entry.hinted(Problem::Url(error)))
}
