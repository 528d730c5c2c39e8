//! Whether a service manager wants signs of life.

use std::{env, time::Duration};

/// Microseconds within which one is expected.
pub(super) const PERIOD: &str = "WATCHDOG_USEC";

/// Which process is to send it; none means that this is not checked.
pub(super) const WHOM: &str = "WATCHDOG_PID";

/// Within which time a sign of life is expected of this process again and again; `None` if none is.
pub fn watchdog() -> Option<Duration> {
    period(env::var(PERIOD).ok().as_deref(), env::var(WHOM).ok().as_deref(), std::process::id())
}

fn period(period: Option<&str>, whom: Option<&str>, own: u32) -> Option<Duration> {
    if whom.is_some_and(|whom| whom.parse() != Ok(own)) {
        return None;
    }
    let microseconds = period?.parse().ok().filter(|microseconds| *microseconds > 0)?;
    Some(Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_life_are_for_whom_they_are_asked_of() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(period(Some("1000000"), None, 7), second);
        assert_eq!(period(Some("1000000"), Some("7"), 7), second);
        assert_eq!(period(Some("1000000"), Some("8"), 7), None);
        assert_eq!(period(Some("1000000"), Some(""), 7), None);
        for text in [None, Some("0"), Some("-1"), Some("soon"), Some("")] {
            assert_eq!(period(text, None, 7), None, "{text:?}");
        }
    }
}
