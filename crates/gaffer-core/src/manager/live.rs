//! What the shell knows of each process beyond what the supervisor decides on.

use std::{
    collections::{HashMap, VecDeque},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use crate::{
    api::ProcessInfo,
    backend::LaunchPlan,
    names::{JobName, OsPid, ProcessId, StreamLabel},
    streams::ProcessIo,
    supervisor::Supervisor,
};

/// A process that was launched and is not wholly gone.
#[derive(Debug)]
pub(crate) struct Live {
    /// `None` if the supervisor does not know it: after a failure of the shell.
    pub(crate) job: Option<JobName>,
    pub(crate) os_pid: OsPid,
    pub(crate) io: ProcessIo,
    launched: Launched,
    created: SystemTime,
}

/// What clients are told of the plan. Not the whole of it: the environment alone is some kilobytes.
#[derive(Debug)]
struct Launched {
    argv: Vec<String>,
    outputs: Vec<StreamLabel>,
    stdin: bool,
    custom: Vec<StreamLabel>,
}

impl Live {
    pub(crate) fn new(
        job: Option<JobName>,
        os_pid: OsPid,
        io: ProcessIo,
        plan: &LaunchPlan,
        created: SystemTime,
    ) -> Self {
        let launched = Launched {
            argv: plan.argv.clone(),
            outputs: plan.outputs.clone(),
            stdin: plan.stdin,
            custom: plan.custom.clone(),
        };
        Self { job, os_pid, io, launched, created }
    }
}

/// Streams of the processes that were released last: whoever learns of a process from its `spawn` event can read its output
/// though it is gone already.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    streams: VecDeque<Past>,
}

/// A process that was released.
#[derive(Debug)]
struct Past {
    pid: ProcessId,
    job: Option<JobName>,
    io: ProcessIo,
}

impl Recent {
    /// Enough for a burst of short runs, and some MB of history at most.
    const MAX: usize = 32;

    /// Keeps the streams of a process that is gone, if it has any. Beyond [`MAX`](Self::MAX) go the oldest, but not those that
    /// still expect a sink: whoever wants nothing lost attaches one to each, so that those are few, too, unless it stalls: then they
    /// grow by each process that ends meanwhile.
    pub(crate) fn keep(&mut self, pid: ProcessId, job: Option<JobName>, io: ProcessIo) {
        if io.labels().next().is_none() {
            return;
        }
        self.streams.push_front(Past { pid, job, io });
        let mut kept = 0;
        self.streams.retain(|Past { io, .. }| {
            kept += 1;
            kept <= Self::MAX || io.all_outputs().any(|output| output.expects_sink())
        });
    }

    fn past(&self, pid: ProcessId) -> Option<&Past> {
        self.streams.iter().find(|past| past.pid == pid)
    }

    fn io(&self, pid: ProcessId) -> Option<&ProcessIo> {
        self.past(pid).map(|past| &past.io)
    }
}

/// What a query sees: the state between two inputs.
pub(crate) struct View<'a> {
    pub(crate) now: Instant,
    pub(crate) supervisor: &'a Supervisor,
    pub(crate) live: &'a HashMap<ProcessId, Live>,
    pub(crate) recent: &'a Recent,
}

impl View<'_> {
    /// The streams of a process that lives.
    pub(crate) fn io(&self, pid: ProcessId) -> Option<&ProcessIo> {
        self.live.get(&pid).map(|live| &live.io)
    }

    /// The streams of a process that lives, or has lived until a moment ago.
    pub(crate) fn recent_io(&self, pid: ProcessId) -> Option<&ProcessIo> {
        self.io(pid).or_else(|| self.recent.io(pid))
    }

    /// The job of a process that lives, or has lived until a moment ago.
    pub(crate) fn job_of(&self, pid: ProcessId) -> Option<JobName> {
        let live = || self.live.get(&pid).and_then(|live| live.job.clone());
        let past = || self.recent.past(pid).and_then(|past| past.job.clone());
        self.supervisor.process_job(pid).or_else(live).or_else(past)
    }

    /// A process as it stands.
    pub(crate) fn process(&self, pid: ProcessId) -> Option<ProcessInfo> {
        let live = self.live.get(&pid)?;
        let process = self.supervisor.process(pid)?;
        let (cmd, args) = live.launched.argv.split_first()?;
        let env = process.config.env().iter().chain(&process.extra_env);
        let created = live.created.duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(ProcessInfo {
            pid,
            os_pid: live.os_pid,
            name: process.config.name().clone(),
            cmd: Some(cmd.clone()),
            args: Some(args.to_vec()),
            env: env.map(|(key, value)| (key.clone(), Some(value.clone()))).collect(),
            uid: process.config.uid().cloned(),
            gid: process.config.gid().cloned(),
            create_time: created.as_secs_f64(),
            once: process.once,
            redirect_output: live.launched.outputs.clone(),
            redirect_input: live.launched.stdin,
            custom_streams: live.launched.custom.clone(),
            active: process.leader_alive,
            stopping: process.stopping,
            lost: live.io.outputs.iter().map(|output| output.lost()).sum(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::streams::Output;

    fn io(output: Arc<Output>) -> ProcessIo {
        ProcessIo { outputs: vec![output], ..ProcessIo::default() }
    }

    #[test]
    fn streams_of_the_last_processes_are_kept_and_those_that_expect_a_sink() {
        let label: StreamLabel = "out".parse().unwrap();
        let mut recent = Recent::default();
        for pid in 1..=50 {
            let output = if pid % 10 == 0 { Output::expecting_sink(label.clone()) } else { Output::new(label.clone()) };
            recent.keep(ProcessId::new(pid), None, io(output));
        }
        recent.keep(ProcessId::new(51), None, ProcessIo::default());
        let kept =
            |recent: &Recent| (1..=60).filter(|pid| recent.io(ProcessId::new(*pid)).is_some()).collect::<Vec<_>>();
        assert_eq!(kept(&recent), [10].into_iter().chain(19..=50).collect::<Vec<_>>());

        for pid in [10, 20] {
            drop(recent.io(ProcessId::new(pid)).unwrap().outputs[0].attach_sink());
        }
        recent.keep(ProcessId::new(52), None, io(Output::new(label)));
        assert_eq!(kept(&recent), (20..=50).chain([52]).collect::<Vec<_>>());
    }
}
