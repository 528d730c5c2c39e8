//! `logs`: what the application's processes write, and what happens to them.

use gaffer_cli::{
    Context, Failure, Targets,
    commands::{
        failed,
        logs::{self, Extent},
    },
};

use super::app::App;

pub(super) async fn run(
    app: &App,
    context: &mut Context<'_>,
    words: &[String],
    lines: usize,
    follow: bool,
) -> Result<(), Failure> {
    let mut refused = Vec::new();
    let targets = if words.is_empty() {
        Targets::of_session(app.name().clone(), app.jobs(&context.client).await?)
    } else {
        let jobs = words.iter().map(|word| app.job(word)).collect::<Result<Vec<_>, _>>()?;
        let mut found = Vec::new();
        for job in jobs {
            let there = match context.client.status(&job).await {
                Ok(_) => Ok(()),
                Err(error) => Err(app.missing(&context.client, &job, error).await),
            };
            match there {
                Ok(()) if found.contains(&job) => {}
                Ok(()) => found.push(job),
                Err(failure @ Failure::Call(_)) => return Err(failure),
                Err(failure) => refused.push(failure),
            }
        }
        Targets::of_jobs(found)
    };
    let told = failed(context.output, &refused);
    if targets.found.is_empty() && told.is_err() {
        return told;
    }
    let extent = Extent { lines, stream: None };
    if follow {
        logs::follow_with_events(context, targets, extent).await?;
    } else {
        logs::once(context, targets, extent).await?;
    }
    told
}
