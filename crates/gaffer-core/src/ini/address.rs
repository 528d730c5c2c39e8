//! Where to listen, as people write it.

use std::{
    fmt,
    net::Ipv6Addr,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::problem::shown;

/// The port of an address that names none.
pub const DEFAULT_PORT: u16 = 5000;

/// What the address of a unix socket begins with.
const UNIX: &str = "unix:";

/// Most bytes of the path of a unix socket: the kernel keeps 108, with a NUL at the end.
const LONGEST_PATH: usize = 107;

/// Most bytes of a host name.
const LONGEST_HOST: usize = 253;

/// Text that is no address to listen on. It is quoted clipped and without control characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAddress {
    /// Nothing was given.
    #[error("an address to listen on is missing; write host:port, for example 127.0.0.1:{DEFAULT_PORT}, or unix:PATH")]
    Empty,
    /// A unix socket without a path.
    #[error("`unix:` needs the path of the socket, for example unix:/run/gaffer.sock")]
    NoPath,
    /// A path that the kernel cannot take.
    #[error("`{path}`: the path of a unix socket may have {LONGEST_PATH} bytes, but this has {length}")]
    LongPath {
        /// What was given.
        path: String,
        /// Its bytes.
        length: usize,
    },
    /// A URL.
    #[error("`{0}`: write host:port without a scheme")]
    Scheme(String),
    /// What stands after the last colon is no port.
    #[error("`{input}`: `{port}` is not a port; use a number from 0 to 65535")]
    Port {
        /// What was given.
        input: String,
        /// The part that should be a port.
        port: String,
    },
    /// An IPv6 address without brackets cannot be told from its port.
    #[error("`{0}`: put an IPv6 address in brackets, for example [::1]:{DEFAULT_PORT}")]
    Brackets(String),
    /// The host part is no host.
    #[error("`{input}`: `{host}` is not a host name or address")]
    Host {
        /// What was given.
        input: String,
        /// The part that should be a host.
        host: String,
    },
}

/// Where to listen.
///
/// `127.0.0.1:5000`, `[::1]:5000`, `localhost:5000`; `:5000` is all IPv4 interfaces; port 0 lets the kernel choose; without
/// a port it is [`DEFAULT_PORT`]. `unix:/run/gaffer.sock` is a unix socket. No name is looked up, and no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindAddress {
    /// A port.
    Tcp {
        /// A host name, or an address without brackets.
        host: String,
        /// The port; 0 lets the kernel choose.
        port: u16,
    },
    /// The file of a unix socket. A relative path starts at the working folder.
    Unix(PathBuf),
}

impl BindAddress {
    /// Reads an address as [`from_str`](FromStr::from_str) does, but this is the port of one that names none.
    ///
    /// # Errors
    /// When it does not read.
    pub fn with_default_port(text: &str, default_port: u16) -> Result<Self, InvalidAddress> {
        let input = text.trim();
        if input.is_empty() {
            return Err(InvalidAddress::Empty);
        }
        if let Some(path) = input.strip_prefix(UNIX) {
            return unix(path.trim());
        }
        if input.contains("://") {
            return Err(InvalidAddress::Scheme(shown(input)));
        }
        tcp(input, default_port)
    }

    /// The file, if it is a unix socket.
    pub fn unix_path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            Self::Tcp { .. } => None,
        }
    }
}

impl Default for BindAddress {
    fn default() -> Self {
        Self::Tcp { host: "127.0.0.1".to_owned(), port: DEFAULT_PORT }
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl FromStr for BindAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        Self::with_default_port(text, DEFAULT_PORT)
    }
}

fn unix(path: &str) -> Result<BindAddress, InvalidAddress> {
    match path.len() {
        0 => Err(InvalidAddress::NoPath),
        length if length > LONGEST_PATH => Err(InvalidAddress::LongPath { path: shown(path), length }),
        _ => Ok(BindAddress::Unix(path.into())),
    }
}

fn tcp(input: &str, default_port: u16) -> Result<BindAddress, InvalidAddress> {
    let bad_host = |host: &str| InvalidAddress::Host { input: shown(input), host: shown(host) };
    let port = |port: &str| {
        // Rust's own reading also takes a plus sign.
        let digits = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok());
        number.ok_or_else(|| InvalidAddress::Port { input: shown(input), port: shown(port) })
    };
    if let Some(rest) = input.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| InvalidAddress::Brackets(shown(input)))?;
        host.parse::<Ipv6Addr>().map_err(|_| bad_host(host))?;
        let port = match rest.strip_prefix(':') {
            Some(text) => port(text)?,
            None if rest.is_empty() => default_port,
            None => return Err(bad_host(input)),
        };
        return Ok(BindAddress::Tcp { host: host.to_owned(), port });
    }
    let (host, port) = match input.split_once(':') {
        Some((_, rest)) if rest.contains(':') => return Err(InvalidAddress::Brackets(shown(input))),
        Some(("", text)) => ("0.0.0.0", port(text)?),
        Some((host, text)) => (host, port(text)?),
        None => (input, default_port),
    };
    // Digits alone are a port whose colon was forgotten; the resolver would take them for an address.
    let plausible = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_';
    if host.len() > LONGEST_HOST || !host.chars().all(plausible) || host.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad_host(host));
    }
    Ok(BindAddress::Tcp { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_form_reads() {
        for (text, shown) in [
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("[::1]:5000", "[::1]:5000"),
            ("[::]", "[::]:5000"),
            (":8080", "0.0.0.0:8080"),
            ("localhost:0", "localhost:0"),
            ("my-host.example_1.org", "my-host.example_1.org:5000"),
            (" 10.0.0.1:1 ", "10.0.0.1:1"),
            ("unix:/run/gaffer.sock", "unix:/run/gaffer.sock"),
            ("unix: a b", "unix:a b"),
        ] {
            assert_eq!(text.parse::<BindAddress>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_write() {
        for (text, message) in [
            ("", "an address to listen on is missing; write host:port, for example 127.0.0.1:5000, or unix:PATH"),
            ("unix:", "`unix:` needs the path of the socket, for example unix:/run/gaffer.sock"),
            ("http://127.0.0.1:5000", "`http://127.0.0.1:5000`: write host:port without a scheme"),
            ("localhost:http", "`localhost:http`: `http` is not a port; use a number from 0 to 65535"),
            ("localhost:65536", "`localhost:65536`: `65536` is not a port; use a number from 0 to 65535"),
            ("a:+1", "`a:+1`: `+1` is not a port; use a number from 0 to 65535"),
            ("a:", "`a:`: `` is not a port; use a number from 0 to 65535"),
            ("*:1", "`*:1`: `*` is not a host name or address"),
            ("::1:5000", "`::1:5000`: put an IPv6 address in brackets, for example [::1]:5000"),
            ("[::1", "`[::1`: put an IPv6 address in brackets, for example [::1]:5000"),
            ("[nope]:1", "`[nope]:1`: `nope` is not a host name or address"),
            ("[::1]x", "`[::1]x`: `[::1]x` is not a host name or address"),
            ("5000", "`5000`: `5000` is not a host name or address"),
            ("a b:1", "`a b:1`: `a b` is not a host name or address"),
        ] {
            assert_eq!(text.parse::<BindAddress>().unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn a_path_is_as_long_as_the_kernel_takes() {
        let address = |length: usize| format!("unix:{}", "x".repeat(length)).parse::<BindAddress>();
        assert_eq!(address(107).unwrap().unix_path(), Some(Path::new(&"x".repeat(107))));
        let refusal = address(108).unwrap_err().to_string();
        assert!(refusal.ends_with("may have 107 bytes, but this has 108"), "{refusal}");
    }
}
