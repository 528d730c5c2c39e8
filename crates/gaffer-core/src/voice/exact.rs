//! Bytes that come in pieces, into lines that lose none of them.

use memchr::memchr_iter;

use super::Edges;

/// Makes lines of the pieces of one stream, byte for byte. `\n` ends a line, and `\r\n` does, too.
///
/// ```
/// use gaffer_core::voice::{Bar, ExactLines, Frame, Voice};
///
/// let mut frame = Frame::new(Voice::new(&"web".parse()?, None), Bar::Plain);
/// let (mut lines, mut out) = (ExactLines::default(), Vec::new());
/// for piece in ["rea", "dy\n\nlisten"] {
///     let rest = lines.push(piece.as_bytes(), frame.edges(0), usize::MAX, &mut out);
///     assert!(rest.is_empty());
/// }
/// lines.finish(frame.edges(0), &mut out);
/// let out = String::from_utf8(out)?;
/// let texts: Vec<&str> = out.lines().map(|line| &line["HH:MM:SS".len()..]).collect();
/// assert_eq!(texts, [" web | ready", " web | ", " web | listen"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct ExactLines {
    unfinished: Vec<u8>,
}

impl ExactLines {
    /// A line that grows beyond this is cut: a process that never ends its line must not fill the memory.
    pub const LONGEST: usize = 1024 * 1024;

    /// What is kept of the memory that a long line took.
    const KEPT: usize = 64 * 1024;

    /// Adds a piece, and appends each line that is complete with it to `out`, until that holds `enough`. Answers what is left
    /// of the piece then, to be pushed next.
    pub fn push<'a>(&mut self, piece: &'a [u8], edges: Edges<'_>, enough: usize, out: &mut Vec<u8>) -> &'a [u8] {
        let may_bleed = edges.may_bleed(piece);
        let mut begin = 0;
        for end in memchr_iter(b'\n', piece) {
            let line = &piece[begin..end];
            if !self.unfinished.is_empty() || line.len() > Self::LONGEST {
                self.add(line, edges, out);
                self.end(edges, out);
            } else if may_bleed {
                edges.line_that_may_bleed(out, without_return(line));
            } else {
                edges.line(out, without_return(line));
            }
            begin = end + 1;
            if out.len() >= enough {
                return &piece[begin..];
            }
        }
        self.add(&piece[begin..], edges, out);
        &[]
    }

    /// Appends what was begun, as a line.
    pub fn finish(&mut self, edges: Edges<'_>, out: &mut Vec<u8>) {
        if !self.unfinished.is_empty() {
            edges.line_that_may_bleed(out, &self.unfinished);
            self.clear();
        }
    }

    /// Adds to what was begun, and cuts off what is too long.
    fn add(&mut self, mut text: &[u8], edges: Edges<'_>, out: &mut Vec<u8>) {
        while self.unfinished.len() + text.len() > Self::LONGEST {
            let (head, rest) = text.split_at(Self::LONGEST - self.unfinished.len());
            self.unfinished.extend_from_slice(head);
            self.finish(edges, out);
            text = rest;
        }
        self.unfinished.extend_from_slice(text);
    }

    /// What was begun, be it empty, has come to its end.
    fn end(&mut self, edges: Edges<'_>, out: &mut Vec<u8>) {
        edges.line_that_may_bleed(out, without_return(&self.unfinished));
        self.clear();
    }

    fn clear(&mut self) {
        self.unfinished.clear();
        self.unfinished.shrink_to(Self::KEPT);
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::voice::{Bar, Frame, Voice};

    /// The lines that these pieces become, without their beginnings.
    fn lines(pieces: &[&[u8]], enough: usize) -> Vec<Vec<u8>> {
        let mut frame = Frame::new(Voice::called("x", None), Bar::Plain);
        let (mut lines, mut all) = (ExactLines::default(), Vec::new());
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let mut out = Vec::new();
                rest = lines.push(rest, frame.edges(0), enough, &mut out);
                assert!(rest.is_empty() || out.len() >= enough);
                all.extend(out);
            }
        }
        lines.finish(frame.edges(0), &mut all);
        let texts = all.split_inclusive(|byte| *byte == b'\n');
        texts.map(|line| line["HH:MM:SS x | ".len()..line.len() - 1].to_vec()).collect()
    }

    #[test]
    fn every_byte_is_shown_but_those_that_end_lines() {
        let pieces: &[&[u8]] = &[b"on", b"e\n\n  \r", b"\n\ttwo \t\r\nth\rr", b"ee\r\r\n \xff\0\nfour\r"];
        let expected: [&[u8]; 6] = [b"one", b"", b"  ", b"\ttwo \t", b"th\rree\r", b" \xff\0"];
        let shown = lines(pieces, usize::MAX);
        assert_eq!(shown[..6], expected);
        assert_eq!(shown[6..], [b"four\r"]);
    }

    #[test]
    fn a_stream_that_ends_its_last_line_has_no_line_more() {
        assert_eq!(lines(&[b"one\n"], usize::MAX), [b"one"]);
        assert!(lines(&[b""], usize::MAX).is_empty());
        assert_eq!(lines(&[b"\n"], usize::MAX), [b""]);
    }

    #[test]
    fn an_endless_line_is_cut_and_its_memory_given_back() {
        const LONGEST: usize = ExactLines::LONGEST;
        let long = vec![b'x'; LONGEST + 1];
        let shown = |pieces: &[&[u8]]| lines(pieces, usize::MAX).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(shown(&[&long, &long, b"\n"]), [LONGEST, LONGEST, 2]);
        assert_eq!(shown(&[&long[1..], b"\n", &long[1..]]), [LONGEST, LONGEST]);
        let whole = [&long[..], b"\n"].concat();
        assert_eq!(shown(&[&whole, &whole[1..]]), [LONGEST, 1, LONGEST]);

        let (mut frame, mut lines) = (Frame::new(Voice::called("x", None), Bar::Plain), ExactLines::default());
        assert!(lines.push(&whole[..LONGEST], frame.edges(0), usize::MAX, &mut Vec::new()).is_empty());
        lines.finish(frame.edges(0), &mut Vec::new());
        assert!(lines.unfinished.capacity() <= ExactLines::KEPT);
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_lines_are_the_same(
            text in prop::collection::vec(prop::sample::select(&b"ab\r\n\n\xff\x1b"[..]), 0..80),
            cuts in prop::collection::vec(0..5_usize, 0..60),
            enough in 1..100_usize,
        ) {
            let mut pieces = Vec::new();
            let mut rest = &text[..];
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            let mut expected: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
            let last = expected.pop().unwrap_or_default();
            let mut expected: Vec<&[u8]> = expected.into_iter().map(without_return).collect();
            if !last.is_empty() {
                expected.push(last);
            }
            prop_assert_eq!(lines(&pieces, enough), expected);
        }
    }
}
