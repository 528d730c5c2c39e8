//! `lookup`: what lookup servers know, and what changes there.

mod change;
mod show;

use gaffer_cli::{Exit, Failure, Format, Output, lookup::heard};
use gaffer_client::lookup::Lookup;
use gaffer_core::api::lookup::{Jobs, Sessions, Sources};
use serde::Serialize;

use crate::args::LookupQuestion;

/// Asks; or tells changes, if nothing is asked.
pub(super) async fn run(question: Option<LookupQuestion>, lookup: &Lookup, output: &mut Output) -> Result<(), Failure> {
    let Some(question) = question else { return change::watch(lookup, output).await };
    match question {
        LookupQuestion::Jobs => {
            let jobs = heard(lookup.jobs().await?, output);
            print(&Jobs { nb_jobs: jobs.len(), jobs }, show::jobs, output)
        }
        LookupQuestion::Session(of) => {
            let jobs = heard(lookup.session(&of.session).await?, output);
            print(&Jobs { nb_jobs: jobs.len(), jobs }, show::jobs, output)
        }
        LookupQuestion::Sessions(of) => {
            let sessions = heard(lookup.sessions(of.node.as_deref()).await?, output);
            print(&Sessions { nb_sessions: sessions.len(), sessions }, show::sessions, output)
        }
        LookupQuestion::Nodes => {
            let nodes = heard(lookup.nodes().await?, output);
            print(&nodes, show::nodes, output)?;
            nodes.conflicts.iter().for_each(|conflict| output.hint(show::conflict(conflict)));
            Ok(())
        }
        LookupQuestion::Job(job) => {
            let sources = Sources { sources: heard(lookup.job(&job.name).await?, output) };
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
