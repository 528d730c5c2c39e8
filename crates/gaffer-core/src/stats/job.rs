//! What a job's processes use together.

use serde::{Deserialize, Serialize};

use super::{
    figures::ProcessStats,
    format::tenths,
    legacy::{LegacyProcessStats, NoProcessId},
};
use crate::names::JobName;

/// The processes of a job and their sums. The sums count the processes themselves, without their descendants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobStats {
    /// The job; on the wire with its session, as `session.name`.
    pub name: JobName,
    /// Its processes.
    pub stats: Vec<ProcessStats>,
    /// Sums, largest and smallest.
    #[serde(flatten)]
    pub totals: Totals,
}

/// Sums, largest and smallest over some processes; 0 when there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Resident memory of all, in percent of the host's.
    pub mem: f64,
    /// The largest.
    pub max_mem: f64,
    /// The smallest.
    pub min_mem: f64,
    /// Processor use of all, in percent of one processor.
    pub cpu: f64,
    /// The largest.
    pub max_cpu: f64,
    /// The smallest.
    pub min_cpu: f64,
    /// Resident memory of all, in bytes.
    pub rss: u64,
}

/// A [`JobStats`] as gaffer 0.4 wrote it: a job of the default session is its bare name, and each process a
/// [`LegacyProcessStats`]. The sums stay numbers when nothing runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegacyJobStats {
    #[serde(serialize_with = "crate::api::short")]
    name: JobName,
    stats: Vec<LegacyProcessStats>,
    #[serde(flatten)]
    totals: Totals,
}

impl JobStats {
    /// Sums up the processes of a job.
    pub fn new(name: JobName, stats: Vec<ProcessStats>) -> Self {
        let totals = Totals::of(&stats);
        Self { name, stats, totals }
    }

    /// The same in the shape of gaffer 0.4.
    pub fn legacy(&self) -> LegacyJobStats {
        LegacyJobStats {
            name: self.name.clone(),
            stats: self.stats.iter().map(ProcessStats::legacy).collect(),
            totals: self.totals,
        }
    }
}

impl TryFrom<LegacyJobStats> for JobStats {
    type Error = NoProcessId;

    /// Takes the sums as they were written.
    fn try_from(LegacyJobStats { name, stats, totals }: LegacyJobStats) -> Result<Self, NoProcessId> {
        let stats: Result<_, _> = stats.into_iter().map(ProcessStats::try_from).collect();
        Ok(Self { name, stats: stats?, totals })
    }
}

impl Totals {
    fn of(stats: &[ProcessStats]) -> Self {
        let (mem, max_mem, min_mem) = sum_max_min(stats.iter().filter_map(|process| process.usage.mem));
        let (cpu, max_cpu, min_cpu) = sum_max_min(stats.iter().filter_map(|process| process.usage.cpu));
        let rss = stats.iter().filter_map(|process| process.usage.rss).fold(0, u64::saturating_add);
        Self { mem, max_mem, min_mem, cpu, max_cpu, min_cpu, rss }
    }
}

fn sum_max_min(values: impl Iterator<Item = f64> + Clone) -> (f64, f64, f64) {
    let sum = values.clone().sum::<f64>();
    let max = values.clone().reduce(f64::max).unwrap_or(0.0);
    let min = values.reduce(f64::min).unwrap_or(0.0);
    (tenths(sum) + 0.0, max, min) // An empty sum of floats is -0.0, which would be written so.
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        names::OsPid,
        stats::{figures::Usage, testing::stats, tree::GENERATIONS},
    };

    #[test]
    fn a_job_where_nothing_runs_is_all_zeros() {
        let job = JobStats::new("web".parse().unwrap(), Vec::new());
        let mut expected = json!({
            "name": "default.web", "stats": [], "mem": 0.0, "max_mem": 0.0, "min_mem": 0.0, "cpu": 0.0,
            "max_cpu": 0.0, "min_cpu": 0.0, "rss": 0,
        });
        assert_eq!(serde_json::to_value(&job).unwrap(), expected);
        assert!(!serde_json::to_string(&job).unwrap().contains('-'));
        expected["name"] = "web".into();
        assert_eq!(serde_json::to_value(job.legacy()).unwrap(), expected);
    }

    #[test]
    fn sums_leave_out_what_is_not_known() {
        let mut busy = stats(2, 20);
        busy.usage.cpu = Some(50.1);
        busy.usage.mem = Some(0.2);
        let unknown = ProcessStats { pid: busy.pid, usage: Usage::unknown(OsPid::new(30).unwrap()) };
        let job = JobStats::new("shop.web".parse().unwrap(), vec![stats(1, 10), busy, unknown]);
        let expected =
            Totals { mem: 0.6, max_mem: 0.4, min_mem: 0.2, cpu: 62.6, max_cpu: 50.1, min_cpu: 12.5, rss: 3_200_000 };
        assert_eq!(job.totals, expected);
        assert_eq!(serde_json::to_value(job.legacy()).unwrap()["name"], "shop.web");
    }
    #[test]
    fn what_was_written_reads_as_the_same_in_either_shape() {
        for stats in [Vec::new(), vec![stats(1, 10), stats(2, 20)]] {
            let mut job = JobStats::new("shop.web".parse().unwrap(), stats);
            let json = serde_json::to_string(&job).unwrap();
            assert_eq!(serde_json::from_str::<JobStats>(&json).unwrap(), job);
            // The old shape does not tell it.
            job.stats.iter_mut().for_each(|process| process.usage.create_time = None);
            let json = serde_json::to_string(&job.legacy()).unwrap();
            let read: LegacyJobStats = serde_json::from_str(&json).unwrap();
            assert_eq!(JobStats::try_from(read).unwrap(), job);
        }
    }

    #[test]
    fn the_deepest_tree_is_not_too_deep_for_readers_of_json() {
        let mut usage = Usage::unknown(OsPid::new(99).unwrap());
        for _ in 0..GENERATIONS {
            usage = Usage { children: vec![usage], ..Usage::unknown(OsPid::new(99).unwrap()) };
        }
        let job = JobStats::new("web".parse().unwrap(), vec![ProcessStats { usage, ..stats(1, 99) }]);
        let json = serde_json::to_string(&[job.legacy()]).unwrap();
        let [read]: [LegacyJobStats; 1] = serde_json::from_str(&json).unwrap();
        assert_eq!(JobStats::try_from(read).unwrap(), job);
    }
}
