//! Questions to all servers at once.

use std::{fmt, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use gaffer_core::{
    SessionId,
    api::lookup::{Jobs, LookupJob, LookupSession, Nodes, Sessions, Source, Sources},
};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::merge;
use crate::{Cause, Client, Endpoint, Error, transport::Call};

/// Once a server has answered, the others have so long to do so as well: who has an answer need not wait for a server that hangs.
const GRACE: Duration = Duration::from_secs(1);

/// Most bytes of a list: a fleet may have very many jobs.
pub(super) const MAX_LIST: usize = 1024 * 1024 * 1024;

/// Lookup servers, asked as if they were one. Cheap to clone.
///
/// ```no_run
/// use gaffer_client::{Client, lookup::Lookup};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let servers = ["http://10.0.0.1:5010", "http://10.0.0.2:5010"];
/// let servers: Vec<Client> = servers.iter().map(|url| Client::new(&url.parse()?).map_err(Into::into)).collect::<Result<_, Box<dyn std::error::Error>>>()?;
/// let lookup = Lookup::new(servers);
/// for source in lookup.job("shop.web").await?.value {
///     println!("{} runs {} of it", source.node_info.origin, source.pids.len());
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Lookup {
    servers: Vec<Client>,
}

/// What the servers that answered know, and which did not.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found<T> {
    /// What they know together.
    pub value: T,
    /// The servers that did not answer: what only they know is missing.
    pub silent: Vec<Silent>,
}

/// A server that did not answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", of_server(.server, .error))]
#[non_exhaustive]
pub struct Silent {
    /// Where it should be.
    pub server: Endpoint,
    /// Why it did not.
    pub error: Error,
}

/// What a failed call means, of a lookup server.
fn of_server(server: &Endpoint, error: &Error) -> String {
    match error {
        Error::Unreachable { cause, .. } => format!("cannot reach gaffer_lookupd at {server}: {cause}"),
        Error::Protocol { call, problem, .. } => {
            format!("{call}: the answer of {server} is none of gaffer_lookupd: {problem}")
        }
        Error::Refused(refusal) => format!("gaffer_lookupd at {server}: {refusal}"),
        Error::Interrupted { cause: Cause::Closed, .. } => {
            format!("gaffer_lookupd at {server} has closed the connection")
        }
        Error::Interrupted { cause, .. } => format!("lost gaffer_lookupd at {server}: {cause}"),
        Error::NoDescriptors { .. }
        | Error::Unsendable { .. }
        | Error::Tls(_)
        | Error::Hidden { .. }
        | Error::InvalidKey => error.to_string(),
    }
}

/// No server has answered.
#[derive(Clone, Debug)]
pub struct NoServer(pub Vec<Silent>);

impl fmt::Display for NoServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("there is no lookup server to ask"),
            [one] => one.fmt(f),
            [first, rest @ ..] => {
                write!(f, "none of the {} lookup servers has answered: {first}", rest.len() + 1)?;
                rest.iter().try_for_each(|silent| write!(f, "; {silent}"))
            }
        }
    }
}

impl std::error::Error for NoServer {}

impl Lookup {
    /// Asks these servers.
    pub fn new(servers: impl IntoIterator<Item = Client>) -> Self {
        Self { servers: servers.into_iter().collect() }
    }

    /// The servers.
    pub fn servers(&self) -> &[Client] {
        &self.servers
    }

    /// Lists the nodes, by name, and the names that several of them have.
    ///
    /// # Errors
    /// When no server answers.
    pub async fn nodes(&self) -> Result<Found<Nodes>, NoServer> {
        Ok(self.ask(|server| server.get(&["nodes"])).await?.map(merge::nodes))
    }

    /// Lists the jobs of all nodes, by name.
    ///
    /// # Errors
    /// When no server answers.
    pub async fn jobs(&self) -> Result<Found<Vec<LookupJob>>, NoServer> {
        Ok(self.ask::<Jobs>(|server| server.get(&["jobs"])).await?.map(merge::jobs))
    }

    /// Lists the sessions, by name, and their jobs: of all nodes, or of those with this name or origin.
    ///
    /// # Errors
    /// When no server answers.
    pub async fn sessions(&self, node: Option<&str>) -> Result<Found<Vec<LookupSession>>, NoServer> {
        let answers = self.ask::<Sessions>(|server| match node {
            Some(node) => server.get(&["sessions", node]),
            None => server.get(&["sessions"]),
        });
        Ok(answers.await?.map(merge::sessions))
    }

    /// Lists the jobs of a session, by name.
    ///
    /// # Errors
    /// When no server answers.
    pub async fn session(&self, session: &SessionId) -> Result<Found<Vec<LookupJob>>, NoServer> {
        let query = [("sessionid", session.as_str())];
        let answers = self.ask::<Jobs>(|server| server.get(&["findSession"]).with(|request| request.query(&query)));
        Ok(answers.await?.map(merge::jobs))
    }

    /// Lists the nodes that have a job, and its processes there. The job's name may be written in any way: `web`, `shop.web`, `shop:web`.
    ///
    /// # Errors
    /// When no server answers.
    pub async fn job(&self, name: &str) -> Result<Found<Vec<Source>>, NoServer> {
        let query = [("name", name)];
        let answers = self.ask::<Sources>(|server| server.get(&["findJob"]).with(|request| request.query(&query)));
        Ok(answers.await?.map(merge::sources))
    }

    /// Asks all servers, and waits for those that answer.
    async fn ask<T: DeserializeOwned>(&self, call: impl Fn(&Client) -> Call) -> Result<Found<Vec<T>>, NoServer> {
        let asked = self.servers.iter().enumerate().map(|(place, server)| {
            let answer = call(server).up_to(MAX_LIST).json::<T>();
            async move { (place, answer.await) }
        });
        let mut asked: FuturesUnordered<_> = asked.collect();
        let mut outcomes: Vec<Option<Result<T, Error>>> = self.servers.iter().map(|_| None).collect();
        let mut until: Option<Instant> = None;
        loop {
            let next = match until {
                Some(until) => timeout_at(until, asked.next()).await,
                None => Ok(asked.next().await),
            };
            let Ok(Some((place, outcome))) = next else { break };
            if outcome.is_ok() {
                until.get_or_insert_with(|| Instant::now() + GRACE);
            }
            outcomes[place] = Some(outcome);
        }
        drop(asked);
        let (mut value, mut silent) = (Vec::new(), Vec::new());
        for (server, outcome) in self.servers.iter().zip(outcomes) {
            let endpoint = server.endpoint().clone();
            let late = || Error::Unreachable { endpoint: endpoint.clone(), cause: Cause::Timeout(GRACE) };
            match outcome.unwrap_or_else(|| Err(late())) {
                Ok(answer) => value.push(answer),
                Err(error) => silent.push(Silent { server: endpoint, error }),
            }
        }
        if value.is_empty() { Err(NoServer(silent)) } else { Ok(Found { value, silent }) }
    }
}

impl<T> Found<Vec<T>> {
    fn map<U>(self, merge: impl FnOnce(Vec<T>) -> U) -> Found<U> {
        Found { value: merge(self.value), silent: self.silent }
    }
}
