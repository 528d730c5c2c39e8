//! Where the console finds what processes write.

use std::collections::{BTreeMap, HashSet};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::ConsoleSettings;
use crate::{
    manager::{Launched, Manager},
    names::{JobName, ProcessId},
    streams::ProcessIo,
};

/// Finds streams.
pub(super) enum Sources {
    /// Nobody wants to see any.
    None,
    /// As they are found: of a process that is gone for long there are none.
    Recent(Manager),
    /// All of them.
    All(All),
}

/// The streams of every process that was launched, until they are taken.
pub(super) struct All {
    launches: mpsc::UnboundedReceiver<Launched>,
    /// Launched, but its spawn was not heard of yet.
    waiting: BTreeMap<ProcessId, (JobName, ProcessIo)>,
}

/// What there is when events were lost.
#[derive(Default)]
pub(super) struct Present {
    /// Processes of which something is left.
    pub(super) live: HashSet<ProcessId>,
    /// Those to be followed, if they are not yet.
    pub(super) to_follow: Vec<(ProcessId, JobName)>,
}

impl Sources {
    pub(super) fn new(manager: Manager, settings: &ConsoleSettings) -> Self {
        if settings.lossless {
            // Also when no output is shown: processes wait for their sinks.
            Self::All(All { launches: manager.launches(), waiting: BTreeMap::new() })
        } else if settings.output_streams {
            Self::Recent(manager)
        } else {
            Self::None
        }
    }

    /// The streams of a process whose spawn was heard of, if there are any.
    pub(super) async fn streams(&mut self, pid: ProcessId) -> Option<ProcessIo> {
        match self {
            Self::None => None,
            Self::Recent(manager) => manager.recent_streams(pid).await.ok(), // It may be gone for long.
            Self::All(all) => {
                all.gather();
                all.waiting.remove(&pid).map(|(_, io)| io)
            }
        }
    }

    /// What there is, as events were lost; `None` at the end, when there is nothing to catch up with.
    pub(super) async fn present(&mut self) -> Option<Present> {
        match self {
            Self::None => Some(Present::default()),
            Self::Recent(manager) => {
                let processes = manager.processes().await.ok()?;
                let live = processes.iter().map(|process| process.pid).collect();
                // Of others only descendants are left: their exit may have been shown already, and their output with it.
                let active = processes.into_iter().filter(|process| process.active);
                Some(Present { live, to_follow: active.map(|process| (process.pid, process.name)).collect() })
            }
            Self::All(all) => {
                all.gather();
                let to_follow = all.waiting.iter().map(|(pid, (job, _))| (*pid, job.clone())).collect();
                Some(Present { live: HashSet::new(), to_follow })
            }
        }
    }

    /// Nobody can be shown anything any more: lets processes go on that would wait for it.
    pub(super) async fn release(self, stopping: &CancellationToken) {
        let Self::All(mut all) = self else { return };
        all.gather();
        all.waiting.values().for_each(|(_, io)| let_go(io));
        while let Some(Some(launched)) = stopping.run_until_cancelled(all.launches.recv()).await {
            let_go(&launched.io);
        }
        while let Ok(launched) = all.launches.try_recv() {
            let_go(&launched.io);
        }
    }
}

impl All {
    fn gather(&mut self) {
        while let Ok(Launched { pid, job, io }) = self.launches.try_recv() {
            self.waiting.insert(pid, (job, io));
        }
    }
}

fn let_go(io: &ProcessIo) {
    for output in io.all_outputs() {
        drop(output.attach_sink());
    }
}
