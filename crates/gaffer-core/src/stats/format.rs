//! Figures as texts, for people and for the clients that print what they are sent.

use std::time::Duration;

/// A size in bytes as text: whole units of 1024, cut and not rounded, as `1M`, or `512B` below 1024.
///
/// ```
/// use gaffer_core::stats::bytes2human;
///
/// assert_eq!(bytes2human(1023), "1023B");
/// assert_eq!(bytes2human(3 * 1024 * 1024 - 1), "2M");
/// ```
pub fn bytes2human(bytes: u64) -> String {
    let (mut size, mut unit) = (bytes, 'B');
    for larger in "KMGTPEZY".chars() {
        if size < 1024 {
            break;
        }
        (size, unit) = (size / 1024, larger);
    }
    format!("{size}{unit}")
}

/// Processor time as `M:SS.ff`: minutes, seconds, hundredths of a second (cut).
///
/// Minutes go on beyond 59: an hour and a half is `90:00.00`.
///
/// ```
/// use std::time::Duration;
/// use gaffer_core::stats::ctime;
///
/// assert_eq!(ctime(Duration::from_millis(65_430)), "1:05.43");
/// ```
pub fn ctime(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}.{:02}", seconds / 60, seconds % 60, time.subsec_millis() / 10)
}

/// Rounds to one decimal, so that sums do not show `0.30000000000000004`.
pub(super) fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_cut_to_whole_units() {
        const K: u64 = 1024;
        for (bytes, text) in [
            (0, "0B"),
            (1, "1B"),
            (1023, "1023B"),
            (K, "1K"),
            (2 * K - 1, "1K"),
            (K * K - 1, "1023K"),
            (K * K, "1M"),
            (1500 * K * K, "1G"),
            (K.pow(4), "1T"),
            (K.pow(5), "1P"),
            (K.pow(6), "1E"),
            (u64::MAX, "15E"),
        ] {
            assert_eq!(bytes2human(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn processor_time_is_minutes_seconds_and_hundredths() {
        for (milliseconds, text) in [
            (0, "0:00.00"),
            (9, "0:00.00"),
            (50, "0:00.05"),
            (59_999, "0:59.99"),
            (60_000, "1:00.00"),
            (754_320, "12:34.32"),
            (3_600_000, "60:00.00"),
            (90_061_500, "1501:01.50"),
        ] {
            assert_eq!(ctime(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn sums_are_rounded_to_one_decimal() {
        for (value, rounded) in [(0.1 + 0.2, 0.3), (99.95, 100.0), (99.94, 99.9), (0.0, 0.0)] {
            assert_eq!(tenths(value), rounded);
        }
    }
}
