//! `unload`, `reload`: applications and jobs.

use gaffer_cli::{
    Asker, Context, Failure,
    commands::{Acts, JobText},
    lookup::Want,
};
use gaffer_client::{Client, Error};
use gaffer_core::{JobName, SessionId};

use super::app::{App, not_loaded};
use crate::args::{ApplicationArgs, JobsOfApplication};

/// What is done to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Unload,
    Reload,
}

/// What a word means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meant {
    Application(SessionId),
    Job(JobName),
}

impl Act {
    fn verb(self) -> &'static str {
        match self {
            Self::Unload => "unload",
            Self::Reload => "reload",
        }
    }

    async fn job(self, client: &Client, job: &JobName) -> Result<(), Error> {
        match self {
            Self::Unload => client.unload(job).await,
            Self::Reload => client.reload(job).await,
        }
    }

    async fn application(self, client: &Client, application: &SessionId) -> Result<(), Failure> {
        match self {
            Self::Unload => client.unload_session(application).await.map_err(|error| not_loaded(application, error)),
            Self::Reload => reload(client, application).await,
        }
    }
}

/// Reloads all jobs of an application, also behind one that fails.
async fn reload(client: &Client, application: &SessionId) -> Result<(), Failure> {
    let mut failed = Vec::new();
    for job in client.jobs_of(application).await.map_err(|error| not_loaded(application, error))? {
        match client.reload(&job).await {
            Ok(()) => {}
            // It was unloaded meanwhile.
            Err(error) if error.is_not_found() => {}
            Err(Error::Refused(refusal)) => failed.push(refusal.reason),
            Err(error) => return Err(error.into()),
        }
    }
    match failed.as_slice() {
        [] => Ok(()),
        reasons => Err(Failure::Failed(format!("app '{application}' is reloaded in part: {}", reasons.join("; ")))),
    }
}

pub(super) async fn run(
    application: &ApplicationArgs,
    context: &mut Context<'_>,
    act: Act,
    command: &JobsOfApplication,
) -> Result<(), Failure> {
    let app = App::named(application, None)?;
    let mut meant = Vec::new();
    if let Some(file) = &command.from_file {
        let text = JobText::open(file)?;
        let file = text.jobs(Some(app.name()), context.output)?;
        meant.extend(file.jobs().iter().map(|job| (Meant::Job(job.name().clone()), true)));
    } else if command.names.is_empty() {
        meant.push((Meant::Application(app.name().clone()), true));
    }
    let is_named = command.names.iter().any(|word| word != ".");
    let loaded = if is_named { context.client.jobs().await? } else { Vec::new() };
    for word in &command.names {
        let word = app.meant(word, &loaded)?;
        let is_there = if let Meant::Job(job) = &word { loaded.contains(job) } else { true };
        meant.push((word, is_there));
    }
    let asker = Asker::new(command.no_input);
    let verb = act.verb();
    let client = context.client.clone();
    let mut acts = Acts::of_one(context.output);
    for (meant, is_there) in meant {
        let shown = match &meant {
            Meant::Application(name) => name.to_string(),
            Meant::Job(job) => app.shown(job),
        };
        if is_there && !asker.wants_to(&format!("{verb} '{shown}'"))? {
            acts.remark(format_args!("Ignore '{shown}'"))?;
            continue;
        }
        match meant {
            Meant::Application(name) => {
                let done = act.application(&client, &name).await;
                acts.acknowledge(&name, done, format_args!("==> app '{shown}' {verb}ed"))?;
            }
            Meant::Job(job) => {
                let done = match act.job(&client, &job).await {
                    Ok(()) => Ok(()),
                    Err(error) => Err(app.missing(&client, &job, error).await),
                };
                acts.acknowledge(&job, done, format_args!("job '{shown}' {verb}ed"))?;
            }
        }
    }
    acts.finish()
}

/// What must be on the node: what the words mean where these jobs are known.
pub(super) fn wanted(app: &App, words: &[String], known: &[JobName]) -> Result<Vec<Want>, Failure> {
    if words.is_empty() {
        return Ok(vec![Want::Session(app.name().clone())]);
    }
    let want = |meant| match meant {
        Meant::Application(name) => Want::Session(name),
        Meant::Job(job) => Want::Job(job),
    };
    words.iter().map(|word| app.meant(word, known).map(want)).collect()
}

impl App {
    /// What a word means, where these jobs are loaded.
    fn meant(&self, word: &str, loaded: &[JobName]) -> Result<Meant, Failure> {
        if word == "." {
            return Ok(Meant::Application(self.name().clone()));
        }
        let application = word.parse::<SessionId>().ok();
        let application = application.filter(|name| loaded.iter().any(|job| job.session() == name));
        let job = self.job(word);
        let is_job =
            job.as_ref().is_ok_and(|job| loaded.contains(job) || job.session() == self.name() && self.has(job.name()));
        match (application, job) {
            (Some(application), Ok(job)) if is_job => Err(Failure::Usage(format!(
                "`{word}` is an application, and a job of another; write `{}` for the job, and `--app {application} .` for the application",
                separated(&job)
            ))),
            (Some(application), _) => Ok(Meant::Application(application)),
            (None, job) => job.map(Meant::Job),
        }
    }
}

/// A job's name as it cannot be taken for an application's.
fn separated(job: &JobName) -> String {
    format!("{}:{}", job.session(), job.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ApplicationArgs;

    #[test]
    fn a_word_is_an_application_that_is_loaded_or_else_a_job() {
        let loaded = ["shop.web", "shop.bank", "bank.web", "a.eu.x", "b.eu", "b.eu.x"];
        let loaded = loaded.map(|name| name.parse().unwrap());
        let shop = App::named(&ApplicationArgs::default(), Some("shop")).unwrap();
        let meant = |word: &str| match shop.meant(word, &loaded) {
            Ok(Meant::Application(name)) => format!("application {name}"),
            Ok(Meant::Job(job)) => format!("job {job}"),
            Err(failure) => failure.to_string(),
        };
        for (word, expected) in [
            (".", "application shop"),
            ("shop", "application shop"),
            ("web", "job shop.web"),
            ("nope", "job shop.nope"),
            ("shop.web", "job shop.web"),
            ("bank/web", "job bank.web"),
            ("a.eu", "application a.eu"),
            ("shop:bank", "job shop.bank"),
            (
                "bank",
                "`bank` is an application, and a job of another; write `shop:bank` for the job, and `--app bank .` for the application",
            ),
            (
                "b.eu",
                "`b.eu` is an application, and a job of another; write `b:eu` for the job, and `--app b.eu .` for the application",
            ),
        ] {
            assert_eq!(meant(word), expected);
        }
        assert!(meant("a b").contains("cannot stand"));
    }
}
