//! The manager's commands, typed. They are called as those of [`Client`](crate::Client), and do the same.

use gaffer_core::{
    JobName, ProcessId, SessionId,
    api::ProcessInfo,
    names::{Signal, StreamLabel},
    stats::{JobStats, ProcessStats},
    supervisor::{OneOff, Scale},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::Control;
use crate::{
    Error, JobDetail,
    jobs::{Committed, Number, Pids},
    sessions::{Jobs, Sessions},
};

#[derive(Deserialize)]
struct Info<T> {
    info: T,
}

#[derive(Deserialize)]
struct Stats<T> {
    stats: T,
}

impl Control {
    /// Carries out a command, and reads its result.
    async fn read<T: DeserializeOwned>(&self, name: &str, args: Vec<Value>) -> Result<T, Error> {
        self.read_with(name, args, Map::new()).await
    }

    async fn read_with<T: DeserializeOwned>(
        &self,
        name: &str,
        args: Vec<Value>,
        kwargs: Map<String, Value>,
    ) -> Result<T, Error> {
        let result = self.command(name, args, kwargs).await?;
        serde_json::from_value(result).map_err(|error| self.client.protocol(&format!("CMD {name}"), error.to_string()))
    }

    /// Carries out a command that answers no more than that it is done.
    async fn done(&self, name: &str, args: Vec<Value>) -> Result<(), Error> {
        self.command(name, args, Map::new()).await.map(drop)
    }

    async fn configure(&self, name: &str, config: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        let config = serde_json::to_value(config)
            .map_err(|error| Error::Unsendable { call: format!("CMD {name}"), problem: error.to_string() })?;
        self.done(name, vec![config]).await
    }

    /// Lists the sessions in the order in which they came to be.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub async fn sessions(&self) -> Result<Vec<SessionId>, Error> {
        Ok(self.read::<Sessions>("sessions", Vec::new()).await?.sessions)
    }

    /// Lists all jobs in the order of their loading.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub async fn jobs(&self) -> Result<Vec<JobName>, Error> {
        Ok(self.read::<Jobs>("jobs", Vec::new()).await?.jobs)
    }

    /// Lists the jobs of a session in the order of their loading.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such session.
    pub async fn jobs_of(&self, session: &SessionId) -> Result<Vec<JobName>, Error> {
        Ok(self.read::<Jobs>("jobs", vec![session.as_str().into()]).await?.jobs)
    }

    /// Lists the pids of all processes, oldest first.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub async fn processes(&self) -> Result<Vec<ProcessId>, Error> {
        Ok(self.read::<Pids>("pids", Vec::new()).await?.pids)
    }

    /// Lists the pids of a job's kept processes, oldest first.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such job.
    pub async fn pids(&self, job: &JobName) -> Result<Vec<ProcessId>, Error> {
        Ok(self.read::<Pids>("pids", vec![name(job)]).await?.pids)
    }

    /// Loads a job, and starts it unless its `start` is false. It is a [`JobConfig`](gaffer_core::JobConfig), or a JSON object with the
    /// same keys.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when a job of this name is loaded (409), or the node finds a mistake in it (400).
    pub async fn load(&self, job: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        self.configure("load", job).await
    }

    /// Gives the job of this name another configuration, whole, and replaces its processes once the new command is known to start.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such job (404), the new command does not start (422), or another change
    /// overtook this one (409). Then the job is as it was.
    pub async fn update(&self, job: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        self.configure("update", job).await
    }

    /// Stops a job and forgets it.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such job.
    pub async fn unload(&self, job: &JobName) -> Result<(), Error> {
        self.done("unload", vec![name(job)]).await
    }

    /// Sets a job's number of processes back to the configured one, and replaces its processes.
    ///
    /// # Errors
    /// As [`restart`](Self::restart).
    pub async fn reload(&self, job: &JobName) -> Result<(), Error> {
        self.done("reload", vec![name(job)]).await
    }

    /// Starts a job; also one that was given up because it kept crashing.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such job.
    pub async fn start(&self, job: &JobName) -> Result<(), Error> {
        self.done("start_job", vec![name(job)]).await
    }

    /// Stops a job. Answers when the signals are sent.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such job.
    pub async fn stop(&self, job: &JobName) -> Result<(), Error> {
        self.done("stop_job", vec![name(job)]).await
    }

    /// Replaces a job's processes: new ones first, then the old. Starts a stopped job.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such job (404), a new process does not start (422), or another change overtook
    /// this one (409).
    pub async fn restart(&self, job: &JobName) -> Result<(), Error> {
        self.done("restart_job", vec![name(job)]).await
    }

    /// Stops all processes of a job, which are then replaced.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such job.
    pub async fn stop_all(&self, job: &JobName) -> Result<(), Error> {
        self.done("stopall", vec![name(job)]).await
    }

    /// Changes how many processes a job wants; answers the new number. The oldest go first.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such job, or it would be too many (400).
    pub async fn scale(&self, job: &JobName, scale: Scale) -> Result<u32, Error> {
        Ok(self.read::<Number>("scale", vec![name(job), crate::jobs::change(scale).into()]).await?.numprocesses)
    }

    /// Asks all there is to know about a job. Takes the 0.1 s in which the node measures.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such job.
    pub async fn job(&self, job: &JobName) -> Result<JobDetail, Error> {
        Ok(self.read::<Info<JobDetail>>("info", vec![name(job)]).await?.info)
    }

    /// Asks what the processes of a job use. Takes the 0.1 s in which the node measures.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such job.
    pub async fn job_stats(&self, job: &JobName) -> Result<JobStats, Error> {
        Ok(self.read::<Stats<JobStats>>("stats", vec![name(job)]).await?.stats)
    }

    /// Sends a signal to all processes of a job.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such job.
    pub async fn signal(&self, job: &JobName, signal: Signal) -> Result<(), Error> {
        self.done("killall", vec![name(job), signal.as_raw().into()]).await
    }

    /// Launches a one-off process of a job, stopped or not: not counted, not replaced, stopped with the job.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such job (404), or it does not start (422).
    pub async fn commit(&self, job: &JobName, once: &OneOff) -> Result<ProcessId, Error> {
        let mut kwargs = Map::from_iter([("env".to_owned(), json!(once.env))]);
        if let Some(time) = once.graceful_timeout {
            kwargs.insert("graceful_timeout".to_owned(), time.as_secs_f64().into());
        }
        Ok(self.read_with::<Committed>("commit", vec![name(job)], kwargs).await?.pid)
    }

    /// Asks about a process.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such process.
    pub async fn process(&self, pid: ProcessId) -> Result<ProcessInfo, Error> {
        Ok(self.read::<Info<ProcessInfo>>("process_info", vec![json!(pid)]).await?.info)
    }

    /// Asks what a process uses. Takes the 0.1 s in which the node measures.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such process.
    pub async fn process_stats(&self, pid: ProcessId) -> Result<ProcessStats, Error> {
        Ok(self.read::<Stats<ProcessStats>>("process_stats", vec![json!(pid)]).await?.stats)
    }

    /// Stops a process, which is then replaced, unless it is a one-off.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such process.
    pub async fn stop_process(&self, pid: ProcessId) -> Result<(), Error> {
        self.done("stop_process", vec![json!(pid)]).await
    }

    /// Sends a signal to a process.
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such process.
    pub async fn signal_process(&self, pid: ProcessId, signal: Signal) -> Result<(), Error> {
        self.done("kill", vec![json!(pid), signal.as_raw().into()]).await
    }

    /// Writes a text to a process as it is: to its input, or to the extra pipe of this label. Answers once the process's pipe has taken
    /// all; the node holds up no other command for that, but 64 that wait are as many as there may be. What a process may take longer to read than a call may take, and what is no text, goes through
    /// a [`Channel`](crate::Channel).
    ///
    /// # Errors
    /// As [`command`](Self::command); also when there is no such process or pipe (404), it takes no input (403), or does not read any more
    /// (409). A part may have been written then.
    pub async fn send(&self, pid: ProcessId, stream: Option<&StreamLabel>, text: &str) -> Result<(), Error> {
        let args = [json!(pid), text.into()].into_iter().chain(stream.map(|label| label.as_str().into()));
        self.done("send", args.collect()).await
    }
}

/// A job as an argument: with its session.
fn name(job: &JobName) -> Value {
    job.to_string().into()
}
