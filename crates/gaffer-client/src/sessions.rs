//! Sessions: named sets of jobs, also called groups.

use gaffer_core::{JobName, SessionId};
use reqwest::Method;
use serde::Deserialize;

use crate::{Client, Error};

#[derive(Deserialize)]
pub(crate) struct Sessions {
    pub(crate) sessions: Vec<SessionId>,
}

#[derive(Deserialize)]
pub(crate) struct Jobs {
    pub(crate) jobs: Vec<JobName>,
}

impl Client {
    /// Lists the sessions in the order in which they came to be.
    ///
    /// # Errors
    /// As every call.
    pub async fn sessions(&self) -> Result<Vec<SessionId>, Error> {
        Ok(self.get(&["sessions"]).json::<Sessions>().await?.sessions)
    }

    /// Lists the jobs of a session in the order of their loading.
    ///
    /// # Errors
    /// As every call; also when there is no such session.
    pub async fn jobs_of(&self, session: &SessionId) -> Result<Vec<JobName>, Error> {
        Ok(self.get(&["jobs", session.as_str()]).json::<Jobs>().await?.jobs)
    }

    /// Starts all jobs of a session.
    ///
    /// # Errors
    /// As every call; also when there is no such session.
    pub async fn start_session(&self, session: &SessionId) -> Result<(), Error> {
        self.post(&["groups", session.as_str(), "_start"]).done().await
    }

    /// Stops all jobs of a session. Answers when the signals are sent.
    ///
    /// # Errors
    /// As every call; also when there is no such session.
    pub async fn stop_session(&self, session: &SessionId) -> Result<(), Error> {
        self.post(&["groups", session.as_str(), "_stop"]).done().await
    }

    /// Replaces the processes of all jobs of a session: new ones first, then the old.
    ///
    /// # Errors
    /// As every call; also when there is no such session, and the first error of a job; the others are restarted.
    pub async fn restart_session(&self, session: &SessionId) -> Result<(), Error> {
        self.post(&["groups", session.as_str(), "_restart"]).done().await
    }

    /// Stops all jobs of a session and forgets them.
    ///
    /// # Errors
    /// As every call; also when there is no such session.
    pub async fn unload_session(&self, session: &SessionId) -> Result<(), Error> {
        self.call(Method::DELETE, &["groups", session.as_str()]).done().await
    }
}
