//! When a job that keeps exiting is paused, and when it is given up.

use std::{num::NonZeroU32, time::Duration};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::FieldError;

/// `flapping = attempts, window, retry_in, max_retry`.
///
/// When `attempts` exits that nobody asked for happen within `window`, the job is stopped; it is tried again after
/// `retry_in`; after `max_retry` such retries in a row it stays stopped. Times are in seconds where text or JSON
/// enters, [`Duration`] from here on. Missing parts take the original's defaults: 2, 1, 7, 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flapping {
    /// How many exits within `window` are too many.
    pub attempts: NonZeroU32,
    /// The span in which exits are counted; a run that outlives it clears the count.
    pub window: Duration,
    /// How long a flapping job rests before it is tried again.
    pub retry_in: Duration,
    /// How many retries in a row before the job is given up.
    pub max_retry: u32,
}

/// Longest span accepted anywhere in a configuration: a year. Beyond it the clock's arithmetic could overflow.
pub(crate) const MAX_SPAN: Duration = Duration::from_secs(366 * 24 * 3600);

/// Most attempts that a rule may allow: so many times of exits are kept.
const MAX_ATTEMPTS: u32 = 100_000;

/// Reads seconds, fractions allowed, into a [`Duration`].
///
/// # Errors
/// A fragment that says what was found, for what is not a number of 0 or more and at most a year.
pub(crate) fn seconds(value: f64) -> Result<Duration, String> {
    if value.is_nan() || value < 0.0 {
        Err(format!("must be 0 seconds or more, but is {value}"))
    } else if value > MAX_SPAN.as_secs_f64() {
        Err(too_long(value))
    } else {
        Ok(Duration::from_secs_f64(value))
    }
}

fn too_long(value: f64) -> String {
    format!("must be a year ({} seconds) or less, but is {value}", MAX_SPAN.as_secs())
}

/// Checks a span that did not come through [`seconds`].
pub(crate) fn check_span(span: Duration) -> Result<(), String> {
    if span > MAX_SPAN { Err(too_long(span.as_secs_f64())) } else { Ok(()) }
}

impl Default for Flapping {
    fn default() -> Self {
        Self {
            attempts: const { NonZeroU32::new(2).unwrap() },
            window: Duration::from_secs(1),
            retry_in: Duration::from_secs(7),
            max_retry: 5,
        }
    }
}

impl Flapping {
    /// Checks a rule that was put together by hand.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.attempts.get() > MAX_ATTEMPTS {
            return Err(format!("attempts must be {MAX_ATTEMPTS} or less, but is {}", self.attempts));
        }
        check_span(self.window).map_err(|problem| format!("window {problem}"))?;
        check_span(self.retry_in).map_err(|problem| format!("retry_in {problem}"))
    }

    /// Builds a rule from up to four numbers in the order of the ini key; `None` keeps a part's default.
    ///
    /// # Errors
    /// Names the part, the rule and the value.
    pub fn from_numbers(parts: [Option<f64>; 4]) -> Result<Self, FieldError> {
        let error = |problem: String| FieldError::new("flapping", problem);
        let whole = |value: f64, least: u32, part: &str| {
            if value.fract() == 0.0 && value >= f64::from(least) && value <= f64::from(u32::MAX) {
                Ok(value as u32)
            } else {
                Err(error(format!("{part} must be a whole number of {least} or more, but is {value}")))
            }
        };
        let span = |value: f64, part: &str| seconds(value).map_err(|problem| error(format!("{part} {problem}")));
        let [attempts, window, retry_in, max_retry] = parts;
        let default = Self::default();
        Ok(Self {
            attempts: match attempts {
                Some(value) => NonZeroU32::new(whole(value, 1, "attempts")?).unwrap_or(default.attempts),
                None => default.attempts,
            },
            window: window.map_or(Ok(default.window), |value| span(value, "window"))?,
            retry_in: retry_in.map_or(Ok(default.retry_in), |value| span(value, "retry_in"))?,
            max_retry: max_retry.map_or(Ok(default.max_retry), |value| whole(value, 0, "max_retry"))?,
        })
    }

    /// Reads `2, 1., 7., 5`: up to four numbers, separated by commas.
    ///
    /// # Errors
    /// Names the part, what was found and what was expected.
    pub fn from_text(text: &str) -> Result<Self, FieldError> {
        const PARTS: [&str; 4] = ["attempts", "window", "retry_in", "max_retry"];
        let mut numbers = [None; 4];
        for (position, word) in text.split(',').map(str::trim).enumerate() {
            let Some(part) = PARTS.get(position) else {
                return Err(FieldError::new(
                    "flapping",
                    format!(
                        "has more than four parts; expected `attempts, window, retry_in, max_retry`, but is `{text}`"
                    ),
                ));
            };
            numbers[position] = Some(word.parse::<f64>().map_err(|_| {
                FieldError::new(
                    "flapping",
                    format!("{part} must be a number, but is `{word}`; for example `2, 1, 7, 5`"),
                )
            })?);
        }
        Self::from_numbers(numbers)
    }
}

/// Seconds as the wire shows them: whole where they are whole.
pub(crate) struct Seconds(pub(crate) Duration);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.subsec_nanos() == 0 {
            serializer.serialize_u64(self.0.as_secs())
        } else {
            serializer.serialize_f64(self.0.as_secs_f64())
        }
    }
}

impl Serialize for Flapping {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Flapping", 4)?;
        object.serialize_field("attempts", &self.attempts)?;
        object.serialize_field("window", &Seconds(self.window))?;
        object.serialize_field("retry_in", &Seconds(self.retry_in))?;
        object.serialize_field("max_retry", &self.max_retry)?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manuals_example_reads() {
        let rule = Flapping::from_text("2, 1., 7., 5").unwrap();
        assert_eq!(rule, Flapping::default());
        assert_eq!(Flapping::from_text("3").unwrap().attempts.get(), 3);
    }

    #[test]
    fn each_part_is_checked_and_named() {
        for (text, message) in [
            ("x", "flapping: attempts must be a number, but is `x`; for example `2, 1, 7, 5`"),
            ("0", "flapping: attempts must be a whole number of 1 or more, but is 0"),
            ("2, -1, 7, 5", "flapping: window must be 0 seconds or more, but is -1"),
            ("2, 1, nan, 5", "flapping: retry_in must be 0 seconds or more, but is NaN"),
            ("2, 1, 7, 1.5", "flapping: max_retry must be a whole number of 0 or more, but is 1.5"),
            (
                "2, 1, 7, 5, 6",
                "flapping: has more than four parts; expected `attempts, window, retry_in, max_retry`, but is `2, 1, 7, 5, 6`",
            ),
        ] {
            assert_eq!(Flapping::from_text(text).unwrap_err().to_string(), message);
        }
        assert!(Flapping::from_text("2, 1e300").is_err());
    }
}
