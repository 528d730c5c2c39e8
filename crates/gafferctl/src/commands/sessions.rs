//! `groups`, `sessions`: two words for the same thing, named sets of jobs.

use gaffer_cli::{Context, Failure};
use gaffer_core::{JobName, SessionId};

pub(super) async fn run(context: &mut Context<'_>, session: Option<&str>) -> Result<(), Failure> {
    let names: Vec<String> = match session {
        Some(session) => {
            let session: SessionId = session.parse().map_err(|error| Failure::Usage(format!("{error}")))?;
            context.client.jobs_of(&session).await?.iter().map(JobName::short).collect()
        }
        None => context.client.sessions().await?.iter().map(ToString::to_string).collect(),
    };
    context.output.list(&names)
}
