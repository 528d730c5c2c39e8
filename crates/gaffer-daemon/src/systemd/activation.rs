//! Which socket that was handed over is for which endpoint.

use std::fmt;

use gaffer_http::serve::{BindAddress, LocalAddress};

/// A socket that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activated {
    /// What the service manager calls it: `FileDescriptorName=`, or the name of the socket unit.
    pub name: Option<String>,
    /// Where it listens; `None` if it is no socket of ours to use.
    pub address: Option<LocalAddress>,
}

/// An endpoint that could have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanting<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it would listen by itself.
    pub bind: &'a BindAddress,
}

/// Sockets and endpoints that do not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidActivation {
    /// Two sockets bear the name of one endpoint.
    SameName(String),
    /// Nobody is left for a socket.
    TooMany {
        /// Sockets.
        sockets: usize,
        /// Endpoints.
        endpoints: usize,
    },
}

impl fmt::Display for InvalidActivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameName(name) => write!(
                f,
                "two of the sockets that were handed over are named `{name}`, and there is one endpoint of that name; give each its own \
                 FileDescriptorName="
            ),
            Self::TooMany { sockets, endpoints } => write!(
                f,
                "{sockets} sockets were handed over, but there are {endpoints} endpoints; add an [endpoint:NAME] for each, or leave some \
                 ListenStream= out"
            ),
        }
    }
}

impl std::error::Error for InvalidActivation {}

/// For each endpoint the position of its socket, if it has one: that of its name; else one that listens where it would; then those that are
/// left go, in order, to the endpoints that are left. Who has none listens by itself.
///
/// # Errors
/// When a socket is left over.
pub fn assign(sockets: &[Activated], endpoints: &[Wanting<'_>]) -> Result<Vec<Option<usize>>, InvalidActivation> {
    if sockets.len() > endpoints.len() {
        return Err(InvalidActivation::TooMany { sockets: sockets.len(), endpoints: endpoints.len() });
    }
    let mut of_endpoint: Vec<Option<usize>> = Vec::with_capacity(endpoints.len());
    for endpoint in endpoints {
        let mut named = sockets.iter().enumerate().filter(|(_, socket)| socket.name.as_deref() == Some(endpoint.name));
        of_endpoint.push(named.next().map(|(position, _)| position));
        if named.next().is_some() {
            return Err(InvalidActivation::SameName(endpoint.name.to_owned()));
        }
    }
    let mut left: Vec<usize> = (0..sockets.len()).filter(|position| !of_endpoint.contains(&Some(*position))).collect();
    for (endpoint, place) in endpoints.iter().zip(&mut of_endpoint).filter(|(_, place)| place.is_none()) {
        let listens = |position: &usize| {
            let address = sockets.get(*position).and_then(|socket| socket.address.as_ref());
            address.is_some_and(|address| is_at(endpoint.bind, address))
        };
        if let Some(found) = left.iter().position(listens) {
            *place = Some(left.remove(found));
        }
    }
    let mut left = left.into_iter();
    for place in of_endpoint.iter_mut().filter(|place| place.is_none()) {
        *place = left.next();
    }
    Ok(of_endpoint)
}

/// Whether who binds this would listen there.
fn is_at(bind: &BindAddress, address: &LocalAddress) -> bool {
    match (bind, address) {
        (BindAddress::Tcp { host, port }, LocalAddress::Tcp(address)) => {
            *port == address.port() && host.parse().is_ok_and(|ip: std::net::IpAddr| ip == address.ip())
        }
        (BindAddress::Unix(path), LocalAddress::Unix(own)) => path == own,
        (BindAddress::Tcp { .. }, LocalAddress::Unix(_)) | (BindAddress::Unix(_), LocalAddress::Tcp(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(sockets: &[(&str, &str)], endpoints: &[(&str, &str)]) -> Result<Vec<Option<usize>>, InvalidActivation> {
        let address = |text: &str| match text.strip_prefix("unix:") {
            Some(path) => LocalAddress::Unix(path.into()),
            None => LocalAddress::Tcp(text.parse().unwrap()),
        };
        let socket = |(name, at): &(&str, &str)| Activated {
            name: (!name.is_empty()).then(|| (*name).to_owned()),
            address: Some(address(at)),
        };
        let sockets: Vec<Activated> = sockets.iter().map(socket).collect();
        let binds: Vec<BindAddress> = endpoints.iter().map(|(_, bind)| bind.parse().unwrap()).collect();
        let endpoints: Vec<Wanting<'_>> =
            endpoints.iter().zip(&binds).map(|((name, _), bind)| Wanting { name, bind }).collect();
        assign(&sockets, &endpoints)
    }

    #[test]
    fn sockets_go_by_name_then_by_address_then_in_order() {
        let endpoints = [("a", "127.0.0.1:1"), ("b", "unix:/b"), ("c", "[::1]:3")];
        let sockets = |list: &[(&str, &str)]| assigned(list, &endpoints).unwrap();
        assert_eq!(sockets(&[]), [None, None, None]);
        assert_eq!(sockets(&[("c", "127.0.0.1:1")]), [None, None, Some(0)], "its name counts for more");
        assert_eq!(sockets(&[("g.socket", "[::1]:3"), ("", "unix:/b")]), [None, Some(1), Some(0)]);
        assert_eq!(
            sockets(&[("x", "127.0.0.1:9"), ("y", "[::1]:3"), ("a", "127.0.0.1:8")]),
            [Some(2), Some(0), Some(1)]
        );
        assert_eq!(sockets(&[("x", "127.0.0.1:9")]), [Some(0), None, None]);
    }

    #[test]
    fn sockets_that_are_left_over_are_refused() {
        let endpoints = [("a", "127.0.0.1:1"), ("b", ":2")];
        let same = assigned(&[("a", "127.0.0.1:1"), ("a", "[::1]:1")], &endpoints).unwrap_err();
        assert!(same.to_string().contains("are named `a`"), "{same}");
        let many = assigned(&[("", "127.0.0.1:1"), ("", "127.0.0.1:2"), ("", "127.0.0.1:3")], &endpoints).unwrap_err();
        assert_eq!(many, InvalidActivation::TooMany { sockets: 3, endpoints: 2 });
    }
}
