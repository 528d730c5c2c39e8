//! Bytes that come in pieces, into lines for people.

/// Collects the pieces of one stream into lines. Blank lines are left out, and so is what is no UTF-8.
#[derive(Debug, Default)]
pub(super) struct TidyLines {
    unfinished: Vec<u8>,
}

impl TidyLines {
    /// A line that grows beyond this is cut: a process that never ends its line must not fill the memory.
    const LONGEST: usize = 64 * 1024;

    /// Adds a piece, and shows each line that is complete with it.
    pub(super) fn push(&mut self, piece: &[u8], mut show: impl FnMut(&str)) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let (mut text, complete) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            while self.unfinished.len() + text.len() > Self::LONGEST {
                let (head, rest) = text.split_at(Self::LONGEST - self.unfinished.len());
                self.unfinished.extend_from_slice(head);
                self.finish(&mut show);
                text = rest;
            }
            self.unfinished.extend_from_slice(text);
            if complete {
                self.finish(&mut show);
            }
        }
    }

    /// Shows what was begun, as a line.
    pub(super) fn finish(&mut self, mut show: impl FnMut(&str)) {
        let line = String::from_utf8_lossy(&self.unfinished);
        let line = line.trim_end();
        if !line.is_empty() {
            show(line);
        }
        self.unfinished.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut shown = Vec::new();
        let mut lines = TidyLines::default();
        for piece in pieces {
            lines.push(piece, |line| shown.push(line.to_owned()));
        }
        lines.finish(|line| shown.push(line.to_owned()));
        shown
    }

    #[test]
    fn pieces_of_a_line_are_joined_and_blank_lines_left_out() {
        assert_eq!(lines(&[b"on", b"e\n\n  \r\n  two\r\nth", b"ree"]), ["one", "  two", "three"]);
        assert_eq!(lines(&[b"caf\xc3", b"\xa9 \xff\n"]), ["café \u{FFFD}"]);
    }

    #[test]
    fn an_endless_line_is_cut() {
        let long = vec![b'x'; TidyLines::LONGEST + 1];
        let shown: Vec<usize> = lines(&[&long, &long, b"\n"]).iter().map(String::len).collect();
        assert_eq!(shown, [TidyLines::LONGEST, TidyLines::LONGEST, 2]);
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_lines_are_the_same(text in "[a é\r\n]{0,60}", cuts in prop::collection::vec(0..5usize, 0..60)) {
            let mut pieces = Vec::new();
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(lines(&pieces), lines(&[text.as_bytes()]));
        }
    }
}
