//! `load_process`: jobs from a file.

use gaffer_cli::{
    Context, Failure,
    commands::{Acts, JobText},
};

pub(super) async fn run(context: &mut Context<'_>, file: &str, start: bool) -> Result<(), Failure> {
    let text = JobText::open(file)?;
    let file = text.jobs(None, context.output)?;
    let mut acts = Acts::of_one(context.output);
    for job in file.jobs() {
        // Stopped, unless it is said otherwise; the node's own default is the other way.
        let start = start || job.start() == Some(true);
        let loaded = file.load(&context.client, acts.output(), job, start).await;
        acts.name(job.name(), loaded.map_err(|error| file.failure(job, error)))?;
    }
    acts.finish()
}
