//! Of what a right is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Resource;
use crate::names::{InvalidJobName, JobName, SessionId};

/// A text that names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no session and no job: {problem}; write `*` for all, `session`, `session.job` or `session:job`")]
pub struct InvalidScope {
    text: String,
    problem: InvalidJobName,
}

/// Of what a right is: of everything, of a session and all its jobs, or of one job.
///
/// ```
/// use gaffer_core::access::{Resource, Scope};
///
/// let shop: Scope = "shop".parse()?;
/// assert!(shop.holds(Resource::Job(&"shop.web".parse()?)));
/// assert!(!shop.holds(Resource::Job(&"blog.web".parse()?)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// `*`.
    All,
    /// A session, or a job as `session.job`: whatever is called so, as in gaffer 0.5. As sessions may have dots in their names, it may
    /// be both.
    Named(SessionId),
    /// `session:job`: the job alone.
    Job(JobName),
}

impl Scope {
    /// Whether it is part of this.
    pub fn holds(&self, resource: Resource<'_>) -> bool {
        match (self, resource) {
            (Self::All, _) => true,
            (Self::Named(name), Resource::Session(session)) => name == session,
            (Self::Named(name), Resource::Job(job)) => name == job.session() || is_called(job, name.as_str()),
            (Self::Job(own), Resource::Job(job)) => own == job,
            (Self::Named(_) | Self::Job(_), Resource::Everything) | (Self::Job(_), Resource::Session(_)) => false,
        }
    }

    /// Whether all of another is part of this.
    pub fn covers(&self, other: &Self) -> bool {
        match other {
            Self::All => *self == Self::All,
            Self::Job(job) => self.holds(Resource::Job(job)),
            // It may be a session, of which jobs alone are only a part.
            Self::Named(_) => *self == Self::All || self == other,
        }
    }
}

/// Whether this is the job's full name. Nothing is written down for it: each item of a feed is asked.
fn is_called(job: &JobName, text: &str) -> bool {
    let rest = text.strip_prefix(job.session().as_str()).and_then(|rest| rest.strip_prefix('.'));
    rest == Some(job.name())
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |problem| InvalidScope { text: text.to_owned(), problem };
        if text == "*" {
            return Ok(Self::All);
        }
        if text.contains([':', '/']) {
            return text.parse().map(Self::Job).map_err(invalid);
        }
        text.parse().map(Self::Named).map_err(invalid)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Named(name) => name.fmt(f),
            Self::Job(job) => write!(f, "{}:{}", job.session(), job.name()),
        }
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl TryFrom<String> for Scope {
    type Error = InvalidScope;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn a_scope_holds_what_is_called_so() {
        let jobs = ["default.web", "shop.web", "shop.eu.web", "blog.web", "shop.eu"].map(|name| name.parse().unwrap());
        let held = |text: &str| {
            let scope = scope(text);
            let held = jobs.iter().filter(|job| scope.holds(Resource::Job(job)));
            held.map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(held("*"), "default.web shop.web shop.eu.web blog.web shop.eu");
        assert_eq!(held("shop"), "shop.web shop.eu");
        assert_eq!(held("shop.web"), "shop.web");
        assert_eq!(held("shop.eu"), "shop.eu.web shop.eu", "a session, or a job");
        assert_eq!(held("shop:eu"), "shop.eu");
        assert_eq!(held("shop.eu:web"), "shop.eu.web");
        assert_eq!(held("shop/web"), "shop.web");
        assert_eq!(held("web"), "", "it is a session");
        assert_eq!(held("sho"), "");
        assert_eq!(held("shop.we"), "");
    }

    #[test]
    fn a_session_is_held_by_its_name_and_everything_by_the_star() {
        let shop: SessionId = "shop.eu".parse().unwrap();
        for (text, session, everything) in
            [("*", true, true), ("shop.eu", true, false), ("shop", false, false), ("shop:eu", false, false)]
        {
            assert_eq!(scope(text).holds(Resource::Session(&shop)), session, "{text}");
            assert_eq!(scope(text).holds(Resource::Everything), everything, "{text}");
        }
    }

    #[test]
    fn nothing_covers_what_is_wider() {
        for (wide, narrow) in [("*", "*"), ("*", "a"), ("*", "a:b"), ("a", "a"), ("a", "a:b"), ("a.b", "a:b")] {
            assert!(scope(wide).covers(&scope(narrow)), "{wide} {narrow}");
        }
        for (narrow, wide) in [("a", "*"), ("a", "b"), ("a:b", "a"), ("a:b", "a.b"), ("a", "a.b"), ("a.b", "a.b:c")] {
            let covers = scope(narrow).covers(&scope(wide));
            assert_eq!(covers, (narrow, wide) == ("a.b", "a.b:c"), "{narrow} {wide}");
        }
    }

    #[test]
    fn what_is_no_name_is_told() {
        for text in ["", "a b", "**", "a:7", ":a", "a\0", "../x"] {
            let error = text.parse::<Scope>().unwrap_err().to_string();
            assert!(error.contains("is no session and no job: ") && error.contains("write `*` for all"), "{error}");
        }
        assert_eq!(scope("shop/web").to_string(), "shop:web");
    }
}
