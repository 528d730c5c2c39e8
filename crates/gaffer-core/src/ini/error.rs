//! Mistakes and warnings, each with its place.

use std::{collections::HashMap, fmt, io, path::Path, sync::Arc};

use super::problem::{Problem, shown};

/// Where something stands in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file, as it was named on the command line or found through an `include`.
    pub file: Arc<Path>,
    /// The line, from 1. 0 stands for the file as a whole.
    pub line: usize,
}

impl Place {
    /// The place of one line; line 0 is the file as a whole.
    pub fn new(file: impl Into<Arc<Path>>, line: usize) -> Self {
        Self { file: file.into(), line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.display().fmt(f)?;
        if self.line > 0 { write!(f, ":{}", self.line) } else { Ok(()) }
    }
}

/// One mistake: where it stands, what is wrong and what was expected.
///
/// Shown as `gaffer.ini:12: [process:web] flapping: window must be 0 seconds or more, but is -1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IniError {
    /// File and line.
    pub place: Place,
    /// The section, as written between the brackets; none for what stands outside of all.
    pub section: Option<String>,
    /// The key; none where the section as a whole is meant.
    pub key: Option<String>,
    /// What is wrong and what was expected.
    pub problem: Problem,
}

impl fmt::Display for IniError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match (&self.section, &self.key) {
            (Some(section), Some(key)) => write!(f, "[{section}] {key}: ")?,
            (Some(section), None) => write!(f, "[{section}] ")?,
            (None, Some(key)) => write!(f, "{key}: ")?,
            (None, None) => {}
        }
        self.problem.fmt(f)
    }
}

impl std::error::Error for IniError {}

/// Every mistake of a configuration, file by file in the order of reading, and line by line; never empty.
///
/// Shown one a line. After a hundred the reader gives up, and the last entry says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IniErrors(pub Vec<IniError>);

impl IniErrors {
    /// Whether all that is wrong is that there is no file.
    pub fn is_missing_file(&self) -> bool {
        let is_missing =
            |error: &IniError| matches!(error.problem, Problem::Unreadable { kind: io::ErrorKind::NotFound, .. });
        self.0.iter().all(is_missing)
    }
}

impl fmt::Display for IniErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for IniErrors {}

/// Something that was read but will not do what its author may expect.
///
/// Shown as `gaffer.ini:3: [gaffer] daemonize: is known but not supported yet; it has no effect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The file, as in [`Place`].
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: usize,
    /// Section, key, and what to know about them.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

/// What a warning says of a setting whose feature is still to come.
pub(super) const NOT_YET: &str = "is known but not supported yet; it has no effect";

/// Most mistakes told at once: a binary file taken for an ini has one on every line.
const MAX_ERRORS: usize = 100;

/// Gathers what is found while reading goes on.
#[derive(Debug, Default)]
pub(super) struct Findings {
    errors: Vec<IniError>,
    warnings: Vec<Warning>,
}

impl Findings {
    /// Notes a mistake; `section` and `key` as the user wrote them.
    pub(super) fn error(&mut self, place: &Place, section: Option<&str>, key: Option<&str>, problem: Problem) {
        if self.is_full() {
            return;
        }
        let named = |text: Option<&str>| text.map(shown);
        self.errors.push(IniError { place: place.clone(), section: named(section), key: named(key), problem });
        if self.errors.len() == MAX_ERRORS {
            let problem = Problem::TooManyMistakes;
            self.errors.push(IniError { place: place.clone(), section: None, key: None, problem });
        }
    }

    /// Notes a warning about a section, or about one of its keys.
    pub(super) fn warning(&mut self, place: &Place, section: &str, key: Option<&str>, message: &str) {
        let message = match key {
            Some(key) => format!("[{}] {}: {message}", shown(section), shown(key)),
            None => format!("[{}] {message}", shown(section)),
        };
        self.warnings.push(Warning { file: Arc::clone(&place.file), line: place.line, message });
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// Whether so much is wrong that reading on is of no use.
    pub(super) fn is_full(&self) -> bool {
        self.errors.len() > MAX_ERRORS
    }

    /// The warnings, if nothing is wrong. Both are put in the order of the lines: some are found only at the end.
    pub(super) fn finish(mut self) -> Result<Vec<Warning>, IniErrors> {
        if self.errors.is_empty() {
            let files = order(self.warnings.iter().map(|warning| &warning.file));
            self.warnings.sort_by_key(|warning| (files.get(&warning.file).copied(), warning.line));
            return Ok(self.warnings);
        }
        let files = order(self.errors.iter().map(|error| &error.place.file));
        self.errors.sort_by_key(|IniError { place, problem, .. }| {
            (*problem == Problem::TooManyMistakes, files.get(&place.file).copied(), place.line)
        });
        Err(IniErrors(self.errors))
    }
}

/// Numbers files in the order in which they come.
fn order<'a>(files: impl Iterator<Item = &'a Arc<Path>>) -> HashMap<Arc<Path>, usize> {
    let mut order = HashMap::new();
    for file in files {
        let next = order.len();
        order.entry(Arc::clone(file)).or_insert(next);
    }
    order
}
