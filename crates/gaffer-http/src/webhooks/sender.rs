//! One attempt to deliver an event.

use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use gaffer_core::{
    config::{Secret, SecretSource, WebhookConfig},
    events::Notification,
};
use reqwest::{
    Client, Response, StatusCode, Url,
    header::{self, HeaderName, HeaderValue},
    redirect,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::{retry::Verdict, signature::signature};
use crate::serve::{TlsError, TlsProblem, tls};

/// Time to connect, if a hook's own is not shorter.
const CONNECT: Duration = Duration::from_secs(10);

/// So much of an answer's body is read, and for so long, so that its connection may serve again.
const MOST_BODY: usize = 64 * 1024;
const BODY_TIME: Duration = Duration::from_secs(1);

/// How long a connection is kept for the next event.
const IDLE: Duration = Duration::from_secs(30);

const USER_AGENT: &str = concat!("gafferd/", env!("CARGO_PKG_VERSION"));

/// The event's topic.
const EVENT: HeaderName = HeaderName::from_static("x-gaffer-event");
/// What tells an event from others, and an attempt that is made again from another event.
const DELIVERY: HeaderName = HeaderName::from_static("x-gaffer-delivery");
/// [`signature`].
const SIGNATURE: HeaderName = HeaderName::from_static("x-gaffer-signature");

/// What makes a hook unusable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookProblem {
    /// A file of TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The file of the secret.
    #[error("secret_file {}: {problem}", file.display())]
    Secret {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// All else that keeps requests from being made.
    #[error("requests cannot be made: {0}")]
    Client(String),
}

/// What came of an attempt.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) verdict: Verdict,
    pub(super) status: Option<u16>,
    /// What was wrong, if anything.
    pub(super) problem: Option<String>,
}

/// What makes attempts for one hook.
#[derive(Debug)]
pub(super) struct Sender {
    http: Client,
    url: Url,
    secret: Option<Secret>,
    timeout: Duration,
    /// Tells whether the files that were read are still the same.
    pub(super) fingerprint: [u8; 32],
}

impl Sender {
    /// Makes one for a hook, whose connections are no more than so many. Blocks while it reads files.
    pub(super) fn new(config: &WebhookConfig, connections: usize) -> Result<Self, WebhookProblem> {
        let unusable = |error: &(dyn Error + 'static)| WebhookProblem::Client(chain(error));
        let url: Url = config.url.as_str().parse().map_err(|error| unusable(&error))?;
        let mut digest = Sha256::new();
        let secret = match &config.secret {
            None => None,
            Some(SecretSource::Text(secret)) => Some(secret.clone()),
            Some(SecretSource::File(file)) => {
                let secret = secret_of(file)?;
                digest.update(secret.as_str());
                Some(secret)
            }
        };
        for file in [&config.cacert, &config.certfile, &config.keyfile].into_iter().flatten() {
            // One that cannot be read is told below.
            digest.update(Sha256::digest(tls::read(file).unwrap_or_default()));
        }
        let tls = tls_of(config)?;
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            // Attempts are ours to count.
            .retry(reqwest::retry::never())
            // What the environment of a daemon says is seldom meant for it.
            .no_proxy()
            .connect_timeout(config.timeout.min(CONNECT))
            .timeout(config.timeout)
            .pool_max_idle_per_host(connections)
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(|error| unusable(&error))?;
        let fingerprint = digest.finalize().into();
        Ok(Self { http, url, secret, timeout: config.timeout, fingerprint })
    }

    /// Whether what is sent is signed.
    pub(super) fn signs(&self) -> bool {
        self.secret.is_some()
    }

    /// Posts an event of this run of the node. It takes no longer than the hook's time-out, and a moment.
    pub(super) async fn send(&self, node: &str, notification: &Notification) -> Outcome {
        let body = notification.json();
        let mut request =
            self.http.post(self.url.clone()).header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let signature = self.secret.as_ref().map(|secret| signature(secret, &body));
        let delivery = format!("{node}-{}", notification.id());
        let topic = notification.topic().to_string();
        for (name, value) in [(EVENT, Some(topic)), (DELIVERY, Some(delivery)), (SIGNATURE, signature)] {
            // All of them are ASCII.
            if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
                request = request.header(name, value);
            }
        }
        match request.body(body).send().await {
            Ok(answer) => {
                let outcome = judge(&answer);
                drain(answer).await;
                outcome
            }
            Err(error) => self.unanswered(&error),
        }
    }

    fn unanswered(&self, error: &reqwest::Error) -> Outcome {
        let problem = if error.is_timeout() {
            format!("no answer within {} s", self.timeout.as_secs_f64())
        } else {
            chain(error)
        };
        // What cannot be sent now could never be.
        let verdict = if error.is_builder() { Verdict::GiveUp } else { Verdict::Retry(None) };
        Outcome { verdict, status: None, problem: Some(problem) }
    }
}

/// What an answer means, by its head.
fn judge(answer: &Response) -> Outcome {
    let status = answer.status();
    let text = |name| answer.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let verdict = Verdict::of(status.as_u16(), text(header::RETRY_AFTER), SystemTime::now());
    let problem = (verdict != Verdict::Delivered).then(|| in_words(status));
    Outcome { verdict, status: Some(status.as_u16()), problem }
}

fn in_words(status: StatusCode) -> String {
    let hint =
        if status.is_redirection() { "; redirects are not followed, so give the URL where they lead" } else { "" };
    format!("the receiver answered {status}{hint}")
}

/// Reads what is left of an answer, within bounds: else its connection could not be used again.
async fn drain(mut answer: Response) {
    let mut left = MOST_BODY;
    let read = async {
        while let Ok(Some(chunk)) = answer.chunk().await {
            let Some(still) = left.checked_sub(chunk.len()) else { return };
            left = still;
        }
    };
    let _late = timeout(BODY_TIME, read).await;
}

/// An error and its causes. The URL is left out, as a part of it may be secret.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut told: Vec<String> = Vec::new();
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        let text = match error.downcast_ref::<reqwest::Error>() {
            // Says no more than its cause does.
            Some(_) if error.source().is_some() => String::new(),
            _ => error.to_string(),
        };
        if !text.is_empty() && !told.iter().any(|before| before.contains(&text)) {
            told.push(text);
        }
        next = error.source();
    }
    told.join(": ")
}

fn secret_of(file: &Path) -> Result<Secret, WebhookProblem> {
    let wrong = |problem: String| WebhookProblem::Secret { file: file.to_owned(), problem };
    let bytes = tls::read(file).map_err(|problem| wrong(problem.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
    text.trim_end_matches(['\r', '\n']).parse().map_err(|problem| wrong(format!("{problem}")))
}

/// Whom to trust, and what to show.
fn tls_of(config: &WebhookConfig) -> Result<ClientConfig, WebhookProblem> {
    let wrong = |error: rustls::Error| WebhookProblem::Client(error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(wrong)?;
    let builder = match &config.cacert {
        // Nobody is to be trusted, and no file need be read.
        _ if !config.url.is_tls() => builder.with_root_certificates(RootCertStore::empty()),
        None => builder.with_platform_verifier().map_err(wrong)?,
        Some(file) => {
            let wrong = |problem| TlsError { key: "cacert", file: file.clone(), problem };
            let mut roots = RootCertStore::empty();
            for certificate in tls::certificates(file).map_err(wrong)? {
                let added = roots.add(certificate);
                added.map_err(|error| wrong(TlsProblem::Certificate(error.to_string())))?;
            }
            builder.with_root_certificates(roots)
        }
    };
    let Some(certfile) = &config.certfile else { return Ok(builder.with_no_client_auth()) };
    let in_certfile = |problem| TlsError { key: "certfile", file: certfile.clone(), problem };
    let chain = tls::certificates(certfile).map_err(in_certfile)?;
    let (key, file) = match &config.keyfile {
        Some(file) => ("keyfile", file),
        None => ("certfile", certfile),
    };
    let in_keyfile = |problem| TlsError { key, file: file.clone(), problem };
    let private = tls::private_key(file, config.keyfile.is_none()).map_err(in_keyfile)?;
    let config = builder.with_client_auth_cert(chain, private).map_err(|error| {
        if matches!(error, rustls::Error::InconsistentKeys(_)) {
            in_keyfile(TlsProblem::Mismatch { certfile: certfile.clone() })
        } else {
            in_certfile(TlsProblem::Certificate(error.to_string()))
        }
    })?;
    Ok(config)
}
