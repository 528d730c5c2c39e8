//! What processes use, by the manager's names.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use super::{Manager, ManagerError, live::View, shared::Shared};
use crate::{
    names::{JobName, ProcessId},
    stats::{JobStats, Member, ProcessStats, Roster, StatsSubscription, Target, sample_once},
    supervisor::Refusal,
};

/// How far the two readings of a single look are apart: the original's 0.1 s.
const WINDOW: Duration = Duration::from_millis(100);

impl Manager {
    /// What the processes of a job use, measured over 0.1 s.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`], or the manager has stopped.
    pub async fn stats(&self, name: &JobName) -> Result<JobStats, ManagerError> {
        self.get(name).await?;
        let members = self.members(&Target::Job(name.clone())).await?;
        Ok(JobStats::new(name.clone(), sample_once(members, WINDOW).await))
    }

    /// What the processes of each job use, in the order of the jobs' loading: all measured over the same 0.1 s.
    ///
    /// # Errors
    /// The manager has stopped.
    pub async fn stats_all(&self) -> Result<Vec<JobStats>, ManagerError> {
        let jobs = self.query(|view| {
            let with_members = |name: &JobName| (name.clone(), members(view, &Target::Job(name.clone())));
            view.supervisor.names().map(with_members).collect::<Vec<_>>()
        });
        let jobs = jobs.await?;
        let everybody = jobs.iter().flat_map(|(_, members)| members).cloned().collect();
        let mut sampled: HashMap<ProcessId, ProcessStats> =
            sample_once(everybody, WINDOW).await.into_iter().map(|stats| (stats.pid, stats)).collect();
        let figures = |(name, members): (JobName, Vec<Member>)| {
            let stats = members.iter().filter_map(|member| sampled.remove(&member.pid)).collect();
            JobStats::new(name, stats)
        };
        Ok(jobs.into_iter().map(figures).collect())
    }

    /// What one process uses, measured over 0.1 s.
    ///
    /// # Errors
    /// [`Refusal::UnknownProcess`], also when it ends meanwhile; or the manager has stopped.
    pub async fn process_stats(&self, pid: ProcessId) -> Result<ProcessStats, ManagerError> {
        let members = self.members(&Target::Process(pid)).await?;
        sample_once(members, WINDOW).await.pop().ok_or_else(|| Refusal::UnknownProcess(pid).into())
    }

    /// Subscribes to what a job, a process or everything uses, refreshed at the configured interval while anybody
    /// listens. Dropping the subscription is the manual's `unmonitor`.
    pub fn monitor(&self, target: Target) -> StatsSubscription {
        self.shared.monitor.subscribe(target)
    }

    async fn members(&self, target: &Target) -> Result<Vec<Member>, ManagerError> {
        let target = target.clone();
        self.query(move |view| members(view, &target)).await
    }
}

/// Processes whose leader lives: of others only descendants are left, which nobody can name.
fn members(view: &View<'_>, target: &Target) -> Vec<Member> {
    let member = |pid: ProcessId| {
        let process = view.supervisor.process(pid).filter(|process| process.leader_alive)?;
        Some(Member::new(pid, view.live.get(&pid)?.os_pid, process.config.name().clone()))
    };
    let all = |pids: Vec<ProcessId>| pids.into_iter().filter_map(member).collect();
    match target {
        Target::Process(pid) => member(*pid).into_iter().collect(),
        Target::Job(name) => match view.supervisor.info(name, view.now) {
            Some(info) => all([info.pids, info.once].concat()),
            None => Vec::new(),
        },
        Target::All => all(view.live.keys().copied().collect()),
    }
}

/// Tells the monitor who runs. It must not keep the manager alive, and is made before it.
#[derive(Clone, Default)]
pub(super) struct ManagerRoster(Arc<OnceLock<Weak<Shared>>>);

impl ManagerRoster {
    /// Names the manager whose processes these are.
    pub(super) fn set(&self, shared: &Arc<Shared>) {
        self.0.get_or_init(|| Arc::downgrade(shared));
    }
}

impl Roster for ManagerRoster {
    fn processes(&self, target: &Target) -> Pin<Box<dyn Future<Output = Vec<Member>> + Send + '_>> {
        let (shared, target) = (self.0.get().and_then(Weak::upgrade), target.clone());
        Box::pin(async move {
            match shared {
                Some(shared) => Manager { shared }.members(&target).await.unwrap_or_default(), // Stopped: nothing runs.
                None => Vec::new(),
            }
        })
    }
}
