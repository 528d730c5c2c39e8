//! Where a node is reached.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use gaffer_core::{
    api::lookup,
    ini::{BindAddress, DEFAULT_PORT, InvalidAddress},
};
use reqwest::Url;

/// Text that names no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// Nothing was given.
    #[error("an endpoint is missing; write {FORMS}")]
    Empty,
    /// It begins with a scheme that no node speaks.
    #[error("`{text}`: no node speaks `{scheme}`; write {FORMS}")]
    Scheme {
        /// What was given.
        text: String,
        /// Its scheme.
        scheme: String,
    },
    /// It is a URL with more than a host and a port.
    #[error("`{text}`: leave out the {part}; write {FORMS}")]
    TooMuch {
        /// What was given.
        text: String,
        /// What is too much.
        part: &'static str,
    },
    /// A URL without a host.
    #[error("`{0}`: the host is missing; write {FORMS}")]
    NoHost(String),
    /// A host that cannot be one.
    #[error("`{text}`: {problem}; write {FORMS}")]
    Host {
        /// What was given.
        text: String,
        /// What is wrong.
        problem: String,
    },
    /// Port 0, which nobody can connect to.
    #[error("`{0}`: port 0 is none to connect to; write {FORMS}")]
    NoPort(String),
    /// Host, port or path do not read.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
}

/// What an endpoint looks like.
const FORMS: &str = "http://HOST:PORT, https://HOST:PORT or unix:/PATH";

/// Where a node is reached: `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`.
///
/// A bare `HOST:PORT` is `http`. A port that is left out is 80 or 443 behind a scheme, and gafferd's usual 5000 without one.
///
/// ```
/// use gaffer_client::Endpoint;
///
/// assert_eq!("localhost".parse::<Endpoint>()?.to_string(), "http://localhost:5000");
/// assert_eq!("https://node1.example.org/".parse::<Endpoint>()?.to_string(), "https://node1.example.org:443");
/// assert_eq!("unix:/run/gaffer.sock".parse::<Endpoint>()?.to_string(), "unix:/run/gaffer.sock");
/// # Ok::<(), gaffer_client::InvalidEndpoint>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Tcp { tls: bool, authority: String },
    Unix(PathBuf),
}

impl Endpoint {
    /// Whether TLS is spoken there.
    pub fn is_tls(&self) -> bool {
        matches!(self.0, Kind::Tcp { tls: true, .. })
    }

    /// The file, if it is a unix socket.
    pub fn unix_path(&self) -> Option<&Path> {
        match &self.0 {
            Kind::Unix(path) => Some(path),
            Kind::Tcp { .. } => None,
        }
    }

    /// Whether it can be on no other machine: a unix socket, or an address that means this one.
    pub fn is_local(&self) -> bool {
        match &self.0 {
            // As the parser writes it, in which an address has but one form.
            Kind::Tcp { .. } => Url::parse(&self.base()).is_ok_and(|url| url.host_str().is_some_and(is_here)),
            Kind::Unix(_) => true,
        }
    }

    /// Whether it may be called because a lookup server says so: it is no file; and an address that means this machine, whichever that is,
    /// was meant by a server on this machine.
    pub(crate) fn is_for(&self, servers_are_here: bool) -> bool {
        self.unix_path().is_none() && (servers_are_here || !self.is_local())
    }

    /// The URL that paths are appended to. Of a unix socket it says nothing about where that is.
    pub(crate) fn base(&self) -> String {
        match &self.0 {
            Kind::Tcp { .. } => self.to_string(),
            Kind::Unix(_) => "http://localhost".to_owned(),
        }
    }
}

/// Whether a host is this machine. An unspecified address is, for those who connect to it.
fn is_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) => address.is_loopback() || address.is_unspecified(),
        Err(_) => host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case("localhost"),
    }
}

impl Default for Endpoint {
    /// `http://127.0.0.1:5000`, where gafferd listens unless it is told otherwise.
    fn default() -> Self {
        Self(Kind::Tcp { tls: false, authority: BindAddress::default().to_string() })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Tcp { tls, authority } => write!(f, "{}://{authority}", if *tls { "https" } else { "http" }),
            Kind::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let input = text.trim();
        if input.is_empty() {
            return Err(InvalidEndpoint::Empty);
        }
        if let Some(path) = input.strip_prefix("unix:") {
            // As a URL it is unix:///path.
            let path = if path.starts_with("///") { &path[2..] } else { path };
            return Self::of(input, false, DEFAULT_PORT, &format!("unix:{path}"));
        }
        let (scheme, rest) = input.split_once("://").map_or(("", input), |(scheme, rest)| (scheme, rest));
        if let Some((_, rest)) = rest.rsplit_once('@') {
            // Without the name and the password, which are for nobody to read.
            let text = if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") };
            return Err(InvalidEndpoint::TooMuch { text, part: "user name (keys are given apart)" });
        }
        let Some((scheme, rest)) = input.split_once("://") else { return Self::of(input, false, DEFAULT_PORT, input) };
        let (tls, port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return Err(InvalidEndpoint::Scheme { text: input.to_owned(), scheme: scheme.to_owned() }),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() || rest.starts_with(':') {
            return Err(InvalidEndpoint::NoHost(input.to_owned()));
        }
        let extra = [('?', "query"), ('#', "fragment"), ('/', "path")];
        if let Some((_, part)) = extra.into_iter().find(|(mark, _)| rest.contains(*mark)) {
            return Err(InvalidEndpoint::TooMuch { text: input.to_owned(), part });
        }
        Self::of(input, tls, port, rest)
    }
}

impl Endpoint {
    /// Reads the address of a lookup server: as that of a node, but without a scheme the port that is left out is 5010.
    ///
    /// # Errors
    /// When it does not read.
    pub fn of_lookup_server(text: &str) -> Result<Self, InvalidEndpoint> {
        let input = text.trim();
        let is_bare =
            !input.is_empty() && !input.contains("://") && !input.starts_with("unix:") && !input.contains('@');
        if is_bare { Self::of(input, false, lookup::DEFAULT_PORT, input) } else { input.parse() }
    }

    /// `port` is that of an address without one.
    fn of(input: &str, tls: bool, port: u16, address: &str) -> Result<Self, InvalidEndpoint> {
        let address = BindAddress::with_default_port(address, port)?;
        let endpoint = match &address {
            BindAddress::Tcp { port: 0, .. } => return Err(InvalidEndpoint::NoPort(input.to_owned())),
            BindAddress::Tcp { .. } => Self(Kind::Tcp { tls, authority: address.to_string().to_ascii_lowercase() }),
            BindAddress::Unix(path) => Self(Kind::Unix(path.clone())),
        };
        match Url::parse(&endpoint.base()) {
            Ok(_) => Ok(endpoint),
            Err(error) => Err(InvalidEndpoint::Host { text: input.to_owned(), problem: error.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_form_reads() {
        for (text, shown) in [
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("HTTP://LocalHost:1/", "http://localhost:1"),
            ("https://node", "https://node:443"),
            ("http://node", "http://node:80"),
            ("https://[::1]", "https://[::1]:443"),
            ("[::1]:8", "http://[::1]:8"),
            ("node", "http://node:5000"),
            (" node:6000 ", "http://node:6000"),
            ("unix:/run/g.sock", "unix:/run/g.sock"),
            ("unix:///run/g.sock", "unix:/run/g.sock"),
            ("unix:g.sock", "unix:g.sock"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), shown, "{text}");
        }
        assert_eq!(Endpoint::default().to_string(), "http://127.0.0.1:5000");
    }

    #[test]
    fn only_this_machine_is_local() {
        for (text, is_local) in [
            ("http://127.0.0.1:5000", true),
            ("https://LocalHost", true),
            ("[::1]:8", true),
            ("unix:/run/g.sock", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example.org", false),
            ("0.0.0.0", true),
            (":80", true),
            ("http://[::]", true),
            ("127.1", true),
            ("0x7f000001", true),
            ("2130706433.", true),
            ("[::ffff:127.0.0.1]", true),
            ("localhost.", true),
            ("127.0.0.1.", true),
            ("http://[::ffff:10.0.0.1]", false),
            ("128.1", false),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().is_local(), is_local, "{text}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_write() {
        for (text, message) in [
            ("", "an endpoint is missing; write http://HOST:PORT, https://HOST:PORT or unix:/PATH"),
            ("ftp://x", "`ftp://x`: no node speaks `ftp`; write http://HOST:PORT, https://HOST:PORT or unix:/PATH"),
            ("http://x/y", "`http://x/y`: leave out the path; write http://HOST:PORT, https://HOST:PORT or unix:/PATH"),
            (
                "http://me@x",
                "`http://x`: leave out the user name (keys are given apart); write http://HOST:PORT, \
                 https://HOST:PORT or unix:/PATH",
            ),
            (
                "ftp://me:secret@x",
                "`ftp://x`: leave out the user name (keys are given apart); write http://HOST:PORT, \
                 https://HOST:PORT or unix:/PATH",
            ),
            (
                "me:se@cret@x",
                "`x`: leave out the user name (keys are given apart); write http://HOST:PORT, \
                 https://HOST:PORT or unix:/PATH",
            ),
            ("http://", "`http://`: the host is missing; write http://HOST:PORT, https://HOST:PORT or unix:/PATH"),
            (
                "https://:80",
                "`https://:80`: the host is missing; write http://HOST:PORT, https://HOST:PORT or unix:/PATH",
            ),
            ("256.1.1.1", "`256.1.1.1`: invalid IPv4 address; write http://HOST:PORT, https://HOST:PORT or unix:/PATH"),
            (
                "http://xn--a",
                "`http://xn--a`: invalid international domain name; write http://HOST:PORT, https://HOST:PORT or \
                 unix:/PATH",
            ),
            (
                "node:0",
                "`node:0`: port 0 is none to connect to; write http://HOST:PORT, https://HOST:PORT or unix:/PATH",
            ),
            ("node:x", "`node:x`: `x` is not a port; use a number from 0 to 65535"),
            ("unix:", "`unix:` needs the path of the socket, for example unix:/run/gaffer.sock"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap_err().to_string(), message, "{text}");
        }
    }
}
