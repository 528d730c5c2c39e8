//! One stream of a process, into text for the writer.

use super::{tidy::TidyLines, writer::Target};
use crate::voice::{Bar, ExactLines, Frame, Voice};

/// A stream on its way to the console.
#[derive(Debug)]
pub(super) struct Stream {
    frame: Frame,
    lines: Lines,
    pub(super) target: Target,
}

#[derive(Debug)]
enum Lines {
    Tidy(TidyLines),
    Exact(ExactLines),
}

/// So much text is handed to the writer at once, and up to a line more: what is still to be handed over waits as output.
pub(super) const ENOUGH: usize = 128 * 1024;

impl Stream {
    pub(super) fn new(voice: Voice, target: Target, lossless: bool) -> Self {
        let bar = match target {
            Target::Output => Bar::Plain,
            Target::Errors => Bar::Red,
        };
        let lines = if lossless { Lines::Exact(ExactLines::default()) } else { Lines::Tidy(TidyLines::default()) };
        Self { frame: Frame::new(voice, bar), lines, target }
    }

    /// Adds a piece, until there is enough text, and answers what is left of it then.
    pub(super) fn push<'a>(&mut self, piece: &'a [u8], width: usize, out: &mut Vec<u8>) -> &'a [u8] {
        let edges = self.frame.edges(width);
        match &mut self.lines {
            Lines::Tidy(lines) => {
                lines.push(piece, |line| edges.line(out, line.as_bytes()));
                &[]
            }
            Lines::Exact(lines) => lines.push(piece, edges, ENOUGH, out),
        }
    }

    /// Ends what was begun, and says what is missing then.
    pub(super) fn lost(&mut self, lost: u64, width: usize, out: &mut Vec<u8>) {
        self.finish(width, out);
        self.frame.edges(width).line(out, format!("... {lost} bytes lost").as_bytes());
    }

    /// Ends what was begun.
    pub(super) fn finish(&mut self, width: usize, out: &mut Vec<u8>) {
        let edges = self.frame.edges(width);
        match &mut self.lines {
            Lines::Tidy(lines) => lines.finish(|line| edges.line(out, line.as_bytes())),
            Lines::Exact(lines) => lines.finish(edges, out),
        }
    }
}
