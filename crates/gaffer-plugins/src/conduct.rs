//! How an application behaves: what of its lines counts, and when it is too much.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    budget::Budget,
    chatter::{Chatter, Verdict},
    lines::{Line, MAX_LINE},
    message::{Misunderstood, Said, Told, failure},
};

/// So many lines that are no messages may come at once, and then one each [`FORGIVENESS`].
pub(crate) const GARBAGE: u32 = 100;
const FORGIVENESS: Duration = Duration::from_secs(1);

/// The log is told of garbage once in so long.
const TOLD_AGAIN: Duration = Duration::from_secs(10);

/// Judges lines.
#[derive(Debug)]
pub(crate) struct Conduct {
    garbage: Budget,
    told: Chatter,
}

/// What is to be done about a line.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// What it says.
    Said(Said),
    /// It is a message, but a wrong one: this is the answer.
    Wrong(Bytes),
    /// It is no message.
    Garbage {
        /// What it is answered with, if there is room for it.
        answer: Bytes,
        /// What to tell the log, if it is to be told.
        tell: Option<String>,
        /// Whether it was too much, and the process is to be killed.
        is_too_much: bool,
    },
}

impl Conduct {
    pub(crate) fn new(now: Instant) -> Self {
        Self { garbage: Budget::new(GARBAGE, FORGIVENESS, now), told: Chatter::with(1, TOLD_AGAIN, now) }
    }

    /// Judges a line.
    pub(crate) fn hear(&mut self, line: &Line, now: Instant) -> Heard {
        let misunderstood = match line {
            Line::Whole(line) if line.trim_ascii().is_empty() => failure("invalid_json", "the line is empty"),
            Line::Whole(line) => match Said::read(line) {
                Ok(said) => return Heard::Said(said),
                Err(Misunderstood { id: Some(id), failure }) => return Heard::Wrong(wrong(&id, failure)),
                Err(Misunderstood { id: None, failure }) => failure,
            },
            Line::Skipped(bytes) => {
                failure("line_too_long", format!("{bytes} bytes were passed over; a line has at most {MAX_LINE}"))
            }
        };
        let is_too_much = !self.garbage.take(now);
        let tell = match self.told.judge(now) {
            Verdict::Log { left_out: 0 } => Some(misunderstood.reason.clone()),
            Verdict::Log { left_out } => Some(format!("{} (and {left_out} more since)", misunderstood.reason)),
            Verdict::LeaveOut { .. } => None,
        };
        Heard::Garbage { answer: Told::Error { error: &misunderstood }.line(), tell, is_too_much }
    }
}

fn wrong(id: &Value, failure: gaffer_core::api::channel::Failure) -> Bytes {
    Told::reply(id, &Err(failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &'static str) -> Line {
        Line::Whole(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn garbage_is_answered_told_once_and_in_the_end_too_much() {
        let start = Instant::now();
        let mut conduct = Conduct::new(start);
        assert_eq!(conduct.hear(&whole(r#"{"type":"ready"}"#), start), Heard::Said(Said::Ready));
        let mut told = 0;
        for number in 0..=GARBAGE {
            let line = if number % 2 == 0 { whole("hello") } else { Line::Skipped(7) };
            let Heard::Garbage { answer, tell, is_too_much } = conduct.hear(&line, start) else { panic!() };
            assert!(answer.starts_with(b"{\"type\":\"error\",\"error\":{\"errno\":400,"), "{answer:?}");
            assert_eq!(is_too_much, number == GARBAGE);
            told += usize::from(tell.is_some());
        }
        assert_eq!(told, 1);
        let later = start + TOLD_AGAIN;
        let Heard::Garbage { tell, is_too_much, .. } = conduct.hear(&whole("x"), later) else { panic!() };
        assert!(!is_too_much, "what is long ago is forgiven");
        assert!(tell.unwrap().ends_with("(and 100 more since)"));
    }

    #[test]
    fn wrong_messages_are_answered_and_are_no_garbage() {
        let start = Instant::now();
        let mut conduct = Conduct::new(start);
        for _ in 0..=GARBAGE {
            let heard = conduct.hear(&whole(r#"{"type":"call","id":1}"#), start);
            assert!(matches!(heard, Heard::Wrong(_)), "{heard:?}");
        }
    }
}
