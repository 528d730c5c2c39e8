//! What stands around each line of a stream.

use memchr::memchr;

use super::{Clock, Voice};

/// How the bar between the name and a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// As the name.
    Plain,
    /// Red, where there are colours: the line was written to stderr.
    Red,
}

/// Makes the edges of the lines of one stream, anew only when the time or the place of the bar has changed.
#[derive(Debug)]
pub struct Frame {
    voice: Voice,
    bar: Bar,
    clock: Clock,
    width: usize,
    begin: Vec<u8>,
}

impl Frame {
    /// Of lines in this voice.
    pub fn new(voice: Voice, bar: Bar) -> Self {
        Self { voice, bar, clock: Clock::default(), width: 0, begin: Vec::new() }
    }

    /// The edges of lines that are shown now. The name takes `width` characters at least.
    pub fn edges(&mut self, width: usize) -> Edges<'_> {
        if self.clock.tick() || width != self.width {
            self.width = width;
            self.begin.clear();
            self.voice.begin(&mut self.begin, self.clock.shown(), width, self.bar);
        }
        let end = if self.voice.colour.is_some() { End::Colour } else { End::Plain };
        Edges { begin: &self.begin, end }
    }
}

/// What stands around a line.
#[derive(Clone, Copy, Debug)]
pub struct Edges<'a> {
    begin: &'a [u8],
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Plain,
    Colour,
}

const ESCAPE: u8 = 0x1b;

impl Edges<'_> {
    /// Appends a line.
    pub fn line(self, out: &mut Vec<u8>, text: &[u8]) {
        let end: &[u8] = match self.end {
            End::Plain => b"\n",
            End::Colour => b"\x1b[39m\n",
        };
        out.extend_from_slice(self.begin);
        out.extend_from_slice(text);
        out.extend_from_slice(end);
    }

    /// Appends a line whose text may switch on colours and the like: in colour, they end with the line.
    pub(super) fn line_that_may_bleed(self, out: &mut Vec<u8>, text: &[u8]) {
        if !self.may_bleed(text) {
            return self.line(out, text);
        }
        out.extend_from_slice(self.begin);
        out.extend_from_slice(text);
        out.extend_from_slice(b"\x1b[0m\x1b[39m\n");
    }

    /// Whether one of the lines in this text needs [`line_that_may_bleed`](Self::line_that_may_bleed).
    pub(super) fn may_bleed(self, text: &[u8]) -> bool {
        self.end == End::Colour && memchr(ESCAPE, text).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::{Palette, time_of_day};

    /// Lines around which the time is cut out.
    fn lines(frame: &mut Frame, width: usize, texts: &[&str]) -> String {
        let mut out = Vec::new();
        for text in texts {
            frame.edges(width).line_that_may_bleed(&mut out, text.as_bytes());
        }
        let out = String::from_utf8(out).unwrap();
        let time = out.find(':').expect("a time") - 2;
        let time = out[time..time + 8].to_owned();
        out.replace(&time, "HH:MM:SS")
    }

    fn frame(colours: bool, bar: Bar) -> Frame {
        let job = "web".parse().unwrap();
        Frame::new(Voice::new(&job, colours.then(|| Palette::default().of(&job))), bar)
    }

    #[test]
    fn bars_stand_where_they_are_told_to_and_move_only_to_the_right_of_the_name() {
        let mut frame = frame(false, Bar::Red);
        assert_eq!(lines(&mut frame, 0, &["x"]), "HH:MM:SS web | x\n");
        assert_eq!(lines(&mut frame, 5, &["x"]), "HH:MM:SS web   | x\n");
        assert_eq!(lines(&mut frame, 2, &[""]), "HH:MM:SS web | \n");
    }

    #[test]
    fn in_colour_the_bar_of_errors_is_red_and_what_follows_is_not() {
        let mut frame = frame(true, Bar::Red);
        assert_eq!(lines(&mut frame, 4, &["x"]), "\x1b[36mHH:MM:SS web  \x1b[31m|\x1b[36m x\x1b[39m\n");
    }

    #[test]
    fn what_a_line_switches_on_ends_with_it_in_colour_and_is_left_alone_otherwise() {
        let mut in_colour = frame(true, Bar::Plain);
        assert_eq!(
            lines(&mut in_colour, 0, &["\x1b[1mbold", "x"]),
            "\x1b[36mHH:MM:SS web | \x1b[1mbold\x1b[0m\x1b[39m\n\x1b[36mHH:MM:SS web | x\x1b[39m\n"
        );
        assert_eq!(lines(&mut frame(false, Bar::Plain), 0, &["\x1b[1mbold"]), "HH:MM:SS web | \x1b[1mbold\n");
    }

    #[test]
    fn edges_follow_the_time() {
        let mut frame = frame(false, Bar::Plain);
        frame.clock = Clock::of_the_past();
        frame.begin = b"long ago".to_vec();
        let before = time_of_day();
        let mut out = Vec::new();
        frame.edges(0).line(&mut out, b"");
        let shown = String::from_utf8(out).unwrap();
        assert!([before, time_of_day()].iter().any(|time| shown == format!("{time} web | \n")), "{shown}");
    }
}
