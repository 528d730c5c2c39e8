//! Variables, from files and from the command line.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use super::{Mistake, Mistakes, mistake::Gathered, text};
use crate::ini::{Place, shown};

/// Where variables come from: `FILE` or `KEY=VALUE`, as an option has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvSource {
    /// A file of variables, such as `.env`.
    File(PathBuf),
    /// One variable.
    Pair(String, String),
}

impl FromStr for EnvSource {
    type Err = std::convert::Infallible;

    /// What begins with a variable's name and `=` is a variable; anything else is a file.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once('=') {
            Some((key, value)) if is_key(key) => Self::Pair(key.to_owned(), value.to_owned()),
            _ => Self::File(text.into()),
        })
    }
}

/// Reads files of variables: the manual's `get_env`. Where several have the same, the later one wins.
///
/// A file has one variable a line:
///
/// ```text
/// # A comment. Blank lines are fine too.
/// NAME=value with blanks   # a comment
/// export OTHER='as it stands: $NAME \n # "'
/// THIRD="a\tb \"c\" \$d \\
/// and on"
/// ```
///
/// Blanks around a key and around a value that is not quoted are left out. Nothing is replaced: a `$` is a plain character. In double
/// quotes `\n`, `\t`, `\r`, `\"`, `\\` and `\$` stand for the character meant; any other backslash for itself. Names are
/// letters, digits and `_`, and `.` and `-` within; note that some shells hide those with `.` and `-` from what they run.
///
/// # Errors
/// All mistakes at once; a file that cannot be read is one.
pub fn get_env(files: &[PathBuf]) -> Result<BTreeMap<String, String>, Mistakes> {
    let mut mistakes = Gathered::default();
    let mut variables = Variables::new();
    for file in files {
        read(file, &mut variables, &mut mistakes);
    }
    mistakes.or(variables.into_iter().map(|(key, variable)| (key, variable.value)).collect())
}

/// A variable's value, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) value: String,
    /// None for one of the command line.
    pub(super) place: Option<Place>,
}

/// Variables by their names.
pub(super) type Variables = BTreeMap<String, Variable>;

/// Adds the variables of a file.
pub(super) fn read(file: &Path, variables: &mut Variables, mistakes: &mut Gathered) {
    let bytes = text::load(file).map_err(|error| text::unreadable(file, &error));
    if let Some(bytes) = mistakes.take(bytes) {
        parse(file, &bytes, variables, mistakes);
    }
}

/// Adds the variables of a file's content.
pub(super) fn parse(file: &Path, bytes: &[u8], variables: &mut Variables, mistakes: &mut Gathered) {
    let Some(text) = mistakes.take(text::decode(file, bytes)) else {
        return;
    };
    let file: Arc<Path> = file.into();
    let mut rest = Rest { text: &text, line: 1 };
    while !rest.text.is_empty() {
        let place = Place::new(Arc::clone(&file), rest.line);
        match entry(&mut rest) {
            Ok(Some((key, value))) => drop(variables.insert(key, Variable { value, place: Some(place) })),
            Ok(None) => {}
            Err(WrongLine { line, problem }) => {
                mistakes.push(Mistake::at(Place::new(Arc::clone(&file), line), problem));
            }
        }
    }
}

/// What is not read yet. Line ends are bare line feeds.
#[derive(Debug)]
struct Rest<'a> {
    text: &'a str,
    /// The number of the line that `text` begins in.
    line: usize,
}

impl<'a> Rest<'a> {
    /// Takes what is left of the line, and its end.
    fn line(&mut self) -> &'a str {
        let (line, rest) = self.text.split_once('\n').unwrap_or((self.text, ""));
        self.text = rest;
        self.line += 1;
        line
    }

    /// Takes a part of the text.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.text.split_at(bytes);
        self.text = rest;
        self.line += taken.matches('\n').count();
        taken
    }
}

/// A line that is wrong. Values may be secret: they are not quoted.
#[derive(Debug)]
struct WrongLine {
    line: usize,
    problem: String,
}

/// Reads a line, and those that its quotes span; `None` if it holds no variable.
fn entry(rest: &mut Rest<'_>) -> Result<Option<(String, String)>, WrongLine> {
    let number = rest.line;
    let wrong = |problem: String| WrongLine { line: number, problem };
    let line = rest.text.split('\n').next().unwrap_or_default();
    let content = line.trim();
    if content.is_empty() || content.starts_with('#') {
        rest.line();
        return Ok(None);
    }
    let exported = content.strip_prefix("export").filter(|behind| behind.starts_with(char::is_whitespace));
    let Some((before, _)) = line.split_once('=') else {
        rest.line();
        // Set elsewhere: a shell would only mark it.
        if exported.is_some_and(|names| names.split_whitespace().all(is_key)) {
            return Ok(None);
        }
        return Err(wrong("has no `=`; write KEY=value, or begin the line with `#` if it is a comment".to_owned()));
    };
    let key = match before.trim() {
        "export" => "export",
        key => key.strip_prefix("export").filter(|key| key.starts_with(char::is_whitespace)).unwrap_or(key).trim(),
    };
    if !is_key(key) {
        rest.line();
        return Err(wrong(if key.is_empty() {
            "has nothing before its `=`; write KEY=value".to_owned()
        } else {
            format!(
                "`{}` cannot name a variable; use letters, digits and `_`, and begin with a letter or `_`",
                shown(key)
            )
        }));
    }
    rest.take(before.len() + 1);
    let blanks = rest.text.len() - rest.text.trim_start_matches([' ', '\t']).len();
    let value = match rest.text[blanks..].chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let name = if quote == '"' { "double" } else { "single" };
            let Some((value, length)) = quoted(&rest.text[blanks + 1..], quote) else {
                // The lines below are read by themselves: mostly this one only lacks its last character.
                rest.line();
                return Err(wrong(format!("the {name} quote of `{}` is not closed", shown(key))));
            };
            rest.take(blanks + 1 + length);
            let end = rest.line;
            let behind = rest.line().trim();
            if !behind.is_empty() && !behind.starts_with('#') {
                let begun = if end == number { String::new() } else { format!(", which began in line {number}") };
                let problem = format!(
                    "text stands behind the closing {name} quote of `{}`{begun}; close the quote at the end of the value, or write `\\\"` \
                     for a quote within double ones",
                    shown(key)
                );
                return Err(WrongLine { line: end, problem });
            }
            value
        }
        _ => unquoted(rest.line()).to_owned(),
    };
    Ok(Some((key.to_owned(), value)))
}

/// The value up to its closing quote, and how long it is with that; none if it is not closed.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut rest = text.char_indices();
    while let Some((position, character)) = rest.next() {
        match character {
            _ if character == quote => return Some((value, position + 1)),
            '\\' if quote == '"' => match rest.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'r' => value.push('\r'),
                escaped @ ('"' | '\\' | '$') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    None
}

/// A value without the blanks around it, and without a comment.
fn unquoted(line: &str) -> &str {
    let comment = line
        .match_indices('#')
        .map(|(position, _)| position)
        .find(|position| line[..*position].ends_with(char::is_whitespace));
    line[..comment.unwrap_or(line.len())].trim()
}

/// Whether this can name a variable: a letter or `_`, then also digits, `.` and `-`.
fn is_key(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

#[cfg(test)]
mod tests;
