//! A node that tells lookup servers what it has.

mod dialogue;
mod ledger;
mod link;

use std::{fmt, sync::Arc};

use gaffer_core::{
    Manager,
    api::lookup::{NodeInfo, PROTOCOL},
    applications::{Application, ApplicationError, BoxFuture},
};
use tokio::{sync::watch, task::JoinSet};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;

use self::{dialogue::USUAL_INTERVAL, link::Link};
use super::Silent;
use crate::{Client, ClientBuilder, Endpoint, Error};

/// Tells lookup servers which jobs and processes a manager has, and each change of that: as long as the manager runs, and each server for
/// itself, so that one that is away, or slow, does not disturb the others. One that comes back is told everything anew.
///
/// A pause before the next attempt is at most half the time after which a server would take a node for gone.
///
/// It is the lookup side of gafferd, for who embeds a manager:
///
/// ```no_run
/// use gaffer_client::{Client, lookup::Registrar};
///
/// # fn make() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Client::builder(&"http://10.0.0.1:5010".parse()?);
/// let registrar = Registrar::new(vec![server], "node-1", "http://10.0.0.7:5000", |report| eprintln!("{report}"))?;
/// // manager.start_applications(vec![Box::new(registrar)]).await
/// # Ok(()) }
/// ```
pub struct Registrar {
    servers: Vec<(ClientBuilder, Client)>,
    node: NodeInfo,
    report: Arc<dyn Fn(Report) + Send + Sync>,
    stop: watch::Sender<bool>,
    links: JoinSet<()>,
}

/// What comes of telling a server. Made into a text it is a line for the log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Report {
    /// It knows all that there is.
    Registered {
        /// The server.
        server: Endpoint,
        /// How many jobs it was told of.
        jobs: usize,
        /// How many processes.
        processes: usize,
    },
    /// It cannot be reached, or its connection was lost. It is tried again.
    Lost(Silent),
    /// It does not let the node in. It is tried again, as whoever is in the way may go.
    Refused {
        /// The server.
        server: Endpoint,
        /// Why.
        reason: String,
    },
    /// It does not take a job or a process, and goes on with the others. Told once a connection.
    NotTaken {
        /// The server.
        server: Endpoint,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered { server, jobs, processes } => {
                write!(f, "registered at the lookup server {server}: jobs {jobs}, processes {processes}")
            }
            Self::Lost(silent) => write!(f, "{silent}; trying again"),
            Self::Refused { server, reason } => {
                write!(f, "the lookup server {server} does not let this node in: {reason}; trying again")
            }
            Self::NotTaken { server, reason } => {
                write!(f, "the lookup server {server} does not take something: {reason}")
            }
        }
    }
}

impl Registrar {
    /// Will tell these servers of the node of this name, which others reach at `origin`. `report` is called with what comes of it.
    ///
    /// Files of TLS are read now, and again for each connection, so that a certificate may be replaced. Blocks while it reads them.
    ///
    /// # Errors
    /// As [`ClientBuilder::build`].
    pub fn new(
        servers: Vec<ClientBuilder>,
        name: impl Into<String>,
        origin: impl Into<String>,
        report: impl Fn(Report) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let made = |server: ClientBuilder| Ok((server.clone(), server.build()?));
        let servers = servers.into_iter().map(made).collect::<Result<_, Error>>()?;
        let node = NodeInfo { name: name.into(), origin: origin.into(), version: PROTOCOL.to_owned() };
        Ok(Self { servers, node, report: Arc::new(report), stop: watch::Sender::new(false), links: JoinSet::new() })
    }
}

impl fmt::Debug for Registrar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registrar").field("servers", &self.servers).field("node", &self.node).finish_non_exhaustive()
    }
}

impl Application for Registrar {
    fn name(&self) -> &str {
        "lookup"
    }

    fn start(&mut self, manager: Manager) -> BoxFuture<'_, Result<(), ApplicationError>> {
        for (builder, server) in &self.servers {
            let (builder, server) = (builder.clone(), server.clone());
            let (node, report) = (self.node.clone(), Arc::clone(&self.report));
            let (manager, interval, incarnation) = (manager.clone(), USUAL_INTERVAL, generate_key());
            let link = Link { builder, server, node, manager, report, interval, incarnation };
            self.links.spawn(link.run(self.stop.subscribe()));
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn stop(&mut self) -> BoxFuture<'_, ()> {
        self.stop.send_replace(true);
        // With its connection a node is gone from a server.
        Box::pin(async { while self.links.join_next().await.is_some() {} })
    }
}
