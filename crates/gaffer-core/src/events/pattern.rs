//! Topics, and the patterns that select them.

use std::{fmt, str::FromStr};

use super::EventKind;
use crate::names::{InvalidJobName, JobName, ProcessId, SessionId};

/// Where an event is published: under its bare name, under its job's, and under its process's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topic {
    /// `spawn`
    Kind(EventKind),
    /// `proc.web.spawn`
    Job(JobName, EventKind),
    /// `proc.7.spawn`
    Process(ProcessId, EventKind),
}

impl Topic {
    /// The segments that patterns are held against: a session and a name are one segment each, whatever dots they hold.
    pub fn segments(&self) -> Vec<String> {
        match self {
            Self::Kind(kind) => vec![kind.to_string()],
            Self::Job(job, kind) => Pattern::Job(job.clone(), Some(*kind)).segments(),
            Self::Process(pid, kind) => Pattern::Process(*pid, Some(*kind)).segments(),
        }
    }

    /// The topic in the words of gaffer 0.5: `spawn`, `job.shop.web.spawn` or `proc.7.spawn`.
    pub fn in_sessions(&self) -> String {
        match self {
            Self::Kind(kind) => kind.in_sessions().to_owned(),
            Self::Job(job, kind) => format!("job.{job}.{}", kind.in_sessions()),
            Self::Process(pid, kind) => format!("proc.{pid}.{}", kind.in_sessions()),
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => kind.fmt(f),
            Self::Job(job, kind) => write!(f, "proc.{}.{kind}", job.short()),
            Self::Process(pid, kind) => write!(f, "proc.{pid}.{kind}"),
        }
    }
}

/// Text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// The first word is no event and no family of topics.
    #[error(
        "`{0}` is no event; known are create, start, stop, restart, update, delete, spawn, reap, exit, stop_pid, flap, spawn_error, and `proc.<name>`"
    )]
    UnknownEvent(String),
    /// The name in the pattern is none.
    #[error(transparent)]
    Name(#[from] InvalidJobName),
}

/// Which events a subscriber wants: a prefix of whole segments of their topics.
///
/// `.` (or nothing) is everything; `spawn` is that event of every job; `proc` is every job's; `proc.web` is all of
/// job `default.web`, and never of a session `web`; `proc.shop.web.exit` is one event of one job; `proc.7` is all of
/// process 7. The names of gaffer 0.5 are taken too: `load`, `unload`, `stop_process`, `job.shop` (a whole session)
/// and `job.shop.web.exit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Everything.
    All,
    /// One event of every job.
    Kind(EventKind),
    /// Every event of every job, under the jobs' topics.
    Jobs,
    /// Every event of a session's jobs.
    Session(SessionId),
    /// One job's events: all, or one of them.
    Job(JobName, Option<EventKind>),
    /// One process's events: all, or one of them.
    Process(ProcessId, Option<EventKind>),
}

impl Pattern {
    /// The segments that a topic must begin with. For a process, those of the topics under its own number.
    pub fn segments(&self) -> Vec<String> {
        let with_kind = |mut segments: Vec<String>, kind: &Option<EventKind>| {
            segments.extend(kind.map(|kind| kind.to_string()));
            segments
        };
        match self {
            Self::All => Vec::new(),
            Self::Kind(kind) => vec![kind.to_string()],
            Self::Jobs => vec!["proc".to_owned()],
            Self::Session(session) => vec!["proc".to_owned(), session.to_string()],
            Self::Job(job, kind) => {
                with_kind(vec!["proc".to_owned(), job.session().to_string(), job.name().to_owned()], kind)
            }
            Self::Process(pid, kind) => with_kind(vec![pid.to_string()], kind),
        }
    }
}

impl fmt::Display for Pattern {
    /// Writes it so that it reads as the same; but a job that is named as an event is, reads as that event of its session.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::All => return f.write_str("."),
            Self::Kind(kind) => return kind.fmt(f),
            Self::Jobs => return f.write_str("proc"),
            Self::Session(session) => return write!(f, "job.{session}"),
            Self::Job(job, kind) => {
                write!(f, "job.{job}")?;
                kind
            }
            Self::Process(pid, kind) => {
                write!(f, "proc.{pid}")?;
                kind
            }
        };
        kind.map_or(Ok(()), |kind| write!(f, ".{kind}"))
    }
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text == "." {
            return Ok(Self::All);
        }
        let (family, rest) = text.split_once('.').map_or((text, None), |(family, rest)| (family, Some(rest)));
        match (family, rest) {
            ("proc" | "job", None) => Ok(Self::Jobs),
            ("proc", Some(rest)) => {
                let (name, kind) = split_kind(rest);
                match name.parse() {
                    Ok(pid) => Ok(Self::Process(pid, kind)),
                    Err(_) => Ok(Self::Job(name.parse()?, kind)),
                }
            }
            ("job", Some(rest)) => {
                let (name, kind) = split_kind(rest);
                if kind.is_none() && !name.contains(['.', '/', ':']) {
                    Ok(Self::Session(name.parse()?))
                } else {
                    Ok(Self::Job(name.parse()?, kind))
                }
            }
            (event, None) => event.parse().map(Self::Kind).map_err(|()| InvalidPattern::UnknownEvent(event.to_owned())),
            _ => Err(InvalidPattern::UnknownEvent(text.to_owned())),
        }
    }
}

/// Splits `web.spawn` into name and event; what does not end in an event is all name.
fn split_kind(text: &str) -> (&str, Option<EventKind>) {
    match text.rsplit_once('.') {
        Some((name, last)) => match last.parse() {
            Ok(kind) => (name, Some(kind)),
            Err(()) => (text, None),
        },
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, topic: &Topic) -> bool {
        let pattern = pattern.parse::<Pattern>().unwrap().segments();
        let topic = topic.segments();
        pattern.len() <= topic.len() && pattern.iter().zip(&topic).all(|(a, b)| a == b)
    }

    #[test]
    fn a_pattern_is_a_prefix_of_whole_segments() {
        let spawn = Topic::Job("web".parse().unwrap(), EventKind::Spawn);
        let other = Topic::Job("web.api".parse().unwrap(), EventKind::Exit);
        for (pattern, hits_spawn, hits_other) in [
            (".", true, true),
            ("", true, true),
            ("proc", true, true),
            ("proc.web", true, false),
            ("proc.web.spawn", true, false),
            ("proc.web.exit", false, false),
            ("proc.we", false, false),
            ("proc.web.api", false, true),
            ("proc.web.api.exit", false, true),
            ("job.web", false, true),
            ("job.default", true, false),
            ("job.default.web.spawn", true, false),
            ("spawn", false, false),
        ] {
            assert_eq!(matches(pattern, &spawn), hits_spawn, "{pattern} on {spawn}");
            assert_eq!(matches(pattern, &other), hits_other, "{pattern} on {other}");
        }
        assert!(matches("spawn", &Topic::Kind(EventKind::Spawn)));
        assert!(matches("stop_process", &Topic::Kind(EventKind::StopPid)));
    }

    #[test]
    fn digits_after_proc_are_a_process() {
        assert_eq!("proc.7".parse(), Ok(Pattern::Process(ProcessId::new(7), None)));
        assert_eq!("proc.7.exit".parse(), Ok(Pattern::Process(ProcessId::new(7), Some(EventKind::Exit))));
    }

    #[test]
    fn an_unknown_event_is_refused() {
        assert_eq!("spwan".parse::<Pattern>(), Err(InvalidPattern::UnknownEvent("spwan".into())));
        assert!("proc.a b".parse::<Pattern>().is_err());
    }

    #[test]
    fn every_event_name_reads_back() {
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(kind.in_sessions().parse(), Ok(kind));
        }
    }

    #[test]
    fn topics_have_the_words_of_both_generations() {
        let job: JobName = "web".parse().unwrap();
        for (topic, in_processes, in_sessions) in [
            (Topic::Kind(EventKind::Create), "create", "load"),
            (Topic::Job(job, EventKind::StopPid), "proc.web.stop_pid", "job.default.web.stop_process"),
            (Topic::Process(ProcessId::new(7), EventKind::Exit), "proc.7.exit", "proc.7.exit"),
        ] {
            assert_eq!((topic.to_string().as_str(), topic.in_sessions().as_str()), (in_processes, in_sessions));
        }
    }
}
