//! Why a command did not do what was asked.

use std::{io, time::Duration};

use gaffer_client::{Endpoint, Error, InvalidEndpoint, Refusal, lookup::NoServer};
use gaffer_core::{
    ini::{IniErrors, UserFileEditError},
    procfile::Mistakes,
};

use crate::Exit;

/// Why a command did not do what was asked. The text is for people, and names what to do where that is known.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The call to the node failed.
    #[error("{}", of_call(.0))]
    Call(#[from] Error),
    /// The node did not answer in the time that was given to it.
    #[error("{endpoint} did not answer within {} s", .within.as_secs_f64())]
    Unanswered {
        /// The node.
        endpoint: Endpoint,
        /// The time.
        within: Duration,
    },
    /// No lookup server has answered.
    #[error(transparent)]
    NoServer(#[from] NoServer),
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

impl From<UserFileEditError> for Failure {
    fn from(error: UserFileEditError) -> Self {
        match error {
            UserFileEditError::File(errors) => errors.into(),
            UserFileEditError::Unwritable { .. } => Self::Failed(format!("cannot change the user file: {error}")),
        }
    }
}

impl Failure {
    /// Whether the node wants a key, or another one.
    pub(crate) fn wants_key(&self) -> bool {
        matches!(self, Self::Call(error) if error.refusal().is_some_and(|refusal| refusal.status == 401))
    }

    /// How the program ends with it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Call(Error::Unreachable { .. } | Error::Interrupted { .. })
            | Self::Unanswered { .. }
            | Self::NoServer(_) => Exit::Unreachable,
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

/// What a failed call means. Of keys it is told in the original's words, and then in the node's, which say what this one lacks.
fn of_call(error: &Error) -> String {
    match error.refusal().filter(|refusal| refusal.is_of_key()) {
        Some(Refusal { status: 401, reason, .. }) => format!("Unauthorized access. You need an API key: {reason}"),
        Some(Refusal { reason, .. }) => format!("Forbidden access. API key permissions aren't enough: {reason}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use gaffer_client::Cause;

    use super::*;

    #[test]
    fn what_is_wrong_with_keys_is_told_in_the_original_s_words_and_the_node_s() {
        let refused = |status, error: &str| {
            let [error, reason] = [error, "because"].map(str::to_owned);
            Failure::Call(Refusal { status, error, reason }.into())
        };
        for (failure, words, wants_key) in [
            (refused(401, "unauthorized"), "Unauthorized access. You need an API key: because", true),
            (refused(403, "forbidden"), "Forbidden access. API key permissions aren't enough: because", false),
            (refused(403, "forbidden_write"), "because", false),
            (refused(404, "not_found"), "because", false),
        ] {
            assert_eq!((failure.to_string().as_str(), failure.wants_key()), (words, wants_key));
        }
        assert_eq!([refused(401, "x").exit(), refused(403, "forbidden").exit()], [Exit::Failed, Exit::Failed]);
    }

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
