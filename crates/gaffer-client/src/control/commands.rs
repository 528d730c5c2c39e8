//! Commands on their way.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;
use tokio::sync::oneshot;

use crate::{Cause, Client, Error, Refusal};

/// Who is first to take a command out of the queue: the connection, which sends it; or who gave it, who has waited long enough.
#[derive(Clone, Debug, Default)]
pub(super) struct Claim(Arc<AtomicBool>);

impl Claim {
    /// Takes it; answers whether nobody had.
    pub(super) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// A command that somebody waits for.
#[derive(Debug)]
pub(super) struct Order {
    /// What ties the answer to it.
    pub(super) identity: u64,
    /// Its message.
    pub(super) text: String,
    /// Its name, for messages.
    pub(super) call: String,
    pub(super) claim: Claim,
    pub(super) answer: oneshot::Sender<Result<Value, Error>>,
}

/// Commands that are not answered yet. How many somebody waits for is bounded by those who wait; those that nobody waits for any
/// more are forgotten with the next one.
#[derive(Debug, Default)]
pub(super) struct Commands {
    waiting: VecDeque<Order>,
    unanswered: HashMap<u64, (String, oneshot::Sender<Result<Value, Error>>)>,
}

impl Commands {
    pub(super) fn push(&mut self, order: Order) {
        self.waiting.retain(|order| !order.answer.is_closed());
        self.waiting.push_back(order);
    }

    /// The message that is to be sent next.
    pub(super) fn pop(&mut self) -> Option<String> {
        while let Some(Order { identity, text, call, claim, answer }) = self.waiting.pop_front() {
            if !answer.is_closed() && claim.take() {
                self.unanswered.retain(|_, (_, answer)| !answer.is_closed());
                self.unanswered.insert(identity, (call, answer));
                return Some(text);
            }
        }
        None
    }

    /// Hands an answer to who waits for it.
    pub(super) fn answered(&mut self, identity: &Value, answer: Result<Value, Refusal>) {
        let asked = identity.as_u64().and_then(|identity| self.unanswered.remove(&identity));
        if let Some((_, asker)) = asked {
            // Who gave up does not hear it.
            let _given_up = asker.send(answer.map_err(Into::into));
        }
    }

    /// The connection is lost: nobody knows what became of those that were sent.
    pub(super) fn lost(&mut self, client: &Client, error: &Error) {
        for (_, (call, asker)) in self.unanswered.drain() {
            let error = match error {
                Error::Interrupted { cause, .. } => client.interrupted(&call, cause.clone()),
                Error::Protocol { problem, .. } => client.protocol(&call, problem.clone()),
                // A node that takes no key from us, or this one no more, has answered what it did before.
                Error::Refused(refusal) if refusal.is_of_key() => error.clone(),
                Error::Unreachable { .. }
                | Error::Refused(_)
                | Error::NoDescriptors { .. }
                | Error::Unsendable { .. }
                | Error::Tls(_)
                | Error::Hidden { .. }
                | Error::InvalidKey => client.interrupted(&call, Cause::Closed),
            };
            let _given_up = asker.send(Err(error));
        }
    }

    /// There will be no connection again: those that wait for one are not carried out.
    pub(super) fn fail(&mut self, error: &Error) {
        for order in self.waiting.drain(..) {
            let _given_up = order.answer.send(Err(unsent(error)));
        }
    }
}

/// What the end of the connection means to one who had not used it yet: nothing was done.
pub(super) fn unsent(error: &Error) -> Error {
    match error {
        Error::Interrupted { endpoint, cause, .. } => {
            Error::Unreachable { endpoint: endpoint.clone(), cause: cause.clone() }
        }
        Error::Unreachable { .. }
        | Error::Refused(_)
        | Error::Protocol { .. }
        | Error::NoDescriptors { .. }
        | Error::Unsendable { .. }
        | Error::Tls(_)
        | Error::Hidden { .. }
        | Error::InvalidKey => error.clone(),
    }
}
