//! `logs`: what processes have written, and what they write.

use gaffer_cli::{
    Context, Failure, Targets,
    commands::logs::{self, Extent},
};

pub(super) async fn run(
    context: &mut Context<'_>,
    words: &[String],
    follow: bool,
    extent: Extent<'_>,
) -> Result<(), Failure> {
    let targets = Targets::jobs_and_processes(&context.client, words).await?;
    if follow { logs::follow(context, targets, extent).await } else { logs::once(context, targets, extent).await }
}
