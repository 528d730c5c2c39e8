//! Lines, of what comes in pieces of any size.

use bytes::{Buf, Bytes, BytesMut};

/// The longest line, in bytes: far more than any job, and as much as a message of a websocket may have.
pub(crate) const MAX_LINE: usize = 1024 * 1024;

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line, without its end.
    Whole(Bytes),
    /// A piece of this many bytes was passed over, of a line that is longer than may be.
    Skipped(usize),
}

/// Cuts lines. Holds one piece, and of a line no more than may be.
#[derive(Debug)]
pub(crate) struct Lines {
    most: usize,
    /// The beginning of a line whose end has not come.
    begun: BytesMut,
    /// What came last, as far as it was not read.
    piece: Bytes,
    /// Bytes passed over of a line that is too long, and not told yet.
    skipping: Option<usize>,
}

impl Lines {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, begun: BytesMut::new(), piece: Bytes::new(), skipping: None }
    }

    /// Takes a piece in, once what came before it is read.
    pub(crate) fn push(&mut self, piece: Bytes) {
        debug_assert!(self.piece.is_empty(), "what came before is read first");
        self.piece = piece;
    }

    /// Something is missing before what comes next: the line that it stood in is passed over.
    pub(crate) fn lost(&mut self) {
        self.begun = BytesMut::new();
        self.skipping = Some(self.skipping.unwrap_or(0) + 1);
    }

    /// The next line; `None` until more comes.
    pub(crate) fn next(&mut self) -> Option<Line> {
        loop {
            if self.piece.is_empty() {
                return None;
            }
            let end = self.piece.iter().position(|byte| *byte == b'\n');
            let part = self.piece.split_to(end.unwrap_or(self.piece.len()));
            if end.is_some() {
                self.piece.advance(1);
            }
            if let Some(skipped) = self.skipping {
                let skipped = skipped + part.len();
                let is_told = end.is_some() || skipped >= self.most;
                self.skipping = match (end, is_told) {
                    (Some(_), _) => None,
                    (None, true) => Some(0),
                    (None, false) => Some(skipped),
                };
                if is_told && skipped > 0 {
                    return Some(Line::Skipped(skipped));
                }
                continue;
            }
            if self.begun.len() + part.len() > self.most {
                // Its memory is given back as well.
                let skipped = std::mem::take(&mut self.begun).len() + part.len();
                if end.is_none() {
                    self.skipping = Some(0);
                }
                return Some(Line::Skipped(skipped));
            }
            match end {
                None => self.begun.extend_from_slice(&part),
                Some(_) if self.begun.is_empty() => return Some(Line::Whole(part)),
                Some(_) => {
                    let mut line = std::mem::take(&mut self.begun);
                    line.extend_from_slice(&part);
                    return Some(Line::Whole(line.freeze()));
                }
            }
        }
    }

    /// What is left when nothing more comes: a last line without an end.
    pub(crate) fn rest(&mut self) -> Option<Bytes> {
        let rest = std::mem::take(&mut self.begun).freeze();
        (!rest.is_empty()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(lines: &mut Lines, pieces: &[&[u8]]) -> Vec<Line> {
        let mut read = Vec::new();
        for piece in pieces {
            lines.push(Bytes::copy_from_slice(piece));
            read.extend(std::iter::from_fn(|| lines.next()));
        }
        read
    }

    fn whole(text: &str) -> Line {
        Line::Whole(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let mut lines = Lines::new(8);
        assert_eq!(read(&mut lines, &[b"one\ntw", b"o", b"\n\nthr"]), [whole("one"), whole("two"), whole("")]);
        assert_eq!(lines.rest().as_deref(), Some(&b"thr"[..]));
        assert_eq!(lines.rest(), None);
        assert_eq!(read(&mut lines, &[b"12345678\n", b"1234", b"5678\n"]), [whole("12345678"), whole("12345678")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_to_its_end() {
        let mut lines = Lines::new(8);
        assert_eq!(read(&mut lines, &[b"123456789\nok\n"]), [Line::Skipped(9), whole("ok")]);
        assert_eq!(
            read(&mut lines, &[b"1234567", b"89", b"1234", b"5\nok\n"]),
            [Line::Skipped(9), Line::Skipped(5), whole("ok")]
        );
        assert_eq!(read(&mut lines, &[b"123456789", b"\nok\n"]), [Line::Skipped(9), whole("ok")]);
        assert!(lines.begun.is_empty());
    }

    #[test]
    fn what_is_endless_is_told_again_and_again() {
        let mut lines = Lines::new(8);
        let pieces: [&[u8]; 20] = [&[b'x'; 5]; 20];
        let told = read(&mut lines, &pieces);
        let skipped: usize = told.iter().map(|line| if let Line::Skipped(bytes) = line { *bytes } else { 0 }).sum();
        assert!(told.len() >= 9 && skipped >= 92, "{told:?}");
    }

    #[test]
    fn the_line_in_which_something_is_missing_is_passed_over() {
        let mut lines = Lines::new(8);
        assert_eq!(read(&mut lines, &[b"a\nbeg"]), [whole("a")]);
        lines.lost();
        assert_eq!(read(&mut lines, &[b"end\nb\n"]), [Line::Skipped(4), whole("b")]);
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_text_and_memory_is_bounded(
            pieces in prop::collection::vec(prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 1..12), 0..20),
        ) {
            let mut lines = Lines::new(6);
            let mut read = Vec::new();
            for piece in &pieces {
                lines.push(Bytes::copy_from_slice(piece));
                while let Some(line) = lines.next() {
                    if let Line::Whole(line) = line {
                        read.push(line);
                    }
                }
                prop_assert!(lines.begun.len() <= 6);
            }
            let text: Vec<u8> = pieces.concat();
            let mut expected: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
            expected.pop();
            expected.retain(|line| line.len() <= 6);
            prop_assert_eq!(read, expected);
        }
    }
}
