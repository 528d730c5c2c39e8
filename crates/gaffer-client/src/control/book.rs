//! What a connection is about: who listens to what, and which commands are not answered.

use gaffer_core::api::channel::{FailedCommand, Outcome, Reply};

use super::{
    commands::{Commands, Order},
    topics::{Newcomer, Topics},
};
use crate::{Client, Error, Refusal, websocket::Said};

/// Something that a handle wants.
#[derive(Debug)]
pub(super) enum Ask {
    /// To be subscribed.
    Subscribe(Newcomer),
    /// That a command is carried out.
    Command(Order),
}

/// What a connection is about. Does no I/O.
#[derive(Debug)]
pub(super) struct Book {
    client: Client,
    /// The call that opens the connection, for messages.
    what: String,
    topics: Topics,
    commands: Commands,
}

/// The most of a message that is shown in an error, in characters.
const SHOWN: usize = 80;

impl Book {
    /// For a connection that is there.
    pub(super) fn new(client: &Client, what: String) -> Self {
        let topics = Topics::new(client, what.clone());
        Self { client: client.clone(), what, topics, commands: Commands::default() }
    }

    pub(super) fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Subscribe(newcomer) => {
                // First what was dropped before: a node has so many topics and no more.
                self.topics.sweep();
                self.topics.add(newcomer);
            }
            Ask::Command(order) => self.commands.push(order),
        }
    }

    /// Whether nobody listens.
    pub(super) fn is_deserted(&self) -> bool {
        self.topics.is_deserted()
    }

    /// Forgets those who listen no more.
    pub(super) fn sweep(&mut self) {
        self.topics.sweep();
    }

    /// The message that is to be sent next.
    pub(super) fn pop(&mut self) -> Option<String> {
        self.topics.pop().map(|request| request.to_text()).or_else(|| self.commands.pop())
    }

    /// Takes in what the node says.
    ///
    /// # Errors
    /// When that is none of the protocol, or the node is not well, or wants another key. Then the connection is of no use.
    pub(super) fn hear(&mut self, said: &Said) -> Result<(), Error> {
        let (Said::Text(bytes) | Said::Binary(bytes)) = said;
        let reply = serde_json::from_slice(bytes).map_err(|error| {
            let shown: String = String::from_utf8_lossy(bytes).chars().take(SHOWN).collect();
            self.client.protocol(&self.what, format!("`{shown}`: {error}"))
        })?;
        match reply {
            Reply::Subscribed { topic, start } => self.topics.agreed(&topic, start),
            Reply::NotSubscribed { topic, data } => self.topics.refused(&topic, data)?,
            Reply::Ended { topic } => self.topics.ended(&topic),
            Reply::Lagged { topic, data } => self.topics.lagged(&topic, data.lost),
            Reply::Event { id, data } => self.topics.event(id, data, bytes.len()),
            Reply::Done { data: Outcome { id, result } } => self.commands.answered(&id, Ok(result)),
            Reply::Failed { data: FailedCommand { id, error } } => {
                let refusal = Refusal { status: error.errno, error: error.error, reason: error.reason };
                self.commands.answered(&id, Err(refusal));
            }
            Reply::Invalid { data } => {
                if let Some(refusal) = Refusal::of_channel(&data) {
                    return Err(refusal.into());
                }
                let problem = format!("it does not understand this client: {} {}", data.reason, data.detail);
                return Err(self.client.protocol(&self.what, problem.trim_end().to_owned()));
            }
            Reply::Unknown => {}
        }
        Ok(())
    }

    /// The connection is lost.
    pub(super) fn lost(&mut self, error: &Error) {
        self.commands.lost(&self.client, error);
        self.topics.lost(error);
    }

    /// Tells everybody why there is no connection.
    pub(super) fn tell_loss(&self, error: &Error) {
        self.topics.tell_loss(error);
    }

    /// The connection is there again.
    pub(super) fn reconnected(&mut self) {
        self.topics.reconnected();
    }

    /// There will be no connection again, for this reason.
    pub(super) fn fail(&mut self, error: &Error) {
        self.commands.lost(&self.client, error);
        self.commands.fail(error);
        self.topics.fail(error);
    }
}
