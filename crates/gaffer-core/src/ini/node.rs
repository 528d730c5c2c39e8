//! A whole configuration.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Endpoint, IniErrors, Place, Problem, Settings, Warning, Webhook, endpoint,
    error::{Findings, NOT_YET},
    include::{self, Source},
    job::{JobsReader, free_keys},
    kind::{Kind, near},
    problem::shown,
    scanner::Section,
    settings::SettingsReader,
    value::unknown_key,
    webhook::WebhooksReader,
};
use crate::config::JobConfig;

/// The file that is read when a folder is named.
const FILE_IN_FOLDER: &str = "gafferd.ini";

/// What a configuration file, with all that it includes, says of a node.
///
/// ```
/// use gaffer_core::ini::NodeConfig;
///
/// let config = NodeConfig::parse("gaffer.ini", "[process:web]\ncmd = ./server --port $PORT\n[env:web]\nport = 80\n")?;
/// assert_eq!(config.jobs[0].name().to_string(), "default.web");
/// assert_eq!(config.jobs[0].env()["PORT"], "80");
///
/// let errors = NodeConfig::parse("gaffer.ini", "[process:web]\ncmd = ./server\nnumproceses = 2\n").unwrap_err();
/// assert_eq!(
///     errors.to_string(),
///     "gaffer.ini:3: [process:web] numproceses: is not a key of this section; did you mean `numprocesses`?"
/// );
/// # Ok::<(), gaffer_core::ini::IniErrors>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct NodeConfig {
    /// `[gaffer]`.
    pub settings: Settings,
    /// The endpoints to serve: those that `http_endpoints` names, in its order, else every `[endpoint:NAME]` in the
    /// order of the files. Empty if there is none; what then is served is not this module's to say.
    pub endpoints: Vec<Endpoint>,
    /// The jobs in the order of the files, not of their priorities.
    pub jobs: Vec<JobConfig>,
    /// `[webhooks]` and `[webhook:NAME]`: which events are sent where, in the order of the files.
    pub webhooks: Vec<Webhook>,
    /// `[plugin:NAME]`: by the plugin's name, its keys, lower-cased, and their values.
    pub plugins: BTreeMap<String, BTreeMap<String, String>>,
    /// `[auth] session_lifetime`: for how long a key from a log-in is good.
    pub session_lifetime: Option<Duration>,
    /// `[lookup_ssl]`: whom to trust, and what to show, at lookup servers that speak TLS.
    pub lookup_tls: LookupTls,
    /// What will not do what its author may expect. None of it keeps the node from running.
    pub warnings: Vec<Warning>,
    /// The files that were read, the one that was named first.
    pub files: Vec<PathBuf>,
    /// Where the keys of `[gaffer]` stand.
    places: HashMap<&'static str, Place>,
    /// Where each `[plugin:NAME]` stands.
    plugin_places: HashMap<String, Place>,
}

/// The files of `[lookup_ssl]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LookupTls {
    /// The certificate chain to show, PEM.
    pub certfile: Option<PathBuf>,
    /// Its key, PEM; by default in `certfile`.
    pub keyfile: Option<PathBuf>,
    /// `ca_certs` or `cacert`: the authorities to trust, PEM; by default those that the system trusts.
    pub cacert: Option<PathBuf>,
}

impl NodeConfig {
    /// Reads a file, or the `gafferd.ini` of a folder, and all files that it includes.
    ///
    /// Blocks while it reads.
    ///
    /// # Errors
    /// Every mistake of all files, each with its place; nothing of a configuration with a mistake is used.
    pub fn read(path: &Path) -> Result<Self, IniErrors> {
        let mut findings = Findings::default();
        let source = if path.is_dir() {
            include::read(&path.join(FILE_IN_FOLDER), &mut findings)
        } else {
            include::read(path, &mut findings)
        };
        Self::from_source(source, findings)
    }

    /// Reads a text; `file_name` stands in messages only. No file is opened, so that `include` and `include_dir` are
    /// mistakes here.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(file_name: &str, text: &str) -> Result<Self, IniErrors> {
        let mut findings = Findings::default();
        let source = include::parse(file_name, text, &mut findings);
        Self::from_source(source, findings)
    }

    /// Where a key of `[gaffer]` stands, for messages about what only turns out later; `None` if it is not given.
    pub fn place_of(&self, key: &str) -> Option<&Place> {
        self.places.get(key)
    }

    /// Where the `[plugin:NAME]` of a plugin stands; `None` if there is none.
    pub fn place_of_plugin(&self, name: &str) -> Option<&Place> {
        self.plugin_places.get(name)
    }

    fn from_source(source: Source, mut findings: Findings) -> Result<Self, IniErrors> {
        let Source { sections, files, include, include_dir } = source;
        // A header that could not be read, or a file, may have held what others refer to.
        let mut reader = Reader { incomplete: !findings.is_clean(), ..Reader::default() };
        for section in &sections {
            if findings.is_full() {
                break;
            }
            reader.section(section, &mut findings);
        }
        let mut config = reader.finish(&mut findings);
        config.settings.include = include;
        config.settings.include_dir = include_dir;
        config.files = files;
        config.warnings = findings.finish()?;
        Ok(config)
    }
}

/// Sorts sections by their kind.
#[derive(Debug, Default)]
struct Reader {
    config: NodeConfig,
    settings: SettingsReader,
    jobs: JobsReader,
    /// Every `[endpoint:NAME]`, the wrong ones as `None`.
    endpoints: Vec<(String, Option<Endpoint>)>,
    /// The sections so far. Those that are not named may stand once in each file.
    seen: HashMap<(Kind, Option<PathBuf>), Place>,
    webhooks: WebhooksReader,
    /// Whether a section could not be told, so that something may be missing that is not.
    incomplete: bool,
}

impl Reader {
    fn section(&mut self, section: &Section, findings: &mut Findings) {
        let header = section.header.as_str();
        let kind = match Kind::of(header) {
            Ok(kind) => kind,
            Err(problem) => {
                self.incomplete = true;
                findings.error(&section.place, Some(header), None, problem);
                return;
            }
        };
        let scope = match kind {
            // Jobs have names of several forms, and are told apart once their names are read.
            Kind::Job(_) | Kind::Env(_) => None,
            Kind::Endpoint(_) | Kind::Plugin(_) | Kind::Webhook(_) => Some((kind.clone(), None)),
            Kind::Gaffer | Kind::Webhooks | Kind::Auth | Kind::Ssl | Kind::LookupSsl => {
                Some((kind.clone(), Some(section.place.file.to_path_buf())))
            }
        };
        if let Some(scope) = scope {
            if let Some(first) = self.seen.get(&scope) {
                let problem = Problem::DuplicateSection { first: first.clone() };
                findings.error(&section.place, Some(header), None, problem);
                return;
            }
            self.seen.insert(scope, section.place.clone());
        }
        match kind {
            Kind::Gaffer => self.settings.read(section, findings),
            Kind::Endpoint(name) => {
                let endpoint = endpoint::read(name.clone(), section, findings);
                self.endpoints.push((name, endpoint));
            }
            Kind::Job(name) => self.jobs.job(&name, section, findings),
            Kind::Env(name) => self.jobs.env(&name, section, findings),
            Kind::Webhooks => self.webhooks.pairs(section, findings),
            Kind::Webhook(name) => self.webhooks.named(&name, section, findings),
            Kind::Plugin(name) => {
                let values = free_keys(section, str::to_lowercase, findings);
                self.config.plugin_places.insert(name.clone(), section.place.clone());
                self.config.plugins.insert(name, values);
            }
            Kind::Auth => {
                self.auth(section, findings);
            }
            Kind::Ssl => {
                free_keys(section, str::to_lowercase, findings);
                findings.warning(&section.place, header, None, NOT_YET);
            }
            Kind::LookupSsl => self.lookup_tls(section, findings),
        }
    }

    /// Takes in an `[auth]`.
    fn auth(&mut self, section: &Section, findings: &mut Findings) {
        let header = Some(section.header.as_str());
        free_keys(section, str::to_lowercase, findings); // Duplicates are refused.
        for entry in &section.entries {
            match entry.key.to_lowercase().as_str() {
                SESSION_LIFETIME => {
                    match entry
                        .seconds(Duration::from_secs(1), "a number of seconds from 1 to a year, for example 43200")
                    {
                        Ok(lifetime) => self.config.session_lifetime = Some(lifetime),
                        Err(problem) => findings.error(&entry.place, header, Some(&entry.key), problem),
                    }
                }
                key if AUTH_KEYS.contains(&key) => {
                    findings.warning(&entry.place, &section.header, Some(&entry.key), KEPT_ELSEWHERE);
                }
                key => findings.error(&entry.place, header, Some(&entry.key), unknown_key(key, AUTH_KEYS)),
            }
        }
    }

    /// Takes in a `[lookup_ssl]`.
    fn lookup_tls(&mut self, section: &Section, findings: &mut Findings) {
        free_keys(section, str::to_lowercase, findings); // Duplicates are refused.
        let tls = &mut self.config.lookup_tls;
        for entry in &section.entries {
            let key = entry.key.to_lowercase();
            let file = match key.as_str() {
                "certfile" => &mut tls.certfile,
                "keyfile" => &mut tls.keyfile,
                "ca_certs" | "cacert" => &mut tls.cacert,
                _ => {
                    let problem = unknown_key(&key, LOOKUP_SSL_KEYS);
                    findings.error(&entry.place, Some(&section.header), Some(&entry.key), problem);
                    continue;
                }
            };
            match entry.optional() {
                Ok(path) => *file = path,
                Err(problem) => findings.error(&entry.place, Some(&section.header), Some(&entry.key), problem),
            }
        }
    }

    /// Does what needs all sections.
    fn finish(self, findings: &mut Findings) -> NodeConfig {
        let Self {
            mut config,
            settings: SettingsReader { settings, places, .. },
            jobs,
            endpoints,
            webhooks,
            incomplete,
            ..
        } = self;
        let complete = !incomplete;
        config.webhooks = webhooks.webhooks;
        let gaffer = Some("gaffer");
        if let Some(place) = places.get("http_endpoints") {
            let known: HashSet<&str> = endpoints.iter().map(|(name, _)| name.as_str()).collect();
            let mut suggestions: Vec<&str> = known.iter().copied().collect();
            suggestions.sort_unstable();
            for name in settings.http_endpoints.iter().filter(|name| complete && !known.contains(name.as_str())) {
                let suggestion = near(name, suggestions.iter().copied()).map(str::to_owned);
                let problem = Problem::UnknownEndpoint { name: shown(name), suggestion };
                findings.error(place, gaffer, Some("http_endpoints"), problem);
            }
        }
        config.jobs = jobs.finish(complete, findings);
        let mut by_name: HashMap<&str, &Endpoint> = HashMap::new();
        by_name.extend(endpoints.iter().filter_map(|(name, endpoint)| Some((name.as_str(), endpoint.as_ref()?))));
        config.endpoints = if settings.http_endpoints.is_empty() {
            endpoints.iter().filter_map(|(_, endpoint)| endpoint.clone()).collect()
        } else {
            let named = settings.http_endpoints.iter().filter_map(|name| by_name.get(name.as_str()));
            named.map(|endpoint| (*endpoint).clone()).collect()
        };
        if let (Some(place), Some(_), Some(first)) = (places.get("bind"), &settings.bind, config.endpoints.first()) {
            let message = format!(
                "has no effect, because `[endpoint:{}]` says what to serve; give the address in an endpoint of its own",
                shown(&first.name)
            );
            findings.warning(place, "gaffer", Some("bind"), &message);
        }
        config.settings = settings;
        config.places = places;
        config
    }
}

/// The keys of `[auth]`.
const AUTH_KEYS: [&str; 5] = ["auth_backend", "keys_backend", "auth_dbname", "keys_dbname", SESSION_LIFETIME];

/// The keys of `[lookup_ssl]`.
const LOOKUP_SSL_KEYS: [&str; 4] = ["certfile", "keyfile", "ca_certs", "cacert"];

/// For how long a log-in is good.
const SESSION_LIFETIME: &str = "session_lifetime";

/// Why the original's keys mean nothing.
const KEPT_ELSEWHERE: &str =
    "has no effect: keys and users are kept in the state folder, which `[gaffer] state_dir` names";
