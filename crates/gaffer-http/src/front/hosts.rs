//! How requests may address the node.
//!
//! A name belongs to whoever registered it, and may be made to resolve to this machine: then the pages that its owner serves are, to a
//! browser, those of this node, and may read whatever it answers. Such a request has that name as its host.

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, Uri, header},
};

use super::ApiError;
use crate::{
    origin::is_own_name,
    serve::{Connected, Peer},
};

/// Text that names no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host name; write it without scheme and port, for example gaffer.example, or `*` for all")]
pub struct InvalidHost(pub String);

/// The names that requests may be addressed to, beside `localhost`, numbers and this machine's host name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hosts {
    /// No other, for whoever comes from a loopback address. For others any, as nobody knows by which names the node is known.
    #[default]
    Own,
    /// These, in lower case, at all ports.
    Listed(Vec<String>),
    /// All.
    Any,
}

impl Hosts {
    /// Reads a list as configurations have it: empty for [`Hosts::Own`], with `*` for [`Hosts::Any`].
    ///
    /// # Errors
    /// The first that is no host name.
    pub fn from_list<S: AsRef<str>>(list: &[S]) -> Result<Self, InvalidHost> {
        if list.is_empty() {
            return Ok(Self::Own);
        }
        if list.iter().any(|host| host.as_ref() == "*") {
            return Ok(Self::Any);
        }
        let read = |host: &str| {
            let is_name =
                |host: &str| !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
            if is_name(host) { Ok(host.to_ascii_lowercase()) } else { Err(InvalidHost(host.to_owned())) }
        };
        list.iter().map(|host| read(host.as_ref())).collect::<Result<_, _>>().map(Self::Listed)
    }

    /// Whether a request that came on this connection may be addressed so.
    fn allow(&self, connected: Option<&Connected>, headers: &HeaderMap, uri: &Uri) -> bool {
        // No page reaches a unix socket, and what is asked within this process is asked by nobody else.
        let Some(connected) = connected.filter(|connected| matches!(connected.peer(), Peer::Tcp(_))) else {
            return true;
        };
        let is_checked = match self {
            Self::Any => false,
            // At an endpoint on all addresses a browser of this machine comes in from here as well.
            Self::Own => connected.is_loopback() || connected.peer().is_loopback(),
            Self::Listed(_) => true,
        };
        !is_checked || self.allow_names(headers, uri)
    }

    /// A request without a host is no browser's.
    fn allow_names(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let mut named = headers.get_all(header::HOST).iter().map(|host| host.to_str().ok());
        let in_target = uri.authority().map(|authority| Some(authority.as_str()));
        named.by_ref().chain(in_target).all(|host| host.is_some_and(|host| self.allow_name(host)))
    }

    fn allow_name(&self, host: &str) -> bool {
        let Some(name) = name_of(host) else { return false };
        let listed = || matches!(self, Self::Listed(listed) if listed.iter().any(|one| one.eq_ignore_ascii_case(name)));
        is_own_name(name) || listed()
    }
}

/// The name, or the number, of `name[:port]`, without the dot that may stand behind a whole name.
fn name_of(host: &str) -> Option<&str> {
    let (name, port) = match host.rsplit_once(':') {
        // An IPv6 address holds colons, and ends in a bracket.
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ => (host, "0"),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty() && port.parse::<u16>().is_ok() && !port.starts_with('+')).then_some(name)
}

/// Refuses what is addressed to a name that is not the node's.
pub(crate) fn check(hosts: &Hosts, request: &Request) -> Result<(), ApiError> {
    // What is in front of the node, and the node, might each heed another one.
    if request.headers().get_all(header::HOST).iter().nth(1).is_some() {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_request", "there is more than one `Host`"));
    }
    if hosts.allow(request.extensions().get(), request.headers(), request.uri()) {
        return Ok(());
    }
    let reason =
        "this is no name that is known here, and might be anybody's; what is set as `allowed_hosts` says which are";
    Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden_host", reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(hosts: &Hosts, host: &str) -> bool {
        let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
        hosts.allow_names(&headers, &Uri::from_static("/"))
    }

    #[test]
    fn numbers_and_own_names_are_nobody_elses() {
        for (host, may) in [
            ("127.0.0.1:5000", true),
            ("127.0.0.1", true),
            ("localhost:5000", true),
            ("LOCALHOST", true),
            ("localhost.:5000", true),
            ("[::1]:5000", true),
            ("[::1]", true),
            ("10.1.2.3:80", true),
            ("evil.example", false),
            ("evil.example:5000", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost:x", false),
            ("localhost@evil.example", false),
            ("", false),
            (":5000", false),
            ("::1", false),
        ] {
            assert_eq!(allow(&Hosts::Own, host), may, "{host:?}");
        }
    }

    #[test]
    fn other_names_are_listed() {
        let hosts = Hosts::from_list(&["Gaffer.example", "b"]).unwrap();
        for (host, may) in
            [("gaffer.example:5000", true), ("GAFFER.EXAMPLE", true), ("b", true), ("localhost", true), ("c", false)]
        {
            assert_eq!(allow(&hosts, host), may, "{host}");
        }
        assert_eq!(Hosts::from_list::<&str>(&[]), Ok(Hosts::Own));
        assert_eq!(Hosts::from_list(&["a", "*"]), Ok(Hosts::Any));
        for wrong in ["http://a", "a:80", "", "a b"] {
            assert_eq!(Hosts::from_list(&[wrong]), Err(InvalidHost(wrong.to_owned())));
        }
    }

    #[test]
    fn the_name_in_the_target_counts_as_well() {
        let headers = HeaderMap::from_iter([(header::HOST, "localhost".parse().unwrap())]);
        let allow = |uri: &'static str| Hosts::Own.allow_names(&headers, &Uri::from_static(uri));
        assert!(allow("http://127.0.0.1:5000/"));
        assert!(!allow("http://evil.example/"));
        assert!(Hosts::Own.allow_names(&HeaderMap::new(), &Uri::from_static("/")), "no browser leaves it out");
    }
}
