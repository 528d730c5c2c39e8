//! What a command is about, where lookup servers say which node has it.

use gaffer_cli::{
    Failure, Output, Target,
    lookup::{Finder, Want, a_process, names_no_job},
};
use gaffer_client::Client;
use gaffer_core::JobName;

use super::{app::App, jobs, scale};
use crate::args::{ApplicationArgs, JobsOfApplication, NodeCommand};

/// A client of the node that has it.
pub(super) async fn client(
    command: &NodeCommand,
    application: &ApplicationArgs,
    finder: &Finder<'_>,
    output: &mut Output,
) -> Result<Client, Failure> {
    if let NodeCommand::Unload(named) | NodeCommand::Reload(named) = command {
        return client_for(named, application, finder, output).await;
    }
    finder.client(&wanted(command, application)?, output).await
}

/// What words mean here depends on which applications there are.
async fn client_for(
    JobsOfApplication { from_file, names, .. }: &JobsOfApplication,
    application: &ApplicationArgs,
    finder: &Finder<'_>,
    output: &mut Output,
) -> Result<Client, Failure> {
    if from_file.is_some() {
        return Err(Failure::Usage(
            "`--lookupd` finds the node of what is named, and not that of jobs in a file".to_owned(),
        ));
    }
    let app = App::named(application, None)?;
    if names.iter().all(|word| word == ".") {
        return finder.client(&[Want::Session(app.name().clone())], output).await;
    }
    let known = finder.all(output).await?;
    let names_known: Vec<JobName> = known.jobs().cloned().collect();
    finder.client_of_one(&known, &jobs::wanted(&app, names, &names_known)?, output)
}

/// What the node must have.
fn wanted(command: &NodeCommand, application: &ApplicationArgs) -> Result<Vec<Want>, Failure> {
    match command {
        NodeCommand::Ps { application: name } => {
            Ok(vec![Want::Session(App::named(application, name.as_deref())?.name().clone())])
        }
        NodeCommand::Scale { words } => {
            let (_, changes) = scale::plan(application, words)?;
            Ok(changes.into_iter().map(|(job, _)| Want::Job(job)).collect())
        }
        NodeCommand::Logs { jobs, names, .. } => named(application, jobs.iter().chain(names)),
        NodeCommand::PsStart(jobs) => named(application, &jobs.names),
        NodeCommand::PsStop(targets) => named(application, &targets.targets),
        NodeCommand::PsKill { target, .. } | NodeCommand::PsInfo { target } => named(application, [target]),
        NodeCommand::Send { pid, .. } => Err(a_process(pid)),
        NodeCommand::Recv { process, .. } => Err(a_process(process.pid)),
        NodeCommand::Load { .. } | NodeCommand::Unload(_) | NodeCommand::Reload(_) | NodeCommand::Apps => {
            Err(names_no_job())
        }
    }
}

/// These jobs; the application, if there is none.
fn named<'a>(application: &ApplicationArgs, words: impl IntoIterator<Item = &'a String>) -> Result<Vec<Want>, Failure> {
    let app = App::named(application, None)?;
    let want = |word: &String| match app.job_or_process(word)? {
        Target::Job(job) => Ok(Want::Job(job)),
        Target::Process(pid) => Err(a_process(pid)),
    };
    let wanted: Vec<Want> = words.into_iter().map(want).collect::<Result<_, Failure>>()?;
    Ok(if wanted.is_empty() { vec![Want::Session(app.name().clone())] } else { wanted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};

    fn told(line: &str) -> Result<String, String> {
        let args = Args::read_line(&format!("gaffer --app shop {line}")).unwrap();
        let Command::Node(command) = args.command else { panic!("{line}") };
        match wanted(&command, &args.application) {
            Ok(wanted) => Ok(wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            Err(failure @ Failure::Usage(_)) => Err(failure.to_string()),
            Err(failure) => panic!("{failure}"),
        }
    }

    #[test]
    fn a_command_is_about_the_jobs_that_it_names() {
        for line in [
            "scale web=2",
            "logs web",
            "logs --ps web",
            "ps:start web",
            "ps:stop web",
            "ps:kill web HUP",
            "ps:info web",
        ] {
            assert_eq!(told(line).as_deref(), Ok("`shop.web`"), "{line}");
        }
        assert_eq!(told("scale bank web=2 shop.web+1").as_deref(), Ok("`bank.web`, `shop.web`"));
    }

    #[test]
    fn without_a_job_it_is_about_the_application() {
        for line in ["ps", "ps .", "logs", "ps:start", "ps:stop"] {
            assert_eq!(told(line).as_deref(), Ok("a job of `shop`"), "{line}");
        }
        assert_eq!(told("ps bank").as_deref(), Ok("a job of `bank`"));
    }

    #[test]
    fn commands_about_no_job_or_about_a_process_are_refused() {
        for line in ["load", "load jobs.json", "apps"] {
            assert!(told(line).unwrap_err().ends_with("and none is named"), "{line}");
        }
        for line in ["ps:stop web 7", "ps:kill 7 HUP", "ps:info 7", "send 7 hello", "recv 7"] {
            assert!(told(line).unwrap_err().contains("7 is a pid"), "{line}");
        }
    }
}
