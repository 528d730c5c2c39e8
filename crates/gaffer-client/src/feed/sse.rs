//! Event streams, as the HTML standard has them.

use std::{collections::VecDeque, time::Duration};

/// What stands between two empty lines of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// What kind of event it is; empty if it does not say.
    pub(super) event: String,
    /// The place of the stream behind it, if it says so.
    pub(super) id: Option<String>,
    /// Lines, joined by line feeds. Without any there is no event.
    pub(super) data: Option<String>,
    /// What readers skip that know nothing of it.
    pub(super) comments: Vec<String>,
    /// The pause that is wished for between two connections.
    pub(super) retry: Option<Duration>,
}

/// A stream that asks for too much memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {} MiB", MAX_BLOCK / 1024 / 1024)]
pub(super) struct TooLarge;

/// The most bytes that may stand between two empty lines. A node tells at most 1 MiB of output at once, which is less than
/// 8 MiB as an event, be it nothing but line breaks.
const MAX_BLOCK: usize = 8 * 1024 * 1024;

/// The most comments that are kept of what stands between two empty lines. A node has at most two things to say there.
const MOST_COMMENTS: usize = 64;

/// What may begin a stream and is not part of it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a stream that comes in pieces cut anywhere.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// Bytes of a line that is not complete.
    line: Vec<u8>,
    /// The last line ended in CR: a LF that comes first belongs to it.
    after_cr: bool,
    /// Whether the first line is complete.
    begun: bool,
    block: Block,
    /// Bytes of the block, those of its incomplete line included.
    size: usize,
}

impl Parser {
    /// Takes in a piece; appends the blocks that are complete with it.
    pub(super) fn push(&mut self, mut piece: &[u8], blocks: &mut VecDeque<Block>) -> Result<(), TooLarge> {
        while !piece.is_empty() {
            if std::mem::take(&mut self.after_cr) && piece[0] == b'\n' {
                piece = &piece[1..];
                continue;
            }
            let end = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, rest) = piece.split_at(end.unwrap_or(piece.len()));
            self.size += part.len() + 1;
            if self.size > MAX_BLOCK {
                return Err(TooLarge);
            }
            self.line.extend_from_slice(part);
            if end.is_none() {
                return Ok(());
            }
            self.after_cr = rest[0] == b'\r';
            piece = &rest[1..];
            blocks.extend(self.end_line());
        }
        Ok(())
    }

    /// Reads the line that has come to its end; answers the block if it was the last one.
    fn end_line(&mut self) -> Option<Block> {
        let line = std::mem::take(&mut self.line);
        let first = !std::mem::replace(&mut self.begun, true);
        let bytes = line.strip_prefix(BYTE_ORDER_MARK).filter(|_| first).unwrap_or(&line);
        if bytes.is_empty() {
            self.size = 0;
            let block = std::mem::take(&mut self.block);
            return (block != Block::default()).then_some(block);
        }
        let text = String::from_utf8_lossy(bytes);
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        let block = &mut self.block;
        match field {
            "" if block.comments.len() < MOST_COMMENTS => block.comments.push(value.to_owned()),
            "event" => value.clone_into(&mut block.event),
            "id" if !value.contains('\0') => block.id = Some(value.to_owned()),
            "data" => match &mut block.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => block.data = Some(value.to_owned()),
            },
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                block.retry = value.parse().ok().map(Duration::from_millis);
            }
            _ => {} // The standard has readers skip what they do not know.
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<Block> {
        let (mut parser, mut blocks) = (Parser::default(), VecDeque::new());
        for piece in pieces {
            parser.push(piece, &mut blocks).unwrap();
        }
        blocks.into()
    }

    fn event(event: &str, id: Option<&str>, data: &str, comments: &[&str]) -> Block {
        Block {
            event: event.to_owned(),
            id: id.map(str::to_owned),
            data: Some(data.to_owned()),
            comments: comments.iter().map(ToString::to_string).collect(),
            retry: None,
        }
    }

    #[test]
    fn a_stream_is_read_as_the_standard_says() {
        let stream = b"\xef\xbb\xbf: hello\r\n\r\nevent: spawn\r\nid: n-1\r\ndata: {}\r\n\r\ndata: one\rdata:two\r: note\r\r\
            data\n\nid\n\nid: a\0b\ndata:  x\nwhat: ever\nretry: 1500\nretry: soon\n\nretry: 99999999999999999999999\n\n\
            \xef\xbb\xbfdata: no field\n\ndata: caf\xff\n\ndata: cut off";
        let expected = [
            Block { comments: vec!["hello".to_owned()], ..Block::default() },
            event("spawn", Some("n-1"), "{}", &[]),
            event("", None, "one\ntwo", &["note"]),
            event("", None, "", &[]),
            Block { id: Some(String::new()), ..Block::default() },
            Block { retry: Some(Duration::from_millis(1500)), ..event("", None, " x", &[]) },
            event("", None, "caf\u{FFFD}", &[]),
        ];
        assert_eq!(read(&[stream]), expected);
    }

    #[test]
    fn a_stream_cannot_fill_the_memory() {
        let megabyte = vec![b'x'; 1024 * 1024];
        let data_lines = b"data: x\n".repeat(128 * 1024);
        for (begin, more) in [(&b"data: "[..], &megabyte), (b": ", &megabyte), (b"", &data_lines)] {
            let (mut parser, mut blocks) = (Parser::default(), VecDeque::new());
            parser.push(begin, &mut blocks).unwrap();
            let refused = (0..10).position(|_| parser.push(more, &mut blocks).is_err());
            assert!(refused.is_some_and(|after| (7..9).contains(&after)), "{refused:?}");
        }
        // Each comment takes more memory than its bytes.
        let comments = read(&[&b":\n".repeat(1024 * 1024), b"\n"]);
        assert_eq!(comments[0].comments.len(), MOST_COMMENTS);

        let (mut parser, mut blocks) = (Parser::default(), VecDeque::new());
        for _ in 0..3 {
            parser.push(&b"data: x\n".repeat(512 * 1024), &mut blocks).unwrap();
            parser.push(b"\n", &mut blocks).unwrap();
        }
        assert_eq!(blocks.len(), 3, "the bound is that of each event");
    }

    /// The standard, read naively and all at once.
    fn reference(stream: &[u8]) -> Vec<Block> {
        let text = String::from_utf8_lossy(stream).replace("\r\n", "\n").replace('\r', "\n");
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let (mut blocks, mut block, mut data) = (Vec::new(), Block::default(), Vec::new());
        for line in whole.split_terminator('\n') {
            match line.split_once(':').unwrap_or((line, "")) {
                ("", "") if line.is_empty() => {
                    block.data = (!data.is_empty()).then(|| data.join("\n"));
                    data.clear();
                    blocks.extend(Some(std::mem::take(&mut block)).filter(|block| *block != Block::default()));
                }
                (field, value) => match (field, value.strip_prefix(' ').unwrap_or(value)) {
                    ("", value) => block.comments.push(value.to_owned()),
                    ("event", value) => block.event = value.to_owned(),
                    ("id", value) => block.id = Some(value.to_owned()),
                    ("data", value) => data.push(value.to_owned()),
                    _ => {}
                },
            }
        }
        blocks
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_events_are_those_of_the_standard(
            words in prop::collection::vec(
                prop_oneof![
                    Just("data"), Just("event"), Just("id"), Just(":"), Just(": "), Just("a"), Just("é"), Just("\u{FEFF}"),
                    Just("\r"), Just("\n"), Just("\r\n"), Just("\n\n"), Just("\r\n\r\n"),
                ],
                0..60,
            ),
            cuts in prop::collection::vec(1..7usize, 1..60),
        ) {
            let stream = words.concat();
            let mut pieces = Vec::new();
            let mut rest = stream.as_bytes();
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at(*cut.min(&rest.len()));
                pieces.push(piece);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            let expected = reference(stream.as_bytes());
            prop_assert_eq!(&read(&[stream.as_bytes()]), &expected);
            prop_assert_eq!(&read(&pieces), &expected);
        }

        #[test]
        fn no_bytes_confuse_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _blocks = read(&[&bytes]);
        }
    }
}
