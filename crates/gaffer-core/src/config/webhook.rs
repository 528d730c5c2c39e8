//! What a webhook is: which events go where, and how.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use url::Url;

use crate::events::Pattern;

/// The longest URL.
const MAX_URL: usize = 4096;

/// The longest secret. Longer ones are hashed before they are used, and so no better.
const MAX_SECRET: usize = 1024;

/// The most patterns of one hook.
pub const MAX_PATTERNS: usize = 64;

/// Which events are sent where, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookConfig {
    /// The name in its section's header; hooks of `[webhooks]` and of the API have none.
    pub name: Option<String>,
    /// The events it wants: those of any of these patterns, each once. There is at least one.
    pub events: Vec<Pattern>,
    /// Where they are sent.
    pub url: WebhookUrl,
    /// What they are signed with; by default they are not.
    pub secret: Option<SecretSource>,
    /// Time for one attempt, from connecting to the answer. Default: [`DEFAULT_TIMEOUT`](Self::DEFAULT_TIMEOUT).
    pub timeout: Duration,
    /// The authorities of which the receiver must have a certificate, PEM; by default those that the system trusts.
    pub cacert: Option<PathBuf>,
    /// The certificate chain to show to the receiver, PEM.
    pub certfile: Option<PathBuf>,
    /// Its key, PEM; by default in `certfile`.
    pub keyfile: Option<PathBuf>,
}

impl WebhookConfig {
    /// The original's.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

    /// The least, and the most, that a time-out may be.
    pub const TIMEOUTS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(300));

    /// A hook with the usual settings.
    pub fn new(events: Vec<Pattern>, url: WebhookUrl) -> Self {
        let (name, secret, cacert, certfile, keyfile) = (None, None, None, None, None);
        Self { name, events, url, secret, timeout: Self::DEFAULT_TIMEOUT, cacert, certfile, keyfile }
    }
}

/// A URL that events may be sent to: of `http` or `https`, with a host, and with nothing in it that belongs in headers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WebhookUrl {
    /// As it was written.
    text: String,
    /// Scheme, host and port: what of it may stand in logs, as the rest may be a password.
    origin: String,
    is_tls: bool,
    is_local: bool,
}

/// Text that is no URL to send events to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebhookUrl {
    /// It is of another kind, or of none.
    #[error("must be a URL that begins with `http://` or `https://`, but is `{0}`")]
    Scheme(String),
    /// It does not read.
    #[error("`{text}` is no URL: {problem}")]
    Syntax {
        /// The text, clipped.
        text: String,
        /// What is wrong.
        problem: String,
    },
    /// `user:password@`.
    #[error(
        "has a user or a password in it, which would show wherever the URL does; have what is sent signed with a `secret` instead"
    )]
    Credentials,
    /// `#…`.
    #[error("has a `#` in it, and what follows would never be sent; leave it out, or write `%23`")]
    Fragment,
    /// Too long.
    #[error("has {0} bytes; the most is {MAX_URL}")]
    TooLong(usize),
}

impl WebhookUrl {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port, for logs.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether it is of `https`.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whether its host is this machine for sure: a loopback address, or `localhost`.
    pub fn is_local(&self) -> bool {
        self.is_local
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for WebhookUrl {
    type Err = InvalidWebhookUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_URL {
            return Err(InvalidWebhookUrl::TooLong(text.len()));
        }
        let is_one_of_ours = |scheme: &str| ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str());
        if !text.split_once("://").is_some_and(|(scheme, _)| is_one_of_ours(scheme)) {
            return Err(InvalidWebhookUrl::Scheme(clipped(text)));
        }
        let syntax = |problem: String| InvalidWebhookUrl::Syntax { text: clipped(text), problem };
        // The parser would leave some of it out without a word.
        if let Some(odd) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
            return Err(syntax(format!("it has {odd:?} in it; write blanks as `%20`")));
        }
        let url = Url::parse(text).map_err(|error| syntax(error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidWebhookUrl::Credentials);
        }
        if url.fragment().is_some() {
            return Err(InvalidWebhookUrl::Fragment);
        }
        let is_local = match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => return Err(syntax("it has no host".to_owned())),
        };
        if url.port() == Some(0) {
            return Err(syntax("nobody listens on port 0".to_owned()));
        }
        let (origin, is_tls) = (url.origin().ascii_serialization(), url.scheme() == "https");
        Ok(Self { text: text.to_owned(), origin, is_tls, is_local })
    }
}

/// The beginning of what was found, without what does not print.
fn clipped(text: &str) -> String {
    const MOST: usize = 60;
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut clipped: String = text.chars().map(printable).take(MOST).collect();
    if text.chars().nth(MOST).is_some() {
        clipped.push('…');
    }
    clipped
}

/// Where the secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// Here.
    Text(Secret),
    /// In a file, without the line break at its end.
    File(PathBuf),
}

/// What the sender and the receiver of signed events know, and nobody else.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Text that cannot be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// Nothing.
    #[error("is empty; give a secret, or leave it out")]
    Empty,
    /// Too long.
    #[error("has {0} bytes; the most is {MAX_SECRET}")]
    TooLong(usize),
    /// A line break, say.
    #[error("has a line break, or another control character, in it; a secret is one line of text")]
    Control,
}

impl Secret {
    /// The secret itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.len() {
            0 => Err(InvalidSecret::Empty),
            length if length > MAX_SECRET => Err(InvalidSecret::TooLong(length)),
            _ if text.contains(char::is_control) => Err(InvalidSecret::Control),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Debug for Secret {
    /// Without it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<WebhookUrl, String> {
        text.parse().map_err(|error: InvalidWebhookUrl| error.to_string())
    }

    #[test]
    fn a_url_is_kept_as_it_was_written_and_shown_without_what_may_be_secret() {
        for (text, origin, is_tls, is_local) in [
            ("http://a", "http://a", false, false),
            ("HTTPS://Hooks.example:8443/T0/x?token=1", "https://hooks.example:8443", true, false),
            ("http://127.0.0.9:80/x", "http://127.0.0.9", false, true),
            ("https://[::1]/", "https://[::1]", true, true),
            ("http://localhost:8080", "http://localhost:8080", false, true),
        ] {
            let url = url(text).unwrap();
            assert_eq!((url.as_str(), url.origin(), url.is_tls(), url.is_local()), (text, origin, is_tls, is_local));
        }
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        for (text, problem) in [
            ("", "must be a URL that begins with `http://` or `https://`, but is ``"),
            ("ftp://x", "must be a URL that begins with `http://` or `https://`, but is `ftp://x`"),
            ("a.example/x", "must be a URL that begins with"),
            ("http:/a", "must be a URL that begins with"),
            ("http://", "`http://` is no URL: empty host"),
            ("http://[::1", "`http://[::1` is no URL: invalid IPv6 address"),
            ("http://a:b/", "is no URL: invalid port number"),
            ("http://a:0/", "is no URL: nobody listens on port 0"),
            ("http://a/x y", "is no URL: it has ' ' in it; write blanks as `%20`"),
            ("http://a/\n", "it has '\\n' in it"),
            ("http://me@a/", "has a user or a password in it"),
            ("http://:secret@a/", "has a user or a password in it"),
            ("http://a/#b", "has a `#` in it"),
        ] {
            let error = url(text).unwrap_err();
            assert!(error.contains(problem), "{text:?}: {error}");
            assert!(!error.contains("secret@"), "{error}");
        }
        let error = url(&format!("http://a/{}", "x".repeat(MAX_URL))).unwrap_err();
        assert_eq!(error, "has 4105 bytes; the most is 4096");
    }

    #[test]
    fn a_secret_is_one_line_that_does_not_show() {
        assert_eq!(format!("{:?}", "open sesame".parse::<Secret>().unwrap()), "Secret(…)");
        assert_eq!("".parse::<Secret>(), Err(InvalidSecret::Empty));
        assert_eq!("a\nb".parse::<Secret>(), Err(InvalidSecret::Control));
        assert_eq!("x".repeat(1025).parse::<Secret>(), Err(InvalidSecret::TooLong(1025)));
    }
}
