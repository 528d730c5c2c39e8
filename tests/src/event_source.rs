//! A reader of event streams that does what the standard has browsers do: the parsing, and the coming back.

use std::{collections::VecDeque, net::SocketAddr};

use crate::http::Feed;

/// What a page would be handed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What kind; `message` if the stream does not say.
    pub event: String,
    /// Lines, joined by line feeds.
    pub data: String,
    /// The last id that the stream has told.
    pub last_event_id: String,
}

/// Parses an event stream, in whatever pieces it comes.
#[derive(Debug, Default)]
struct Parser {
    /// Bytes of a line that is not complete.
    line: Vec<u8>,
    /// The last line ended in CR: a LF that comes first belongs to it.
    after_cr: bool,
    event: String,
    data: String,
    id: String,
    last_event_id: String,
    comments: Vec<String>,
    messages: VecDeque<Message>,
}

impl Parser {
    /// One for a new connection of a reader that has this id.
    fn new(last_event_id: &str) -> Self {
        Self { id: last_event_id.to_owned(), last_event_id: last_event_id.to_owned(), ..Self::default() }
    }

    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, *byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    self.line(&String::from_utf8_lossy(&line));
                }
                _ => self.line.push(*byte),
            }
        }
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => self.comments.push(value.to_owned()),
            "event" => self.event = value.to_owned(),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => self.id = value.to_owned(),
            _ => {} // `retry`, which nobody sends here, and what the standard does not know.
        }
    }

    fn dispatch(&mut self) {
        self.last_event_id = self.id.clone();
        let (event, mut data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
        if data.pop().is_none() {
            return;
        }
        let event = if event.is_empty() { "message".to_owned() } else { event };
        self.messages.push_back(Message { event, data, last_event_id: self.last_event_id.clone() });
    }
}

/// A page's `EventSource`: it comes back whenever its connection ends, and says what it saw last.
#[derive(Debug)]
pub struct EventSource {
    address: SocketAddr,
    path: String,
    feed: Feed,
    parser: Parser,
}

impl EventSource {
    /// Subscribes. What happens once this returns is not missed.
    #[track_caller]
    pub fn open(address: SocketAddr, path: &str) -> Self {
        let feed = connect(address, path, "");
        Self { address, path: path.to_owned(), feed, parser: Parser::default() }
    }

    /// The next message, over as many connections as it takes.
    #[track_caller]
    pub fn next_message(&mut self) -> Message {
        loop {
            if let Some(message) = self.parser.messages.pop_front() {
                return message;
            }
            match self.feed.next_chunk() {
                Some(chunk) => self.parser.push(&chunk),
                None => self.reconnect(),
            }
        }
    }

    /// Loses the connection in the middle of what comes next: a part of it has arrived, the rest never does.
    #[track_caller]
    pub fn lose_connection(&mut self) {
        if let Some(chunk) = self.feed.next_chunk() {
            self.parser.push(&chunk[..chunk.len() / 2]);
        }
        self.reconnect();
    }

    #[track_caller]
    fn reconnect(&mut self) {
        let last_event_id = self.parser.last_event_id.clone();
        self.feed = connect(self.address, &self.path, &last_event_id);
        let old = std::mem::replace(&mut self.parser, Parser::new(&last_event_id));
        self.parser.messages = old.messages; // What was dispatched stays dispatched.
        self.parser.comments = old.comments;
    }

    /// The comments seen so far, which a page never sees.
    pub fn comments(&self) -> &[String] {
        &self.parser.comments
    }
}

#[track_caller]
fn connect(address: SocketAddr, path: &str, last_event_id: &str) -> Feed {
    let id = [("Last-Event-ID", last_event_id)];
    let headers = if last_event_id.is_empty() { &[][..] } else { &id[..] };
    let feed = Feed::open_with(address, path, headers);
    assert_eq!(feed.head.header("content-type"), Some("text/event-stream"));
    feed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(event: &str, data: &str, id: &str) -> Message {
        Message { event: event.into(), data: data.into(), last_event_id: id.into() }
    }

    #[test]
    fn a_stream_is_read_as_the_standard_says() {
        let stream = ": note\r\n\r\ndata: one\ndata:two\rid: 7\r\n\r\nevent: x\ndata\n\nid: 8\n\ndata:  y\n\nretry: 5\nfoo\n\
                      data: cut off";
        for size in 1..stream.len() {
            let mut parser = Parser::default();
            stream.as_bytes().chunks(size).for_each(|chunk| parser.push(chunk));
            assert_eq!(parser.comments, ["note"]);
            let expected = [message("message", "one\ntwo", "7"), message("x", "", "7"), message("message", " y", "8")];
            assert_eq!(parser.messages, expected, "in pieces of {size}");
        }
    }
}
