//! The Procfile itself.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Mistake, Mistakes, mistake::Gathered, quoting, text};
use crate::{
    ini::{Place, shown},
    names::{JobName, SessionId},
};

/// A line of a Procfile: a process type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is called: letters, digits, `_` and `-`.
    pub name: String,
    /// Where it stands, from 1.
    pub line: usize,
    /// The command line as it stands there.
    pub command: String,
}

/// What a Procfile holds: the manual's `parse`, and `processes` for [`entries`](Self::entries).
///
/// ```
/// use gaffer_core::procfile::Procfile;
///
/// let procfile = Procfile::parse("Procfile", "web: ./server --port $PORT\n# none of ours\nclock: ./clock\n")?;
/// assert_eq!(procfile.entries()[1].name, "clock");
/// assert_eq!(procfile.get("web").map(|entry| entry.command.as_str()), Some("./server --port $PORT"));
///
/// let mistakes = Procfile::parse("Procfile", "web ./server").unwrap_err();
/// assert_eq!(mistakes.to_string(), "Procfile:1: `web ./server` is no process type; write `name: command`");
/// # Ok::<(), gaffer_core::procfile::Mistakes>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Procfile {
    path: PathBuf,
    entries: Vec<Entry>,
    warnings: Vec<Mistake>,
}

impl Procfile {
    /// Reads a file.
    ///
    /// # Errors
    /// All mistakes at once; or that it cannot be read.
    pub fn read(path: &Path) -> Result<Self, Mistakes> {
        let bytes = text::load(path).map_err(|error| text::unreadable(path, &error))?;
        Self::from_bytes(path, &bytes)
    }

    /// Reads a text, which is that of the file named.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn parse(path: impl Into<PathBuf>, text: &str) -> Result<Self, Mistakes> {
        Self::from_bytes(path, text.as_bytes())
    }

    pub(super) fn from_bytes(path: impl Into<PathBuf>, bytes: &[u8]) -> Result<Self, Mistakes> {
        let path = path.into();
        let text = text::decode(&path, bytes)?;
        let file: Arc<Path> = path.as_path().into();
        let place = |line| Place::new(Arc::clone(&file), line);
        let mut procfile = Self { path, entries: Vec::new(), warnings: Vec::new() };
        let mut positions: HashMap<String, usize> = HashMap::new();
        let mut mistakes = Gathered::default();
        let mut blank = true;
        for (line, content) in (1..).zip(text.split('\n')) {
            let content = content.trim_start();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            blank = false;
            let entry = entry(line, content).map_err(|problem| Mistake::at(place(line), problem));
            let Some(entry) = mistakes.take(entry) else {
                continue;
            };
            match positions.get(&entry.name).and_then(|position| procfile.entries.get_mut(*position)) {
                Some(first) => {
                    let problem =
                        format!("`{}` stands in line {} already; this line replaces that one", entry.name, first.line);
                    procfile.warnings.push(Mistake::at(place(line), problem));
                    *first = entry;
                }
                None => {
                    positions.insert(entry.name.clone(), procfile.entries.len());
                    procfile.entries.push(entry);
                }
            }
        }
        if blank {
            mistakes.push(Mistake::at(place(0), "has no process types; add one, for example `web: ./server`"));
        }
        mistakes.or(procfile)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The process types, in the order of the file. Of several of one name the last, in the place of the first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The process type of this name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// What was read but may not be meant, such as a name that stands twice.
    pub fn warnings(&self) -> &[Mistake] {
        &self.warnings
    }

    /// Where an entry stands.
    pub fn place(&self, entry: &Entry) -> Place {
        Place::new(self.path.as_path(), entry.line)
    }
}

/// Reads one line that is neither blank nor a comment.
fn entry(line: usize, content: &str) -> Result<Entry, String> {
    let no_type = || format!("`{}` is no process type; write `name: command`", shown(content.trim_end()));
    let (name, command) = content.split_once(':').ok_or_else(no_type)?;
    if name.is_empty() {
        return Err(no_type());
    }
    if name.ends_with(char::is_whitespace) && is_name(name.trim_end()) {
        return Err(format!("blanks stand between `{}` and its `:`; remove them", name.trim_end()));
    }
    if let Some(wrong) = name.chars().find(|c| !is_name_character(*c)) {
        // A command with a colon somewhere, and nothing that looks like a name, is rather a line without a name.
        if wrong.is_whitespace() || "/$\"'".contains(wrong) {
            return Err(no_type());
        }
        return Err(format!(
            "`{}`: {wrong:?} cannot stand in the name of a process type; use letters, digits, `_` and `-`",
            shown(name)
        ));
    }
    if name.starts_with('-') {
        return Err(format!("`{name}` begins with `-`; begin the name with a letter, a digit or `_`"));
    }
    if let Err(error) = JobName::new(SessionId::default(), name) {
        return Err(error.to_string());
    }
    let command = trim_command(command);
    if command.is_empty() {
        return Err(format!("`{name}` has no command; write `{name}: command`"));
    }
    quoting::check(command).map_err(|error| format!("`{name}`: {error}"))?;
    Ok(Entry { name: name.to_owned(), line, command: command.to_owned() })
}

/// Without blanks around, but for one that a backslash makes a part of the last word.
fn trim_command(command: &str) -> &str {
    let command = command.trim_start();
    let trimmed = command.trim_end();
    let backslashes = trimmed.len() - trimmed.trim_end_matches('\\').len();
    let kept = command[trimmed.len()..].chars().next().filter(|_| backslashes % 2 == 1).map_or(0, char::len_utf8);
    &command[..trimmed.len() + kept]
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_name_character)
}

#[cfg(test)]
mod tests;
