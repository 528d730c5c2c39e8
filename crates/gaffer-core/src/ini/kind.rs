//! What a section is about, told by its header.

use std::fmt;

use super::{Problem, problem::shown};
use crate::config::suggest;

/// A section's meaning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// `[gaffer]`.
    Gaffer,
    /// `[endpoint:NAME]`.
    Endpoint(String),
    /// `[process:NAME]` or `[job:NAME]`; the name is not yet checked.
    Job(String),
    /// `[env:NAME]`; the name is not yet checked.
    Env(String),
    /// `[webhooks]`.
    Webhooks,
    /// `[webhook:NAME]`.
    Webhook(String),
    /// `[plugin:NAME]`.
    Plugin(String),
    /// `[auth]`.
    Auth,
    /// `[ssl]`.
    Ssl,
    /// `[lookup_ssl]`.
    LookupSsl,
}

/// What a section may be, for those who wrote something that it may not.
const EXPECTED: &str = "expected [gaffer], [endpoint:NAME], [process:NAME], [env:NAME], [webhooks], \
                        [webhook:NAME], [plugin:NAME], [auth], [ssl] or [lookup_ssl]";

/// The words that a header can begin with, and whether a name follows.
const WORDS: [(&str, bool); 11] = [
    ("gaffer", false),
    ("endpoint", true),
    ("process", true),
    ("job", true),
    ("env", true),
    ("webhooks", false),
    ("webhook", true),
    ("plugin", true),
    ("auth", false),
    ("ssl", false),
    ("lookup_ssl", false),
];

impl Kind {
    /// Reads the text between the brackets.
    ///
    /// # Errors
    /// When no section is called so, with the one that may have been meant; when a name is missing, or not taken.
    pub(super) fn of(header: &str) -> Result<Self, Problem> {
        let (word, name) = match header.split_once(':') {
            Some((word, name)) => (word.trim(), Some(name.trim())),
            None => (header.trim(), None),
        };
        let Some((known, takes_name)) = WORDS.iter().find(|(known, _)| *known == word) else {
            if word == "DEFAULT" {
                return Err(Problem::DefaultSection);
            }
            return Err(Problem::UnknownSection { suggestion: suggestion(word, name), expected: EXPECTED });
        };
        let name = match (takes_name, name.filter(|name| !name.is_empty())) {
            (true, Some(name)) => name.to_owned(),
            (true, None) => return Err(Problem::NameMissing { kind: known }),
            (false, None) => String::new(),
            (false, Some(_)) => return Err(Problem::NameNotTaken { kind: known }),
        };
        Ok(match *known {
            "gaffer" => Self::Gaffer,
            "endpoint" => Self::Endpoint(name),
            "process" | "job" => Self::Job(name),
            "env" => Self::Env(name),
            "webhooks" => Self::Webhooks,
            "webhook" => Self::Webhook(name),
            "plugin" => Self::Plugin(name),
            "auth" => Self::Auth,
            "ssl" => Self::Ssl,
            _ => Self::LookupSsl,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gaffer => f.write_str("gaffer"),
            Self::Endpoint(name) => write!(f, "endpoint:{name}"),
            Self::Job(name) => write!(f, "process:{name}"),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::Webhooks => f.write_str("webhooks"),
            Self::Webhook(name) => write!(f, "webhook:{name}"),
            Self::Plugin(name) => write!(f, "plugin:{name}"),
            Self::Auth => f.write_str("auth"),
            Self::Ssl => f.write_str("ssl"),
            Self::LookupSsl => f.write_str("lookup_ssl"),
        }
    }
}

/// The header that may have been meant, with its brackets.
fn suggestion(word: &str, name: Option<&str>) -> Option<String> {
    let known = near(&word.to_lowercase(), WORDS.iter().map(|(known, _)| *known))?;
    let takes_name = WORDS.iter().any(|(word, takes_name)| *word == known && *takes_name);
    Some(match name.filter(|name| takes_name && !name.is_empty()) {
        Some(name) => format!("[{known}:{}]", shown(name)),
        None if takes_name => format!("[{known}:NAME]"),
        None => format!("[{known}]"),
    })
}

/// Longest word that is held against known ones: the work grows with its length, and no name is that long.
const MAX_SUGGESTED: usize = 255;

/// [`suggest`], for words of any length.
pub(super) fn near<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_SUGGESTED { None } else { suggest(word, candidates) }
}
