//! What a command is about.

use std::fmt;

use gaffer_core::{JobName, SessionId};
use glob::Pattern;

use crate::{
    Failure, Target,
    targets::{fits, is_pattern, job, pattern, process_or},
};

/// What a node must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// A job.
    Job(JobName),
    /// All jobs of a session.
    Session(SessionId),
    /// All jobs that fit a pattern.
    Fitting(Pattern),
}

impl Want {
    /// Whether it means this job.
    pub(super) fn means(&self, name: &JobName) -> bool {
        match self {
            Self::Job(job) => job == name,
            Self::Session(session) => name.session() == session,
            Self::Fitting(pattern) => fits(pattern, name),
        }
    }

    /// Whether it means any number of jobs: some may be on one node, and some on another.
    pub(super) fn is_collective(&self) -> bool {
        match self {
            Self::Job(_) => false,
            Self::Session(_) | Self::Fitting(_) => true,
        }
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(name) => write!(f, "`{name}`"),
            Self::Session(session) => write!(f, "a job of `{session}`"),
            Self::Fitting(pattern) => write!(f, "a job that fits `{pattern}`"),
        }
    }
}

/// What words mean that stand where the names of jobs go.
///
/// # Errors
/// [`Failure::Usage`], if there is none, one is a pid, or can be no name.
pub fn wanted(words: &[String]) -> Result<Vec<Want>, Failure> {
    if words.is_empty() {
        return Err(names_no_job());
    }
    let want = |word: &String| {
        if is_pattern(word) {
            return pattern(word).map(Want::Fitting);
        }
        match process_or(word, job)? {
            Target::Job(name) => Ok(Want::Job(name)),
            Target::Process(_) => Err(a_process(word)),
        }
    };
    words.iter().map(want).collect()
}

/// Why a command is refused that is about no job.
pub fn names_no_job() -> Failure {
    Failure::Usage("`--lookupd` finds the node that has a job, and none is named".to_owned())
}

/// Why a pid is refused.
pub fn a_process(pid: impl fmt::Display) -> Failure {
    Failure::Usage(format!(
        "`--lookupd` finds the node that has a job, and {pid} is a pid: each node may have a process of this number"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(words: &[&str]) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match wanted(&words) {
            Ok(wanted) => Ok(wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            Err(failure @ Failure::Usage(_)) => Err(failure.to_string()),
            Err(failure) => panic!("{failure}"),
        }
    }

    #[test]
    fn words_mean_jobs_or_patterns() {
        let expected = "`default.web`, `shop.web`, a job that fits `w*`";
        assert_eq!(told(&["web", "shop:web", "w*"]).as_deref(), Ok(expected));
    }

    #[test]
    fn what_names_no_job_is_refused() {
        assert!(told(&[]).unwrap_err().contains("none is named"));
        assert!(told(&["web", "7"]).unwrap_err().contains("7 is a pid"));
        assert!(told(&["a b"]).is_err() && told(&["[a"]).is_err());
    }
}
