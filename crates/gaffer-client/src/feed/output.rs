//! What a process writes, as a feed.

use std::collections::VecDeque;

use gaffer_core::{
    ProcessId,
    api::feed::{AFTER_LINE_BREAK, LINE_BREAK, NO_LINE_BREAK},
    names::StreamLabel,
};

use super::{
    OutputText, Told,
    reader::{Subject, Unreadable},
    sse::Block,
};
use crate::{Client, transport::Call};

/// An output of a process.
#[derive(Debug)]
pub(super) struct Output {
    pid: ProcessId,
    label: StreamLabel,
    /// Whether the text that was told last ended its line.
    ended: Option<bool>,
}

impl Output {
    pub(super) fn new(pid: ProcessId, label: &StreamLabel) -> Self {
        Self { pid, label: label.clone(), ended: None }
    }

    /// A line break came that belongs before what comes next. A reader that is resumed may have it already: what it is resumed by is
    /// the place before the line break of what it saw last.
    fn end_line(&mut self, told: &mut VecDeque<Told<OutputText>>) {
        if self.ended.replace(true) != Some(true) {
            let text = OutputText { label: self.label.clone(), text: String::new(), ends_line: true };
            told.push_back(Told::Item(text));
        }
    }
}

impl Subject for Output {
    type Item = OutputText;

    fn call(&self, client: &Client) -> Call {
        client.get(&["streams", &self.pid.to_string(), self.label.as_str()])
    }

    fn is_of_process(&self) -> bool {
        true
    }

    fn read(&mut self, block: Block, data: &str, told: &mut VecDeque<Told<OutputText>>) -> Result<(), Unreadable> {
        if block.event != self.label.as_str() {
            return Err(Unreadable::Label(block.event));
        }
        let says = |mark: &str| block.comments.iter().any(|comment| comment == mark);
        if says(AFTER_LINE_BREAK) {
            self.end_line(told);
        }
        let ends_line = !says(NO_LINE_BREAK);
        self.ended = Some(ends_line);
        told.push_back(Told::Item(OutputText { label: self.label.clone(), text: data.to_owned(), ends_line }));
        Ok(())
    }

    fn remark(&mut self, comment: &str, told: &mut VecDeque<Told<OutputText>>) {
        let broken = comment.strip_prefix(LINE_BREAK).and_then(|rest| rest.strip_prefix(" of "));
        if broken == Some(self.label.as_str()) {
            self.end_line(told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::sse::Parser;

    /// What a stream tells: texts, with a `$` where they end their line, and losses.
    fn read(streams: &[&str]) -> Vec<String> {
        let mut output = Output::new(ProcessId::new(1), &"out".parse().unwrap());
        let mut told = VecDeque::new();
        for stream in streams {
            let mut blocks = VecDeque::new();
            Parser::default().push(stream.as_bytes(), &mut blocks).unwrap();
            for mut block in blocks {
                match block.data.take() {
                    Some(data) => output.read(block, &data, &mut told).unwrap(),
                    None => block.comments.iter().for_each(|comment| output.remark(comment, &mut told)),
                }
            }
        }
        let shown = |told| match told {
            Told::Item(OutputText { text, ends_line, .. }) => text + if ends_line { "$" } else { "" },
            Told::Lost(_) | Told::Disconnected(_) | Told::Reconnected { .. } => unreachable!("a reader tells these"),
        };
        told.into_iter().map(shown).collect()
    }

    #[test]
    fn a_line_in_pieces_is_known_as_such() {
        let stream = "event: out\ndata: one\n\nevent: out\ndata: tw\n: no line break\n\nevent: out\ndata: o\n\n\
                      event: out\ndata: >\n: no line break\n\n: line break of out\n\nevent: out\ndata: ?\n: no line break\n\n\
                      event: out\ndata: three\n: after a line break\n\n: line break of err\n\n: hello\n\n";
        assert_eq!(read(&[stream]), ["one$", "tw", "o$", ">", "$", "?", "$", "three$"]);
    }

    #[test]
    fn another_output_than_the_one_asked_for_is_refused() {
        let mut output = Output::new(ProcessId::new(1), &"out".parse().unwrap());
        let block = Block { event: "err".to_owned(), ..Block::default() };
        let error = output.read(block, "x", &mut VecDeque::new()).unwrap_err();
        assert_eq!(error.to_string(), "it is of `err`, which was not asked for");
    }

    #[test]
    fn a_line_break_that_a_resumed_reader_knows_is_not_told_twice() {
        let whole = "event: out\ndata: one\n\n";
        let open = "event: out\ndata: one\n: no line break\n\n";
        let next = "event: out\ndata: two\n: after a line break\n\n";
        assert_eq!(read(&[whole, next]), ["one$", "two$"]);
        assert_eq!(read(&[open, next]), ["one", "$", "two$"]);
        assert_eq!(read(&[whole, ": line break of out\n\n"]), ["one$"]);
        assert_eq!(read(&[open, ": line break of out\n\n"]), ["one", "$"]);
        assert_eq!(read(&["", next]), ["$", "two$"], "of what it has not seen it knows nothing");
    }
}
