//! What processes use.

use gaffer_core::{
    JobName, ProcessId,
    stats::{JobStats, LegacyJobStats, ProcessStats},
};
use reqwest::Method;
use serde::Deserialize;

use crate::{Client, Error};

#[derive(Deserialize)]
struct OfProcess {
    stats: ProcessStats,
}

impl Client {
    /// Asks what the processes of each job use, in the order of the jobs' loading. Takes the 0.1 s in which the node measures. When
    /// processes started is not told.
    ///
    /// # Errors
    /// As every call.
    pub async fn stats(&self) -> Result<Vec<JobStats>, Error> {
        let jobs: Vec<LegacyJobStats> = self.get(&["stats"]).json().await?;
        let jobs: Result<_, _> = jobs.into_iter().map(JobStats::try_from).collect();
        jobs.map_err(|error| self.protocol("GET /stats", error.to_string()))
    }

    /// Asks what the processes of a job use. Takes the 0.1 s in which the node measures.
    ///
    /// # Errors
    /// As every call; also when there is no such job.
    pub async fn job_stats(&self, job: &JobName) -> Result<JobStats, Error> {
        self.of_job(Method::GET, job, Some("stats")).json().await
    }

    /// Asks what a process uses. Takes the 0.1 s in which the node measures.
    ///
    /// # Errors
    /// As every call; also when there is no such process.
    pub async fn process_stats(&self, pid: ProcessId) -> Result<ProcessStats, Error> {
        Ok(self.get(&[&pid.to_string(), "stats"]).json::<OfProcess>().await?.stats)
    }
}
