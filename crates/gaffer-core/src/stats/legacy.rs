//! The shape of gaffer 0.4: texts where its clients print a text, numbers beside them.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::{
    figures::{ProcessStats, Usage},
    format::{bytes2human, ctime},
};
use crate::names::{OsPid, ProcessId};

/// A process as gaffer 0.4 wrote it: `id` is gaffer's number and `pid` the kernel's, sizes and times are texts, and
/// `rss`, `vms` (bytes) and `cpu_time` (seconds) are the same as numbers. What could not be read is the text `N/A`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LegacyProcessStats {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<ProcessId>,
    pid: OsPid,
    #[serde(serialize_with = "text_or_na")]
    username: Option<Arc<str>>,
    #[serde(serialize_with = "or_na")]
    nice: Option<i32>,
    #[serde(serialize_with = "text_or_na")]
    cmdline: Option<Arc<str>>,
    #[serde(serialize_with = "or_na")]
    cpu: Option<f64>,
    #[serde(serialize_with = "or_na")]
    mem: Option<f64>,
    #[serde(serialize_with = "or_na")]
    mem_info1: Option<String>,
    #[serde(serialize_with = "or_na")]
    mem_info2: Option<String>,
    #[serde(serialize_with = "or_na")]
    ctime: Option<String>,
    #[serde(serialize_with = "or_na")]
    rss: Option<u64>,
    #[serde(serialize_with = "or_na")]
    vms: Option<u64>,
    #[serde(serialize_with = "or_na")]
    cpu_time: Option<f64>,
    children: Vec<LegacyProcessStats>,
}

impl LegacyProcessStats {
    /// Without gaffer's number, as one process is written that was asked for by it, and each one in a feed.
    #[must_use]
    pub fn without_id(self) -> Self {
        Self { id: None, ..self }
    }
}

impl ProcessStats {
    /// The same in the shape of gaffer 0.4.
    pub fn legacy(&self) -> LegacyProcessStats {
        LegacyProcessStats { id: Some(self.pid), ..(&self.usage).into() }
    }
}

impl From<&Usage> for LegacyProcessStats {
    fn from(usage: &Usage) -> Self {
        Self {
            id: None,
            pid: usage.os_pid,
            username: usage.username.clone(),
            nice: usage.nice,
            cmdline: usage.cmdline.clone(),
            cpu: usage.cpu,
            mem: usage.mem,
            mem_info1: usage.rss.map(bytes2human),
            mem_info2: usage.vms.map(bytes2human),
            ctime: usage.cpu_time.map(ctime),
            rss: usage.rss,
            vms: usage.vms,
            cpu_time: usage.cpu_time.map(|time| time.as_secs_f64()),
            children: usage.children.iter().map(Self::from).collect(),
        }
    }
}

fn or_na<T: Serialize, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => value.serialize(serializer),
        None => serializer.serialize_str("N/A"),
    }
}

fn text_or_na<S: Serializer>(value: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.as_deref().unwrap_or("N/A"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stats::testing::stats;

    #[test]
    fn the_old_shape_has_texts_and_their_numbers() {
        let mut web = stats(3, 4200);
        web.usage.children.push(Usage::unknown(OsPid::new(4201).unwrap()));
        let child = json!({
            "pid": 4201, "username": "N/A", "nice": "N/A", "cmdline": "N/A", "cpu": "N/A", "mem": "N/A",
            "mem_info1": "N/A", "mem_info2": "N/A", "ctime": "N/A", "rss": "N/A", "vms": "N/A", "cpu_time": "N/A",
            "children": [],
        });
        let mut expected = json!({
            "id": 3, "pid": 4200, "username": "root", "nice": 0, "cmdline": "web", "cpu": 12.5, "mem": 0.4,
            "mem_info1": "1M", "mem_info2": "4M", "ctime": "1:05.43", "rss": 1_600_000, "vms": 5_000_000,
            "cpu_time": 65.43, "children": [child],
        });
        assert_eq!(serde_json::to_value(web.legacy()).unwrap(), expected);
        expected.as_object_mut().unwrap().remove("id");
        assert_eq!(serde_json::to_value(web.legacy().without_id()).unwrap(), expected);
    }
}
