//! What the parts that gaffer is made of have to say, on stderr.

use std::{env, fmt, io};

use tracing::{Event, Subscriber, level_filters::LevelFilter, warn};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// Variable that says what is logged, as `tracing`'s filters write it: `debug`, or `info,gaffer_core=trace`.
const FILTER: &str = "GAFFER_LOG";

/// What is said otherwise: what went wrong in gaffer itself. That of processes is shown among their lines.
const USUAL: &str = "off,gaffer_core=warn,gaffer_core::manager::log=off,gaffer_core::applications::console=off";

/// Lines that may wait for a stalled reader.
const QUEUE: usize = 4096;

/// Sends it to stderr, through a thread of its own: a reader that stalls must not stop supervision. What waits to be written is, when
/// the guard is dropped.
pub(crate) fn install() -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(QUEUE).lossy(true).finish(io::stderr());
    let wanted = env::var(FILTER).ok().filter(|wanted| !wanted.is_empty());
    let builder = EnvFilter::builder().with_default_directive(LevelFilter::OFF.into());
    let (filter, problem) = match builder.parse(wanted.as_deref().unwrap_or(USUAL)) {
        Ok(filter) => (filter, None),
        Err(problem) => (EnvFilter::new(USUAL), Some(problem)),
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
    // It would report a failure to write on stderr to stderr, and panic at the second failure.
    let subscriber = subscriber.log_internal_errors(false);
    // Another one can only be there already if this is called twice: then that one goes on.
    if wanted.is_some() && problem.is_none() {
        let _: Result<(), _> = tracing::subscriber::set_global_default(subscriber.finish());
    } else {
        let _: Result<(), _> = tracing::subscriber::set_global_default(subscriber.event_format(OneLine).finish());
    }
    if let Some(problem) = problem {
        warn!(target: "gaffer_core", "{FILTER} does not read, so it is taken as if it were not set: {problem}");
    }
    guard
}

/// As gaffer speaks to people: `gaffer: cannot list orphaned processes error=…`.
struct OneLine;

impl<S, F> FormatEvent<S, F> for OneLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    F: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, F>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        line.write_str("gaffer: ")?;
        context.format_fields(line.by_ref(), event)?;
        writeln!(line)
    }
}
