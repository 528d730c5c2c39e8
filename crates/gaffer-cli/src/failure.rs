//! Why a command did not do what was asked.

use std::{io, time::Duration};

use gaffer_client::{Endpoint, Error, InvalidEndpoint};
use gaffer_core::{ini::IniErrors, procfile::Mistakes};

use crate::Exit;

/// Why a command did not do what was asked. The text is for people, and names what to do where that is known.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The call to the node failed.
    #[error(transparent)]
    Call(#[from] Error),
    /// The node did not answer in the time that was given to it.
    #[error("{endpoint} did not answer within {} s", .within.as_secs_f64())]
    Unanswered {
        /// The node.
        endpoint: Endpoint,
        /// The time.
        within: Duration,
    },
    /// What was named is not there.
    #[error("{0}")]
    NotFound(String),
    /// What was asked did not come about, or what was given does not read.
    #[error("{0}")]
    Failed(String),
    /// A file has a mistake. The text begins with the file's name and the place in it.
    #[error("{0}")]
    Placed(String),
    /// The command line asks for something that cannot be.
    #[error("{0}")]
    Usage(String),
    /// The endpoint that was named does not read.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// The user file has mistakes.
    #[error(transparent)]
    UserFile(#[from] IniErrors),
    /// Files of an application have mistakes.
    #[error(transparent)]
    Application(#[from] Mistakes),
    /// A result cannot be written.
    #[error("cannot write to stdout: {0}")]
    Stdout(io::Error),
    /// All that there is to say was said already.
    #[error("")]
    Told(Exit),
}

impl Failure {
    /// How the program ends with it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Call(Error::Unreachable { .. } | Error::Interrupted { .. }) | Self::Unanswered { .. } => {
                Exit::Unreachable
            }
            Self::Call(error) if error.is_not_found() => Exit::NotFound,
            Self::NotFound(_) => Exit::NotFound,
            Self::Usage(_) | Self::Endpoint(_) => Exit::Usage,
            Self::Call(_)
            | Self::Failed(_)
            | Self::Placed(_)
            | Self::UserFile(_)
            | Self::Application(_)
            | Self::Stdout(_) => Exit::Failed,
            Self::Told(exit) => *exit,
        }
    }
}

#[cfg(test)]
mod tests {
    use gaffer_client::Cause;

    use super::*;

    #[test]
    fn a_node_that_hangs_or_breaks_off_is_as_good_as_none() {
        let endpoint = Endpoint::default();
        let interrupted =
            Error::Interrupted { endpoint: endpoint.clone(), call: "GET /".to_owned(), cause: Cause::Closed };
        let unanswered = Failure::Unanswered { endpoint, within: Duration::from_millis(300) };
        assert_eq!(unanswered.to_string(), "http://127.0.0.1:5000 did not answer within 0.3 s");
        for failure in [Failure::Call(interrupted), unanswered] {
            assert_eq!(failure.exit(), Exit::Unreachable, "{failure}");
        }
    }
}
