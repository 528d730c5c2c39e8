//! The log, on stderr.
//!
//! A thread of its own writes it, so that a reader who stalls (a paused terminal, a full pipe) cannot stop supervision.
//! What does not fit into its queue is dropped.

use std::{
    env,
    io::{self, IsTerminal},
};

use tracing::{level_filters::LevelFilter, warn};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Variable that says what is logged, as `tracing`'s filters write it: `debug`, or `info,gaffer_http=trace`.
const FILTER: &str = "GAFFER_LOG";

/// Whether colours may be used on a stream: it is a terminal, and nobody said no.
pub fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Lines that may wait for a stalled reader: some megabytes at most.
const QUEUE: usize = 16_384;

/// Sends what the program and its libraries log to stderr: as far as `usual` where the variable says nothing. What waits to be written is,
/// when the guard is dropped.
pub fn install(usual: LevelFilter) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(QUEUE).lossy(true).finish(io::stderr());
    let filter = EnvFilter::builder().with_default_directive(usual.into());
    let wanted = env::var(FILTER).unwrap_or_default();
    let (filter, problem) = match filter.parse(&wanted) {
        Ok(filter) => (filter, None),
        Err(problem) => (EnvFilter::default().add_directive(usual.into()), Some(problem)),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(colours(&io::stderr()))
        .with_target(false)
        // It would report a failure to write on stderr to stderr, and panic at the second failure.
        .log_internal_errors(false)
        .init();
    if let Some(problem) = problem {
        warn!("{FILTER} does not read, so it is taken as `{usual}`: {problem}");
    }
    guard
}
