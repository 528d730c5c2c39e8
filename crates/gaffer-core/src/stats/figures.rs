//! What a process uses, as numbers; and how that looks on the wire.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeMap};

use super::format::{bytes2human, ctime, tenths};
use crate::names::{OsPid, ProcessId};

/// What one process of the operating system uses. `None`, on the wire `null`, is what could not be read.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Usage {
    /// The kernel's number.
    pub os_pid: OsPid,
    /// Who runs it; the number as text for a user without a name.
    #[serde(deserialize_with = "text")]
    pub username: Option<Arc<str>>,
    /// Niceness, from -20 (is served first) to 19.
    pub nice: Option<i32>,
    /// The program: the last part of the path that is the first word of its command line.
    #[serde(deserialize_with = "text")]
    pub cmdline: Option<Arc<str>>,
    /// Processor use in percent of one processor, since the previous reading or, at the first one, since the process
    /// started. Several threads may exceed 100. One decimal.
    pub cpu: Option<f64>,
    /// Resident memory in percent of the host's. One decimal.
    pub mem: Option<f64>,
    /// Resident memory in bytes.
    pub rss: Option<u64>,
    /// Address space in bytes.
    pub vms: Option<u64>,
    /// Processor time since the start, user and system.
    #[serde(deserialize_with = "seconds")]
    pub cpu_time: Option<Duration>,
    /// When it started, in seconds since the epoch, to a hundredth.
    pub create_time: Option<f64>,
    /// Its children, by number, with theirs. Deeper than 60 generations nobody looks.
    pub children: Vec<Usage>,
}

impl Usage {
    /// A process of which nothing could be read.
    pub(super) fn unknown(os_pid: OsPid) -> Self {
        Self {
            os_pid,
            username: None,
            nice: None,
            cmdline: None,
            cpu: None,
            mem: None,
            rss: None,
            vms: None,
            cpu_time: None,
            create_time: None,
            children: Vec::new(),
        }
    }

    /// Resident memory of the process and all below it, in bytes. Pages that several share count for each.
    pub fn tree_rss(&self) -> u64 {
        let below = self.children.iter().map(Self::tree_rss);
        below.fold(self.rss.unwrap_or(0), u64::saturating_add)
    }

    /// Processor use of the process and all below it, in percent of one processor. One decimal.
    pub fn tree_cpu(&self) -> f64 {
        fn sum(usage: &Usage) -> f64 {
            usage.cpu.unwrap_or(0.0) + usage.children.iter().map(sum).sum::<f64>()
        }
        tenths(sum(self))
    }

    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("os_pid", &self.os_pid)?;
        map.serialize_entry("username", &self.username.as_deref())?;
        map.serialize_entry("nice", &self.nice)?;
        map.serialize_entry("cmdline", &self.cmdline.as_deref())?;
        map.serialize_entry("cpu", &self.cpu)?;
        map.serialize_entry("mem", &self.mem)?;
        map.serialize_entry("rss", &self.rss)?;
        map.serialize_entry("vms", &self.vms)?;
        map.serialize_entry("cpu_time", &self.cpu_time.map(Seconds))?;
        map.serialize_entry("ctime", &self.cpu_time.map(ctime))?;
        map.serialize_entry("mem_info1", &self.rss.map(bytes2human))?;
        map.serialize_entry("mem_info2", &self.vms.map(bytes2human))?;
        map.serialize_entry("create_time", &self.create_time)?;
        map.serialize_entry("children", &self.children)
    }
}

impl Serialize for Usage {
    /// Writes every field, `cpu_time` in seconds, and three of them again as texts: `ctime` (`M:SS.ff`), `mem_info1` and
    /// `mem_info2` (`1M`; `rss` and `vms`).
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write(&mut map)?;
        map.end()
    }
}

/// A time as a number of seconds on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seconds(pub(super) Duration);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_secs_f64())
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        let invalid = |_| D::Error::custom(format_args!("{seconds} is no number of seconds"));
        Duration::try_from_secs_f64(seconds).map(Self).map_err(invalid)
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<Seconds>::deserialize(deserializer)?.map(|Seconds(time)| time))
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Arc::from))
}

/// What one of gaffer's processes uses.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ProcessStats {
    /// Gaffer's number.
    pub pid: ProcessId,
    /// The figures.
    #[serde(flatten)]
    pub usage: Usage,
}

impl Serialize for ProcessStats {
    /// As [`Usage`], with `pid` in front.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("pid", &self.pid)?;
        self.usage.write(&mut map)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stats::testing::stats;

    #[test]
    fn a_process_is_written_with_numbers_and_their_texts() {
        let mut web = stats(3, 4200);
        web.usage.children.push(Usage::unknown(OsPid::new(4201).unwrap()));
        let unknown = json!({
            "os_pid": 4201, "username": null, "nice": null, "cmdline": null, "cpu": null, "mem": null, "rss": null,
            "vms": null, "cpu_time": null, "ctime": null, "mem_info1": null, "mem_info2": null, "create_time": null,
            "children": [],
        });
        let expected = json!({
            "pid": 3, "os_pid": 4200, "username": "root", "nice": 0, "cmdline": "web", "cpu": 12.5, "mem": 0.4,
            "rss": 1_600_000, "vms": 5_000_000, "cpu_time": 65.43, "ctime": "1:05.43", "mem_info1": "1M",
            "mem_info2": "4M", "create_time": 1_700_000_000.25, "children": [unknown],
        });
        assert_eq!(serde_json::to_value(&web).unwrap(), expected);
    }

    #[test]
    fn what_was_written_reads_as_the_same() {
        let mut web = stats(3, 4200);
        web.usage.children.push(Usage::unknown(OsPid::new(4201).unwrap()));
        web.usage.cpu_time = Some(Duration::new(123_456, 789_012_345));
        let json = serde_json::to_string(&web).unwrap();
        assert_eq!(serde_json::from_str::<ProcessStats>(&json).unwrap(), web);
    }

    #[test]
    fn a_time_below_zero_is_refused() {
        let mut json = serde_json::to_value(stats(3, 4200)).unwrap();
        json["cpu_time"] = (-1.5).into();
        let error = serde_json::from_value::<ProcessStats>(json).unwrap_err();
        assert_eq!(error.to_string(), "-1.5 is no number of seconds");
    }

    #[test]
    fn a_tree_is_summed_over_all_generations() {
        let mut leaf = stats(1, 3).usage;
        leaf.cpu = Some(0.2);
        let mut middle = Usage::unknown(OsPid::new(2).unwrap());
        middle.children = vec![leaf.clone(), leaf];
        let mut top = stats(1, 1).usage;
        top.cpu = Some(0.1);
        top.children = vec![middle];
        assert_eq!((top.tree_rss(), top.tree_cpu()), (4_800_000, 0.5));
    }
}
