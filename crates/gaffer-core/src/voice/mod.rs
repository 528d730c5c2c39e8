//! How lines about jobs look, wherever they are shown: each job by its name, and in a colour of its own.

mod palette;

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
        Self { name: job.short(), colour }
    }

    /// Appends one line.
    pub fn line(&self, out: &mut String, now: &str, text: &str) {
        let (begin, end) = self.colour.map_or(("", ""), |colour| (colour.begin(), Colour::END));
        for part in [begin, now, " ", &self.name, " | ", text, end, "\n"] {
            out.push_str(part);
        }
    }
}

/// The time of day here, as lines begin with it.
pub fn time_of_day() -> String {
    shown(&jiff::Zoned::now())
}

/// The time of day that it was here at a time in seconds since the epoch; `None` where no calendar reaches.
pub fn time_of_day_at(time: f64) -> Option<String> {
    // Cut, not rounded: a second has come when it has begun.
    let time = jiff::Timestamp::from_second(time.floor() as i64).ok()?;
    Some(shown(&time.to_zoned(jiff::tz::TimeZone::system())))
}

fn shown(time: &jiff::Zoned) -> String {
    time.strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_that_of_the_second_which_has_begun() {
        assert_eq!(time_of_day_at(1_700_000_000.999), time_of_day_at(1_700_000_000.0));
        // Zones differ by whole minutes today.
        assert!(time_of_day_at(1_700_000_000.0).is_some_and(|time| time.ends_with(":20")));
        assert_eq!(time_of_day_at(1e300), None);
    }
}
