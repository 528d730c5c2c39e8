//! Commands of the node's own parts, which need no key.

use futures_util::{FutureExt, future::BoxFuture};
use gaffer_core::{
    Manager,
    api::channel::{Command as Request, Failure},
};
use serde_json::Value;

use super::command::{Command, Means, Outcome, Progress};
use crate::api::access::Caller;

/// The commands of `/channel`, for a part of the node that may do everything.
///
/// What the arguments are, and what comes of it, is as on the channel: docs/channel.md has all of them.
#[derive(Clone)]
pub struct Commands {
    means: Means,
}

/// How far a command has got.
pub enum Carried {
    /// It is done, or was refused.
    Done(Result<Value, Failure>),
    /// It has its place in line for a process that does not read. Those that come after it need not wait.
    Waiting(BoxFuture<'static, Result<Value, Failure>>),
}

impl Commands {
    /// Those of a manager.
    pub fn new(manager: Manager) -> Self {
        Self { means: Means::new(manager) }
    }

    /// Carries a command out. `identity` is for who asks: it is not looked at.
    ///
    /// # Cancel safety
    /// As commands of the [`Manager`]: what was handed over is carried out.
    pub async fn run(&self, request: Request) -> Carried {
        let command = match Command::read(request) {
            Ok(command) => command,
            Err(error) => return Carried::Done(Err(error.failure())),
        };
        match command.run(&self.means, &Caller::Everybody).await {
            Ok(Progress::Done(result)) => Carried::Done(Ok(result)),
            Ok(Progress::Waiting(sending)) => Carried::Waiting(sending.map(told).boxed()),
            Err(error) => Carried::Done(Err(error.failure())),
        }
    }
}

impl std::fmt::Debug for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commands").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done(outcome) => f.debug_tuple("Done").field(outcome).finish(),
            Self::Waiting(_) => f.write_str("Waiting"),
        }
    }
}

fn told(outcome: Outcome) -> Result<Value, Failure> {
    outcome.map_err(|error| error.failure())
}
