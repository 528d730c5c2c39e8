//! `[endpoint:NAME]`: an address to serve, and how.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use super::{
    BindAddress, Place, Problem,
    error::Findings,
    scanner::{Entry, Section},
    value::unknown_key,
};
use crate::config::Owner;

/// An address that the node serves, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// The name in the section's header.
    pub name: String,
    /// Where the section begins, for messages about what only turns out later, such as an address in use.
    pub place: Place,
    /// Where to listen.
    pub bind: BindAddress,
    /// How many connections may wait to be accepted; by default what `[gaffer]` says.
    pub backlog: Option<u32>,
    /// Who may connect to a unix socket, as the bits of its file's mode. Default: only its owner, 0600.
    pub mode: Option<u32>,
    /// Whose a unix socket's file is. Default: that of the user that gafferd runs as.
    pub owner: Option<SocketOwner>,
    /// The certificate chain to show, PEM; it makes the endpoint one of TLS.
    pub certfile: Option<PathBuf>,
    /// The certificate's key, PEM; if it is not given, it stands in `certfile`.
    pub keyfile: Option<PathBuf>,
    /// The authorities whose client certificates are demanded, PEM.
    pub cacert: Option<PathBuf>,
    /// What its clients may cost.
    pub limits: EndpointLimits,
}

/// What the clients of an endpoint may cost, as far as it is given; in `[gaffer]` for all endpoints that do not say otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointLimits {
    /// Connections at once.
    pub max_connections: Option<u32>,
    /// Time for the head of a request, or a TLS handshake.
    pub header_timeout: Option<Duration>,
    /// Time that a connection is kept without a request.
    pub idle_timeout: Option<Duration>,
}

impl EndpointLimits {
    /// The keys, in any section that has them.
    pub(super) const KEYS: [&str; 3] = ["max_connections", "header_timeout", "idle_timeout"];

    /// Sets one of [`KEYS`](Self::KEYS); answers whether it is one.
    pub(super) fn set(&mut self, key: &str, entry: &Entry) -> Result<bool, Problem> {
        let span = || entry.seconds(Duration::from_millis(100), "a number of seconds from 0.1 to a year");
        match key {
            "max_connections" => self.max_connections = Some(entry.positive()?),
            "header_timeout" => self.header_timeout = Some(span()?),
            "idle_timeout" => self.idle_timeout = Some(span()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What is given here, else there.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            max_connections: self.max_connections.or(other.max_connections),
            header_timeout: self.header_timeout.or(other.header_timeout),
            idle_timeout: self.idle_timeout.or(other.idle_timeout),
        }
    }
}

/// Whose the file of a unix socket is: `user`, `user:group` or `:group`, each a name or a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOwner {
    /// The user, if it is to be another.
    pub user: Option<Owner>,
    /// The group, if it is to be another.
    pub group: Option<Owner>,
}

impl SocketOwner {
    /// Reads `user[:group]`; `None` if it is not of that form. Nothing is looked up.
    pub fn from_text(text: &str) -> Option<Self> {
        let (user, group) = match text.split_once(':') {
            Some((_, "")) => return None,
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let fits = |name: &str| !name.contains(|c: char| c == ':' || c.is_whitespace() || c.is_control());
        let given = [Some(user), group].into_iter().flatten().all(fits);
        let owner = Self { user: Owner::from_text(user), group: group.and_then(Owner::from_text) };
        (given && (owner.user.is_some() || owner.group.is_some())).then_some(owner)
    }
}

/// The keys of the section.
const KEYS: [&str; 10] = [
    "bind",
    "backlog",
    "mode",
    "owner",
    "certfile",
    "keyfile",
    "cacert",
    EndpointLimits::KEYS[0],
    EndpointLimits::KEYS[1],
    EndpointLimits::KEYS[2],
];

/// Reads one section; `None` if it is of no use, and then `findings` say why.
pub(super) fn read(name: String, section: &Section, findings: &mut Findings) -> Option<Endpoint> {
    let mut draft = Draft::default();
    let mut seen: HashMap<String, &Entry> = HashMap::new();
    let mut good = true;
    for entry in &section.entries {
        let key = entry.key.to_lowercase();
        let result = match seen.get(&key) {
            Some(first) => Err(Problem::DuplicateKey { first: first.place.clone() }),
            None => draft.set(&key, entry),
        };
        seen.entry(key).or_insert(entry);
        if let Err(problem) = result {
            good = false;
            findings.error(&entry.place, Some(&section.header), Some(&entry.key), problem);
        }
    }
    for (key, problem) in draft.conflicts() {
        if let Some(entry) = seen.get(key) {
            good = false;
            findings.error(&entry.place, Some(&section.header), Some(&entry.key), Problem::Alone(problem));
        }
    }
    let Some(bind) = draft.bind else {
        if good || !seen.contains_key("bind") {
            let problem =
                Problem::Missing { key: "bind", cure: "give the address, for example `bind = 127.0.0.1:5000`" };
            findings.error(&section.place, Some(&section.header), None, problem);
        }
        return None;
    };
    let place = section.place.clone();
    let Draft { backlog, mode, owner, certfile, keyfile, cacert, limits, .. } = draft;
    good.then_some(Endpoint { name, place, bind, backlog, mode, owner, certfile, keyfile, cacert, limits })
}

/// What was read so far.
#[derive(Debug, Default)]
struct Draft {
    bind: Option<BindAddress>,
    backlog: Option<u32>,
    mode: Option<u32>,
    owner: Option<SocketOwner>,
    certfile: Option<PathBuf>,
    keyfile: Option<PathBuf>,
    cacert: Option<PathBuf>,
    limits: EndpointLimits,
}

impl Draft {
    fn set(&mut self, key: &str, entry: &Entry) -> Result<(), Problem> {
        match key {
            "bind" => self.bind = entry.address()?,
            "backlog" => self.backlog = Some(entry.positive()?),
            "mode" => self.mode = entry.mode()?,
            "owner" => self.owner = entry.owner()?,
            "certfile" => self.certfile = entry.optional()?,
            "keyfile" => self.keyfile = entry.optional()?,
            "cacert" => self.cacert = entry.optional()?,
            _ if self.limits.set(key, entry)? => {}
            _ => return Err(unknown_key(key, KEYS)),
        }
        Ok(())
    }

    /// Keys that make no sense without another.
    fn conflicts(&self) -> Vec<(&'static str, &'static str)> {
        let plain = self.certfile.is_none();
        let tcp = self.bind.as_ref().is_some_and(|bind| bind.unix_path().is_none());
        let without_certificate = "needs a `certfile`: the certificate that the endpoint shows";
        let without_file = "is for unix sockets; remove it, or write `bind = unix:PATH`";
        let conflicts = [
            ("keyfile", plain && self.keyfile.is_some(), without_certificate),
            ("cacert", plain && self.cacert.is_some(), without_certificate),
            ("mode", tcp && self.mode.is_some(), without_file),
            ("owner", tcp && self.owner.is_some(), without_file),
        ];
        conflicts.into_iter().filter(|(_, wrong, _)| *wrong).map(|(key, _, problem)| (key, problem)).collect()
    }
}

impl Entry {
    /// An address to serve; `None` if nothing is given.
    pub(super) fn address(&self) -> Result<Option<BindAddress>, Problem> {
        let line = self.line()?;
        if line.is_empty() {
            return Ok(None);
        }
        line.parse().map(Some).map_err(|error| self.hinted(Problem::Address(error)))
    }

    /// The mode of a file; `None` if nothing is given.
    fn mode(&self) -> Result<Option<u32>, Problem> {
        let line = self.line()?;
        let digits = (1..=4).contains(&line.len()) && line.bytes().all(|byte| byte.is_ascii_digit());
        match u32::from_str_radix(line, 8) {
            _ if line.is_empty() => Ok(None),
            Ok(mode @ 0..=0o777) if digits => Ok(Some(mode)),
            _ => Err(self.wrong("an octal file mode from 0 to 777, such as 0600 or 660", line)),
        }
    }

    /// The owner of a file; `None` if nothing is given.
    fn owner(&self) -> Result<Option<SocketOwner>, Problem> {
        let line = self.line()?;
        match SocketOwner::from_text(line) {
            None if line.is_empty() => Ok(None),
            None => Err(self.wrong("`USER`, `USER:GROUP` or `:GROUP`, each a name or a number", line)),
            owner => Ok(owner),
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
