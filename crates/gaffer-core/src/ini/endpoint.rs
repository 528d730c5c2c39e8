//! `[endpoint:NAME]`: an address to serve.

use std::{collections::HashMap, path::PathBuf};

use super::{
    Place, Problem,
    error::{Findings, NOT_YET},
    scanner::{Entry, Section},
    value::unknown_key,
};

/// An address that the node serves, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// The name in the section's header.
    pub name: String,
    /// Where the section begins, for messages about what only turns out later, such as an address in use.
    pub place: Place,
    /// `HOST:PORT` (port 0 lets the system choose) or `unix:PATH`. Its form is checked, but no name is looked up.
    pub bind: String,
    /// How many connections may wait to be accepted; by default what `[gaffer]` says.
    pub backlog: Option<u32>,
    /// The certificate chain to show, PEM.
    pub certfile: Option<PathBuf>,
    /// The certificate's key, PEM.
    pub keyfile: Option<PathBuf>,
    /// The authorities whose client certificates are accepted, PEM.
    pub cacert: Option<PathBuf>,
}

impl Endpoint {
    /// Whether this is a unix socket.
    pub fn is_unix(&self) -> bool {
        self.bind.starts_with(UNIX)
    }
}

/// What the address of a unix socket begins with.
const UNIX: &str = "unix:";

/// The keys of the section.
const KEYS: [&str; 5] = ["bind", "backlog", "certfile", "keyfile", "cacert"];

/// Reads one section; `None` if it is of no use, and then `findings` say why.
pub(super) fn read(name: String, section: &Section, findings: &mut Findings) -> Option<Endpoint> {
    let place = section.place.clone();
    let (backlog, certfile, keyfile, cacert) = (None, None, None, None);
    let mut endpoint = Endpoint { name, place, bind: String::new(), backlog, certfile, keyfile, cacert };
    let mut seen = HashMap::new();
    let mut good = true;
    for entry in &section.entries {
        let key = entry.key.to_lowercase();
        let result = match seen.insert(key.clone(), entry.place.clone()) {
            Some(first) => Err(Problem::DuplicateKey { first }),
            None => set(&mut endpoint, &key, entry),
        };
        match result {
            Ok(None) => {}
            Ok(Some(warning)) => findings.warning(&entry.place, &section.header, Some(&entry.key), warning),
            Err(problem) => {
                good = false;
                findings.error(&entry.place, Some(&section.header), Some(&entry.key), problem);
            }
        }
    }
    if endpoint.bind.is_empty() && (good || !seen.contains_key("bind")) {
        let problem = Problem::Missing { key: "bind", cure: "give the address, for example `bind = 127.0.0.1:5000`" };
        findings.error(&section.place, Some(&section.header), None, problem);
        return None;
    }
    good.then_some(endpoint)
}

/// Sets one key; answers what its user should know.
fn set(endpoint: &mut Endpoint, key: &str, entry: &Entry) -> Result<Option<&'static str>, Problem> {
    let path = match key {
        "bind" => {
            endpoint.bind = entry.address()?.unwrap_or_default();
            let warning = "unix sockets are known but not supported yet; this endpoint has no effect";
            return Ok(endpoint.is_unix().then_some(warning));
        }
        "backlog" => {
            endpoint.backlog = Some(entry.whole()?);
            return Ok(None);
        }
        "certfile" => &mut endpoint.certfile,
        "keyfile" => &mut endpoint.keyfile,
        "cacert" => &mut endpoint.cacert,
        _ => return Err(unknown_key(key, KEYS)),
    };
    *path = entry.optional()?;
    Ok(path.is_some().then_some(NOT_YET))
}

impl Entry {
    /// An address to serve; `None` if nothing is given.
    pub(super) fn address(&self) -> Result<Option<String>, Problem> {
        let line = self.line()?;
        let fits = match line.strip_prefix(UNIX) {
            Some(path) => !path.is_empty(),
            None => line.rsplit_once(':').is_some_and(|(host, port)| {
                let bracketed = host.starts_with('[') && host.ends_with(']');
                let host_fits = bracketed || !host.contains([':', '/', '[', ']']);
                host_fits
                    && !host.contains(char::is_whitespace)
                    && port.bytes().all(|byte| byte.is_ascii_digit())
                    && port.parse::<u16>().is_ok()
            }),
        };
        match line {
            "" => Ok(None),
            _ if fits => Ok(Some(line.to_owned())),
            _ => Err(self.wrong("`HOST:PORT`, such as 127.0.0.1:5000 or [::1]:5000, or `unix:PATH`", line)),
        }
    }

    /// A URL; `None` if nothing is given.
    pub(super) fn url(&self) -> Result<Option<String>, Problem> {
        let line = self.line()?;
        let rest = line.strip_prefix("http://").or_else(|| line.strip_prefix("https://"));
        match rest {
            _ if line.is_empty() => Ok(None),
            Some(rest) if !rest.is_empty() && !rest.contains(char::is_whitespace) => Ok(Some(line.to_owned())),
            _ => Err(self.wrong("a URL that begins with `http://` or `https://`", line)),
        }
    }
}
