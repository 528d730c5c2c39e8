//! The `plugin.ini` of a plugin: what it is, what it needs, and the program that runs for it.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    time::Duration,
};

use super::{
    IniErrors, Place, Problem,
    error::Findings,
    include,
    job::free_keys,
    kind::near,
    problem::shown,
    scanner::{Dialect, Entry, Section},
    value::unknown_key,
};
use crate::{
    config::unfit_variables,
    events::{InvalidPattern, Pattern},
    names::{JobName, SessionId},
};

/// How long an application may take to end, where nothing else is said.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// What a `plugin.ini` says.
///
/// ```
/// use gaffer_core::ini::PluginFile;
///
/// let file = PluginFile::parse("plugin.ini", "[plugin]\nversion = 1.0\napp = ./run.sh\nsubscribe = exit, proc.web\n")?;
/// assert_eq!(file.app.as_deref(), Some("./run.sh"));
///
/// let errors = PluginFile::parse("plugin.ini", "[plugin]\nap = ./run.sh\n").unwrap_err();
/// assert_eq!(errors.to_string(), "plugin.ini:2: [plugin] ap: is not a key of this section; did you mean `app`?");
/// # Ok::<(), gaffer_core::ini::IniErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PluginFile {
    /// What the plugin is called; by default as its folder.
    pub name: Option<String>,
    /// Its version, as it likes.
    pub version: Option<String>,
    /// What it is for, in a line.
    pub description: Option<String>,
    /// The plugins that it cannot do without.
    pub mandatory: Vec<String>,
    /// The command line of its application, split as a shell would.
    pub app: Option<String>,
    /// The events that the application is told of from its start on, as they are written.
    pub subscribe: Vec<String>,
    /// `[env]`: variables of the application.
    pub env: BTreeMap<String, String>,
    /// How long the application may take to end before it is killed. Default: 5 seconds.
    pub stop_timeout: Duration,
    /// Where each key of `[plugin]` stands.
    places: HashMap<&'static str, Place>,
    file: Place,
}

/// The keys of `[plugin]`.
const KEYS: [&str; 7] = ["name", "version", "description", "mandatory", "app", "subscribe", "stop_timeout"];

/// The sections of such a file.
const SECTIONS: [&str; 2] = ["plugin", "env"];

const DIALECT: Dialect =
    Dialect { example: "[plugin]", is_header: |header| SECTIONS.contains(&header), quotes: false, shown };

impl PluginFile {
    /// Reads a file. Blocks while it reads.
    ///
    /// # Errors
    /// Every mistake in it, each with its place.
    pub fn read(path: &Path) -> Result<Self, IniErrors> {
        let mut findings = Findings::default();
        let sections = include::read_alone(path, &DIALECT, &mut findings);
        Self::from_sections(Place::new(path, 0), &sections, findings)
    }

    /// Reads a text. `file_name` stands in messages only.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(file_name: &str, text: &str) -> Result<Self, IniErrors> {
        let mut findings = Findings::default();
        let path = Path::new(file_name);
        let sections = include::scan(&path.into(), text.as_bytes(), &DIALECT, &mut findings);
        Self::from_sections(Place::new(path, 0), &sections, findings)
    }

    /// Where a key of `[plugin]` stands, for messages about what only turns out later; the file, if it is not given.
    pub fn place_of(&self, key: &str) -> &Place {
        self.places.get(key).unwrap_or(&self.file)
    }

    fn from_sections(file: Place, sections: &[Section], mut findings: Findings) -> Result<Self, IniErrors> {
        let mut plugin = Self {
            name: None,
            version: None,
            description: None,
            mandatory: Vec::new(),
            app: None,
            subscribe: Vec::new(),
            env: BTreeMap::new(),
            stop_timeout: STOP_TIMEOUT,
            places: HashMap::new(),
            file,
        };
        let mut seen: HashMap<&str, &Place> = HashMap::new();
        for section in sections {
            if findings.is_full() {
                break;
            }
            let header = section.header.as_str();
            if let Some(first) = seen.get(header) {
                let problem = Problem::DuplicateSection { first: (*first).clone() };
                findings.error(&section.place, Some(header), None, problem);
                continue;
            }
            seen.insert(header, &section.place);
            match header {
                "plugin" => plugin.section(section, &mut findings),
                "env" => plugin.variables(section, &mut findings),
                _ => {
                    let suggestion = near(&header.to_lowercase(), SECTIONS).map(|near| format!("[{near}]"));
                    let problem = Problem::UnknownSection { suggestion, expected: "expected [plugin] or [env]" };
                    findings.error(&section.place, Some(header), None, problem);
                }
            }
        }
        findings.finish().map(|_| plugin) // Nothing here is worth a warning only.
    }

    fn section(&mut self, section: &Section, findings: &mut Findings) {
        for entry in &section.entries {
            let key = entry.key.to_lowercase();
            let known = KEYS.into_iter().find(|known| *known == key);
            let (place, result) = match (known, entry.swallowed_key(KEYS)) {
                (None, _) => (entry.place.clone(), Err(unknown_key(&key, KEYS))),
                (Some(known), _) if self.places.contains_key(known) => {
                    let first = self.place_of(known).clone();
                    (entry.place.clone(), Err(Problem::DuplicateKey { first }))
                }
                (Some(_), Some((line, problem))) => (Place { line, ..entry.place.clone() }, Err(problem)),
                (Some(known), None) => {
                    self.places.insert(known, entry.place.clone());
                    (entry.place.clone(), self.set(known, entry))
                }
            };
            if let Err(problem) = result {
                findings.error(&place, Some(&section.header), Some(&entry.key), problem);
            }
        }
    }

    fn set(&mut self, key: &str, entry: &Entry) -> Result<(), Problem> {
        match key {
            "name" => {
                self.name = entry.optional()?;
                if let Some(name) = &self.name {
                    is_name(name).then_some(()).ok_or_else(|| entry.wrong(NAME, name))?;
                }
            }
            "version" => self.version = entry.optional()?,
            "description" => self.description = entry.optional()?,
            "mandatory" => {
                self.mandatory = entry.list();
                let wrong = self.mandatory.iter().find(|name| !is_name(name));
                wrong.map_or(Ok(()), |name| Err(entry.wrong("names of plugins with commas between them", name)))?;
            }
            "app" => {
                self.app = entry.optional()?;
                if entry.words()?.first().is_some_and(String::is_empty) {
                    return Err(Problem::Field("names no program".to_owned()));
                }
            }
            "subscribe" => {
                self.subscribe = entry.list();
                for pattern in &self.subscribe {
                    pattern
                        .parse::<Pattern>()
                        .map_err(|error: InvalidPattern| Problem::Field(shown(&error.to_string())))?;
                }
            }
            "stop_timeout" => {
                self.stop_timeout = entry
                    .seconds(Duration::from_millis(100), "a number of seconds from 0.1 to a year, for example 5")?;
            }
            _ => {} // Not reached: only known keys are set.
        }
        Ok(())
    }

    fn variables(&mut self, section: &Section, findings: &mut Findings) {
        self.env = free_keys(section, str::to_uppercase, findings);
        for problem in unfit_variables(&self.env) {
            findings.error(&section.place, Some(&section.header), None, Problem::Field(shown(&problem)));
        }
    }
}

/// What a plugin may be called, for people.
const NAME: &str =
    "letters, digits, `_`, `@`, `+` and `-`, beginning with a letter, a digit or `_`, and not digits alone";

/// Whether a plugin may be called so: as a job is, since its application is one.
fn is_name(name: &str) -> bool {
    let session: Option<SessionId> = SessionId::PLUGINS.parse().ok();
    session.is_some_and(|session| JobName::new(session, name).is_ok())
}
