//! Lines as systemd's journal takes them from stderr.

use std::{env, fmt, io};

use nix::sys::stat::fstat;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatFields,
        format::{FormatEvent, Writer},
    },
    registry::LookupSpan,
};

/// Where the journal says which stream is its own.
const STREAM: &str = "JOURNAL_STREAM";

/// Whether what is written to stderr goes to the journal.
pub(super) fn is_stderr() -> bool {
    let Ok(stream) = env::var(STREAM) else { return false };
    let Ok(status) = fstat(io::stderr()) else { return false };
    is_stream(&stream, status.st_dev, status.st_ino)
}

/// Whether `device:inode` names this file. Others inherit the variable as well, on streams of their own.
fn is_stream(text: &str, device: u64, inode: u64) -> bool {
    let named = text.split_once(':').and_then(|(device, inode)| Some((device.parse().ok()?, inode.parse().ok()?)));
    named == Some((device, inode))
}

/// A format whose lines begin with their severity, as `syslog` counts it: `<3>` is an error.
pub(super) struct ForJournal<F>(pub(super) F);

impl<S, N, F> FormatEvent<S, N> for ForJournal<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut text = String::new();
        self.0.format_event(context, Writer::new(&mut text), event)?;
        let priority = priority(*event.metadata().level());
        // Each line is an entry of its own.
        text.lines().try_for_each(|line| writeln!(writer, "<{priority}>{line}"))
    }
}

fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journals_stream_is_known_by_its_number() {
        assert!(is_stream("8:4711", 8, 4711));
        for other in ["8:4712", "9:4711", "", "8", "8:", ":", "a:b", "8:4711:1"] {
            assert!(!is_stream(other, 8, 4711), "{other}");
        }
    }
}
