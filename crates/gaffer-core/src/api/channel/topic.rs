//! What a client may subscribe to.

use std::{fmt, str::FromStr};

use crate::{
    events::{InvalidPattern, Pattern},
    names::{InvalidJobName, InvalidLabel, JobName, ProcessId, StreamLabel},
    stats::Target,
};

/// What a subscription is about: `EVENTS`, `EVENTS:<pattern>`, `JOB:<job>`, `PROCESS:<pid>`, `STATS`, `STATS:<job or pid>`,
/// `STREAM:<pid>` or `STREAM:<pid>.<label>`. The word before the colon may be in letters of any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The events that a pattern selects.
    Events(Pattern),
    /// The events of a job.
    Job(JobName),
    /// The events of a process, with which it ends.
    Process(ProcessId),
    /// What processes use, again and again.
    Stats(Target),
    /// What a process writes.
    Stream {
        /// The process.
        pid: ProcessId,
        /// Which output or extra pipe; `None` for the first output.
        label: Option<StreamLabel>,
    },
}

/// Text that is no topic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTopic {
    /// Nothing of the kind.
    #[error(
        "`{0}` is no topic; write EVENTS, EVENTS:<pattern>, JOB:<job>, PROCESS:<pid>, STATS:<job or pid>, STREAM:<pid> or STREAM:<pid>.<label>"
    )]
    Unknown(String),
    /// What stands where a pid should.
    #[error("`{0}` is not a pid; pids are numbers from 1")]
    Pid(String),
    /// The pattern of events is none.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// The job's name is none.
    #[error(transparent)]
    Name(#[from] InvalidJobName),
    /// The stream's label is none.
    #[error(transparent)]
    Label(#[from] InvalidLabel),
}

impl FromStr for Topic {
    type Err = InvalidTopic;

    fn from_str(text: &str) -> Result<Self, InvalidTopic> {
        let (word, target) = text.split_once(':').map_or((text, None), |(word, target)| (word, Some(target)));
        match (word.to_ascii_uppercase().as_str(), target) {
            ("EVENTS", None) => Ok(Self::Events(Pattern::All)),
            ("EVENTS", Some(pattern)) => Ok(Self::Events(pattern.parse()?)),
            ("JOB", Some(job)) => Ok(Self::Job(job.parse()?)),
            ("PROCESS", Some(process)) => Ok(Self::Process(pid(process)?)),
            ("STATS", None) => Ok(Self::Stats(Target::All)),
            ("STATS", Some(target)) if is_digits(target) => Ok(Self::Stats(Target::Process(pid(target)?))),
            ("STATS", Some(job)) => Ok(Self::Stats(Target::Job(job.parse()?))),
            ("STREAM", Some(stream)) => {
                let (process, label) =
                    stream.split_once('.').map_or((stream, None), |(process, label)| (process, Some(label)));
                Ok(Self::Stream { pid: pid(process)?, label: label.map(str::parse).transpose()? })
            }
            _ => Err(InvalidTopic::Unknown(text.to_owned())),
        }
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn pid(text: &str) -> Result<ProcessId, InvalidTopic> {
    ProcessId::read(text).ok_or_else(|| InvalidTopic::Pid(text.to_owned()))
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events(Pattern::All) => f.write_str("EVENTS"),
            Self::Events(pattern) => write!(f, "EVENTS:{pattern}"),
            Self::Job(job) => write!(f, "JOB:{job}"),
            Self::Process(pid) => write!(f, "PROCESS:{pid}"),
            Self::Stats(Target::All) => f.write_str("STATS"),
            Self::Stats(Target::Job(job)) => write!(f, "STATS:{job}"),
            Self::Stats(Target::Process(pid)) => write!(f, "STATS:{pid}"),
            Self::Stream { pid, label: None } => write!(f, "STREAM:{pid}"),
            Self::Stream { pid, label: Some(label) } => write!(f, "STREAM:{pid}.{label}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::EventKind;

    #[test]
    fn topics_read_as_they_are_written() {
        let job: JobName = "shop.web".parse().unwrap();
        let pid = ProcessId::new(7);
        for (text, topic) in [
            ("EVENTS", Topic::Events(Pattern::All)),
            ("EVENTS:spawn", Topic::Events(Pattern::Kind(EventKind::Spawn))),
            ("EVENTS:proc", Topic::Events(Pattern::Jobs)),
            ("EVENTS:job.shop", Topic::Events(Pattern::Session("shop".parse().unwrap()))),
            ("EVENTS:job.shop.web", Topic::Events(Pattern::Job(job.clone(), None))),
            ("EVENTS:job.shop.web.exit", Topic::Events(Pattern::Job(job.clone(), Some(EventKind::Exit)))),
            ("EVENTS:proc.7.exit", Topic::Events(Pattern::Process(pid, Some(EventKind::Exit)))),
            ("JOB:shop.web", Topic::Job(job.clone())),
            ("PROCESS:7", Topic::Process(pid)),
            ("STATS", Topic::Stats(Target::All)),
            ("STATS:shop.web", Topic::Stats(Target::Job(job))),
            ("STATS:7", Topic::Stats(Target::Process(pid))),
            ("STREAM:7", Topic::Stream { pid, label: None }),
            ("STREAM:7.out.log", Topic::Stream { pid, label: Some("out.log".parse().unwrap()) }),
        ] {
            assert_eq!(text.parse(), Ok(topic.clone()), "{text}");
            assert_eq!(topic.to_string(), text);
        }
    }

    #[test]
    fn words_may_be_in_letters_of_any_case_and_targets_keep_theirs() {
        assert_eq!("job:Shop.Web".parse(), Ok(Topic::Job("Shop.Web".parse().unwrap())));
        assert_eq!("Stream:7.Out".parse(), "STREAM:7.Out".parse::<Topic>());
        assert_eq!("EVENTS:.".parse(), Ok(Topic::Events(Pattern::All)));
        assert_eq!("EVENTS:unload".parse(), Ok(Topic::Events(Pattern::Kind(EventKind::Delete))));
    }

    #[test]
    fn what_is_no_topic_says_why() {
        for text in ["", "STREAM", "JOB", "PROCESS", "NEWS", "NEWS:1", "EVENTSX"] {
            assert_eq!(text.parse::<Topic>(), Err(InvalidTopic::Unknown(text.to_owned())));
        }
        for text in ["PROCESS:web", "PROCESS:0", "PROCESS:+7", "PROCESS:", "STREAM:web.out", "STATS:0"] {
            assert!(matches!(text.parse::<Topic>(), Err(InvalidTopic::Pid(_))), "{text}");
        }
        assert!(matches!("STREAM:7.".parse::<Topic>(), Err(InvalidTopic::Label(_))));
        assert!(matches!("JOB:a b".parse::<Topic>(), Err(InvalidTopic::Name(_))));
        assert!(matches!("EVENTS:nonsense".parse::<Topic>(), Err(InvalidTopic::Pattern(_))));
    }
}
