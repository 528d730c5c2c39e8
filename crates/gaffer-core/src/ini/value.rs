//! Typed values of a key.

use std::time::Duration;

use super::{Problem, kind::near, problem::shown, scanner::Entry};
use crate::config::{boolean, seconds, split_words};

impl Entry {
    /// The value as `configparser` has it: lines joined by newlines, blank ones at the ends left out.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            // A value that begins below its key begins there: what stands above is not a part of it.
            if !text.is_empty() {
                text.extend(std::iter::repeat_n('\n', line.blank_before + 1));
            }
            text.push_str(&line.text);
        }
        text
    }

    /// The value of a key that takes one line; empty if nothing is given.
    pub(super) fn line(&self) -> Result<&str, Problem> {
        let mut lines = self.lines.iter().map(|line| line.text.as_str()).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        match lines.next() {
            Some(second) => Err(Problem::SeveralLines { text: shown(second) }),
            None => Ok(first),
        }
    }

    /// The value of a key that takes one line; `None` if nothing is given.
    pub(super) fn optional<T: for<'a> From<&'a str>>(&self) -> Result<Option<T>, Problem> {
        self.line().map(|line| (!line.is_empty()).then(|| line.into()))
    }

    /// A truth value.
    pub(super) fn boolean(&self) -> Result<bool, Problem> {
        let line = self.line()?;
        boolean(line).map_err(|_| self.wrong("true or false", line))
    }

    /// A whole number of 1 or more.
    pub(super) fn positive(&self) -> Result<u32, Problem> {
        let line = self.line()?;
        let number = line.parse().ok().filter(|number| *number > 0);
        number.ok_or_else(|| self.wrong("a whole number of 1 or more", line))
    }

    /// A number of bytes of 1 or more; `k`, `m` and `g` stand for powers of 1,024.
    pub(super) fn bytes(&self) -> Result<u64, Problem> {
        let line = self.line()?;
        let (digits, unit) = match line.to_ascii_lowercase() {
            text if text.ends_with('k') => (text.len() - 1, 1 << 10),
            text if text.ends_with('m') => (text.len() - 1, 1 << 20),
            text if text.ends_with('g') => (text.len() - 1, 1 << 30),
            text => (text.len(), 1),
        };
        let number = line[..digits].trim_end().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        let number = number.filter(|number| *number > 0);
        number.ok_or_else(|| self.wrong("a number of bytes of 1 or more, such as 1048576, 512k or 1m", line))
    }

    /// A span of time, given in seconds, of at least `least`; `expected` says so in words.
    pub(super) fn seconds(&self, least: Duration, expected: &'static str) -> Result<Duration, Problem> {
        let line = self.line()?;
        let span = line.parse().ok().and_then(|number| seconds(number).ok());
        span.filter(|span| *span >= least).ok_or_else(|| self.wrong(expected, line))
    }

    /// A list with commas; each line of the value is at least one entry. Empty entries are left out.
    pub(super) fn list(&self) -> Vec<String> {
        let words = self.lines.iter().flat_map(|line| line.text.split(',')).map(str::trim);
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// A list with commas as one line, for readers that split it themselves.
    pub(super) fn joined(&self) -> String {
        let lines = self.lines.iter().map(|line| line.text.as_str()).filter(|line| !line.is_empty());
        let mut joined = String::new();
        for line in lines {
            if !joined.is_empty() && !joined.ends_with(',') {
                joined.push(',');
            }
            joined.push_str(line);
        }
        joined
    }

    /// A list split at blanks, as a shell would: quotes protect a blank.
    pub(super) fn words(&self) -> Result<Vec<String>, Problem> {
        let text = self.text();
        split_words(&text).ok_or_else(|| Problem::OpenQuote { found: shown(&text) })
    }

    /// A value that does not fit; tells of comments if that may be why.
    pub(super) fn wrong(&self, expected: &'static str, found: &str) -> Problem {
        self.hinted(Problem::Value { expected, found: shown(found) })
    }

    /// Adds what is to be known of comments to a problem whose cause they may be.
    pub(super) fn hinted(&self, problem: Problem) -> Problem {
        let marks = [" ;", " #", "\t;", "\t#"];
        if self.lines.iter().any(|line| marks.iter().any(|mark| line.text.contains(mark))) {
            Problem::CommentInValue(Box::new(problem))
        } else {
            problem
        }
    }

    /// A continuation line that would set one of `known`, were it not indented.
    pub(super) fn swallowed_key<'a>(
        &self,
        known: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Option<(usize, Problem)> {
        self.lines.iter().skip(1).find_map(|line| {
            let (word, _) = line.text.split_once(['=', ':'])?;
            let word = word.trim().to_lowercase();
            let key = known.clone().into_iter().find(|known| *known == word)?;
            let problem =
                Problem::SwallowedKey { text: shown(&line.text), key: key.to_owned(), began: self.place.line };
            Some((line.number, problem))
        })
    }
}

/// The problem with a key that its section does not have.
pub(super) fn unknown_key<'a>(key: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Problem {
    let suggestion = near(key, known.clone()).map(str::to_owned);
    let keys: Vec<&str> = known.into_iter().collect();
    Problem::UnknownKey { suggestion, expected: format!("expected one of {}", keys.join(", ")) }
}
