//! What a manager tells whoever keeps it beyond the end of the program: how jobs stand, and which processes live.
//!
//! The manager waits for nobody. A client whose command changes a job is answered once that is kept; the manager goes on meanwhile.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::{
    backend::Root,
    config::JobConfig,
    names::{JobName, OsPid, ProcessId},
    supervisor::{Answer, Refusal, Standing},
};

/// Launches and ends that may wait for their keeper. What is beyond is not told: those processes can still be told by their marks.
const PROCESSES: usize = 65_536;

/// The manager's end.
#[derive(Clone, Debug)]
pub struct RecordSender {
    /// Unbounded, yet bounded: behind each record waits a client for the answer to its command.
    jobs: mpsc::UnboundedSender<JobRecord>,
    processes: mpsc::Sender<ProcessRecord>,
}

/// The keeper's end.
#[derive(Debug)]
pub struct Records {
    /// How jobs stand, in the order in which they came to stand so. Each is to be answered.
    pub jobs: mpsc::UnboundedReceiver<JobRecord>,
    /// Launches and ends, in their order.
    pub processes: mpsc::Receiver<ProcessRecord>,
}

/// Makes a way from a manager (see [`ManagerOptions::records`](super::ManagerOptions::records)) to who keeps what it tells. It ends with the
/// manager.
pub fn records() -> (RecordSender, Records) {
    let (jobs, kept_jobs) = mpsc::unbounded_channel();
    let (processes, kept_processes) = mpsc::channel(PROCESSES);
    (RecordSender { jobs, processes }, Records { jobs: kept_jobs, processes: kept_processes })
}

/// How a job stands after a command, for which a client waits.
#[derive(Debug)]
pub struct JobRecord {
    /// Which job.
    pub name: JobName,
    /// Its configuration and how it stands; `None` if it was unloaded.
    pub job: Option<(Arc<JobConfig>, Standing)>,
    answer: Result<Answer, Refusal>,
    client: oneshot::Sender<Result<Answer, Refusal>>,
}

impl JobRecord {
    /// Has the client answered: what it asked for is kept, or is in force only, for this cause.
    pub fn answer(self, kept: Result<(), String>) {
        let Self { name, answer, client, .. } = self;
        let answer = match (answer, kept) {
            (Ok(_), Err(cause)) => Err(Refusal::NotKept { job: name, cause }),
            (answer, _) => answer,
        };
        let _client_has_gone = client.send(answer);
    }
}

/// A launch, or an end.
#[derive(Clone, Debug)]
pub enum ProcessRecord {
    /// A process was launched, or taken back.
    Launched {
        /// Which.
        pid: ProcessId,
        /// The kernel's number.
        os_pid: OsPid,
        /// What it carries as [`MARK`](crate::backend::MARK).
        mark: String,
        /// Which process it is, if it was taken back; else it is a child of this program, and not reaped before it is told to be gone.
        root: Option<Root>,
        /// What it was launched with.
        config: Arc<JobConfig>,
        /// Whether it is a one-off.
        once: bool,
    },
    /// Nothing of it is left.
    Gone(ProcessId),
}

impl RecordSender {
    pub(super) fn job(
        &self,
        name: JobName,
        job: Option<(Arc<JobConfig>, Standing)>,
        answer: Result<Answer, Refusal>,
        client: oneshot::Sender<Result<Answer, Refusal>>,
    ) {
        let record = JobRecord { name, job, answer, client };
        if let Err(mpsc::error::SendError(record)) = self.jobs.send(record) {
            record.answer(Err("nobody keeps it any more".to_owned()));
        }
    }

    pub(super) fn process(&self, record: ProcessRecord) {
        let _is_told_by_its_mark = self.processes.try_send(record);
    }
}
