//! `lookup`: what lookup servers know, and what changes there.

mod change;
mod show;

use gaffer_cli::{Exit, Failure, Format, Output, lookup::say_silent};
use gaffer_client::lookup::Lookup;
use gaffer_core::api::lookup::{Jobs, Sessions, Sources};
use serde::Serialize;

use crate::args::LookupQuestion;

/// Asks; or tells changes, if nothing is asked.
pub(super) async fn run(question: Option<LookupQuestion>, lookup: &Lookup, output: &mut Output) -> Result<(), Failure> {
    let Some(question) = question else { return change::watch(lookup, output).await };
    match question {
        LookupQuestion::Jobs => {
            let found = lookup.jobs().await?;
            say_silent(&found.silent, output);
            print(&Jobs { nb_jobs: found.value.len(), jobs: found.value }, show::jobs, output)
        }
        LookupQuestion::Session(of) => {
            let found = lookup.session(&of.session).await?;
            say_silent(&found.silent, output);
            print(&Jobs { nb_jobs: found.value.len(), jobs: found.value }, show::jobs, output)
        }
        LookupQuestion::Sessions(of) => {
            let found = lookup.sessions(of.node.as_deref()).await?;
            say_silent(&found.silent, output);
            print(&Sessions { nb_sessions: found.value.len(), sessions: found.value }, show::sessions, output)
        }
        LookupQuestion::Nodes => {
            let found = lookup.nodes().await?;
            say_silent(&found.silent, output);
            print(&found.value, show::nodes, output)?;
            found.value.conflicts.iter().for_each(|conflict| output.hint(show::conflict(conflict)));
            Ok(())
        }
        LookupQuestion::Job(job) => {
            let found = lookup.job(&job.name).await?;
            say_silent(&found.silent, output);
            let sources = Sources { sources: found.value };
            print(&sources, show::sources, output)?;
            if sources.sources.is_empty() {
                output.say("no job found");
                return Err(Failure::Told(Exit::NotFound));
            }
            Ok(())
        }
    }
}

/// Prints an answer: its lines, or as JSON what the servers would have sent if they were one.
fn print<T: Serialize>(answer: &T, lines: fn(&T) -> String, output: &mut Output) -> Result<(), Failure> {
    match output.format() {
        Format::Json => output.json(answer),
        Format::Text => output.bytes(lines(answer).as_bytes()),
    }
}
