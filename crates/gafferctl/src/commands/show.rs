//! How parts of jobs and processes look in tables and lists.

use std::fmt::Display;

pub(super) use gaffer_cli::commands::facts::NOTHING;
use gaffer_cli::ending;
use gaffer_core::{
    ProcessId,
    api::{JobState, LastExit},
};

/// A value, if there is one.
pub(super) fn or_nothing(value: Option<impl Display>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| value.to_string())
}

/// A state by its name on the wire.
pub(super) fn state(state: JobState) -> &'static str {
    match state {
        JobState::Stopped => "stopped",
        JobState::Started => "started",
        JobState::Flapping => "flapping",
        JobState::GivenUp => "given_up",
    }
}

/// How a process ended: `code 1`, `SIGKILL`.
pub(super) fn last_exit(exit: LastExit) -> String {
    ending(exit.exit_code, exit.term_signal)
}

/// Pids; of many only the first, and how many more there are.
pub(super) fn few_pids(pids: &[ProcessId]) -> String {
    /// As many stand in a table; a number in place of one pid would save nothing.
    const MOST: usize = 4;
    match pids {
        [] => NOTHING.to_owned(),
        [first @ .., _] if first.len() < MOST => joined(pids, " "),
        _ => format!("{} +{}", joined(&pids[..MOST - 1], " "), pids.len() - (MOST - 1)),
    }
}

/// All of a list, in one line.
pub(super) fn joined(items: &[impl Display], separator: &str) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_pids_are_counted() {
        let pids = |count: u64| few_pids(&(1..=count).map(ProcessId::new).collect::<Vec<_>>());
        assert_eq!([pids(0), pids(1), pids(4), pids(5), pids(100)], ["-", "1", "1 2 3 4", "1 2 3 +2", "1 2 3 +97"]);
    }
}
