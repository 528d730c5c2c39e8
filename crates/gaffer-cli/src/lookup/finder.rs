//! Asks lookup servers for the node that has what a command is about.

use futures_util::future::try_join_all;
use gaffer_client::{
    Client, Endpoint,
    lookup::{Found, Lookup, Silent},
};
use gaffer_core::api::lookup::{LookupJob, NodeInfo};

use super::{Known, NotOne, Want};
use crate::{ConnectionArgs, Failure, Output};

/// Finds nodes through the lookup servers of `--lookupd`.
#[derive(Debug)]
pub struct Finder<'a> {
    connection: &'a ConnectionArgs,
    lookup: Lookup,
    /// Whether TLS is spoken with a server, so that options of TLS may be for that.
    has_tls: bool,
}

impl<'a> Finder<'a> {
    /// One that asks as these options say; `None`, if no lookup server is to be asked.
    ///
    /// Blocks while it reads files.
    ///
    /// # Errors
    /// When the node is named as well, an address does not read, or a file.
    pub fn of(connection: &'a ConnectionArgs, output: &mut Output) -> Result<Option<Self>, Failure> {
        if !connection.looks_up() {
            return Ok(None);
        }
        if connection.api_key.is_some() {
            // Whoever registers at a lookup server could collect it.
            return Err(Failure::Usage(
                "`--api-key` would be shown to whichever node a lookup server names; that of the user file, in the section of the node's \
                 URL, is shown to that node only"
                    .to_owned(),
            ));
        }
        let (lookup, has_tls) = connection.lookup_servers(&connection.lookupd, output)?;
        Ok(Some(Self { connection, lookup, has_tls }))
    }

    /// A client of the one node that has all of it.
    ///
    /// # Errors
    /// When there is no such node, or more than one; when no server answers.
    pub async fn client(&self, wanted: &[Want], output: &mut Output) -> Result<Client, Failure> {
        let known = self.known(wanted, output).await?;
        self.client_of_one(&known, wanted, output)
    }

    /// The same, where it is known already what there is.
    ///
    /// # Errors
    /// When there is no such node, or more than one.
    pub fn client_of_one(&self, known: &Known, wanted: &[Want], output: &mut Output) -> Result<Client, Failure> {
        let node = known.one(wanted).map_err(|not_one| not_one.failure(output.node_option()))?;
        self.client_of(node, output)
    }

    /// All nodes that have any of it.
    ///
    /// # Errors
    /// When there is none, or no server answers.
    pub async fn nodes(&self, want: Want, output: &mut Output) -> Result<Vec<NodeInfo>, Failure> {
        let known = self.known(std::slice::from_ref(&want), output).await?;
        known.all(&want).map_err(|not_one: NotOne| not_one.failure(output.node_option()))
    }

    /// A client of a node.
    ///
    /// Blocks while it reads files.
    ///
    /// # Errors
    /// When its origin is no place to call.
    pub fn client_of(&self, node: &NodeInfo, output: &mut Output) -> Result<Client, Failure> {
        let endpoint = endpoint(node)?;
        let away = self.lookup.servers().iter().map(Client::endpoint).find(|server| !server.is_local());
        if let Some(server) = away.filter(|_| endpoint.is_local()) {
            // It would be another node, or none.
            return Err(Failure::Failed(format!(
                "{server} says that the node `{}` is at {endpoint}, which is this machine for whoever calls it; gafferd's \
                 --broadcast-address says where others reach it",
                node.name
            )));
        }
        self.connection.client_of_found(&endpoint, self.has_tls, output)
    }

    /// All that the servers know.
    ///
    /// # Errors
    /// When none answers.
    pub async fn all(&self, output: &mut Output) -> Result<Known, Failure> {
        Ok(self.knowing(heard(self.lookup.jobs().await?, output)))
    }

    /// What the servers know of this. It is asked for no more than that, if it can be: there may be very many jobs.
    async fn known(&self, wanted: &[Want], output: &mut Output) -> Result<Known, Failure> {
        let names: Option<Vec<String>> = wanted.iter().map(name).collect();
        match (wanted, names) {
            ([Want::Session(session)], _) => Ok(self.knowing(heard(self.lookup.session(session).await?, output))),
            (_, Some(names)) => {
                let found = try_join_all(names.iter().map(|name| self.lookup.job(name))).await?;
                let mut silent: Vec<Silent> = Vec::new();
                let mut jobs = Vec::new();
                for (name, found) in names.into_iter().zip(found) {
                    for one in found.silent {
                        if silent.iter().all(|known| known.server != one.server) {
                            silent.push(one);
                        }
                    }
                    jobs.push(LookupJob { name, sources: found.value });
                }
                say_silent(&silent, output);
                Ok(self.knowing(jobs))
            }
            (_, None) => self.all(output).await,
        }
    }

    fn knowing(&self, jobs: Vec<LookupJob>) -> Known {
        Known::new(jobs, self.lookup.servers().iter().map(|server| server.endpoint().clone()).collect())
    }
}

/// The full name, if it is one job.
fn name(want: &Want) -> Option<String> {
    match want {
        Want::Job(name) => Some(name.to_string()),
        Want::Session(_) | Want::Fitting(_) => None,
    }
}

/// Where a node is called. Whoever registers says that: so it must be what a node can be on another machine, and no file, say, on this.
fn endpoint(NodeInfo { name, origin, .. }: &NodeInfo) -> Result<Endpoint, Failure> {
    let scheme = origin.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("http" | "https")) {
        return Err(Failure::Failed(format!(
            "the node `{name}` says that it is at `{origin}`, which is neither http:// nor https://"
        )));
    }
    origin.parse().map_err(|error| Failure::Failed(format!("the node `{name}` says where it is, but {error}")))
}

/// What was found. The servers that did not answer are named: what only they know is missing.
pub fn heard<T>(found: Found<T>, output: &mut Output) -> T {
    say_silent(&found.silent, output);
    found.value
}

fn say_silent(silent: &[Silent], output: &mut Output) {
    silent.iter().for_each(|silent| output.say(silent));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nodes_that_speak_http_are_called() {
        let told = |origin: &str| {
            let node = NodeInfo { name: "n".to_owned(), origin: origin.to_owned(), version: "0.1".to_owned() };
            endpoint(&node).map(|endpoint| endpoint.to_string()).map_err(|failure| failure.to_string())
        };
        assert_eq!(told("HTTP://A:1/").as_deref(), Ok("http://a:1"));
        assert_eq!(told("https://a").as_deref(), Ok("https://a:443"));
        for origin in ["unix:/run/g.sock", "prod", "a:5000", "ftp://a", "", "http:/a"] {
            let expected = format!("the node `n` says that it is at `{origin}`, which is neither http:// nor https://");
            assert_eq!(told(origin), Err(expected));
        }
        for origin in ["http://", "http://me@a", "http://a/b", "http://a:0"] {
            assert!(told(origin).unwrap_err().starts_with("the node `n` says where it is, but `"), "{origin}");
        }
    }
}
