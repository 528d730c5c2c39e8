//! What can go wrong between a client and its node.

use std::{error, fmt, io, iter, sync::Arc, time::Duration};

use gaffer_core::{JobName, api::channel::Misunderstanding};
use rustls::AlertDescription;
use serde::Deserialize;

use crate::{Endpoint, TlsError};

/// A call that failed. Cheap to clone, as several may hear of the same failure.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody answers at the address, or TLS does not come about there. Nothing was done.
    #[error("cannot reach gafferd at {endpoint}: {cause}")]
    Unreachable {
        /// The address tried.
        endpoint: Endpoint,
        /// Why.
        cause: Cause,
    },
    /// The connection broke, or the answer did not come in time: whether the call was carried out is not known.
    #[error("{call}: {endpoint} did not answer to the end: {cause}")]
    Interrupted {
        /// Where the call went.
        endpoint: Endpoint,
        /// Method and path.
        call: String,
        /// Why.
        cause: Cause,
    },
    /// The node said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What answers there does not speak as gafferd does.
    #[error("{call}: the answer of {endpoint} is none of gafferd: {problem}")]
    Protocol {
        /// Who answered.
        endpoint: Endpoint,
        /// Method and path.
        call: String,
        /// What is wrong with the answer.
        problem: String,
        /// Its status, if that is what is wrong.
        status: Option<u16>,
    },
    /// This process, or its machine, has no file descriptor left to connect with. Nothing was done.
    #[error("cannot connect to {endpoint}: too many files are open here")]
    NoDescriptors {
        /// The address tried.
        endpoint: Endpoint,
    },
    /// What was to be sent cannot be written down, such as a path that is not UTF-8. Nothing was done.
    #[error("{call}: what is to be sent cannot be written as a request: {problem}")]
    Unsendable {
        /// Method and path.
        call: String,
        /// Why.
        problem: String,
    },
    /// TLS cannot be set up as asked.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The node does not tell all of a job's configuration: the key may read the job, and not manage it.
    #[error("the values of the variables of `{}` are hidden from this key: it needs `manage`", job.short())]
    Hidden {
        /// The job.
        job: JobName,
    },
    /// A key that cannot be sent.
    #[error("an API key must consist of visible ASCII characters")]
    InvalidKey,
}

impl Error {
    /// The refusal, if the node said no.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Unreachable { .. }
            | Self::Interrupted { .. }
            | Self::Protocol { .. }
            | Self::NoDescriptors { .. }
            | Self::Unsendable { .. }
            | Self::Tls(_)
            | Self::Hidden { .. }
            | Self::InvalidKey => None,
        }
    }

    /// Whether it may help to try again: the node cannot be reached, or is not well.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { cause, .. } | Self::Interrupted { cause, .. } => cause.may_pass(),
            Self::Refused(refusal) => refusal.status >= 500,
            // A proxy says in its own words that the node is away.
            Self::Protocol { status, .. } => status.is_some_and(|status| status >= 500),
            Self::NoDescriptors { .. } => true,
            Self::Unsendable { .. } | Self::Tls(_) | Self::Hidden { .. } | Self::InvalidKey => false,
        }
    }

    /// Whether the node said that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.status == 404)
    }
}

/// A no of the node: the body that every error of the API has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// The status of the answer: 404, 409, …
    pub status: u16,
    /// The code, for programs: `not_found`, `conflict`, …
    pub error: String,
    /// The sentence, for people.
    pub reason: String,
}

impl Refusal {
    /// Reads the body of an error. Old nodes leave out the sentence, or the status, which then is that of the answer.
    pub(crate) fn read(body: &[u8], status: Option<u16>) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            errno: Option<u16>,
            error: String,
            reason: Option<String>,
        }
        let Body { errno, error, reason } = serde_json::from_slice(body).ok()?;
        Some(Self { status: errno.or(status)?, reason: reason.unwrap_or_else(|| error.clone()), error })
    }

    /// Whether it is because of the key, or because there is none.
    pub fn is_of_key(&self) -> bool {
        self.status == 401 || (self.status == 403 && self.error == "forbidden")
    }

    /// Reads what a channel says before it closes because of the key; `None` if it says something else. The original writes status and code
    /// into the reason, as JSON.
    pub(crate) fn of_channel(said: &Misunderstanding) -> Option<Self> {
        let Misunderstanding { error, reason, errno, detail } = said;
        if error != AUTH_REQUIRED {
            return None;
        }
        let unsaid =
            || Self { status: 401, error: "unauthorized".to_owned(), reason: "the node wants a key".to_owned() };
        let within = Self::read(reason.as_bytes(), None);
        let is_sentence = within.is_none() && !reason.is_empty();
        let mut refusal = within.unwrap_or_else(unsaid);
        if *errno != 0 {
            refusal.status = *errno;
        }
        if refusal.status == 403 {
            refusal.error = "forbidden".to_owned();
        }
        let sentence = if detail.is_empty() && is_sentence { reason } else { detail };
        if !sentence.is_empty() {
            refusal.reason.clone_from(sentence);
        }
        Some(refusal)
    }
}

/// What a channel says to who has not the key that it takes.
const AUTH_REQUIRED: &str = "AUTH_REQUIRED";

/// Why a connection failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The node took longer than this.
    Timeout(Duration),
    /// Nothing came for so long, though the node gives signs of life.
    Silence(Duration),
    /// The node closed the connection before all was told, as it does when it stops.
    Closed,
    /// The node's certificate is not trusted, or not its own.
    Untrusted(Arc<dyn error::Error + Send + Sync>),
    /// The node wants a certificate, or another one than the client has.
    CertificateRefused(Arc<dyn error::Error + Send + Sync>),
    /// What answers there does not speak TLS.
    NoTls(Arc<dyn error::Error + Send + Sync>),
    /// What the transport says.
    Transport(Arc<dyn error::Error + Send + Sync>),
}

impl Cause {
    /// Tells apart what the transport says.
    pub(crate) fn of(error: Box<dyn error::Error + Send + Sync>) -> Self {
        let error: Arc<dyn error::Error + Send + Sync> = error.into();
        let of_tls = chain(error.as_ref()).find_map(|error| error.downcast_ref::<rustls::Error>()).cloned();
        match of_tls {
            Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
                Self::Untrusted(error)
            }
            Some(rustls::Error::AlertReceived(alert)) if is_of_certificate(alert) => Self::CertificateRefused(error),
            Some(rustls::Error::InvalidMessage(_)) => Self::NoTls(error),
            Some(_) | None => Self::Transport(error),
        }
    }

    /// What the system says, if it is that.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Transport(error) => io_error(error.as_ref()).map(io::Error::kind),
            Self::Timeout(_)
            | Self::Silence(_)
            | Self::Closed
            | Self::Untrusted(_)
            | Self::CertificateRefused(_)
            | Self::NoTls(_) => None,
        }
    }

    /// Whether it may help to try again.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Silence(_) | Self::Closed | Self::Transport(_) => true,
            Self::Untrusted(_) | Self::CertificateRefused(_) | Self::NoTls(_) => false,
        }
    }
}

/// Whether an alert is about the certificate of this client. No node says so once it has taken a request.
fn is_of_certificate(alert: AlertDescription) -> bool {
    [
        AlertDescription::CertificateRequired,
        AlertDescription::NoCertificate,
        AlertDescription::BadCertificate,
        AlertDescription::UnsupportedCertificate,
        AlertDescription::CertificateRevoked,
        AlertDescription::CertificateExpired,
        AlertDescription::CertificateUnknown,
        AlertDescription::UnknownCA,
        AlertDescription::AccessDenied,
        AlertDescription::HandshakeFailure,
    ]
    .contains(&alert)
}

/// The innermost error of the system, if there is one.
pub(crate) fn io_error<'a>(error: &'a (dyn error::Error + 'static)) -> Option<&'a io::Error> {
    chain(error).filter_map(|error| error.downcast_ref()).last()
}

/// An error and what caused it, from the outside to the inside.
pub(crate) fn chain<'a>(
    error: &'a (dyn error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn error::Error + 'static)> {
    iter::successors(Some(error), |error| match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        // The source of such an error is the source of what it wraps.
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    })
}

impl fmt::Display for Cause {
    /// The innermost reason: what is around it only says that something failed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout(patience) => write!(f, "no answer within {} s", patience.as_secs_f64()),
            Self::Silence(silence) => write!(f, "nothing was heard for {} s", silence.as_secs_f64()),
            Self::Closed => f.write_str("the node closed the connection"),
            Self::CertificateRefused(error) => {
                write!(
                    f,
                    "the node refuses the certificate of this client, or wants one ({})",
                    innermost(error.as_ref())
                )
            }
            Self::NoTls(_) => f.write_str("what answers there does not speak TLS; is it http?"),
            Self::Untrusted(error) | Self::Transport(error) => f.write_str(&innermost(error.as_ref())),
        }
    }
}

/// The innermost reason, in words.
fn innermost(error: &(dyn error::Error + 'static)) -> String {
    let text = chain(error).last().map(ToString::to_string).unwrap_or_default();
    // The number says no more than the words.
    text.split_once(" (os error ").map_or(text.as_str(), |(words, _)| words).to_owned()
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;

    fn cause(error: rustls::Error) -> Cause {
        // As TLS errors come, wrapped twice.
        Cause::of(Box::new(io::Error::other(io::Error::other(error))))
    }

    #[test]
    fn what_is_wrong_with_tls_is_told_apart() {
        let untrusted = cause(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        assert!(matches!(untrusted, Cause::Untrusted(_)), "{untrusted:?}");
        assert_eq!(untrusted.to_string(), "invalid peer certificate: UnknownIssuer");
        let refused = cause(rustls::Error::AlertReceived(AlertDescription::CertificateRequired));
        assert!(matches!(refused, Cause::CertificateRefused(_)), "{refused:?}");
        let text = "the node refuses the certificate of this client, or wants one (received fatal alert: the peer requires a certificate)";
        assert!(refused.to_string().starts_with(&text[..66]), "{refused}");
        assert!(!untrusted.may_pass() && !refused.may_pass());
        let other = cause(rustls::Error::AlertReceived(AlertDescription::InternalError));
        assert!(matches!(other, Cause::Transport(_)) && other.may_pass(), "{other:?}");
    }

    #[test]
    fn a_channel_says_in_several_ways_that_it_wants_a_key() {
        let said = |error: &str, reason: &str, errno, detail: &str| {
            let [error, reason, detail] = [error, reason, detail].map(str::to_owned);
            Refusal::of_channel(&Misunderstanding { error, reason, errno, detail })
        };
        let expected = |status, error: &str, reason: &str| {
            Some(Refusal { status, error: error.to_owned(), reason: reason.to_owned() })
        };
        let of_original = r#"{"errno": 403, "error": "forbidden"}"#;
        assert_eq!(said("AUTH_REQUIRED", of_original, 0, ""), expected(403, "forbidden", "forbidden"));
        assert_eq!(said("AUTH_REQUIRED", of_original, 403, "it is no key"), expected(403, "forbidden", "it is no key"));
        assert_eq!(said("AUTH_REQUIRED", "it is over", 401, ""), expected(401, "unauthorized", "it is over"));
        assert_eq!(said("AUTH_REQUIRED", "", 403, ""), expected(403, "forbidden", "the node wants a key"));
        assert_eq!(said("invalid_msg", "data_missing", 400, "no"), None);
    }

    #[test]
    fn what_the_system_says_is_told_without_its_number() {
        let refused = Cause::of(Box::new(io::Error::other(io::Error::from_raw_os_error(111))));
        assert_eq!(refused.to_string(), "Connection refused");
        assert_eq!(refused.io_kind(), Some(io::ErrorKind::ConnectionRefused));
    }
}
