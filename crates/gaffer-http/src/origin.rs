//! Origins of web pages, and which of them may call.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
    sync::LazyLock,
};

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use nix::unistd::gethostname;

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
///
/// The node's own address is the one that the request was sent to, if that is a number or this machine's host name. Another name is
/// anybody's, who may have it resolve to this node.
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
    pub(crate) fn allow(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        // What does not read is handled as what names no origin.
        self.allow_origin(origin.to_str().unwrap_or_default(), headers, uri)
    }

    /// Whether a page of this origin may make a request with this head.
    pub(crate) fn allow_origin(&self, origin: &str, headers: &HeaderMap, uri: &Uri) -> bool {
        if *self == Self::Any {
            return true;
        }
        // `null`, and what does not read, is the origin of sandboxed pages and local files: of nobody we know.
        let Ok(origin) = origin.parse::<Origin>() else { return false };
        let own =
            headers.get(header::HOST).and_then(|host| host.to_str().ok()).or(uri.authority().map(|own| own.as_str()));
        if own.is_some_and(|own| origin.is_at(own)) && is_own_name(&origin.host) {
            return true;
        }
        match self {
            Self::Local => is_loopback(&origin.host),
            Self::Listed(listed) => listed.iter().any(|allowed| allowed.covers(&origin)),
            Self::Any => true,
        }
    }

    /// The pages that may hold a page of ours in a frame, as `Content-Security-Policy` has it; `None` for all. Whoever has a page in a frame
    /// can have its user click in there.
    pub(crate) fn frame_ancestors(&self) -> Option<HeaderValue> {
        let sources: Vec<String> = match self {
            Self::Any => return None,
            Self::Local => ["http", "https"]
                .into_iter()
                .flat_map(|scheme| ["localhost", "127.0.0.1"].map(|host| format!("{scheme}://{host}:*")))
                .collect(),
            // There is no way to name an address of IPv6.
            Self::Listed(listed) => {
                listed.iter().map(Origin::to_string).filter(|origin| !origin.contains('[')).collect()
            }
        };
        let own = "frame-ancestors 'self'".to_owned();
        // Origins hold nothing that a header may not.
        HeaderValue::from_str(&[vec![own], sources].concat().join(" ")).ok()
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

/// Whether nobody else can have this host resolve to us.
pub(crate) fn is_own_name(host: &str) -> bool {
    static HOST_NAME: LazyLock<Option<String>> = LazyLock::new(|| gethostname().ok()?.into_string().ok());
    address(host).is_some()
        || host.eq_ignore_ascii_case("localhost")
        || HOST_NAME.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(host))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || address(host).is_some_and(|address| address.is_loopback())
}

/// The address that a host is, if it is one.
fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
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
            (Some("http://10.0.0.1:5000"), "10.0.0.1:5000", true),
            (Some("http://10.0.0.1"), "10.0.0.1:80", true),
            (Some("https://[fd00::1]"), "[fd00::1]", true),
            (Some("http://10.0.0.1"), "10.0.0.1:5000", false),
            // Its owner may have it resolve to this node.
            (Some("http://evil.example:5000"), "evil.example:5000", false),
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
    fn the_name_of_this_machine_is_its_own() {
        let name = gethostname().unwrap().into_string().unwrap();
        let origin = format!("http://{name}:5000");
        // A name may hold what no origin does; then no page has it.
        assert_eq!(allow(&Origins::Local, Some(&origin), &format!("{name}:5000")), origin.parse::<Origin>().is_ok());
        assert!(!allow(&Origins::Local, Some(&origin), "10.0.0.1:5000") || name == "localhost");
    }

    #[test]
    fn over_http_2_the_own_address_is_in_the_target() {
        let headers = HeaderMap::from_iter([(header::ORIGIN, "https://10.0.0.1:5443".parse().unwrap())]);
        let allow = |uri: &'static str| Origins::Local.allow(&headers, &Uri::from_static(uri));
        assert!(allow("https://10.0.0.1:5443/status"));
        assert!(!allow("https://10.0.0.2:5443/status"));
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
            ("http://10.0.0.1:5000", true),
        ] {
            assert_eq!(allow(&origins, Some(origin), "10.0.0.1:5000"), may, "{origin}");
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

    #[test]
    fn a_frame_may_be_held_by_pages_that_may_connect() {
        let header = |origins: &Origins| origins.frame_ancestors().map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header(&Origins::Any), None);
        let local =
            "frame-ancestors 'self' http://localhost:* http://127.0.0.1:* https://localhost:* https://127.0.0.1:*";
        assert_eq!(header(&Origins::Local).unwrap(), local);
        let listed = Origins::from_list(&["https://admin.example", "http://[::1]:80", "http://a:*"]).unwrap();
        assert_eq!(header(&listed).unwrap(), "frame-ancestors 'self' https://admin.example:443 http://a:*");
    }
}
