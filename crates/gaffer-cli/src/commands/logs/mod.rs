//! `logs`: what processes have written, and what they write.

mod follow;
mod printer;
mod source;

use gaffer_client::Error;
use gaffer_core::names::StreamLabel;

use self::{follow::Follower, printer::Printer, source::Source};
use super::failed;
use crate::{Context, Exit, Failure, Output, Target, Targets};

/// Which part of the outputs is meant.
#[derive(Clone, Copy, Debug)]
pub struct Extent<'a> {
    /// So many of the last lines of each.
    pub lines: usize,
    /// Only the one of this label.
    pub stream: Option<&'a StreamLabel>,
}

/// Prints the last lines of each output.
///
/// # Errors
/// When the node goes away, or a part of what is meant is not there.
pub async fn once(context: &mut Context<'_>, mut targets: Targets, extent: Extent<'_>) -> Result<(), Failure> {
    let sources = sources(context, &mut targets, extent.stream, false).await?;
    let mut printer = Printer::new(context.output, is_bare(&targets));
    sources.iter().for_each(|source| printer.make_room(source));
    for source in &sources {
        match context.client.recent_output(source.pid, &source.label, extent.lines).await {
            Ok(text) => printer.text(source, &text),
            Err(error) if error.is_not_found() && source.is_past => not_kept(context.output, source),
            // The others would fail likewise, after as long a time.
            Err(error @ Error::Unreachable { .. }) => return Err(error.into()),
            Err(error) => targets.failures.push(error.into()),
        }
        context.output.bytes(&printer.take())?;
    }
    failed(context.output, &targets.failures)
}

/// Prints the last lines of each output, and what comes then: of processes until they have ended, of jobs for ever.
///
/// # Errors
/// When the node cannot be reached at first, or a part of what is meant is not there. Later losses of the connection are told, and made
/// up for.
pub async fn follow(context: &mut Context<'_>, targets: Targets, extent: Extent<'_>) -> Result<(), Failure> {
    Follower::run(context, targets, extent, false).await
}

/// As [`follow`], and what happens to the jobs stands between. So jobs are followed of which no output is kept, too.
///
/// # Errors
/// As [`follow`].
pub async fn follow_with_events(
    context: &mut Context<'_>,
    targets: Targets,
    extent: Extent<'_>,
) -> Result<(), Failure> {
    Follower::run(context, targets, extent, true).await
}

/// Whether only one process is meant, so that nothing need be said of whose a line is.
fn is_bare(targets: &Targets) -> bool {
    !targets.several && matches!(targets.found[..], [Target::Process(_)])
}

/// The outputs of all that is meant, each once. What has none is added to the failures, and not meant any more; unless it has events,
/// which are to be told.
async fn sources(
    context: &mut Context<'_>,
    targets: &mut Targets,
    stream: Option<&StreamLabel>,
    has_events: bool,
) -> Result<Vec<Source>, Failure> {
    let mut sources: Vec<Source> = Vec::new();
    for target in std::mem::take(&mut targets.found) {
        let found = match &target {
            Target::Job(name) => source::of_job(&context.client, name, stream).await,
            Target::Process(pid) => source::of_process(&context.client, *pid, stream).await,
        };
        match found {
            Ok(found) => {
                if found.is_empty() {
                    context.output.hint(format_args!("`{target}` has not run yet"));
                }
                let is_new = |source: &Source| !sources.contains(source);
                let found: Vec<_> = found.into_iter().filter(is_new).collect();
                sources.extend(found);
                targets.found.push(target);
            }
            Err(failure) if failure.exit() == Exit::Unreachable => return Err(failure),
            Err(failure @ Failure::Failed(_)) if has_events => {
                context.output.hint(failure);
                targets.found.push(target);
            }
            Err(failure) => targets.failures.push(failure),
        }
    }
    Ok(sources)
}

fn not_kept(output: &mut Output, source: &Source) {
    output.hint(format_args!("what {} wrote is not kept any more", source.who()));
}
