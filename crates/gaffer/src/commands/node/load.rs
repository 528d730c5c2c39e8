//! `load`: the application of the Procfile, or jobs of a file.

use std::{env, path::Path};

use gaffer_cli::{
    Context, Failure,
    commands::{Acts, JobText, is_taken},
};
use gaffer_client::{Client, Error};
use gaffer_core::{
    JobName,
    procfile::{Application, Concurrency, Source},
};

use super::app::App;
use crate::args::ApplicationArgs;

pub(super) async fn run(
    application: &ApplicationArgs,
    context: &mut Context<'_>,
    concurrency: &Concurrency,
    nostart: bool,
    port: Option<u16>,
    target: Option<&str>,
) -> Result<(), Failure> {
    let is_of_file = target.is_some_and(is_file);
    let of_procfile_only = application
        .of_procfile()
        .or_else(|| (*concurrency != Concurrency::default()).then_some("--concurrency"))
        .or_else(|| port.map(|_| "--port"));
    if let Some(option) = of_procfile_only.filter(|_| is_of_file) {
        return Err(Failure::Usage(format!("`{option}` is for a Procfile: jobs of a file say all themselves")));
    }
    if application.is_named() && !is_of_file && target.is_some_and(|target| target != ".") {
        return Err(Failure::Usage("the application is named twice: by `--app`, and behind `load`".to_owned()));
    }
    match target.filter(|target| is_file(target)) {
        Some(file) => of_file(&App::named(application, None)?, context, file, nostart).await,
        None => {
            let source = application.source(target.filter(|name| *name != "."), port);
            of_procfile(&source, context, concurrency, nostart).await
        }
    }
}

/// Whether it names a file, and no application.
fn is_file(target: &str) -> bool {
    target == "-" || target.ends_with(".json") || target.contains('/')
}

async fn of_procfile(
    source: &Source,
    context: &mut Context<'_>,
    concurrency: &Concurrency,
    nostart: bool,
) -> Result<(), Failure> {
    let application = Application::read(source, &env::vars_os().collect())?;
    let jobs = application.jobs(concurrency)?;
    if application.root().to_str().is_none() {
        return Err(Failure::Failed(format!(
            "the folder `{}`: its name is not UTF-8, and a node can be told no other; rename it",
            application.root().display()
        )));
    }
    for warning in application.warnings() {
        context.output.say_placed(format_args!("{warning}"));
    }
    refuse_another(&application, &context.client).await?;
    let names = jobs.iter().map(|job| job.name().clone()).collect();
    let mut loading = Loading::new(context, names, |job| job.name().to_owned());
    for job in &jobs {
        let mut spec = job.spec().clone();
        spec.start = !nostart;
        let job = spec.check().map_err(|error| Failure::Failed(error.to_string()))?;
        let outcome = loading.client.load(&job).await;
        for key in outcome.iter().flatten() {
            loading.acts.output().say(format_args!("the node knows no `{key}`, and left it out"));
        }
        loading.tell(job.name(), !nostart, outcome.map(drop), Failure::Call)?;
    }
    let done = format!("==> '{}' has been loaded in {}", application.name(), loading.client.endpoint());
    loading.finish(&done).await
}

/// Two folders of one name are two applications: the one that is loaded must not become a mixture of both.
async fn refuse_another(application: &Application, client: &Client) -> Result<(), Failure> {
    let name = application.name();
    // Not loaded; or the node does not answer, as the first call that loads something will tell.
    let Ok(loaded) = client.jobs_of(name).await else { return Ok(()) };
    for job in loaded.iter().filter(|job| application.procfile().get(job.name()).is_some()) {
        let Ok(known) = client.known_config(job).await else { continue };
        if let Some(folder) = known.config.cwd().filter(|folder| !is_same(folder, application.root())) {
            let (folder, root) = (folder.display(), application.root().display());
            let problem = "is loaded already, from another folder";
            return Err(Failure::Failed(format!(
                "'{name}' {problem}: {folder}, not {root}; `--app NAME` loads this one by another name"
            )));
        }
    }
    Ok(())
}

fn is_same(one: &Path, other: &Path) -> bool {
    // Folders of another machine are compared as they are called.
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Jobs whose names say no application are of this one.
async fn of_file(app: &App, context: &mut Context<'_>, file: &str, nostart: bool) -> Result<(), Failure> {
    let text = JobText::open(file)?;
    let file = text.jobs(Some(app.name()), context.output)?;
    let names = file.jobs().iter().map(|job| job.name().clone()).collect();
    let mut loading = Loading::new(context, names, JobName::to_string);
    for job in file.jobs() {
        let start = !nostart && job.start() != Some(false);
        let outcome = file.load(&loading.client, loading.acts.output(), job, start).await;
        let is_new = loading.tell(job.name(), start, outcome, |error| file.failure(job, error))?;
        if is_new {
            let endpoint = loading.client.endpoint();
            loading.acts.remark(format_args!("'{}' has been loaded in {endpoint}", job.name()))?;
        }
    }
    loading.finish(&format!("'{}' has been loaded", text.name())).await
}

/// Jobs that are loaded one after the other.
struct Loading<'a> {
    client: Client,
    acts: Acts<'a>,
    /// How jobs are called.
    shown: fn(&JobName) -> String,
    /// Those that are still to be loaded, or could not be.
    missing: Vec<JobName>,
    /// Those that are.
    loaded: Vec<JobName>,
    /// Those that were loaded now, and are to run.
    started: Vec<JobName>,
    /// Whether some were loaded before.
    had_some: bool,
}

impl<'a> Loading<'a> {
    fn new<'c: 'a>(context: &'a mut Context<'c>, names: Vec<JobName>, shown: fn(&JobName) -> String) -> Self {
        let (client, acts) = (context.client.clone(), Acts::of_one(context.output));
        Self { client, acts, shown, missing: names, loaded: Vec::new(), started: Vec::new(), had_some: false }
    }

    /// Tells what came of the next one; whether it was loaded now.
    fn tell(
        &mut self,
        job: &JobName,
        start: bool,
        outcome: Result<(), Error>,
        failure: impl FnOnce(Error) -> Failure,
    ) -> Result<bool, Failure> {
        let outcome = match outcome {
            Ok(()) => Ok(true),
            // It is there, which is what was asked for.
            Err(error) if is_taken(&error) => Ok(false),
            Err(error) => Err(failure(error)),
        };
        let is_new = match self.acts.keep(job, "loaded", outcome) {
            Ok(None) => return Ok(false),
            Ok(Some(is_new)) => is_new,
            Err(failure) => {
                self.say_what_is_loaded();
                return Err(failure);
            }
        };
        self.missing.retain(|missing| missing != job);
        self.loaded.push(job.clone());
        if is_new && start {
            self.started.push(job.clone());
        }
        if !is_new {
            self.had_some = true;
            self.acts.remark(format_args!("'{}' already loaded", (self.shown)(job)))?;
        }
        Ok(is_new)
    }

    fn say_what_is_loaded(&mut self) {
        if !self.loaded.is_empty() {
            let list = |jobs: &[JobName]| jobs.iter().map(self.shown).collect::<Vec<_>>().join(", ");
            let (loaded, missing) = (list(&self.loaded), list(&self.missing));
            self.acts.output().say(format_args!("loaded: {loaded}; not loaded: {missing}"));
        }
    }

    /// Ends with these words, if all are loaded.
    async fn finish(mut self, done: &str) -> Result<(), Failure> {
        if self.missing.is_empty() {
            self.acts.remark(done)?;
        } else {
            self.say_what_is_loaded();
        }
        for job in &self.started {
            // All is loaded: that this cannot be asked any more is no failure of it.
            if let Ok(status) = self.client.status(job).await
                && let Some(cause) = status.cause
            {
                self.acts.output().hint(format_args!("'{}' does not run: {cause}", (self.shown)(job)));
            }
        }
        if self.had_some {
            self.acts.output().hint("what was loaded already stays as it was; unload it first, to load it anew");
        }
        self.acts.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_from_applications() {
        for (target, expected) in
            [("-", true), ("jobs.json", true), ("./jobs", true), ("shop", false), (".", false), ("shop.eu", false)]
        {
            assert_eq!(is_file(target), expected, "{target}");
        }
    }
}
