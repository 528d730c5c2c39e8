//! The time of day, as lines begin with it.

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

/// Tells the time of day to who asks very often: calendars are slow, so it looks into one once a second.
#[derive(Debug, Default)]
pub struct Clock {
    second: Option<i64>,
    shown: String,
}

impl Clock {
    /// The time of day here.
    pub fn now(&mut self) -> &str {
        self.tick();
        &self.shown
    }

    /// Looks at the time; whether it is another one than before.
    pub(super) fn tick(&mut self) -> bool {
        let now = jiff::Timestamp::now();
        if self.second == Some(now.as_second()) {
            return false;
        }
        self.second = Some(now.as_second());
        self.shown = shown(&now.to_zoned(jiff::tz::TimeZone::system()));
        true
    }

    /// Has told another time long ago.
    #[cfg(test)]
    pub(super) fn of_the_past() -> Self {
        Self { second: Some(1_700_000_000), shown: "long ago".to_owned() }
    }

    /// What it was when it was looked at last.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }
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

    #[test]
    fn a_clock_tells_the_present_time_of_day_and_looks_for_it_once_a_second() {
        let mut clock = Clock::of_the_past();
        let before = time_of_day();
        let told = clock.now().to_owned();
        assert!([before, time_of_day()].contains(&told), "{told}");
        let kept = (0..3).any(|_| {
            clock.shown = "kept".to_owned();
            clock.now() == "kept" // Unless a second has just begun.
        });
        assert!(kept);
    }
}
