//! What the manager writes to the log.

use tracing::{debug, info, warn};

use crate::{
    events::{Detail, Event, EventKind},
    names::ProcessId,
    supervisor::Supervisor,
};

/// Logs an event: what a person must look into as a warning, a process that did not end well as information.
pub(super) fn event(event: &Event) {
    let Event { kind, job, process, detail } = event;
    let pid = process.map(|process| process.pid.get());
    let os_pid = process.and_then(|process| process.os_pid).map(|os_pid| os_pid.as_raw());
    match detail {
        Detail::Reason(reason) if *kind == EventKind::Flap => warn!(%job, %reason, "job flaps"),
        Detail::Reason(reason) => warn!(%job, pid, %reason, "a process could not be launched"),
        Detail::Exit { exit_code: 0, term_signal: 0, .. } => debug!(%job, pid, os_pid, "process ended"),
        Detail::Exit { exit_code, term_signal, .. } => {
            info!(%job, pid, os_pid, exit_code, term_signal, "process ended")
        }
        Detail::None | Detail::Spawn { .. } => debug!(%job, pid, os_pid, "{kind}"),
    }
}

/// Logs that a process had to be killed, or what it left behind.
pub(super) fn kill(supervisor: &Supervisor, pid: ProcessId) {
    let Some(job) = supervisor.process_job(pid) else { return };
    if supervisor.process(pid).is_some_and(|process| process.leader_alive) {
        warn!(%job, pid = pid.get(), "killing a process that did not end in time");
    } else {
        info!(%job, pid = pid.get(), "killing what a process left behind");
    }
}
