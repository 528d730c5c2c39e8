//! The file of the command line clients: how to reach the nodes that their user calls.

use std::{
    collections::HashMap,
    env, fmt,
    path::{Path, PathBuf},
};

use super::{
    IniErrors, Place, Problem,
    error::Findings,
    include,
    kind::near,
    problem::shown,
    scanner::{Dialect, Entry, Section},
    value::unknown_key,
};

/// What a user's file says of the nodes.
///
/// ```
/// use gaffer_core::ini::UserFile;
///
/// let file = UserFile::parse("gaffer.ini", "[node \"https://shop.example:5000\"]\nname = shop\ncacert = ca.pem\n")?;
/// assert_eq!(file.nodes[0].url, "https://shop.example:5000");
/// assert_eq!(file.nodes[0].name.as_deref(), Some("shop"));
///
/// let errors = UserFile::parse("gaffer.ini", "[node \"http://127.0.0.1:5000\"]\nnane = home\n").unwrap_err();
/// assert_eq!(
///     errors.to_string(),
///     "gaffer.ini:2: [node \"http://127.0.0.1:5000\"] nane: is not a key of this section; did you mean `name`?"
/// );
/// # Ok::<(), gaffer_core::ini::IniErrors>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserFile {
    /// Every `[node "URL"]`, in the order of the file.
    pub nodes: Vec<UserNode>,
}

/// A node, and what to show to it. A key that is given without a value is as if it were not given.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserNode {
    /// The URL in the section's header, as written there: whether a node can be reached by it is not checked.
    pub url: String,
    /// Where the section begins, for messages about what only turns out later.
    pub place: Place,
    /// What the user calls it. No other node of the file has this name, which holds no blank, `:` or `/`.
    pub name: Option<String>,
    /// The API key that says who calls. Never shown.
    pub key: Option<String>,
    /// The certificate chain to show, PEM.
    pub certfile: Option<PathBuf>,
    /// The certificate's key, PEM.
    pub keyfile: Option<PathBuf>,
    /// The authorities that the node's certificate must be issued by, PEM.
    pub cacert: Option<PathBuf>,
}

impl UserNode {
    /// One of which nothing is said but the URL.
    pub(super) fn bare(url: &str, place: Place) -> Self {
        Self { url: url.to_owned(), place, name: None, key: None, certfile: None, keyfile: None, cacert: None }
    }

    /// Whether all that is said of both is the same, wherever it stands.
    pub(super) fn says_the_same_as(&self, other: &Self) -> bool {
        *self == Self { place: self.place.clone(), ..other.clone() }
    }
}

impl fmt::Debug for UserNode {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, place, name, key, certfile, keyfile, cacert } = self;
        let mut node = f.debug_struct("UserNode");
        node.field("url", url).field("place", place).field("name", name).field("key", &key.as_ref().map(|_| HIDDEN));
        node.field("certfile", certfile).field("keyfile", keyfile).field("cacert", cacert).finish()
    }
}

/// What stands for text that may be a key.
const HIDDEN: &str = "…";

/// A line that is wrong may hold an API key, and messages end up in logs.
pub(super) const DIALECT: Dialect = Dialect {
    example: "[node \"http://127.0.0.1:5000\"]",
    is_header: |header| url_of(header).is_ok(),
    quotes: true,
    shown: |_| HIDDEN.to_owned(),
};

/// The keys of the section.
const KEYS: [&str; 5] = ["key", "certfile", "keyfile", "cacert", "name"];

impl UserFile {
    /// Reads a file. Relative paths in it are relative to its folder, and `~/` is the user's home folder.
    ///
    /// Blocks while it reads.
    ///
    /// # Errors
    /// Every mistake in it, each with its place; nothing of a file with a mistake is used. That there is no file is one, which
    /// [`IniErrors::is_missing_file`] tells apart.
    pub fn read(path: &Path) -> Result<Self, IniErrors> {
        let mut findings = Findings::default();
        let sections = include::read_alone(path, &DIALECT, &mut findings);
        Self::from_sections(&sections, findings)
    }

    /// Reads a text. `file_name` stands in messages, and paths are relative to its folder; it is not opened.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(file_name: &str, text: &str) -> Result<Self, IniErrors> {
        let mut findings = Findings::default();
        let sections = include::scan(&Path::new(file_name).into(), text.as_bytes(), &DIALECT, &mut findings);
        Self::from_sections(&sections, findings)
    }

    fn from_sections(sections: &[Section], mut findings: Findings) -> Result<Self, IniErrors> {
        let mut reader = Reader { home: env::home_dir(), ..Reader::default() };
        for section in sections {
            if findings.is_full() {
                break;
            }
            reader.section(section, &mut findings);
        }
        findings.finish().map(|_| Self { nodes: reader.nodes }) // Nothing here is worth a warning only.
    }
}

/// Gathers nodes.
#[derive(Debug, Default)]
struct Reader {
    nodes: Vec<UserNode>,
    home: Option<PathBuf>,
    /// Where each URL was given first.
    urls: HashMap<String, Place>,
    /// Where each name was given first.
    names: HashMap<String, Place>,
}

impl Reader {
    fn section(&mut self, section: &Section, findings: &mut Findings) {
        let url = match url_of(&section.header) {
            Ok(url) => url.to_owned(),
            Err(problem) => return findings.error(&section.place, Some(&section.header), None, problem),
        };
        if let Some(first) = self.urls.get(&url) {
            let problem = Problem::DuplicateSection { first: first.clone() };
            findings.error(&section.place, Some(&section.header), None, problem);
        } else {
            self.urls.insert(url.clone(), section.place.clone());
        }
        let mut node = UserNode::bare(&url, section.place.clone());
        let mut seen: HashMap<String, &Entry> = HashMap::new();
        for entry in &section.entries {
            let key = entry.key.to_lowercase();
            let (place, result) = match (seen.get(&key), entry.swallowed_key(KEYS)) {
                (Some(first), _) => (entry.place.clone(), Err(Problem::DuplicateKey { first: first.place.clone() })),
                (None, Some((line, problem))) => (Place { line, ..entry.place.clone() }, Err(problem)),
                (None, None) => (entry.place.clone(), self.set(&mut node, &key, entry)),
            };
            seen.entry(key).or_insert(entry);
            if let Err(problem) = result {
                findings.error(&place, Some(&section.header), Some(&entry.key), without_secrets(problem));
            }
        }
        self.nodes.push(node);
    }

    fn set(&mut self, node: &mut UserNode, key: &str, entry: &Entry) -> Result<(), Problem> {
        match key {
            "key" => node.key = entry.optional()?,
            "certfile" => node.certfile = self.path(entry)?,
            "keyfile" => node.keyfile = self.path(entry)?,
            "cacert" => node.cacert = self.path(entry)?,
            "name" => {
                node.name = name(entry)?;
                if let Some(name) = &node.name {
                    if let Some(first) = self.names.get(name) {
                        return Err(Problem::SameName { name: shown(name), first: first.clone() });
                    }
                    self.names.insert(name.clone(), entry.place.clone());
                }
            }
            _ => return Err(unknown_key(key, KEYS)),
        }
        Ok(())
    }

    /// A path as it can be opened from anywhere; `None` if nothing is given.
    fn path(&self, entry: &Entry) -> Result<Option<PathBuf>, Problem> {
        let line = entry.line()?;
        if line.is_empty() {
            return Ok(None);
        }
        let path = match (line.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            (Some(_), None) => return Err(Problem::NoHome { found: shown(line) }),
            (None, _) => entry.place.file.parent().unwrap_or(Path::new("")).join(line),
        };
        Ok(Some(path))
    }
}

/// The URL of `node "URL"`.
pub(super) fn url_of(header: &str) -> Result<&str, Problem> {
    let end = header.find(|character: char| !character.is_alphanumeric()).unwrap_or(header.len());
    let (word, rest) = header.split_at(end);
    if word != "node" {
        let suggestion = near(&word.to_lowercase(), ["node"]).map(|_| match in_quotes(rest) {
            Some(url) => format!("[node \"{}\"]", shown(url)),
            None => "[node \"URL\"]".to_owned(),
        });
        return Err(Problem::UnknownSection { suggestion, expected: "expected [node \"URL\"]" });
    }
    in_quotes(rest).ok_or(Problem::NodeHeader)
}

/// What stands in quotes, if that is something and all there is.
fn in_quotes(text: &str) -> Option<&str> {
    let text = text.trim().strip_prefix('"')?.strip_suffix('"')?.trim();
    (!text.is_empty() && !text.contains('"')).then_some(text)
}

/// A name that no URL can be taken for; `None` if nothing is given.
fn name(entry: &Entry) -> Result<Option<String>, Problem> {
    let line = entry.line()?;
    if line.contains(|character: char| character.is_whitespace() || ":/".contains(character)) {
        return Err(entry.wrong("a word without `:` and `/`, which stand in URLs", line));
    }
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

/// A line that continues what it should not may hold an API key, too.
fn without_secrets(mut problem: Problem) -> Problem {
    if let Problem::SwallowedKey { text, .. } | Problem::SeveralLines { text } = &mut problem {
        HIDDEN.clone_into(text);
    }
    problem
}
