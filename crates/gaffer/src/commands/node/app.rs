//! Which application is meant, and which of its jobs.

use std::cell::OnceCell;

use gaffer_cli::{Failure, Target};
use gaffer_client::{Client, Error};
use gaffer_core::{
    InvalidJobName, JobName, ProcessId, SessionId,
    procfile::{Mistakes, Procfile, Source},
};

use crate::args::ApplicationArgs;

/// An application: a session on the node, and the Procfile that it is made of, if that is at hand.
#[derive(Debug)]
pub(super) struct App {
    name: SessionId,
    /// Where its Procfile may be; none for an application that is not that of the folder.
    source: Option<Source>,
    /// What was found there, once that was asked.
    procfile: OnceCell<Result<Option<Procfile>, Mistakes>>,
}

/// What separates a session from a name.
const SEPARATORS: [char; 3] = [':', '/', '.'];

impl App {
    /// The application of this name; for none and for `.` the one that the options say, or that of the folder. No file is read: what is
    /// loaded can be worked with whatever the Procfile looks like meanwhile.
    ///
    /// # Errors
    /// When it is no name.
    pub(super) fn named(args: &ApplicationArgs, name: Option<&str>) -> Result<Self, Failure> {
        let word = name.filter(|name| *name != ".");
        let source = args.source(word, None);
        let name = match word {
            Some(word) => word.parse().map_err(|error: InvalidJobName| Failure::Usage(error.to_string()))?,
            None => source.name().map_err(|mistakes| {
                if args.is_named() { Failure::Usage(mistakes.to_string()) } else { mistakes.into() }
            })?,
        };
        let of_folder = Source { name: None, ..source.clone() }.name();
        let source = Some(source).filter(|_| of_folder.is_ok_and(|of_folder| of_folder == name));
        Ok(Self { name, source, procfile: OnceCell::new() })
    }

    /// Its name.
    pub(super) fn name(&self) -> &SessionId {
        &self.name
    }

    /// The job that a word means: one of this application, or of the one that stands before it.
    ///
    /// # Errors
    /// When it can be no name.
    pub(super) fn job(&self, word: &str) -> Result<JobName, Failure> {
        let name = if word.contains(SEPARATORS) { word.parse() } else { JobName::new(self.name.clone(), word) };
        name.map_err(|error| Failure::Usage(error.to_string()))
    }

    /// The process or job that a word means: digits alone are a pid.
    ///
    /// # Errors
    /// As [`job`](Self::job).
    pub(super) fn job_or_process(&self, word: &str) -> Result<Target, Failure> {
        if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.job(word).map(Target::Job);
        }
        match word.parse::<ProcessId>() {
            Ok(pid) if pid.get() > 0 => Ok(Target::Process(pid)),
            Ok(_) | Err(_) => {
                Err(Failure::Usage(format!("{word} is no pid; `gaffer ps` prints them behind the names")))
            }
        }
    }

    /// Why something did not come about with a job: that it is not there, or even its application, if that is what the node says.
    pub(super) async fn missing(&self, client: &Client, job: &JobName, error: Error) -> Failure {
        if !error.is_not_found() {
            return error.into();
        }
        match client.jobs_of(job.session()).await {
            Err(error) if error.is_not_found() && *job.session() == self.name && self.source.is_some() => {
                Failure::NotFound(format!("'{}' not loaded; `gaffer load` loads it", self.name))
            }
            Err(error) if error.is_not_found() => not_loaded(job.session(), error),
            Ok(_) | Err(_) => Failure::NotFound(self.not_found(job)),
        }
    }

    /// That a job is not there, with the names of the Procfile.
    fn not_found(&self, job: &JobName) -> String {
        let told = format!("'{}' not found in '{}'", job.name(), job.session());
        if *job.session() != self.name {
            return told;
        }
        match self.procfile() {
            Ok(Some(procfile)) if procfile.get(job.name()).is_some() => told,
            Ok(Some(procfile)) => {
                let names: Vec<&str> = procfile.entries().iter().map(|entry| entry.name.as_str()).collect();
                format!("{told}; {} has {}", procfile.path().display(), names.join(", "))
            }
            Ok(None) => told,
            Err(_) => format!("{told}; the Procfile has mistakes, which `gaffer check` tells"),
        }
    }

    /// Whether its Procfile has a job of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        matches!(self.procfile(), Ok(Some(procfile)) if procfile.get(name).is_some())
    }

    /// Its Procfile, if there is one. Read when it is first asked for.
    fn procfile(&self) -> &Result<Option<Procfile>, Mistakes> {
        self.procfile.get_or_init(|| self.source.as_ref().map_or(Ok(None), Source::procfile))
    }

    /// A job as people call it here: by its bare name, if it is one of this application.
    pub(super) fn shown(&self, job: &JobName) -> String {
        if *job.session() == self.name { job.name().to_owned() } else { job.to_string() }
    }

    /// Its jobs on the node.
    ///
    /// # Errors
    /// When it is not loaded, or the node does not answer.
    pub(super) async fn jobs(&self, client: &Client) -> Result<Vec<JobName>, Failure> {
        client.jobs_of(&self.name).await.map_err(|error| not_loaded(&self.name, error))
    }
}

/// That an application is not loaded, if that is what the node says.
pub(super) fn not_loaded(application: &SessionId, error: Error) -> Failure {
    if error.is_not_found() { Failure::NotFound(format!("'{application}' not loaded")) } else { error.into() }
}

/// That a process is not there, if that is what the node says.
pub(super) fn missing_process(pid: ProcessId, error: Error) -> Failure {
    if error.is_not_found() { Failure::NotFound(format!("process '{pid}' not found")) } else { error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop(procfile: Option<&str>) -> App {
        let procfile = procfile.map(|text| Procfile::parse("Procfile", text)).transpose();
        App { name: "shop".parse().unwrap(), source: None, procfile: OnceCell::from(procfile) }
    }

    #[test]
    fn a_bare_word_is_a_job_of_the_application() {
        let shop = shop(None);
        for (word, job, shown) in [
            ("web", "shop.web", "web"),
            ("shop.web", "shop.web", "web"),
            ("bank/web", "bank.web", "bank.web"),
            ("bank.eu:web", "bank.eu.web", "bank.eu.web"),
        ] {
            let found = shop.job(word).unwrap();
            assert_eq!((found.to_string().as_str(), shop.shown(&found).as_str()), (job, shown));
        }
        assert_eq!(shop.job_or_process("7").unwrap(), Target::Process(ProcessId::new(7)));
        for word in ["a b", "", "7", "web*"] {
            assert_eq!(shop.job(word).unwrap_err().exit(), gaffer_cli::Exit::Usage, "{word}");
        }
    }

    #[test]
    fn a_name_that_can_be_none_is_a_usage_error() {
        let failure = App::named(&ApplicationArgs::default(), Some("a b")).unwrap_err();
        assert_eq!(failure.exit(), gaffer_cli::Exit::Usage);
        assert!(!failure.to_string().contains("--app"), "{failure}");
        let failure = shop(None).job_or_process("0").unwrap_err();
        assert_eq!(failure.exit(), gaffer_cli::Exit::Usage);
    }

    #[test]
    fn what_is_not_there_is_told_with_what_the_procfile_has() {
        let told = |procfile, word| {
            let shop = shop(procfile);
            shop.not_found(&shop.job(word).unwrap())
        };
        let procfile = Some("web: true\nclock: true\n");
        assert_eq!(told(procfile, "nope"), "'nope' not found in 'shop'; Procfile has web, clock");
        assert_eq!(told(procfile, "web"), "'web' not found in 'shop'");
        assert_eq!(told(procfile, "bank.nope"), "'nope' not found in 'bank'");
        assert_eq!(told(None, "nope"), "'nope' not found in 'shop'");
        let broken = "'nope' not found in 'shop'; the Procfile has mistakes, which `gaffer check` tells";
        assert_eq!(told(Some("broken\n"), "nope"), broken);
    }
}
