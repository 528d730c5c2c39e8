//! Jobs (process templates): what to launch, how, and how many.

use gaffer_core::{JobName, ProcessId, api::JobStatus, names::Signal, supervisor::OneOff, supervisor::Scale};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Client, Error, sessions::Jobs};

/// A job as it stands, with its configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobDetail {
    /// How it stands, and what it uses.
    #[serde(flatten)]
    pub status: JobStatus,
    /// One-off processes among those that run.
    pub running_out: usize,
    /// Its processes: those that are kept alive, oldest first, then the one-off ones.
    pub processes: Vec<ProcessId>,
    /// Its configuration as JSON, with the bare name. Values of variables that are hidden from the key are null.
    pub config: Value,
}

#[derive(Deserialize)]
struct Statuses {
    jobs: Vec<JobStatus>,
}

#[derive(Deserialize)]
pub(crate) struct Number {
    pub(crate) numprocesses: u32,
}

#[derive(Deserialize)]
pub(crate) struct Pids {
    pub(crate) pids: Vec<ProcessId>,
}

#[derive(Deserialize)]
pub(crate) struct Committed {
    pub(crate) pid: ProcessId,
}

/// A change of a number as nodes read it.
pub(crate) fn change(scale: Scale) -> String {
    match scale {
        Scale::Add(number) => format!("+{number}"),
        Scale::Sub(number) => format!("-{number}"),
        Scale::Set(number) => format!("={number}"),
    }
}

impl Client {
    /// A call about one job, of the family of sessions.
    pub(crate) fn of_job(&self, method: Method, job: &JobName, what: Option<&str>) -> crate::transport::Call {
        let mut path = vec!["jobs", job.session().as_str(), job.name()];
        path.extend(what);
        self.call(method, &path)
    }

    /// Lists all jobs in the order of their loading.
    ///
    /// # Errors
    /// As every call.
    pub async fn jobs(&self) -> Result<Vec<JobName>, Error> {
        Ok(self.get(&["jobs"]).json::<Jobs>().await?.jobs)
    }

    /// Loads a job, and starts it unless its `start` is false. It is a [`JobConfig`](gaffer_core::JobConfig), or a JSON object with
    /// the same keys. Answers which keys meant nothing to the node.
    ///
    /// # Errors
    /// As every call; also when a job of this name is loaded (409), or the node finds a mistake in it (400).
    pub async fn load(&self, job: &(impl Serialize + ?Sized)) -> Result<Vec<String>, Error> {
        self.post(&["processes"]).body(job).ignored().await
    }

    /// Gives a job another configuration, whole, and replaces its processes once the new command is known to start. Answers which
    /// keys meant nothing to the node.
    ///
    /// # Errors
    /// As every call; also when there is no such job (404), the new command does not start (422), or another change
    /// overtook this one (409). Then the job is as it was.
    pub async fn update(&self, job: &JobName, config: &(impl Serialize + ?Sized)) -> Result<Vec<String>, Error> {
        self.call(Method::PUT, &["processes", &job.to_string()]).body(config).ignored().await
    }

    /// Stops a job and forgets it.
    ///
    /// # Errors
    /// As every call; also when there is no such job.
    pub async fn unload(&self, job: &JobName) -> Result<(), Error> {
        self.of_job(Method::DELETE, job, None).done().await
    }

    /// Asks how a job stands, without what it uses.
    ///
    /// # Errors
    /// As every call; also when there is no such job.
    pub async fn status(&self, job: &JobName) -> Result<JobStatus, Error> {
        self.get(&["status", &job.to_string()]).json().await
    }

    /// Asks how all jobs stand and what they use, in the order of their loading. Takes the 0.1 s in which the node measures.
    ///
    /// # Errors
    /// As every call.
    pub async fn statuses(&self) -> Result<Vec<JobStatus>, Error> {
        Ok(self.get(&["status"]).json::<Statuses>().await?.jobs)
    }

    /// Asks all there is to know about a job. Takes the 0.1 s in which the node measures.
    ///
    /// # Errors
    /// As every call; also when there is no such job.
    pub async fn job(&self, job: &JobName) -> Result<JobDetail, Error> {
        self.of_job(Method::GET, job, None).json().await
    }

    /// Starts a job; also one that was given up because it kept crashing.
    ///
    /// # Errors
    /// As every call; also when there is no such job.
    pub async fn start(&self, job: &JobName) -> Result<(), Error> {
        self.of_job(Method::POST, job, Some("state")).with(|request| request.body("1")).done().await
    }

    /// Stops a job. Answers when the signals are sent.
    ///
    /// # Errors
    /// As every call; also when there is no such job.
    pub async fn stop(&self, job: &JobName) -> Result<(), Error> {
        self.of_job(Method::POST, job, Some("state")).with(|request| request.body("0")).done().await
    }

    /// Replaces a job's processes: new ones first, then the old. Starts a stopped job.
    ///
    /// # Errors
    /// As every call; also when there is no such job (404), a new process does not start (422), or another change overtook
    /// this one (409).
    pub async fn restart(&self, job: &JobName) -> Result<(), Error> {
        self.post(&["processes", &job.to_string(), "_restart"]).done().await
    }

    /// Sets a job's number of processes back to the configured one, and replaces its processes.
    ///
    /// # Errors
    /// As [`restart`](Self::restart).
    pub async fn reload(&self, job: &JobName) -> Result<(), Error> {
        self.of_job(Method::POST, job, Some("state")).with(|request| request.body("2")).done().await
    }

    /// Asks how many processes a job wants.
    ///
    /// # Errors
    /// As every call; also when there is no such job.
    pub async fn numprocesses(&self, job: &JobName) -> Result<u32, Error> {
        Ok(self.of_job(Method::GET, job, Some("numprocesses")).json::<Number>().await?.numprocesses)
    }

    /// Changes how many processes a job wants; answers the new number. The oldest go first.
    ///
    /// # Errors
    /// As every call; also when there is no such job, or it would be too many (400).
    pub async fn scale(&self, job: &JobName, scale: Scale) -> Result<u32, Error> {
        let call = self.of_job(Method::POST, job, Some("numprocesses")).body(&json!({ "scale": change(scale) }));
        Ok(call.json::<Number>().await?.numprocesses)
    }

    /// Lists the pids of a job's kept processes, oldest first.
    ///
    /// # Errors
    /// As every call; also when there is no such job.
    pub async fn pids(&self, job: &JobName) -> Result<Vec<ProcessId>, Error> {
        Ok(self.of_job(Method::GET, job, Some("pids")).json::<Pids>().await?.pids)
    }

    /// Sends a signal to all processes of a job.
    ///
    /// # Errors
    /// As every call; also when there is no such job.
    pub async fn signal(&self, job: &JobName, signal: Signal) -> Result<(), Error> {
        self.of_job(Method::POST, job, Some("signal")).body(&json!({ "signal": signal.as_raw() })).done().await
    }

    /// Launches a one-off process of a job, stopped or not: not counted, not replaced, stopped with the job.
    ///
    /// # Errors
    /// As every call; also when there is no such job (404), or it does not start (422).
    pub async fn commit(&self, job: &JobName, once: &OneOff) -> Result<ProcessId, Error> {
        let body = json!({
            "env": once.env,
            "graceful_timeout": once.graceful_timeout.map(|time| time.as_secs_f64()),
        });
        Ok(self.of_job(Method::POST, job, Some("commit")).body(&body).json::<Committed>().await?.pid)
    }
}
