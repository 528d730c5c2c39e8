//! How lines about jobs look, wherever they are shown: each job by its name, and in a colour of its own.

mod clock;
mod exact;
mod frame;
mod palette;

pub use clock::{Clock, time_of_day, time_of_day_at};
pub use exact::ExactLines;
pub use frame::{Bar, Edges, Frame};
pub use palette::{Colour, Palette};

use crate::names::JobName;

/// Writes lines about one job.
///
/// ```
/// use gaffer_core::voice::{Palette, Voice};
///
/// let job = "shop.web".parse()?;
/// let mut text = String::new();
/// Voice::new(&job, None).line(&mut text, "17:57:09", "ready");
/// assert_eq!(text, "17:57:09 shop.web | ready\n");
/// text.clear();
/// Voice::new(&job, Some(Palette::default().of(&job))).line(&mut text, "17:57:09", "ready");
/// assert_eq!(text, "\x1b[36m17:57:09 shop.web | ready\x1b[39m\n");
/// # Ok::<(), gaffer_core::InvalidJobName>(())
/// ```
#[derive(Clone, Debug)]
pub struct Voice {
    name: String,
    colour: Option<Colour>,
}

impl Voice {
    /// Of this job; in no colour, if none is given.
    pub fn new(job: &JobName, colour: Option<Colour>) -> Self {
        Self::called(job.short(), colour)
    }

    /// Of something of this name.
    pub fn called(name: impl Into<String>, colour: Option<Colour>) -> Self {
        Self { name: name.into(), colour }
    }

    /// The same without its colour.
    pub(crate) fn colourless(&self) -> Self {
        Self { name: self.name.clone(), colour: None }
    }

    /// Appends one line.
    pub fn line(&self, out: &mut String, now: &str, text: &str) {
        let (begin, end) = self.colour.map_or(("", ""), |colour| (colour.begin(), Colour::END));
        for part in [begin, now, " ", &self.name, " | ", text, end, "\n"] {
            out.push_str(part);
        }
    }

    /// As [`line`](Self::line), in bytes. The name takes `width` characters at least.
    pub(crate) fn line_of_bytes(&self, out: &mut Vec<u8>, now: &str, width: usize, text: &[u8]) {
        self.begin(out, now, width, Bar::Plain);
        out.extend_from_slice(text);
        if self.colour.is_some() {
            out.extend_from_slice(Colour::END.as_bytes());
        }
        out.push(b'\n');
    }

    /// Appends what stands before the text of a line. The name takes `width` characters at least.
    fn begin(&self, out: &mut Vec<u8>, now: &str, width: usize, bar: Bar) {
        let colour = self.colour.map_or("", Colour::begin);
        for part in [colour, now, " ", &self.name] {
            out.extend_from_slice(part.as_bytes());
        }
        out.resize(out.len() + width.saturating_sub(self.name.chars().count()), b' ');
        let (red, back) = match bar {
            Bar::Red if self.colour.is_some() => (Colour::RED, colour),
            Bar::Red | Bar::Plain => ("", ""),
        };
        for part in [" ", red, "|", back, " "] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}
