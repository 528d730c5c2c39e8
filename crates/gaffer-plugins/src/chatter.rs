//! What programs say for the log: bounded in length and in number.

use std::time::Duration;

use tokio::time::Instant;

use crate::budget::Budget;

/// So many lines may come at once, and then one each [`PACE`].
const BURST: u32 = 100;
const PACE: Duration = Duration::from_millis(100);

/// The longest line of the log, in characters.
const MAX_SHOWN: usize = 1000;

/// What one process may put into the log.
#[derive(Debug)]
pub(crate) struct Chatter {
    budget: Budget,
    left_out: u64,
}

/// What to do with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Log it, after saying that so many before it were left out.
    Log {
        /// How many.
        left_out: u64,
    },
    /// Leave it out. The first of a row is told.
    LeaveOut {
        /// Whether it is the first.
        first: bool,
    },
}

impl Chatter {
    /// As much as a program may say.
    pub(crate) fn new(now: Instant) -> Self {
        Self::with(BURST, PACE, now)
    }

    pub(crate) fn with(burst: u32, pace: Duration, now: Instant) -> Self {
        Self { budget: Budget::new(burst, pace, now), left_out: 0 }
    }

    pub(crate) fn judge(&mut self, now: Instant) -> Verdict {
        if self.budget.take(now) {
            return Verdict::Log { left_out: std::mem::take(&mut self.left_out) };
        }
        self.left_out += 1;
        Verdict::LeaveOut { first: self.left_out == 1 }
    }
}

/// A text as the log has it: clipped, and without what a terminal would obey.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (position, character) in text.trim_end().chars().enumerate() {
        if position == MAX_SHOWN {
            shown.push('…');
            break;
        }
        match character {
            '\t' => shown.push(' '),
            _ if character.is_control() => shown.extend(character.escape_default()),
            _ => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_what_was_left_out_is_counted() {
        let start = Instant::now();
        let mut chatter = Chatter::new(start);
        let logged = (0..100_000).filter(|_| matches!(chatter.judge(start), Verdict::Log { .. })).count();
        assert_eq!(logged, 100);
        assert_eq!(chatter.judge(start + PACE), Verdict::Log { left_out: 99_900 });
        assert_eq!(chatter.judge(start + PACE), Verdict::LeaveOut { first: true });
        assert_eq!(chatter.judge(start + PACE), Verdict::LeaveOut { first: false });
    }

    #[test]
    fn no_line_is_long_or_moves_a_cursor() {
        assert_eq!(shown("a\tb\u{1b}[31mc\r\n"), "a b\\u{1b}[31mc");
        assert_eq!(shown(&"é".repeat(5000)).chars().count(), MAX_SHOWN + 1);
    }
}
