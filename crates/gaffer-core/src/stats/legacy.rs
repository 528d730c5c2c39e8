//! The shape of gaffer 0.4: texts where its clients print a text, numbers beside them.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    figures::{ProcessStats, Seconds, Usage},
    format::{bytes2human, ctime},
    monitor::StatsUpdate,
};
use crate::names::{JobName, OsPid, ProcessId};

/// What stands for a figure that could not be read.
const UNKNOWN: &str = "N/A";

/// A process as gaffer 0.4 wrote it: `id` is gaffer's number and `pid` the kernel's, sizes and times are texts, and
/// `rss`, `vms` (bytes) and `cpu_time` (seconds) are the same as numbers. What could not be read is the text `N/A`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegacyProcessStats {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<ProcessId>,
    pid: OsPid,
    #[serde(serialize_with = "text_or_na", deserialize_with = "text_if_known")]
    username: Option<Arc<str>>,
    #[serde(serialize_with = "or_na", deserialize_with = "if_known")]
    nice: Option<i32>,
    #[serde(serialize_with = "text_or_na", deserialize_with = "text_if_known")]
    cmdline: Option<Arc<str>>,
    #[serde(serialize_with = "or_na", deserialize_with = "if_known")]
    cpu: Option<f64>,
    #[serde(serialize_with = "or_na", deserialize_with = "if_known")]
    mem: Option<f64>,
    #[serde(serialize_with = "or_na", deserialize_with = "if_known")]
    mem_info1: Option<String>,
    #[serde(serialize_with = "or_na", deserialize_with = "if_known")]
    mem_info2: Option<String>,
    #[serde(serialize_with = "or_na", deserialize_with = "if_known")]
    ctime: Option<String>,
    #[serde(serialize_with = "or_na", deserialize_with = "if_known")]
    rss: Option<u64>,
    #[serde(serialize_with = "or_na", deserialize_with = "if_known")]
    vms: Option<u64>,
    #[serde(serialize_with = "or_na", deserialize_with = "if_known")]
    cpu_time: Option<Seconds>,
    children: Vec<LegacyProcessStats>,
}

/// A [`StatsUpdate`] in the shape of gaffer 0.4: the process, and its job as `name`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegacyStatsUpdate {
    #[serde(serialize_with = "crate::api::short")]
    name: JobName,
    #[serde(flatten)]
    stats: LegacyProcessStats,
}

/// A process without gaffer's number, where each has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`id`, gaffer's number, is missing for the process that is {0} to the kernel")]
pub struct NoProcessId(pub OsPid);

impl LegacyProcessStats {
    /// Without gaffer's number, as one process is written that was asked for by it.
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
            cpu_time: usage.cpu_time.map(Seconds),
            children: usage.children.iter().map(Self::from).collect(),
        }
    }
}

impl StatsUpdate {
    /// The same in the shape of gaffer 0.4.
    pub fn legacy(&self) -> LegacyStatsUpdate {
        LegacyStatsUpdate { name: self.job.clone(), stats: self.stats.legacy() }
    }
}

impl From<LegacyProcessStats> for Usage {
    /// When the process started is not told in this shape.
    fn from(stats: LegacyProcessStats) -> Self {
        Self {
            os_pid: stats.pid,
            username: stats.username,
            nice: stats.nice,
            cmdline: stats.cmdline,
            cpu: stats.cpu,
            mem: stats.mem,
            rss: stats.rss,
            vms: stats.vms,
            cpu_time: stats.cpu_time.map(|Seconds(time)| time),
            create_time: None,
            children: stats.children.into_iter().map(Self::from).collect(),
        }
    }
}

impl TryFrom<LegacyProcessStats> for ProcessStats {
    type Error = NoProcessId;

    fn try_from(stats: LegacyProcessStats) -> Result<Self, NoProcessId> {
        Ok(Self { pid: stats.id.ok_or(NoProcessId(stats.pid))?, usage: stats.into() })
    }
}

impl TryFrom<LegacyStatsUpdate> for StatsUpdate {
    type Error = NoProcessId;

    fn try_from(LegacyStatsUpdate { name, stats }: LegacyStatsUpdate) -> Result<Self, NoProcessId> {
        Ok(Self { job: name, stats: Arc::new(stats.try_into()?) })
    }
}

fn or_na<T: Serialize, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => value.serialize(serializer),
        None => serializer.serialize_str(UNKNOWN),
    }
}

fn text_or_na<S: Serializer>(value: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.as_deref().unwrap_or(UNKNOWN))
}

fn if_known<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Figure<T> {
        Unknown(Unknown),
        Known(T),
    }
    #[derive(Deserialize)]
    enum Unknown {
        #[serde(rename = "N/A")]
        Unknown,
    }
    Ok(match Figure::deserialize(deserializer)? {
        Figure::Unknown(Unknown::Unknown) => None,
        Figure::Known(value) => Some(value),
    })
}

fn text_if_known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok((text != UNKNOWN).then(|| text.into()))
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

    #[test]
    fn what_was_written_reads_as_the_same() {
        let mut web = stats(3, 4200);
        web.usage.create_time = None;
        web.usage.children.push(Usage::unknown(OsPid::new(4201).unwrap()));
        let told = StatsUpdate { job: "shop.web".parse().unwrap(), stats: Arc::new(web) };
        let json = serde_json::to_string(&told.legacy()).unwrap();
        assert!(json.starts_with(r#"{"name":"shop.web","id":3,"pid":4200,"#), "{json}");
        let read: LegacyStatsUpdate = serde_json::from_str(&json).unwrap();
        assert_eq!(read, told.legacy());
        assert_eq!(StatsUpdate::try_from(read), Ok(told));
    }

    #[test]
    fn a_process_without_its_id_is_none_of_ours() {
        let stats = stats(3, 4200).legacy().without_id();
        let error = ProcessStats::try_from(stats).unwrap_err();
        assert_eq!(error.to_string(), "`id`, gaffer's number, is missing for the process that is 4200 to the kernel");
    }

    #[test]
    fn what_is_neither_a_figure_nor_unknown_is_refused() {
        for (key, value) in
            [("cpu", json!("much")), ("cpu", json!(null)), ("username", json!(7)), ("cpu_time", json!(-1))]
        {
            let mut process = serde_json::to_value(stats(3, 4200).legacy()).unwrap();
            process[key] = value.clone();
            assert!(serde_json::from_value::<LegacyProcessStats>(process).is_err(), "{key} {value}");
        }
    }
}
