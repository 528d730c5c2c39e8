//! What a process writes, as the texts of events.

use super::Utf8Splitter;

/// Turns the pieces of one output into texts: what is sent as the lines of one event each.
///
/// Whoever joins the texts of events by line breaks must not find more lines than the process wrote. So a break at the end
/// of a piece opens no further line, and one at its beginning that ends the line sent last is left out.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    characters: Utf8Splitter,
    /// What belongs to the line sent last if it comes next.
    due: Due,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Due {
    /// Nothing: that line is ended, or there was none.
    #[default]
    Nothing,
    /// The line break that ends it.
    LineBreak,
    /// The second half of the line break that ended it, which may be CRLF.
    LineFeed,
}

/// A text to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// May end in a line break. Empty if a line break came that ends the line sent last, and nothing else.
    pub(super) text: String,
    /// Whether such a line break came first. It is not in `text`.
    pub(super) ends_last: bool,
    /// So many of the bytes pushed so far are not told by it: the beginning of a character, and the line break at its end. A
    /// reader that goes on before that break does not see it as an empty line.
    pub(super) open: u64,
}

impl Text {
    /// Whether it ends in a line break.
    pub(super) fn ends_line(&self) -> bool {
        self.text.ends_with(['\n', '\r'])
    }
}

impl Transcript {
    /// The reader has what was before, maybe without the line break at its end.
    pub(super) fn resume(&mut self) {
        self.due = Due::LineBreak;
    }

    /// Takes in a piece; answers what there is to send with it.
    pub(super) fn push(&mut self, piece: &[u8]) -> Option<Text> {
        let mut text = self.characters.push(piece);
        if text.is_empty() {
            return None;
        }
        let ends_last = self.due == Due::LineBreak && text.starts_with(['\n', '\r']);
        let first = match self.due {
            Due::Nothing => 0,
            Due::LineBreak if text.starts_with("\r\n") => 2,
            Due::LineBreak => usize::from(text.starts_with(['\n', '\r'])),
            Due::LineFeed => usize::from(text.starts_with('\n')),
        };
        let last = match text.as_bytes() {
            [.., b'\r', b'\n'] => 2,
            [.., b'\n' | b'\r'] => 1,
            _ => 0,
        };
        self.due = match text.as_bytes().last() {
            Some(b'\n') => Due::Nothing,
            Some(b'\r') => Due::LineFeed,
            _ => Due::LineBreak,
        };
        text.drain(..first);
        let open = last + self.characters.pending() as u64;
        (ends_last || !text.is_empty()).then_some(Text { text, ends_last, open })
    }

    /// Gives up a character that was begun; answers what stands for it. What comes next does not follow on what was before.
    pub(super) fn break_off(&mut self) -> Option<String> {
        self.due = Due::Nothing;
        Some(self.characters.finish()).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(transcript: &mut Transcript, pieces: &[&str]) -> Vec<String> {
        let sent = pieces.iter().filter_map(|piece| transcript.push(piece.as_bytes()));
        sent.map(|text| text.text).filter(|text| !text.is_empty()).collect()
    }

    #[test]
    fn a_line_break_that_comes_alone_ends_the_line_and_sends_nothing() {
        for (pieces, expected) in [
            (&["foo", "\n", "bar\n"][..], &["foo", "bar\n"][..]),
            (&["foo", "\nbar\n"], &["foo", "bar\n"]),
            (&["foo\n", "\n", "bar"], &["foo\n", "\n", "bar"]),
            (&["foo", "\n\n", "bar"], &["foo", "\n", "bar"]),
            (&["foo", "\r\n", "bar"], &["foo", "bar"]),
            (&["foo\r", "\nbar"], &["foo\r", "bar"]),
            (&["foo", "\r", "\n", "bar"], &["foo", "bar"]),
            (&["foo\r", "\r\n"], &["foo\r", "\r\n"]),
            (&["\n", "foo"], &["\n", "foo"]),
        ] {
            assert_eq!(texts(&mut Transcript::default(), pieces), expected, "{pieces:?}");
        }
    }

    /// Lines as a reader of events has them: those of each text, a break at its end opening none.
    fn lines(text: &str) -> Vec<String> {
        let unified = text.replace("\r\n", "\n").replace('\r', "\n");
        unified.strip_suffix('\n').unwrap_or(&unified).split('\n').map(str::to_owned).collect()
    }

    /// Lines as a reader has them that knows which texts end in a line break.
    fn joined(texts: &[Text]) -> Vec<String> {
        let (mut whole, mut is_open) = (Vec::<String>::new(), false);
        for text in texts {
            is_open &= !text.ends_last;
            if text.text.is_empty() {
                continue;
            }
            let mut lines = lines(&text.text).into_iter();
            if is_open && let (Some(last), Some(first)) = (whole.last_mut(), lines.next()) {
                *last += &first;
            }
            whole.extend(lines);
            is_open = !text.ends_line();
        }
        whole
    }

    proptest! {
        #[test]
        fn a_reader_that_is_cut_off_anywhere_gets_the_same_lines(
            text in "[aé\r\n]{0,40}",
            cuts in prop::collection::vec(1..6usize, 40),
            cut_off in 0..40usize,
            other_cuts in prop::collection::vec(1..6usize, 40),
        ) {
            let bytes = text.as_bytes();
            let (mut transcript, mut at, mut known, mut seen) = (Transcript::default(), 0, 0, Vec::new());
            for (number, cut) in cuts.into_iter().enumerate() {
                if number == cut_off {
                    break;
                }
                let end = (at + cut).min(bytes.len());
                if let Some(text) = transcript.push(&bytes[at..end]) {
                    if !text.text.is_empty() {
                        known = end - text.open as usize;
                    }
                    seen.push(text);
                }
                at = end;
            }
            // It comes back with what it knows, to a transcript that knows nothing of it, and all comes in other pieces.
            let mut transcript = Transcript::default();
            if seen.iter().any(|text| !text.text.is_empty()) {
                transcript.resume();
            }
            at = known;
            for cut in other_cuts.into_iter().cycle() {
                let end = (at + cut).min(bytes.len());
                seen.extend(transcript.push(&bytes[at..end]));
                at = end;
                if at == bytes.len() {
                    break;
                }
            }
            // Pieces cut lines where they like; but no line is there that was not, and none is missing.
            let sent: Vec<String> =
                seen.iter().filter(|text| !text.text.is_empty()).flat_map(|text| lines(&text.text)).collect();
            let written = if text.is_empty() { Vec::new() } else { lines(&text) };
            prop_assert_eq!(sent.concat(), written.concat());
            let blank = |lines: &[String]| lines.iter().filter(|line| line.is_empty()).count();
            prop_assert_eq!(blank(&sent), blank(&written), "{:?} of {:?}", seen, text);
            // Who heeds the marks has the very lines.
            prop_assert_eq!(joined(&seen), written, "{:?} of {:?}", seen, text);
        }
    }
}
