//! `[gaffer]`: what concerns the whole node.

use std::{collections::HashMap, fmt, path::PathBuf, time::Duration};

use super::{
    BindAddress, EndpointLimits, Place, Problem,
    error::{Findings, NOT_YET},
    scanner::{Entry, Section},
    value::unknown_key,
};

/// The keys of `[gaffer]`, typed. Whoever starts the node lets its command line win over them.
///
/// A key that is given without a value is as if it were not given. Relative paths are kept, and so are relative to the
/// folder that gafferd was started in; those of `include` and `include_dir` are relative to their file's folder.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// The endpoints to serve, by name; none if the key is not given, and then all are served.
    pub http_endpoints: Vec<String>,
    /// `plugins_dir` or `plugin_dir`: where plugins are looked for.
    pub plugins_dir: Option<PathBuf>,
    /// The files that were included by name, as paths that can be opened, from all files.
    pub include: Vec<PathBuf>,
    /// The folders whose files were included, as paths that can be opened, from all files.
    pub include_dir: Vec<PathBuf>,
    /// The address to serve if no `[endpoint:NAME]` is there.
    pub bind: Option<BindAddress>,
    /// The URL under which lookup servers tell others of this node; begins with `http://` or `https://`.
    pub broadcast_address: Option<String>,
    /// How many connections may wait to be accepted, at endpoints that set no number of their own.
    pub backlog: Option<u32>,
    /// What clients may cost at endpoints that do not say otherwise.
    pub limits: EndpointLimits,
    /// Most bytes of a request's body.
    pub max_body: Option<u64>,
    /// Whether to go into the background. Default: no.
    pub daemonize: bool,
    /// Where to write gafferd's os_pid.
    pub pidfile: Option<PathBuf>,
    /// The file that the log goes to, instead of stderr.
    pub error_log: Option<PathBuf>,
    /// The least severity that is logged.
    pub log_level: Option<LogLevel>,
    /// Every key that begins with `lookupd_address`: the lookup servers to register with, in the order of the file.
    pub lookupd_addresses: Vec<(String, Place)>,
    /// What lookup servers call this node. Default: the host's name.
    pub node_name: Option<String>,
    /// Whether every request needs an API key. Default: no.
    pub require_key: bool,
    /// Where to keep what outlives gafferd.
    pub state_dir: Option<PathBuf>,
    /// The origins whose web pages may call the API.
    pub cors_origins: Vec<String>,
    /// The host names that requests may be addressed to.
    pub allowed_hosts: Vec<String>,
    /// How often statistics are sampled for those who subscribe to them; at least, and by default, 0.1 seconds.
    pub stats_interval: Duration,
}

/// Least, and default, pause between two samples of statistics.
const STATS_INTERVAL: Duration = Duration::from_millis(100);

impl Default for Settings {
    fn default() -> Self {
        Self {
            http_endpoints: Vec::new(),
            plugins_dir: None,
            include: Vec::new(),
            include_dir: Vec::new(),
            bind: None,
            broadcast_address: None,
            backlog: None,
            limits: EndpointLimits::default(),
            max_body: None,
            daemonize: false,
            pidfile: None,
            error_log: None,
            log_level: None,
            lookupd_addresses: Vec::new(),
            node_name: None,
            require_key: false,
            state_dir: None,
            cors_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            stats_interval: STATS_INTERVAL,
        }
    }
}

/// How severe a line of the log is; the most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// The node cannot go on.
    Critical,
    /// Something failed.
    Error,
    /// Something may need a look.
    Warning,
    /// What goes on.
    Info,
    /// Everything.
    Debug,
}

impl LogLevel {
    /// Reads one of the words `critical`, `error`, `warning`, `info` and `debug`, in any case; `warn` too.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "critical" => Self::Critical,
            "error" => Self::Error,
            "warning" | "warn" => Self::Warning,
            "info" => Self::Info,
            "debug" => Self::Debug,
            _ => return None,
        })
    }

    /// The word that [`from_word`](Self::from_word) reads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a key does something in this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landed {
    /// It does.
    Yes,
    /// It is read and checked, and its user is warned.
    NotYet,
}

use Landed::{NotYet, Yes};

/// The keys of the section. When a feature lands, its key says so here.
pub(super) const KEYS: [(&str, Landed); 23] = [
    ("http_endpoints", Yes),
    ("plugins_dir", Yes),
    ("plugin_dir", Yes),
    ("include", Yes),
    ("include_dir", Yes),
    ("bind", Yes),
    ("broadcast_address", Yes),
    ("backlog", Yes),
    ("max_connections", Yes),
    ("header_timeout", Yes),
    ("idle_timeout", Yes),
    ("max_body", Yes),
    ("daemonize", Yes),
    ("pidfile", Yes),
    ("error_log", Yes),
    ("log_level", Yes),
    (LOOKUPD_ADDRESS, Yes),
    ("node_name", Yes),
    ("require_key", Yes),
    ("state_dir", Yes),
    ("cors_origins", Yes),
    ("allowed_hosts", Yes),
    ("stats_interval", Yes),
];

/// The beginning of all keys that name a lookup server.
const LOOKUPD_ADDRESS: &str = "lookupd_address";

/// Reads the `[gaffer]` sections of all files, one of which may stand in each.
#[derive(Debug, Default)]
pub(super) struct SettingsReader {
    pub(super) settings: Settings,
    /// Where each key stands, for what can be said only later.
    pub(super) places: HashMap<&'static str, Place>,
    seen: HashMap<String, Place>,
}

impl SettingsReader {
    /// Takes in one section.
    pub(super) fn read(&mut self, section: &Section, findings: &mut Findings) {
        for entry in &section.entries {
            if let Err(problem) = self.set(section, entry, findings) {
                findings.error(&entry.place, Some(&section.header), Some(&entry.key), problem);
            }
        }
    }

    fn set(&mut self, section: &Section, entry: &Entry, findings: &mut Findings) -> Result<(), Problem> {
        let names = KEYS.iter().map(|(name, _)| *name);
        let key = entry.key.to_lowercase();
        let known = KEYS.iter().find(|(name, _)| match key.strip_prefix(LOOKUPD_ADDRESS) {
            Some(_) => *name == LOOKUPD_ADDRESS,
            None => *name == key,
        });
        let &(name, landed) = known.ok_or_else(|| unknown_key(&key, names.clone()))?;
        // Two names of one setting are one key.
        let unique = if name == "plugin_dir" { "plugins_dir".to_owned() } else { key };
        // Each file includes what it needs; every other setting is the whole node's.
        let scope = match name {
            "include" | "include_dir" => format!("{unique} {}", entry.place.file.display()),
            _ => unique,
        };
        if let Some(first) = self.seen.get(&scope) {
            return Err(Problem::DuplicateKey { first: first.clone() });
        }
        self.seen.insert(scope, entry.place.clone());
        if let Some((line, problem)) = entry.swallowed_key(names) {
            let place = Place { line, ..entry.place.clone() };
            findings.error(&place, Some(&section.header), Some(&entry.key), problem);
            return Ok(());
        }
        self.places.insert(name, entry.place.clone());
        let settings = &mut self.settings;
        match name {
            "http_endpoints" => {
                settings.http_endpoints = entry.list();
                let names = &settings.http_endpoints;
                let twice = names.iter().enumerate().find(|(position, name)| names[..*position].contains(name));
                if let Some((_, name)) = twice {
                    return Err(Problem::EndpointTwice { name: super::problem::shown(name) });
                }
            }
            "plugins_dir" | "plugin_dir" => settings.plugins_dir = entry.optional()?,
            "bind" => settings.bind = entry.address()?,
            "broadcast_address" => settings.broadcast_address = entry.url()?,
            "backlog" => settings.backlog = Some(entry.positive()?),
            "max_body" => settings.max_body = Some(entry.bytes()?),
            "daemonize" => settings.daemonize = entry.boolean()?,
            "pidfile" => settings.pidfile = entry.optional()?,
            "error_log" => settings.error_log = entry.optional()?,
            "log_level" => {
                let word = entry.line()?;
                settings.log_level = match LogLevel::from_word(word) {
                    None if word.is_empty() => None,
                    None => return Err(entry.wrong("critical, error, warning, info or debug", word)),
                    level => level,
                };
            }
            LOOKUPD_ADDRESS => {
                let address = entry.optional::<String>()?;
                settings.lookupd_addresses.extend(address.map(|address| (address, entry.place.clone())));
            }
            "node_name" => settings.node_name = entry.optional()?,
            "require_key" => settings.require_key = entry.boolean()?,
            "state_dir" => settings.state_dir = entry.optional()?,
            "cors_origins" => settings.cors_origins = entry.list(),
            "allowed_hosts" => settings.allowed_hosts = entry.list(),
            "stats_interval" => {
                settings.stats_interval =
                    entry.seconds(STATS_INTERVAL, "a number of seconds from 0.1 to a year, for example 0.5")?;
            }
            _ if settings.limits.set(name, entry)? => {}
            // `include` and `include_dir`: followed when the file was read.
            _ => {}
        }
        if landed == NotYet {
            findings.warning(&entry.place, &section.header, Some(&entry.key), NOT_YET);
        }
        Ok(())
    }
}
