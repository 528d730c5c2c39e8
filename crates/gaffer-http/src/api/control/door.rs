//! Whether a client is known, and for how long.

use futures_util::future::BoxFuture;
use tokio::time::sleep;

use crate::api::{
    ApiError,
    access::{Caller, Doorkeeper, Visitor, socket::PATIENCE},
};

/// Where a client stands.
pub(super) struct Door {
    doorkeeper: Doorkeeper,
    state: State,
    /// Resolves when it is to go: as it does not say who it is, or its key is good no more.
    end: BoxFuture<'static, ()>,
}

enum State {
    /// It has still to show a key.
    Closed,
    Open(Caller),
    /// What it showed was no good.
    Refused(ApiError),
}

impl Door {
    pub(super) fn new(doorkeeper: Doorkeeper, visitor: Visitor) -> Self {
        let (state, end): (State, BoxFuture<'static, ()>) = match visitor {
            Visitor::Known(caller) => (State::Open(caller.clone()), caller.gone()),
            Visitor::Nobody => (State::Closed, Box::pin(sleep(PATIENCE))),
            Visitor::Refused(error) => (State::Refused(error), Box::pin(std::future::ready(()))),
        };
        Self { doorkeeper, state, end }
    }

    /// The caller, if it is known and its key still good.
    pub(super) fn caller(&self) -> Result<Caller, ApiError> {
        match &self.state {
            State::Open(caller) if caller.is_gone() => Err(Caller::gone_error()),
            State::Open(caller) => Ok(caller.clone()),
            State::Closed => Visitor::Nobody.known(),
            State::Refused(error) => Err(error.clone()),
        }
    }

    /// Who it is or was, for the log.
    pub(super) fn who(&self) -> Option<&Caller> {
        match &self.state {
            State::Open(caller) => Some(caller),
            State::Closed | State::Refused(_) => None,
        }
    }

    /// Whether a key is still to be shown.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Asks who shows a key.
    pub(super) fn show(&self, key: &str) -> impl Future<Output = Result<Caller, ApiError>> + Send + use<> {
        let (doorkeeper, key) = (self.doorkeeper.clone(), key.trim().to_owned());
        async move { doorkeeper.show(&key).await }
    }

    /// A key was shown.
    pub(super) fn shown(&mut self, caller: Result<Caller, ApiError>) -> Result<(), ApiError> {
        let caller = caller?;
        self.end = caller.clone().gone();
        self.state = State::Open(caller);
        Ok(())
    }

    /// Resolves when the client is to go, as it does not say who it is, or its key is good no more.
    ///
    /// # Cancel safety
    /// Nothing happens if this is dropped.
    pub(super) async fn end(&mut self) {
        self.end.as_mut().await;
    }
}
