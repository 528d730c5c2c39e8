//! What is meant by the words that stand where a name goes.

use std::fmt;

use gaffer_client::Client;
use gaffer_core::{JobName, ProcessId, SessionId};
use glob::Pattern;

use crate::Failure;

/// One thing that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A job.
    Job(JobName),
    /// A process.
    Process(ProcessId),
}

impl From<&JobName> for Target {
    fn from(name: &JobName) -> Self {
        Self::Job(name.clone())
    }
}

impl From<&Self> for Target {
    fn from(target: &Self) -> Self {
        target.clone()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(name) => f.write_str(&name.short()),
            Self::Process(pid) => pid.fmt(f),
        }
    }
}

/// What several words mean together.
#[derive(Debug)]
pub struct Targets<T = Target> {
    /// What is meant, in the order of the words, and in that of loading where a word means several; each once. A plain name is
    /// taken at its word: whether there is such a job shows when it is called for.
    pub found: Vec<T>,
    /// A pattern that fits nothing, or a word that is no name.
    pub failures: Vec<Failure>,
    /// The word of each failure, with the number of targets that were found before it: its place among them.
    pub failed_words: Vec<(usize, String)>,
    /// Whether it may be several: more than one word, or a pattern. Then each is named in what is printed.
    pub several: bool,
    /// For jobs that are not loaded yet.
    patterns: Vec<Pattern>,
    /// For jobs that are not loaded yet: all of this session are meant.
    session: Option<SessionId>,
}

impl<T> Targets<T> {
    /// Whether one of the patterns, or the session, means this job, which need not be loaded yet.
    pub fn fits(&self, job: &JobName) -> bool {
        self.session.as_ref() == Some(job.session()) || self.patterns.iter().any(|pattern| fits(pattern, job))
    }
}

pub(crate) fn fits(pattern: &Pattern, job: &JobName) -> bool {
    pattern.matches(&job.short()) || pattern.matches(&job.to_string())
}

impl Targets {
    /// Finds the jobs and processes that are meant: digits alone are a pid.
    ///
    /// # Errors
    /// When the node has to be asked, because there is a pattern, and does not answer.
    pub async fn jobs_and_processes(client: &Client, words: &[String]) -> Result<Self, Failure> {
        let loaded = loaded(client, words).await?;
        Ok(find(words, &loaded, |word| process_or(word, job), Target::Job))
    }

    /// These jobs.
    pub fn of_jobs(jobs: impl IntoIterator<Item = JobName>) -> Self {
        let found: Vec<Target> = jobs.into_iter().map(Target::Job).collect();
        let several = found.len() > 1;
        let (failures, failed_words, patterns) = (Vec::new(), Vec::new(), Vec::new());
        Self { found, failures, failed_words, several, patterns, session: None }
    }

    /// All jobs of a session, of which these are loaded.
    pub fn of_session(session: SessionId, loaded: impl IntoIterator<Item = JobName>) -> Self {
        Self { several: true, session: Some(session), ..Self::of_jobs(loaded) }
    }

    /// Finds the jobs and processes that are meant among these jobs, which are all that are loaded: a name that is not there
    /// is a failure. Whether there is such a process shows elsewhere.
    pub fn jobs_and_processes_of(loaded: &[JobName], words: &[String]) -> Self {
        find(words, loaded, |word| process_or(word, |word| job_of(loaded, word)), Target::Job)
    }
}

impl Targets<JobName> {
    /// Finds the jobs that are meant.
    ///
    /// # Errors
    /// When the node has to be asked, because there is a pattern, and does not answer.
    pub async fn jobs(client: &Client, words: &[String]) -> Result<Self, Failure> {
        let loaded = loaded(client, words).await?;
        Ok(find(words, &loaded, job, |name| name))
    }

    /// Finds the jobs that are meant among these, which are all that are loaded: a name that is not there is a failure.
    pub fn jobs_of(loaded: &[JobName], words: &[String]) -> Self {
        find(words, loaded, |word| job_of(loaded, word), |name| name)
    }
}

pub(crate) fn process_or(word: &str, job: impl Fn(&str) -> Result<JobName, Failure>) -> Result<Target, Failure> {
    match word.parse::<ProcessId>() {
        Ok(pid) if word.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Target::Process(pid)),
        Ok(_) | Err(_) => job(word).map(Target::Job),
    }
}

fn job_of(loaded: &[JobName], word: &str) -> Result<JobName, Failure> {
    let name = job(word)?;
    // As the node says it.
    if loaded.contains(&name) { Ok(name) } else { Err(Failure::NotFound(format!("no job is named `{name}`"))) }
}

pub(crate) fn job(word: &str) -> Result<JobName, Failure> {
    word.parse().map_err(|error| Failure::Usage(format!("{error}")))
}

/// Reads a word that stands where a job's name goes.
///
/// # Errors
/// [`Failure::Usage`], if it can be no name and no pattern.
pub fn job_word(text: &str) -> Result<String, Failure> {
    if is_pattern(text) { pattern(text).map(drop) } else { job(text).map(drop) }?;
    Ok(text.to_owned())
}

/// Reads a word that stands where a job's name or a pid goes.
///
/// # Errors
/// [`Failure::Usage`], if it can be none of them, and no pattern.
pub fn job_or_process_word(text: &str) -> Result<String, Failure> {
    match process_or(text, job) {
        Ok(Target::Process(_)) => Ok(text.to_owned()),
        Ok(Target::Job(_)) | Err(_) => job_word(text),
    }
}

pub(crate) fn pattern(word: &str) -> Result<Pattern, Failure> {
    Pattern::new(word).map_err(|error| Failure::Usage(format!("`{word}` is no pattern: {}", error.msg)))
}

pub(crate) fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?', '['])
}

/// The node's jobs, if a pattern has to be held against them.
async fn loaded(client: &Client, words: &[String]) -> Result<Vec<JobName>, Failure> {
    if words.iter().any(|word| is_pattern(word)) { Ok(client.jobs().await?) } else { Ok(Vec::new()) }
}

fn find<T: PartialEq>(
    words: &[String],
    loaded: &[JobName],
    plain: impl Fn(&str) -> Result<T, Failure>,
    of_job: impl Fn(JobName) -> T,
) -> Targets<T> {
    let mut targets = Targets {
        found: Vec::new(),
        failures: Vec::new(),
        failed_words: Vec::new(),
        several: words.len() > 1,
        patterns: Vec::new(),
        session: None,
    };
    for word in words {
        let found = if is_pattern(word) {
            targets.several = true;
            pattern(word).and_then(|pattern| {
                let fitting = loaded.iter().filter(|name| fits(&pattern, name));
                let fitting: Vec<T> = fitting.cloned().map(&of_job).collect();
                targets.patterns.push(pattern);
                if fitting.is_empty() { Err(Failure::NotFound(format!("no job fits `{word}`"))) } else { Ok(fitting) }
            })
        } else {
            plain(word).map(|target| vec![target])
        };
        match found {
            Ok(found) => {
                for target in found {
                    if !targets.found.contains(&target) {
                        targets.found.push(target);
                    }
                }
            }
            Err(failure) => {
                targets.failures.push(failure);
                targets.failed_words.push((targets.found.len(), word.clone()));
            }
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(words: &[&str]) -> (Vec<String>, Vec<String>, bool) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let loaded = ["web", "worker", "shop.web", "default.w-2"].map(|name| name.parse().unwrap());
        let targets = find(&words, &loaded, job, |name| name);
        let names = targets.found.iter().map(JobName::short).collect();
        (names, targets.failures.iter().map(ToString::to_string).collect(), targets.several)
    }

    #[test]
    fn patterns_mean_the_jobs_that_fit_and_each_is_meant_once() {
        let names = |words: &[&str]| found(words).0;
        assert_eq!(names(&["w*"]), ["web", "worker", "w-2"]);
        assert_eq!(names(&["*"]), ["web", "worker", "shop.web", "w-2"]);
        assert_eq!(names(&["worker", "w*"]), ["worker", "web", "w-2"]);
        assert_eq!(names(&["default.*"]), ["web", "worker", "w-2"]);
        assert_eq!(names(&["shop.???", "[wx]eb"]), ["shop.web", "web"]);
        assert!(!found(&["web"]).2);
        assert!(found(&["web", "x"]).2 && found(&["web*"]).2);
    }

    #[test]
    fn names_are_looked_up_where_all_jobs_are_known() {
        let loaded = ["web", "shop.web"].map(|name| name.parse().unwrap());
        let words = ["web", "7", "worker"].map(str::to_owned);
        let targets = Targets::jobs_and_processes_of(&loaded, &words);
        assert_eq!(targets.found, [Target::Job(loaded[0].clone()), Target::Process(ProcessId::new(7))]);
        assert_eq!(targets.failures[0].to_string(), "no job is named `default.worker`");
        assert_eq!(targets.failures[0].exit(), crate::Exit::NotFound);
        let targets = Targets::jobs_of(&loaded, &words);
        assert_eq!((targets.found, targets.failures.len()), (vec![loaded[0].clone()], 2));
    }

    #[test]
    fn a_pattern_means_jobs_to_come_as_well() {
        let targets = Targets::jobs_of(&[], &["web".to_owned(), "shop.*".to_owned()]);
        let fits = ["shop.web", "web"].map(|name| targets.fits(&name.parse().unwrap()));
        assert_eq!(fits, [true, false]);
    }

    #[test]
    fn a_session_means_its_own_jobs_and_those_to_come() {
        let targets = Targets::of_session("shop".parse().unwrap(), ["shop.web".parse().unwrap()]);
        assert_eq!(targets.found, [Target::Job("shop.web".parse().unwrap())]);
        let fits = ["shop.web", "shop.api", "shop.eu.web", "web"].map(|name| targets.fits(&name.parse().unwrap()));
        assert_eq!((targets.several, fits), (true, [true, true, false, false]));
    }

    #[test]
    fn what_fits_nothing_or_is_no_name_is_told_and_the_rest_is_found() {
        let (names, failures, _) = found(&["x*", "web", "a b", "[a"]);
        assert_eq!(names, ["web"]);
        assert_eq!(failures[0], "no job fits `x*`");
        assert!(failures[1].contains("a b"), "{failures:?}");
        assert!(failures[2].starts_with("`[a` is no pattern: "), "{failures:?}");
    }

    #[test]
    fn a_word_that_can_be_no_name_is_refused() {
        for good in ["web", "shop.web", "w*", "[wx]eb"] {
            assert_eq!((job_word(good).unwrap().as_str(), job_or_process_word(good).unwrap().as_str()), (good, good));
        }
        assert_eq!(job_or_process_word("7").unwrap(), "7");
        assert_eq!(job_word("7").unwrap_err().exit(), crate::Exit::Usage);
        for bad in ["a b", "[a", "", "99999999999999999999"] {
            for failure in [job_word(bad).unwrap_err(), job_or_process_word(bad).unwrap_err()] {
                assert_eq!(failure.exit(), crate::Exit::Usage, "{bad}: {failure}");
            }
        }
    }
}
