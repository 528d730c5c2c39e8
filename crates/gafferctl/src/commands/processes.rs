//! `processes`: names of jobs, or pids.

use gaffer_cli::{Context, Failure};
use gaffer_core::JobName;

pub(super) async fn run(context: &mut Context<'_>, running: bool) -> Result<(), Failure> {
    if running {
        let pids = context.client.processes().await?;
        context.output.list(&pids)
    } else {
        let names: Vec<String> = context.client.jobs().await?.iter().map(JobName::short).collect();
        context.output.list(&names)
    }
}
