//! What happens, as a feed.

use std::collections::VecDeque;

use gaffer_core::{
    JobName,
    api::EventMessage,
    events::{EventKind, Pattern},
};

use super::{
    Told,
    reader::{Subject, Unreadable},
    sse::Block,
};
use crate::{Client, transport::Call};

/// The events that a pattern selects.
#[derive(Debug)]
pub(super) struct Events {
    pattern: Pattern,
    /// Whether its process is gone.
    is_over: bool,
}

impl Events {
    pub(super) fn new(pattern: &Pattern) -> Self {
        Self { pattern: pattern.clone(), is_over: false }
    }

    /// Reads an event; `None` if it is not of the pattern.
    pub(super) fn message(&self, json: &[u8]) -> Result<Option<EventMessage>, serde_json::Error> {
        let message: EventMessage = serde_json::from_slice(json)?;
        let is_wanted = needs_filter(&self.pattern).is_none_or(|job| message.name == *job);
        Ok(is_wanted.then_some(message))
    }
}

/// The job whose events are told apart here. One whose name is that of an event cannot be asked for: `proc.shop.start` are the starts
/// of a job `shop`. So its session is.
fn needs_filter(pattern: &Pattern) -> Option<&JobName> {
    match pattern {
        Pattern::Job(job, None) if job.name().parse::<EventKind>().is_ok() => Some(job),
        Pattern::Job(..)
        | Pattern::All
        | Pattern::Kind(_)
        | Pattern::Jobs
        | Pattern::Session(_)
        | Pattern::Process(..) => None,
    }
}

fn path(pattern: &Pattern) -> Vec<String> {
    if let Some(job) = needs_filter(pattern) {
        return path(&Pattern::Session(job.session().clone()));
    }
    let mut path = vec!["watch".to_owned()];
    let kind = match pattern {
        Pattern::All => None,
        Pattern::Kind(kind) => Some(*kind),
        Pattern::Jobs => {
            path.push("proc".to_owned());
            None
        }
        Pattern::Session(session) => {
            path.extend(["job".to_owned(), session.to_string()]);
            None
        }
        Pattern::Job(job, kind) => {
            path.extend(["proc".to_owned(), job.to_string()]);
            *kind
        }
        Pattern::Process(pid, kind) => {
            path.extend(["proc".to_owned(), pid.to_string()]);
            *kind
        }
    };
    path.extend(kind.map(|kind| kind.to_string()));
    path
}

impl Subject for Events {
    type Item = EventMessage;

    fn call(&self, client: &Client) -> Call {
        let path = path(&self.pattern);
        client.get(&path.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn is_of_process(&self) -> bool {
        matches!(self.pattern, Pattern::Process(..))
    }

    fn read(&mut self, _: Block, data: &str, told: &mut VecDeque<Told<EventMessage>>) -> Result<(), Unreadable> {
        let Some(message) = self.message(data.as_bytes())? else { return Ok(()) };
        let is_exit = message.event.rsplit('.').next() == Some(EventKind::Exit.as_str());
        self.is_over = is_exit && self.is_of_process();
        told.push_back(Told::Item(message));
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_has_its_path() {
        for (pattern, expected) in [
            (".", "watch"),
            ("spawn", "watch/spawn"),
            ("proc", "watch/proc"),
            ("proc.web", "watch/proc/default.web"),
            ("proc.web.exit", "watch/proc/default.web/exit"),
            ("proc.shop.eu.web.exit", "watch/proc/shop.eu.web/exit"),
            ("proc.7", "watch/proc/7"),
            ("proc.7.exit", "watch/proc/7/exit"),
            ("job.shop", "watch/job/shop"),
        ] {
            assert_eq!(path(&pattern.parse().unwrap()).join("/"), expected, "{pattern}");
        }
    }

    #[test]
    fn a_job_that_is_called_as_an_event_is_told_apart_here() {
        let job: JobName = "shop:start".parse().unwrap();
        assert_eq!(path(&Pattern::Job(job.clone(), Some(EventKind::Exit))).join("/"), "watch/proc/shop.start/exit");
        let pattern = Pattern::Job(job, None);
        assert_eq!(path(&pattern).join("/"), "watch/job/shop");
        let events = Events::new(&pattern);
        let name = |json: &[u8]| events.message(json).unwrap().map(|message| message.name.to_string());
        assert_eq!(name(br#"{"event": "proc.shop.start.stop", "name": "shop.start"}"#).as_deref(), Some("shop.start"));
        assert_eq!(name(br#"{"event": "proc.shop.web.start", "name": "shop.web"}"#), None);
    }
}
