//! Whose figures are wanted, and who knows which processes that means.

use std::{future::Future, pin::Pin};

use super::figures::ProcessStats;
use crate::names::{JobName, OsPid, ProcessId};

/// Whose figures are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The processes that a job has at each moment.
    Job(JobName),
    /// One process.
    Process(ProcessId),
    /// All processes of the node.
    All,
}

impl Target {
    /// Whether a process belongs to it.
    pub fn covers(&self, member: &Member) -> bool {
        match self {
            Self::Job(job) => *job == member.job,
            Self::Process(pid) => *pid == member.pid,
            Self::All => true,
        }
    }
}

/// A process that is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Gaffer's number.
    pub pid: ProcessId,
    /// The kernel's number. While `pid` is the same it never changes.
    pub os_pid: OsPid,
    /// The job it belongs to.
    pub job: JobName,
    /// When it started, in clock ticks since the boot (field 22 of `/proc/<pid>/stat`), if that is known. A process of
    /// that number which started at another time is not the one that is meant.
    pub start_time: Option<u64>,
}

impl Member {
    /// Names a process whose start time is not known. It must not have been reaped yet, or its number may be another's.
    pub fn new(pid: ProcessId, os_pid: OsPid, job: JobName) -> Self {
        Self { pid, os_pid, job, start_time: None }
    }
}

/// Knows which processes run now.
pub trait Roster: Send + Sync {
    /// The processes that a target has at this moment; none for one that is not known (any more).
    fn processes(&self, target: &Target) -> Pin<Box<dyn Future<Output = Vec<Member>> + Send + '_>>;
}

/// Reads figures. It lives as long as somebody listens, so that it can compare with what it read before.
pub trait StatsSource: Send {
    /// Reads each process; `None` for one that is gone. What is not among `members` may be forgotten.
    ///
    /// It may block, and is never called on a thread that drives tasks.
    fn sample(&mut self, members: &[Member]) -> Vec<Option<ProcessStats>>;
}
