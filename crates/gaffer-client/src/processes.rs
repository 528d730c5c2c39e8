//! Single processes.

use bytes::Bytes;
use gaffer_core::{
    ProcessId,
    api::ProcessInfo,
    names::{Signal, StreamLabel},
};
use reqwest::Method;
use serde_json::json;

use crate::{Client, Error, jobs::Pids};

impl Client {
    /// Lists the pids of all processes, oldest first.
    ///
    /// # Errors
    /// As every call.
    pub async fn processes(&self) -> Result<Vec<ProcessId>, Error> {
        Ok(self.get(&["pids"]).json::<Pids>().await?.pids)
    }

    /// Asks about a process.
    ///
    /// # Errors
    /// As every call; also when there is no such process.
    pub async fn process(&self, pid: ProcessId) -> Result<ProcessInfo, Error> {
        self.get(&[&pid.to_string()]).json().await
    }

    /// Stops a process, which is then replaced, unless it is a one-off.
    ///
    /// # Errors
    /// As every call; also when there is no such process.
    pub async fn stop_process(&self, pid: ProcessId) -> Result<(), Error> {
        self.call(Method::DELETE, &[&pid.to_string()]).done().await
    }

    /// Sends a signal to a process.
    ///
    /// # Errors
    /// As every call; also when there is no such process.
    pub async fn signal_process(&self, pid: ProcessId, signal: Signal) -> Result<(), Error> {
        self.post(&[&pid.to_string(), "signal"]).body(&json!({ "signal": signal.as_raw() })).done().await
    }

    /// Writes to a process: to its input, or to the extra pipe of this label. Answers once the process's pipe has taken all,
    /// which must be within [`ClientBuilder::answer_timeout`](crate::ClientBuilder::answer_timeout); what a process may take longer to
    /// read goes through a [`Channel`](crate::Channel).
    ///
    /// # Errors
    /// As every call; also when there is no such process or pipe (404), it takes no input (403), or does not read any more
    /// (409). A part may have been written then.
    pub async fn send(
        &self,
        pid: ProcessId,
        stream: Option<&StreamLabel>,
        data: impl Into<Bytes> + Send,
    ) -> Result<(), Error> {
        let label = stream.map_or("stdin", StreamLabel::as_str);
        let data: Bytes = data.into();
        self.post(&["streams", &pid.to_string(), label]).with(|request| request.body(data)).done().await
    }
}
