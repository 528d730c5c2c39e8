//! From text to sections, keys and values, each with its line. Knows the rules of lines, but no section's meaning.
//!
//! This is Python 3's `configparser` with its default settings, line by line, minus interpolation and minus what it
//! loses silently. Crates were tried and given up: they lose line numbers, and with them every message's place; some
//! also let a line without `=` or an indented comment swallow the section header that follows.

use std::{path::Path, sync::Arc};

use super::{Place, Problem, error::Findings, problem::shown};

/// What the scanner must know of the kind of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    /// A header that such a file may begin with.
    pub(super) example: &'static str,
    /// Whether such a file has sections with this text between the brackets.
    pub(super) is_header: fn(&str) -> bool,
    /// Whether a header can hold a text in double quotes, where a `]` closes nothing.
    pub(super) quotes: bool,
    /// A line as messages quote it.
    pub(super) shown: fn(&str) -> String,
}

/// One `[header]` and what stands under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// The text between the brackets, trimmed.
    pub(super) header: String,
    /// Where the header stands.
    pub(super) place: Place,
    /// The keys in the order of the file.
    pub(super) entries: Vec<Entry>,
}

/// One `key = value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The key as written, trimmed; never empty.
    pub(super) key: String,
    /// Where the key stands.
    pub(super) place: Place,
    /// The value line by line. Never empty: the key's own line comes first, though it may be blank.
    pub(super) lines: Vec<ValueLine>,
}

/// One line of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ValueLine {
    /// Its number in the file.
    pub(super) number: usize,
    /// How many blank lines of the value stand before it. Only counted, so that a file of blank lines costs nothing.
    pub(super) blank_before: usize,
    /// The text, trimmed.
    pub(super) text: String,
}

/// Checks that bytes are text, and leaves out a byte order mark.
///
/// # Errors
/// The line and what is wrong in it.
pub(crate) fn decode(bytes: &[u8]) -> Result<&str, (usize, Problem)> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (good, bad) = bytes.split_at(error.valid_up_to());
        (line_of(good), Problem::NotUtf8 { byte: bad.first().copied().unwrap_or_default() })
    })?;
    match text.find('\0') {
        Some(position) => Err((line_of(&bytes[..position]), Problem::Nul)),
        None => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
    }
}

/// The number of the line that follows `before`.
fn line_of(before: &[u8]) -> usize {
    // A CR ends a line unless an LF follows it.
    let ends = before.iter().enumerate().filter(|&(position, byte)| match byte {
        b'\n' => true,
        b'\r' => before.get(position + 1) != Some(&b'\n'),
        _ => false,
    });
    ends.count() + 1
}

/// Lines as Python's text files have them: ended by LF, CRLF or CR.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).flat_map(|line| line.split('\r'))
}

/// What an indented line would continue, and what a key would belong to.
enum Under {
    /// Before the first header.
    Nothing,
    /// In the section pushed last.
    Section,
    /// Beneath a header that is refused: its keys have no home, and are passed over.
    RefusedHeader,
}

/// Splits a text into sections.
///
/// Every line that does not fit is noted in `findings`; the sections are then still good enough to find more mistakes
/// in, but not to be used.
pub(super) fn scan(file: &Arc<Path>, text: &str, dialect: &Dialect, findings: &mut Findings) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut under = Under::Nothing;
    let mut told_before_first = false;
    // Whether an indented line continues something: the last entry, or a line that was refused.
    let mut open: Option<Open> = None;
    let mut indentation = 0;
    let mut blank_before = 0;
    for (position, line) in lines(text).enumerate() {
        if findings.is_full() {
            break;
        }
        let number = position + 1;
        let content = line.trim();
        if content.starts_with([';', '#']) {
            continue;
        }
        if content.is_empty() {
            blank_before += 1;
            continue;
        }
        let place = Place { file: Arc::clone(file), line: number };
        let indented = line.chars().take_while(|character| character.is_whitespace()).count();
        let blank_before = std::mem::take(&mut blank_before);
        if let Some(continues) = open
            && indented > indentation
        {
            if let Some(problem) = swallowed_header(content, dialect, &sections, continues) {
                let section = sections.last();
                let key = section.and_then(|section| section.entries.last()).map(|entry| entry.key.as_str());
                findings.error(&place, section.map(|section| section.header.as_str()), key, problem);
                open = Some(Open::RefusedLine); // What follows was meant for that section, and would only repeat this.
            } else if let Some(lines) = continued(&mut sections, continues) {
                lines.push(ValueLine { number, blank_before, text: content.to_owned() });
            }
            continue;
        }
        indentation = indented;
        if content.starts_with('[') {
            open = None;
            under = match header(content, dialect) {
                Ok(header) => {
                    sections.push(Section { header: header.to_owned(), place, entries: Vec::new() });
                    Under::Section
                }
                Err(problem) => {
                    findings.error(&place, None, None, problem);
                    Under::RefusedHeader
                }
            };
            continue;
        }
        match (&under, sections.last_mut()) {
            (Under::Section, Some(section)) => match entry(content, dialect, place.clone()) {
                Ok(entry) => {
                    section.entries.push(entry);
                    open = Some(Open::Entry);
                }
                Err(problem) => {
                    findings.error(&place, Some(&section.header), None, problem);
                    open = Some(Open::RefusedLine);
                }
            },
            (Under::RefusedHeader, _) => {}
            (Under::Nothing | Under::Section, _) => {
                if !told_before_first {
                    let text = (dialect.shown)(content);
                    findings.error(&place, None, None, Problem::BeforeFirstSection { text, example: dialect.example });
                    told_before_first = true; // Once is enough: every key down to the first header has this mistake.
                }
            }
        }
    }
    sections
}

/// What an indented line continues.
#[derive(Clone, Copy)]
enum Open {
    /// The last entry of the last section.
    Entry,
    /// A line that was refused; what continues it is passed over.
    RefusedLine,
}

/// The value that goes on, if any.
fn continued(sections: &mut [Section], open: Open) -> Option<&mut Vec<ValueLine>> {
    match open {
        Open::Entry => Some(&mut sections.last_mut()?.entries.last_mut()?.lines),
        Open::RefusedLine => None,
    }
}

/// `configparser` takes an indented header for one more line of the value above. Nobody means that of a header that
/// such a file has; any other text in brackets may well be a part of a value.
fn swallowed_header(content: &str, dialect: &Dialect, sections: &[Section], open: Open) -> Option<Problem> {
    let entry = match open {
        Open::Entry => sections.last()?.entries.last()?,
        Open::RefusedLine => return None,
    };
    if !content.starts_with('[') {
        return None;
    }
    let header = header(content, dialect).ok()?;
    (dialect.is_header)(header).then(|| Problem::SwallowedHeader { text: shown(content), began: entry.place.line })
}

/// The text between the brackets of a header line.
fn header<'a>(content: &'a str, dialect: &Dialect) -> Result<&'a str, Problem> {
    let inner = content.strip_prefix('[').unwrap_or(content);
    let mut quoted = false;
    let end = inner.find(|character| {
        quoted ^= dialect.quotes && character == '"';
        character == ']' && !quoted
    });
    // A quote that is not closed is the header's mistake, not the bracket's.
    let end = end.or_else(|| inner.rfind(']')).ok_or_else(|| Problem::OpenHeader { text: shown(content) })?;
    let (header, behind) = (&inner[..end], inner[end + 1..].trim());
    // Python's parser drops whatever follows the bracket. A comment there loses nothing.
    if behind.is_empty() || behind.starts_with([';', '#']) {
        Ok(header.trim())
    } else {
        Err(Problem::BehindHeader { text: shown(behind) })
    }
}

/// Splits a line at its first `=` or `:`.
fn entry(content: &str, dialect: &Dialect, place: Place) -> Result<Entry, Problem> {
    let position = content.find(['=', ':']).ok_or_else(|| Problem::NoEquals { text: (dialect.shown)(content) })?;
    let (key, rest) = content.split_at(position);
    let key = key.trim_end();
    let mut value = rest.chars();
    let separator = value.next().unwrap_or('=');
    if key.is_empty() {
        return Err(Problem::NoKey { text: (dialect.shown)(content), separator });
    }
    let lines = vec![ValueLine { number: place.line, blank_before: 0, text: value.as_str().trim().to_owned() }];
    Ok(Entry { key: key.to_owned(), place, lines })
}
