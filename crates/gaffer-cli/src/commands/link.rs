//! What is said when the connection to the node is lost, and when it is there again.

use std::fmt::Display;

use gaffer_client::{Client, Endpoint, Error};

use crate::Output;

/// The connection, as far as the person was told about it. Several feeds lose theirs at once: it is said once.
#[derive(Debug)]
pub struct Link {
    endpoint: Endpoint,
    is_lost: bool,
}

impl Link {
    /// It is there.
    pub fn new(client: &Client) -> Self {
        Self { endpoint: client.endpoint().clone(), is_lost: false }
    }

    /// It is lost.
    pub fn lost(&mut self, output: &mut Output, error: &Error) {
        if std::mem::replace(&mut self.is_lost, true) {
            return;
        }
        // The address need not be said twice.
        let why: &dyn Display =
            if let Error::Unreachable { cause, .. } | Error::Interrupted { cause, .. } = error { cause } else { error };
        output.say(format_args!("the connection to {} is lost ({why}); trying again", self.endpoint));
    }

    /// Whether it is lost.
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// It is there again. `same_run` tells whether the node ran on meanwhile.
    pub fn found(&mut self, output: &mut Output, same_run: bool) {
        let endpoint = &self.endpoint;
        match (std::mem::take(&mut self.is_lost), same_run) {
            (true, false) => output.say(format_args!("connected to {endpoint} again; gafferd was restarted meanwhile")),
            (true, true) => output.say(format_args!("connected to {endpoint} again")),
            (false, false) => output.say(format_args!("gafferd at {endpoint} was restarted")),
            (false, true) => {}
        }
    }
}

/// Whether it may help to ask again: the node cannot be reached, or is about to end.
pub fn may_pass(error: &Error) -> bool {
    matches!(error, Error::Unreachable { .. } | Error::Interrupted { .. })
        || error.refusal().is_some_and(|refusal| refusal.status >= 500)
}
