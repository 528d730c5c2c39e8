//! Comments with a meaning in event streams. Readers that do not know them skip them.

use crate::names::StreamLabel;

/// A sign of life.
pub const HEARTBEAT: &str = "hb";

/// In an event of output: its text does not end in a line break. What comes next may go on with the line.
pub const NO_LINE_BREAK: &str = "no line break";

/// In an event of output: a line break came before its text, and ended the line that the last event of this label left open.
pub const AFTER_LINE_BREAK: &str = "after a line break";

/// Alone, followed by ` of <label>`: such a line break came, and nothing else yet.
pub const LINE_BREAK: &str = "line break";

/// Alone: the reader came back with an id, and not all that followed it is kept.
pub const MAYBE_LOST: &str = "events may have been lost: those that followed the last event id are not all kept";

/// Alone: so many events were left out, as the reader was too slow.
pub fn events_lost(count: u64) -> String {
    format!("{count}{EVENTS_LOST}")
}

/// Alone: so many bytes of an output were left out, as the reader was too slow or came back too late.
pub fn bytes_lost(count: u64, label: &StreamLabel) -> String {
    format!("{count}{BYTES_OF}{label}{LOST}")
}

/// Whether a comment says that something was left out.
pub fn is_loss(comment: &str) -> bool {
    let count = |text: &str| text.parse::<u64>().is_ok();
    let bytes = |text: &str| {
        let (number, label) = text.strip_suffix(LOST)?.split_once(BYTES_OF)?;
        Some(count(number) && label.parse::<StreamLabel>().is_ok())
    };
    comment == MAYBE_LOST || comment.strip_suffix(EVENTS_LOST).is_some_and(count) || bytes(comment) == Some(true)
}

const EVENTS_LOST: &str = " events lost";
const BYTES_OF: &str = " bytes of ";
const LOST: &str = " lost";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_told_apart_from_other_comments() {
        let label: StreamLabel = "out".parse().unwrap();
        for loss in [MAYBE_LOST, &events_lost(7), &bytes_lost(7, &label)] {
            assert!(is_loss(loss), "{loss}");
        }
        let line_break = format!("{LINE_BREAK} of out");
        for other in ["", HEARTBEAT, &line_break, " events lost", "x events lost", "7 bytes of  lost", "keep-alive"] {
            assert!(!is_loss(other), "{other}");
        }
    }
}
