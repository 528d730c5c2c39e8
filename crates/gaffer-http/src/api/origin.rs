//! Origins of web pages, and which of them may call.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use axum::http::{HeaderMap, Uri, header};

/// Text that names no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an origin; write scheme://host or scheme://host:port, for example https://admin.example, or `*` for all"
)]
pub struct InvalidOrigin(pub String);

/// Which web pages may call, and read the answers. Other programs send no origin, and are not asked.
///
/// A browser sends any page's simple requests anywhere without asking, and names the page's origin. Whoever can POST here
/// can run commands, so that a page from elsewhere must not be able to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Pages from loopback hosts, at any port, and from the node's own address.
    #[default]
    Local,
    /// Pages from these origins, and from the node's own address.
    Listed(Vec<Origin>),
    /// Every page. As gaffer always did it; then any page that a user of this machine opens can run commands here.
    Any,
}

/// `scheme://host[:port]`; the port `*` is any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    /// In lower case.
    host: String,
    port: Port,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    Any,
    Number(u16),
}

impl Origins {
    /// Reads a list as configurations have it: empty for [`Origins::Local`], with `*` for [`Origins::Any`].
    ///
    /// # Errors
    /// The first that is no origin.
    pub fn from_list<S: AsRef<str>>(list: &[S]) -> Result<Self, InvalidOrigin> {
        if list.is_empty() {
            return Ok(Self::Local);
        }
        if list.iter().any(|origin| origin.as_ref() == "*") {
            return Ok(Self::Any);
        }
        let origins: Result<Vec<Origin>, InvalidOrigin> = list.iter().map(|origin| origin.as_ref().parse()).collect();
        origins.map(Self::Listed)
    }

    /// Whether the page that made a request, if a page made it, may call.
    pub(super) fn allow(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        if *self == Self::Any {
            return true;
        }
        // `null`, and what does not read, is the origin of sandboxed pages and local files: of nobody we know.
        let Some(origin) = origin.to_str().ok().and_then(|text| text.parse::<Origin>().ok()) else { return false };
        let own =
            headers.get(header::HOST).and_then(|host| host.to_str().ok()).or(uri.authority().map(|own| own.as_str()));
        if own.is_some_and(|own| origin.is_at(own)) {
            return true;
        }
        match self {
            Self::Local => is_loopback(&origin.host),
            Self::Listed(listed) => listed.iter().any(|allowed| allowed.covers(&origin)),
            Self::Any => true,
        }
    }
}

impl Origin {
    fn covers(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host == other.host && (self.port == Port::Any || self.port == other.port)
    }

    /// Whether this is the origin of pages that come from `authority`, a host with or without port.
    fn is_at(&self, authority: &str) -> bool {
        format!("{}://{authority}", self.scheme).parse::<Self>().is_ok_and(|own| own == *self)
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (scheme, authority) = text.split_once("://")?;
            let scheme = scheme.to_ascii_lowercase();
            let default = match scheme.as_str() {
                "http" => 80,
                "https" => 443,
                _ => return None,
            };
            // An IPv6 address holds colons, and ends in a bracket.
            let (host, port) = match authority.rsplit_once(':') {
                Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
                _ => (authority, None),
            };
            let port = match port {
                None => Port::Number(default),
                Some("*") => Port::Any,
                Some(port) if port.starts_with('+') => return None,
                Some(port) => Port::Number(port.parse().ok()?),
            };
            let host_fits = match host.strip_prefix('[') {
                Some(address) => address.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
                None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
            };
            host_fits.then(|| Self { scheme, host: host.to_ascii_lowercase(), port })
        };
        read().ok_or_else(|| InvalidOrigin(text.to_owned()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:", self.scheme, self.host)?;
        match self.port {
            Port::Any => f.write_str("*"),
            Port::Number(port) => port.fmt(f),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || bare.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(origins: &Origins, origin: Option<&str>, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        origins.allow(&headers, &Uri::from_static("/"))
    }

    #[test]
    fn by_default_only_pages_of_this_machine_and_of_this_node_may_call() {
        for (origin, host, may) in [
            (None, "127.0.0.1:5000", true),
            (Some("http://localhost:8080"), "127.0.0.1:5000", true),
            (Some("http://LOCALHOST"), "127.0.0.1:5000", true),
            (Some("https://127.0.0.2"), "127.0.0.1:5000", true),
            (Some("http://[::1]:5000"), "[::1]:5000", true),
            (Some("http://node.example:5000"), "node.example:5000", true),
            (Some("http://Node.example"), "node.example:80", true),
            (Some("https://node.example"), "node.example", true),
            (Some("http://node.example"), "node.example:5000", false),
            (Some("http://evil.example"), "127.0.0.1:5000", false),
            (Some("http://localhost.evil.example"), "127.0.0.1:5000", false),
            (Some("http://127.0.0.1.evil.example"), "127.0.0.1:5000", false),
            (Some("null"), "127.0.0.1:5000", false),
            (Some(""), "127.0.0.1:5000", false),
            (Some("http://"), "127.0.0.1:5000", false),
        ] {
            assert_eq!(allow(&Origins::Local, origin, host), may, "{origin:?} at {host}");
        }
    }

    #[test]
    fn over_http_2_the_own_address_is_in_the_target() {
        let headers = HeaderMap::from_iter([(header::ORIGIN, "https://node.example:5443".parse().unwrap())]);
        let allow = |uri: &'static str| Origins::Local.allow(&headers, &Uri::from_static(uri));
        assert!(allow("https://node.example:5443/status"));
        assert!(!allow("https://other.example:5443/status"));
    }

    #[test]
    fn a_list_stands_in_place_of_the_loopback_hosts() {
        let origins =
            Origins::from_list(&["https://admin.example", "http://localhost:*", "http://[::1]:8080"]).unwrap();
        for (origin, may) in [
            ("https://admin.example", true),
            ("https://ADMIN.example:443", true),
            ("http://admin.example", false),
            ("https://admin.example:8443", false),
            ("http://localhost:3000", true),
            ("https://localhost:3000", false),
            ("http://127.0.0.1", false),
            ("http://[::1]:8080", true),
            ("http://node.example:5000", true),
        ] {
            assert_eq!(allow(&origins, Some(origin), "node.example:5000"), may, "{origin}");
        }
        assert!(allow(&Origins::from_list(&["https://a.example", "*"]).unwrap(), Some("null"), "node.example"));
        assert_eq!(Origins::from_list::<&str>(&[]), Ok(Origins::Local));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "admin.example",
            "https://admin.example/",
            "ftp://admin.example",
            "https://",
            "https://a:99999",
            "https://a:+1",
            "https://a b",
            "http://[::1",
            "https://user@a",
        ] {
            assert_eq!(Origins::from_list(&[text]), Err(InvalidOrigin(text.to_owned())));
        }
    }
}
