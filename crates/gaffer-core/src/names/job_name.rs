//! `session.name`: how a job is called.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// A name that cannot be a job's or a session's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJobName {
    /// Nothing stands where a name should.
    #[error("`{0}` has an empty {1} name")]
    Empty(String, &'static str),
    /// A character that names may not hold.
    #[error(
        "`{input}`: {character:?} cannot stand in a {part} name; use letters, digits, `_`, `@`, `+` and `-`, \
         and begin with a letter, a digit or `_`"
    )]
    Character {
        /// What was given.
        input: String,
        /// The first character that cannot stand where it stands.
        character: char,
        /// `job` or `session`.
        part: &'static str,
    },
    /// All digits would be taken for a pid.
    #[error("`{0}`: a job name cannot be all digits, because digits alone are a pid; add a letter")]
    Digits(String),
    /// Too long to be of use.
    #[error("a job name of {0} bytes is too long; at most {MAX_LENGTH} are allowed")]
    TooLong(usize),
}

/// Longest name accepted, in bytes: names become URL segments, topics and log fields.
const MAX_LENGTH: usize = 255;

/// A named set of jobs; the manual also says *application* and *group*. `default` when none is given.
///
/// May hold dots, which a job's own name may not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// The session of a job that names none.
    pub const DEFAULT: &'static str = "default";

    /// The session of the jobs that applications of plugins run as. Nobody else may load a job into it.
    pub const PLUGINS: &'static str = "_plugin";

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the session of jobs that name none.
    pub fn is_default(&self) -> bool {
        &*self.0 == Self::DEFAULT
    }
}

impl Default for SessionId {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl FromStr for SessionId {
    type Err = InvalidJobName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check(text, text, "session", ".")?;
        Ok(Self(text.into()))
    }
}

/// `session.name`, parsed from `name`, `session:name`, `session/name` and `session.name`.
///
/// The separator is the first `:`, else the first `/`, else the last `.`, because a session may hold dots and a
/// name may not.
///
/// ```
/// use gaffer_core::JobName;
///
/// let name: JobName = "shop.eu:web".parse()?;
/// assert_eq!(name.to_string(), "shop.eu.web");
/// assert_eq!("web".parse::<JobName>()?.to_string(), "default.web");
/// assert_eq!("web".parse::<JobName>()?.short(), "web");
/// # Ok::<(), gaffer_core::InvalidJobName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobName {
    session: SessionId,
    name: Arc<str>,
}

impl JobName {
    /// Joins a session and a bare name.
    ///
    /// # Errors
    /// When `name` is not a valid name by itself: empty, all digits, too long, or with a character that names may not hold.
    pub fn new(session: SessionId, name: &str) -> Result<Self, InvalidJobName> {
        Self::checked(name, session, name)
    }

    fn checked(input: &str, session: SessionId, name: &str) -> Result<Self, InvalidJobName> {
        check(input, name, "job", "")?;
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidJobName::Digits(input.to_owned()));
        }
        Ok(Self { session, name: name.into() })
    }

    /// The session part.
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// The part after the session.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name as the `/processes` family prints it: without the session when that is `default`.
    pub fn short(&self) -> String {
        if self.session.is_default() { self.name.to_string() } else { self.to_string() }
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.session.0, self.name)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for JobName {
    type Err = InvalidJobName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once(':').or_else(|| text.split_once('/')).or_else(|| text.rsplit_once('.'));
        match parts {
            Some((session, name)) => {
                check(text, session, "session", ".")?;
                Self::checked(text, SessionId(session.into()), name)
            }
            None => Self::new(SessionId::default(), text),
        }
    }
}

fn check(input: &str, part: &str, what: &'static str, also: &str) -> Result<(), InvalidJobName> {
    if input.len() > MAX_LENGTH {
        return Err(InvalidJobName::TooLong(input.len()));
    }
    let mut characters = part.chars();
    let Some(first) = characters.next() else {
        return Err(InvalidJobName::Empty(input.to_owned(), what));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let wrong = if plain(first) {
        characters.find(|&c| !(plain(c) || "@+-".contains(c) || also.contains(c)))
    } else {
        Some(first)
    };
    match wrong {
        Some(character) => Err(InvalidJobName::Character { input: input.to_owned(), character, part: what }),
        None => Ok(()),
    }
}

impl TryFrom<String> for JobName {
    type Error = InvalidJobName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<JobName> for String {
    fn from(name: JobName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for SessionId {
    type Error = InvalidJobName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SessionId> for String {
    fn from(session: SessionId) -> Self {
        session.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_the_first_colon_else_the_first_slash_else_the_last_dot() {
        for (input, session, name) in [
            ("web", "default", "web"),
            ("shop.web", "shop", "web"),
            ("shop.eu.web", "shop.eu", "web"),
            ("shop:web", "shop", "web"),
            ("shop/web", "shop", "web"),
            ("shop.eu:web", "shop.eu", "web"),
            ("shop.eu/web", "shop.eu", "web"),
            ("7up", "default", "7up"),
            ("_a@b+c-d", "default", "_a@b+c-d"),
        ] {
            let parsed: JobName = input.parse().unwrap();
            assert_eq!((parsed.session().as_str(), parsed.name()), (session, name), "{input}");
        }
    }

    #[test]
    fn a_refusal_names_the_character() {
        for (input, message) in [
            ("", "`` has an empty job name"),
            ("shop.", "`shop.` has an empty job name"),
            (".web", "`.web` has an empty session name"),
            ("42", "`42`: a job name cannot be all digits, because digits alone are a pid; add a letter"),
        ] {
            assert_eq!(input.parse::<JobName>().unwrap_err().to_string(), message, "{input}");
        }
        for (input, character) in [("a b", ' '), ("-a", '-'), ("a:b:c", ':'), ("a:b/c", '/'), ("é", 'é'), ("a\0", '\0')]
        {
            let error = input.parse::<JobName>().unwrap_err();
            let found = if let InvalidJobName::Character { character, .. } = error { Some(character) } else { None };
            assert_eq!(found, Some(character), "{input}: {error}");
        }
        assert_eq!("a".repeat(300).parse::<JobName>(), Err(InvalidJobName::TooLong(300)));
    }
}
