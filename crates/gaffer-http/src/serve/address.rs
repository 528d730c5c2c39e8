//! Where to listen, as people write it.

use std::{fmt, net::Ipv6Addr, str::FromStr};

/// The port of an address that names none.
pub const DEFAULT_PORT: u16 = 5000;

/// Text that is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// Nothing was given.
    #[error("an address to listen on is missing; write host:port, for example 127.0.0.1:{DEFAULT_PORT}")]
    Empty,
    /// A unix socket.
    #[error("`{0}`: unix sockets are not supported yet; use host:port")]
    Unix(String),
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

/// Where to listen: a host name or address, and a port.
///
/// `127.0.0.1:5000`, `[::1]:5000`, `localhost:5000`; `:5000` is all IPv4 interfaces; port 0 lets the kernel choose; without
/// a port it is [`DEFAULT_PORT`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindAddress {
    /// Without brackets.
    host: String,
    port: u16,
}

impl BindAddress {
    /// A host name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 lets the kernel choose.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Default for BindAddress {
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: DEFAULT_PORT }
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for BindAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let input = text.trim();
        if input.is_empty() {
            return Err(InvalidAddress::Empty);
        }
        if input.starts_with("unix:") {
            return Err(InvalidAddress::Unix(input.to_owned()));
        }
        if input.contains("://") {
            return Err(InvalidAddress::Scheme(input.to_owned()));
        }
        let port = |port: &str| {
            port.parse().map_err(|_| InvalidAddress::Port { input: input.to_owned(), port: port.to_owned() })
        };
        let bad_host = |host: &str| InvalidAddress::Host { input: input.to_owned(), host: host.to_owned() };
        if let Some(rest) = input.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(|| InvalidAddress::Brackets(input.to_owned()))?;
            host.parse::<Ipv6Addr>().map_err(|_| bad_host(host))?;
            let port = match rest.strip_prefix(':') {
                Some(text) => port(text)?,
                None if rest.is_empty() => DEFAULT_PORT,
                None => return Err(bad_host(input)),
            };
            return Ok(Self { host: host.to_owned(), port });
        }
        let (host, port) = match input.split_once(':') {
            Some((_, rest)) if rest.contains(':') => return Err(InvalidAddress::Brackets(input.to_owned())),
            Some(("", text)) => ("0.0.0.0", port(text)?),
            Some((host, text)) => (host, port(text)?),
            None => (input, DEFAULT_PORT),
        };
        // Digits alone are a port whose colon was forgotten; the resolver would take them for an address.
        let plausible = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_';
        if !host.chars().all(plausible) || host.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad_host(host));
        }
        Ok(Self { host: host.to_owned(), port })
    }
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
        ] {
            assert_eq!(text.parse::<BindAddress>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_write() {
        for (text, message) in [
            ("", "an address to listen on is missing; write host:port, for example 127.0.0.1:5000"),
            ("unix:/run/gaffer.sock", "`unix:/run/gaffer.sock`: unix sockets are not supported yet; use host:port"),
            ("http://127.0.0.1:5000", "`http://127.0.0.1:5000`: write host:port without a scheme"),
            ("localhost:http", "`localhost:http`: `http` is not a port; use a number from 0 to 65535"),
            ("localhost:65536", "`localhost:65536`: `65536` is not a port; use a number from 0 to 65535"),
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
}
