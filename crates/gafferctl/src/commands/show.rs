//! How parts of jobs and processes look in tables and lists.

use std::fmt::Display;

use gaffer_core::{
    ProcessId,
    api::{JobState, LastExit},
    names::Signal,
};

/// What is not known, or not there.
pub(super) const NOTHING: &str = "-";

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
    match Signal::new(exit.term_signal) {
        Ok(signal) => signal.to_string(),
        Err(_) => format!("code {}", exit.exit_code),
    }
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
    fn an_exit_is_a_code_or_a_signal() {
        let exit = |exit_code, term_signal| last_exit(LastExit { pid: ProcessId::new(1), exit_code, term_signal });
        assert_eq!([exit(0, 0), exit(3, 0), exit(0, 9), exit(0, 40)], ["code 0", "code 3", "SIGKILL", "signal 40"]);
    }

    #[test]
    fn many_pids_are_counted() {
        let pids = |count: u64| few_pids(&(1..=count).map(ProcessId::new).collect::<Vec<_>>());
        assert_eq!([pids(0), pids(1), pids(4), pids(5), pids(100)], ["-", "1", "1 2 3 4", "1 2 3 +2", "1 2 3 +97"]);
    }
}
