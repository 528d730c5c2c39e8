//! What was written, into lines that say whose they are.

use std::io::Write;

use gaffer_core::{
    ProcessId,
    api::EventMessage,
    names::StreamLabel,
    voice::{Colour, Palette, Voice, time_of_day, time_of_day_at},
};
use serde::Serialize;

use super::Source;
use crate::{Format, Output, ending, escaped};

/// A line as it is told as JSON.
#[derive(Serialize)]
struct Line<'a> {
    name: String,
    pid: u64,
    stream: &'a StreamLabel,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum What<'a> {
    Line(&'a str),
    /// Something is missing here, in the node's words.
    Lost(&'a str),
}

/// Makes lines, and holds them until they are taken. A line is whole: what a source has begun waits for its end, or until it is shown.
#[derive(Debug)]
pub(super) struct Printer {
    style: Style,
    ready: Vec<u8>,
    /// Whose line stands at the end of all, shown as far as it is begun.
    unfinished: Option<(ProcessId, StreamLabel)>,
}

#[derive(Debug)]
enum Style {
    /// Bytes as they are, at once.
    Bare,
    /// `web.3 | text`
    Text {
        palette: Option<Palette>,
        /// Of the longest name.
        width: usize,
    },
    Json,
}

/// The beginning of a line, until its end comes.
#[derive(Debug, Default)]
pub(super) struct Begun {
    text: Vec<u8>,
    /// Whether something before it is lost: up to the next line break it is the rest of a line whose beginning nobody knows.
    is_torn: bool,
}

impl Begun {
    /// Whether something waits for its end.
    pub(super) fn is_waiting(&self) -> bool {
        !self.text.is_empty()
    }
}

/// A line that grows beyond this is cut: a process that never ends its line must not fill the memory.
const LONGEST: usize = 64 * 1024;

impl Printer {
    /// Prints as this output should. `bare` is what needs no name.
    pub(super) fn new(output: &Output, bare: bool) -> Self {
        let style = match output.format() {
            Format::Json => Style::Json,
            Format::Text if bare => Style::Bare,
            Format::Text => Style::Text { palette: output.has_colour().then(Palette::default), width: 0 },
        };
        Self { style, ready: Vec::new(), unfinished: None }
    }

    /// Aligns the lines with those of this source.
    pub(super) fn make_room(&mut self, source: &Source) {
        if let Style::Text { width, .. } = &mut self.style {
            *width = (*width).max(source.who().len());
        }
    }

    /// Adds all that there is of a source.
    pub(super) fn text(&mut self, source: &Source, text: &[u8]) {
        let mut begun = Begun::default();
        self.piece(source, &mut begun, text);
        self.finish(source, &mut begun);
    }

    /// Adds a piece of what a source writes.
    pub(super) fn piece(&mut self, source: &Source, begun: &mut Begun, piece: &[u8]) {
        let mut piece = piece;
        if begun.is_torn {
            let Some(end) = piece.iter().position(|byte| *byte == b'\n') else { return };
            begun.is_torn = false;
            piece = &piece[end + 1..];
        }
        if let Style::Bare = self.style {
            self.ready.extend_from_slice(piece);
            return;
        }
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(end) if begun.text.is_empty() => self.line(source, end),
                Some(end) => {
                    begun.text.extend_from_slice(end);
                    self.finish(source, begun);
                }
                None => begun.text.extend_from_slice(part),
            }
            if begun.text.len() > LONGEST {
                self.finish(source, begun);
            }
        }
    }

    /// Adds what was begun, as a line.
    pub(super) fn finish(&mut self, source: &Source, begun: &mut Begun) {
        if !begun.text.is_empty() || self.is_unfinished(source) {
            self.line(source, &std::mem::take(&mut begun.text));
        }
    }

    /// Shows what was begun, though its end has not come: a prompt, or a bar of progress. What follows goes on behind it, unless
    /// a line of another source has come in between. JSON waits for whole lines.
    pub(super) fn show(&mut self, source: &Source, begun: &mut Begun) {
        if let (Style::Text { .. }, true) = (&self.style, begun.is_waiting()) {
            self.begin(source);
            self.ready.append(&mut begun.text);
            self.unfinished = Some((source.pid, source.label.clone()));
        }
    }

    /// Something that the source wrote is missing here: in JSON this is told, elsewhere the caller is to say it; whether that is so. The
    /// rest of a line that is torn by it is left out.
    pub(super) fn lost(&mut self, source: &Source, begun: &mut Begun, what: &str) -> bool {
        self.finish(source, begun);
        begun.is_torn = true;
        let is_told = matches!(self.style, Style::Json);
        if is_told {
            self.object(source, What::Lost(what));
        }
        !is_told
    }

    /// Adds what happened to a job. Where bytes are told as they are, nothing.
    pub(super) fn event(&mut self, event: &EventMessage) {
        match &mut self.style {
            Style::Bare => {}
            Style::Text { palette, .. } => {
                if self.unfinished.take().is_some() {
                    self.ready.push(b'\n');
                }
                // Of a node that does not say when it was, the time of hearing it.
                let time = event.time.and_then(time_of_day_at).unwrap_or_else(time_of_day);
                let voice = Voice::new(&event.name, palette.as_mut().map(|palette| palette.of(&event.name)));
                let mut line = String::new();
                voice.line(&mut line, &time, &escaped(happened(event)));
                self.ready.extend_from_slice(line.as_bytes());
            }
            Style::Json => {
                // Texts and numbers always are JSON.
                drop(serde_json::to_writer(&mut self.ready, event));
                self.ready.push(b'\n');
            }
        }
    }

    fn is_unfinished(&self, source: &Source) -> bool {
        self.unfinished.as_ref().is_some_and(|(pid, label)| *pid == source.pid && *label == source.label)
    }

    /// Begins a line of text, or goes on with the one that is shown already.
    fn begin(&mut self, source: &Source) {
        let goes_on = self.is_unfinished(source);
        let is_between = self.unfinished.take().is_some() && !goes_on;
        if let (Style::Text { palette, width }, false) = (&mut self.style, goes_on) {
            if is_between {
                self.ready.push(b'\n');
            }
            let width = *width;
            let colour = palette.as_mut().map(|palette| palette.of(&source.job));
            let (begin, end) = colour.map_or(("", ""), |colour| (colour.begin(), Colour::END));
            // Writing to memory does not fail.
            drop(write!(self.ready, "{begin}{:width$} |{end} ", source.who()));
        }
    }

    fn object(&mut self, source: &Source, what: What<'_>) {
        let Source { job, pid, label, .. } = source;
        // Texts and numbers always are JSON.
        let line = Line { name: job.short(), pid: pid.get(), stream: label, what };
        drop(serde_json::to_writer(&mut self.ready, &line));
        self.ready.push(b'\n');
    }

    fn line(&mut self, source: &Source, line: &[u8]) {
        if let Style::Json = self.style {
            return self.object(source, What::Line(&String::from_utf8_lossy(line)));
        }
        self.begin(source);
        self.ready.extend_from_slice(line);
        self.ready.push(b'\n');
    }

    /// How much is held.
    pub(super) fn held(&self) -> usize {
        self.ready.len()
    }

    /// All that is held.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ready)
    }
}

/// An event as gaffer 0.5 told it: `job.shop.web.spawn process with pid 7`; and how it ended, or why it could not be launched.
fn happened(event: &EventMessage) -> String {
    let EventMessage { name, exit_code, term_signal, reason, .. } = event;
    let kind = event.event.rsplit('.').next().unwrap_or_default();
    let mut text = match event.pid {
        Some(pid) => format!("job.{name}.{kind} process with pid {pid}"),
        None => format!("job.{name}.{kind} {name}"),
    };
    if let (Some(code), Some(signal)) = (exit_code, term_signal)
        && (*code, *signal) != (0, 0)
    {
        text += &format!(" ({})", ending(*code, *signal));
    }
    if let Some(reason) = reason {
        text += &format!(": {reason}");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn source(job: &str, pid: u64, label: &str) -> Source {
        Source { job: job.parse().unwrap(), pid: ProcessId::new(pid), label: label.parse().unwrap(), is_past: false }
    }

    fn printer(style: Style) -> Printer {
        Printer { style, ready: Vec::new(), unfinished: None }
    }

    fn plain() -> Style {
        Style::Text { palette: None, width: 0 }
    }

    fn taken(printer: &mut Printer) -> String {
        String::from_utf8(printer.take()).unwrap()
    }

    #[test]
    fn bars_are_aligned() {
        let mut printer = printer(plain());
        let (web, api) = (source("web", 3, "out"), source("shop.api", 12, "out"));
        printer.make_room(&web);
        printer.make_room(&api);
        printer.text(&web, b"one\ntwo\n");
        printer.text(&api, b"\nthree");
        assert_eq!(taken(&mut printer), "web.3       | one\nweb.3       | two\nshop.api.12 | \nshop.api.12 | three\n");
    }

    #[test]
    fn lines_of_two_outputs_are_never_mixed() {
        let mut printer = printer(plain());
        let (out, err) = (source("web", 3, "out"), source("web", 3, "err"));
        let (mut of_out, mut of_err) = (Begun::default(), Begun::default());
        printer.piece(&out, &mut of_out, b"be");
        printer.piece(&err, &mut of_err, b"wrong\nag");
        printer.piece(&out, &mut of_out, b"gun\n");
        printer.finish(&err, &mut of_err);
        printer.finish(&out, &mut of_out);
        assert_eq!(taken(&mut printer), "web.3 | wrong\nweb.3 | begun\nweb.3 | ag\n");
    }

    #[test]
    fn an_endless_line_is_cut() {
        let mut printer = printer(plain());
        let (web, mut begun) = (source("web", 3, "out"), Begun::default());
        for _ in 0..3 {
            printer.piece(&web, &mut begun, &[b'x'; LONGEST]);
        }
        assert_eq!((begun.text.len(), printer.held()), (LONGEST, "web.3 | \n".len() + 2 * LONGEST));
    }

    #[test]
    fn the_rest_of_a_torn_line_is_left_out() {
        let mut printer = printer(plain());
        let (web, mut begun) = (source("web", 3, "out"), Begun::default());
        printer.piece(&web, &mut begun, b"one\ntw");
        assert!(printer.lost(&web, &mut begun, "7 bytes of out lost"));
        printer.piece(&web, &mut begun, b"st");
        printer.piece(&web, &mut begun, b"ars\nfour\n");
        assert_eq!(taken(&mut printer), "web.3 | one\nweb.3 | tw\nweb.3 | four\n");
    }

    #[test]
    fn a_loss_is_an_object_in_json() {
        let mut printer = printer(Style::Json);
        assert!(!printer.lost(&source("web", 3, "out"), &mut Begun::default(), "7 bytes of out lost"));
        assert_eq!(
            taken(&mut printer),
            "{\"name\":\"web\",\"pid\":3,\"stream\":\"out\",\"lost\":\"7 bytes of out lost\"}\n"
        );
    }

    #[test]
    fn a_prompt_is_shown_and_goes_on() {
        let mut printer = printer(plain());
        let (web, api) = (source("web", 3, "out"), source("api", 4, "out"));
        let (mut of_web, mut of_api) = (Begun::default(), Begun::default());
        printer.piece(&web, &mut of_web, b"10%");
        printer.show(&web, &mut of_web);
        assert_eq!(taken(&mut printer), "web.3 | 10%");
        printer.piece(&web, &mut of_web, b"\r20%");
        printer.show(&web, &mut of_web);
        printer.piece(&web, &mut of_web, b"\rdone\nname: ");
        assert_eq!(taken(&mut printer), "\r20%\rdone\n");
        printer.show(&web, &mut of_web);
        printer.piece(&api, &mut of_api, b"news\n");
        printer.piece(&web, &mut of_web, b"me\n");
        assert_eq!(taken(&mut printer), "web.3 | name: \napi.4 | news\nweb.3 | me\n");
        printer.piece(&web, &mut of_web, b"?");
        printer.show(&web, &mut of_web);
        printer.finish(&web, &mut of_web);
        assert_eq!(taken(&mut printer), "web.3 | ?\n");
    }

    #[test]
    fn each_job_has_its_colour_and_its_text_none() {
        let mut printer = printer(Style::Text { palette: Some(Palette::default()), width: 0 });
        printer.text(&source("web", 3, "out"), b"one\n");
        printer.text(&source("api", 4, "out"), b"two\n");
        assert_eq!(taken(&mut printer), "\u{1b}[36mweb.3 |\u{1b}[39m one\n\u{1b}[33mapi.4 |\u{1b}[39m two\n");
    }

    #[test]
    fn json_is_an_object_a_line() {
        let mut printer = printer(Style::Json);
        printer.text(&source("web", 3, "out"), b"a \"b\"\n\xff");
        assert_eq!(
            taken(&mut printer),
            "{\"name\":\"web\",\"pid\":3,\"stream\":\"out\",\"line\":\"a \\\"b\\\"\"}\n\
             {\"name\":\"web\",\"pid\":3,\"stream\":\"out\",\"line\":\"\u{fffd}\"}\n"
        );
    }

    #[test]
    fn events_stand_between_as_lines_of_their_own() {
        let event = |value: serde_json::Value| serde_json::from_value::<EventMessage>(value).unwrap();
        let spawn =
            event(json!({"event": "proc.shop.web.spawn", "name": "shop.web", "pid": 7, "time": 1_700_000_000.0}));
        let time = time_of_day_at(1_700_000_000.0).unwrap();
        let mut text = printer(plain());
        let (web, mut begun) = (source("shop.web", 3, "out"), Begun::default());
        text.piece(&web, &mut begun, b"nam");
        text.show(&web, &mut begun);
        text.event(&spawn);
        text.piece(&web, &mut begun, b"e\n");
        let line = format!("{time} shop.web | job.shop.web.spawn process with pid 7\n");
        assert_eq!(taken(&mut text), format!("shop.web.3 | nam\n{line}shop.web.3 | e\n"));
        let mut json = printer(Style::Json);
        json.event(&spawn);
        assert!(taken(&mut json).starts_with(r#"{"event":"proc.shop.web.spawn","name":"shop.web","pid":7,"#));
        let mut bare = printer(Style::Bare);
        bare.event(&spawn);
        assert_eq!(taken(&mut bare), "");
        for (value, text) in [
            (json!({"event": "start", "name": "web"}), "job.default.web.start default.web"),
            (
                json!({"event": "exit", "name": "a.b", "pid": 7, "exit_code": 0, "term_signal": 9}),
                "job.a.b.exit process with pid 7 (SIGKILL)",
            ),
            (
                json!({"event": "exit", "name": "a.b", "pid": 7, "exit_code": 0, "term_signal": 0}),
                "job.a.b.exit process with pid 7",
            ),
            (json!({"event": "flap", "name": "a.b", "reason": "why"}), "job.a.b.flap a.b: why"),
        ] {
            assert_eq!(happened(&event(value)), text);
        }
    }

    #[test]
    fn one_process_alone_is_told_byte_for_byte() {
        let mut printer = printer(Style::Bare);
        printer.text(&source("web", 3, "out"), b"pass\xffword: ");
        assert_eq!(printer.take(), b"pass\xffword: ");
    }
}
