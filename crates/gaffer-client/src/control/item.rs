//! What topics tell, as types.

use gaffer_core::{
    JobName, ProcessId,
    api::{
        EventMessage,
        channel::{EventData, Topic},
    },
    names::{InvalidLabel, StreamLabel},
    stats::ProcessStats,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::StatsSample;

/// What a [`Control`](crate::Control) tells of a topic.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ControlItem {
    /// Something happened: of `EVENTS`, `JOB` and `PROCESS`.
    Event(EventMessage),
    /// What a process uses: of `STATS`.
    Stats(StatsSample),
    /// What a process wrote: of `STREAM`.
    Output(StreamText),
}

/// A piece of what a process wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamText {
    /// Its job, as far as the node knows it.
    pub job: Option<JobName>,
    /// The process.
    pub pid: ProcessId,
    /// Which of its outputs, or extra pipes.
    pub label: StreamLabel,
    /// As it was written, line breaks included; it may begin and end anywhere but within a character. What is no UTF-8 became U+FFFD.
    pub text: String,
}

/// An event that is none of a node.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// Its data do not read.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It is of no output.
    #[error(transparent)]
    Label(#[from] InvalidLabel),
}

impl ControlItem {
    /// Reads what a topic tells.
    pub(super) fn read(topic: &Topic, data: EventData) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Sample {
            name: JobName,
            #[serde(flatten)]
            process: ProcessStats,
        }
        #[derive(Deserialize)]
        struct Text {
            name: Option<JobName>,
            pid: ProcessId,
            data: String,
        }
        let EventData { event, mut fields, .. } = data;
        Ok(match topic {
            Topic::Events(_) | Topic::Job(_) | Topic::Process(_) => {
                fields.insert("event".to_owned(), event.into());
                Self::Event(object(fields)?)
            }
            Topic::Stats(_) => {
                let Sample { name, process } = object(fields)?;
                Self::Stats(StatsSample { job: name, process })
            }
            Topic::Stream { label, .. } => {
                let Text { name, pid, data } = object(fields)?;
                // The event of an extra pipe does not say its label; who reads one has asked for it by that.
                let label = label.clone().map_or_else(|| event.parse(), Ok)?;
                Self::Output(StreamText { job: name, pid, label, text: data })
            }
        })
    }

    /// How much is lost with it: bytes of output, else one.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Event(_) | Self::Stats(_) => 1,
            Self::Output(output) => output.text.len() as u64,
        }
    }
}

fn object<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, serde_json::Error> {
    serde_json::from_value(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use gaffer_core::api::channel::Reply;

    use super::*;

    fn read(topic: &str, data: &str) -> Result<ControlItem, String> {
        let text = format!(r#"{{"event": "gaffer:event", "data": {data}}}"#);
        let Ok(Reply::Event { data, .. }) = serde_json::from_str(&text) else { panic!("{text} is no event") };
        ControlItem::read(&topic.parse().unwrap(), data).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_of_topic_reads() {
        let exit = r#"{"event": "job.shop.web.exit", "topic": "JOB:shop.web", "name": "shop.web", "pid": 7, "os_pid": 4711,
            "exit_code": 3, "exit_status": 3, "term_signal": 15, "once": false, "time": 1.5}"#;
        for topic in ["JOB:shop.web", "EVENTS", "PROCESS:7"] {
            let Ok(ControlItem::Event(event)) = read(topic, exit) else { panic!("{topic} does not read") };
            assert_eq!((event.event.as_str(), event.exit_code), ("job.shop.web.exit", Some(3)));
        }
        let stat = r#"{"event": "stat", "topic": "STATS", "name": "shop.web", "pid": 7, "os_pid": 4711, "username": "root",
            "nice": 0, "cmdline": "web", "cpu": 12.5, "mem": 0.4, "mem_info1": "1M", "mem_info2": "4M", "ctime": "1:05.43",
            "rss": 1600000, "vms": null, "cpu_time": 65.43, "create_time": null, "children": []}"#;
        let Ok(ControlItem::Stats(sample)) = read("STATS", stat) else { panic!("statistics do not read") };
        assert_eq!((sample.process.pid.get(), sample.process.usage.rss), (7, Some(1_600_000)));
        let text = r#"{"event": "READ", "topic": "STREAM:7.ctl", "pid": 7, "data": "a\nb"}"#;
        let Ok(ControlItem::Output(output)) = read("STREAM:7.ctl", text) else { panic!("output does not read") };
        assert_eq!((output.label.as_str(), output.text.as_str(), output.job), ("ctl", "a\nb", None));
        let first = text.replace("READ", "stdout").replace(".ctl", "");
        let Ok(ControlItem::Output(output)) = read("STREAM:7", &first) else { panic!("output does not read") };
        assert_eq!(output.label.as_str(), "stdout");
    }

    #[test]
    fn what_is_of_another_kind_does_not_read() {
        let data = r#"{"event": "a b", "topic": "x", "pid": 7, "data": "x"}"#;
        for (topic, problem) in [("EVENTS", "missing field `name`"), ("STATS", "missing field"), ("STREAM:7", "a b")] {
            let error = read(topic, data).unwrap_err();
            assert!(error.contains(problem), "{topic}: {error}");
        }
    }
}
