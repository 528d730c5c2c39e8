//! How large the terminals are that processes are given.

use std::io;

use gaffer_core::{Manager, ProcessId, streams::TerminalSize};
use terminal_size::{Height, Width, terminal_size_of};

/// What stands before the name in a line, and behind it: `15:31:52 name | `.
const AROUND_THE_NAME: usize = "15:31:52 ".len() + " | ".len();

/// The terminals of a run.
pub(super) struct Terminals {
    /// What of a line's width is not the process's.
    prefix: u16,
    /// Of those that are made by the manager.
    first: TerminalSize,
    now: TerminalSize,
}

impl Terminals {
    /// Of processes that are shown under these names.
    pub(super) fn new<'a>(labels: impl IntoIterator<Item = &'a str>) -> Self {
        let longest = labels.into_iter().map(|label| label.chars().count()).max().unwrap_or_default();
        let prefix = u16::try_from(AROUND_THE_NAME + longest).unwrap_or(u16::MAX);
        let first = within(terminal_size_of(io::stdout()), prefix);
        Self { prefix, first, now: first }
    }

    /// What they are made with.
    pub(super) fn first_size(&self) -> TerminalSize {
        self.first
    }

    /// Gaffer's own terminal has changed: so do all others.
    pub(super) async fn follow(&mut self, manager: &Manager) {
        self.now = within(terminal_size_of(io::stdout()), self.prefix);
        for pid in manager.pids(None).await.unwrap_or_default() {
            self.fit(manager, pid).await;
        }
    }

    /// A process has been launched, with a terminal as large as gaffer's was at its start.
    pub(super) async fn launched(&self, manager: &Manager, pid: ProcessId) {
        if self.now != self.first {
            self.fit(manager, pid).await;
        }
    }

    async fn fit(&self, manager: &Manager, pid: ProcessId) {
        // It may have ended meanwhile, and its terminal with it.
        if let Ok(io) = manager.streams(pid).await
            && let Some(terminal) = io.terminal
        {
            let _gone: io::Result<()> = terminal.resize(self.now);
        }
    }
}

/// What a line and a screen leave for the process's own text.
fn within(own: Option<(Width, Height)>, prefix: u16) -> TerminalSize {
    match own {
        // A terminal that does not know its size says 0.
        Some((Width(columns @ 1..), Height(rows @ 1..))) => {
            TerminalSize { columns: columns.saturating_sub(prefix).max(1), rows }
        }
        Some(_) | None => TerminalSize::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_what_its_lines_have_behind_the_bar() {
        let size = |columns, rows| TerminalSize { columns, rows };
        assert_eq!(within(Some((Width(100), Height(40))), 20), size(80, 40));
        assert_eq!(within(Some((Width(10), Height(40))), 20), size(1, 40));
        assert_eq!(within(Some((Width(0), Height(0))), 20), size(80, 24));
        assert_eq!(within(None, 20), size(80, 24));
    }

    #[test]
    fn the_longest_name_counts() {
        assert_eq!(Terminals::new(["web", "wörker.1"]).prefix, 20);
    }
}
