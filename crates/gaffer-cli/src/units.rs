//! Figures as people read them.

use std::time::Duration;

use gaffer_core::names::Signal;

/// Seconds in the two largest units that are not nothing: `3d 4h`, `5m 12s`, `7s`.
pub fn span(seconds: f64) -> String {
    // Cut, not rounded: what runs for 59.9 seconds has not run for a minute. What is below nothing becomes 0.
    let seconds = seconds as u64;
    let parts = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let largest = parts.iter().position(|(length, _)| seconds >= *length).unwrap_or(parts.len() - 1);
    let mut rest = seconds;
    let mut texts = Vec::new();
    for (length, unit) in parts.iter().skip(largest).take(2) {
        if texts.is_empty() || rest >= *length {
            texts.push(format!("{}{unit}", rest / length));
        }
        rest %= length;
    }
    texts.join(" ")
}

/// Reads a span of at least a second: seconds, or numbers with units, as `90s`, `12h`, `1d12h` or `2w`.
///
/// # Errors
/// When it does not read, in words.
pub fn read_span(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a span of time such as 90s, 30m, 12h, 7d or 2w".to_owned();
    let mut seconds: u64 = 0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let length = match unit {
            "" if digits == text.trim().len() => 1,
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            _ => return Err(wrong()),
        };
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(length));
        seconds = part.and_then(|part| seconds.checked_add(part)).ok_or_else(wrong)?;
        rest = behind.trim_start();
    }
    if seconds == 0 { Err(wrong()) } else { Ok(Duration::from_secs(seconds)) }
}

/// Bytes in the unit that leaves less than 1024 of them: `512 B`, `1.2 MiB`.
pub fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64;
    let mut shown = "B";
    for unit in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        // What would be rounded to 1024.0 belongs to the next one.
        if size < 1023.95 {
            break;
        }
        size /= 1024.0;
        shown = unit;
    }
    format!("{size:.1} {shown}")
}

/// How a process ended: `code 1`, or `SIGKILL` if a signal did it.
pub fn ending(exit_code: i32, term_signal: i32) -> String {
    match Signal::new(term_signal) {
        Ok(signal) => signal.to_string(),
        Err(_) => format!("code {exit_code}"),
    }
}

/// Percents: `12.5%`.
pub fn percent(value: f64) -> String {
    format!("{value:.1}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units() {
        for (seconds, text) in [
            (-1.0, "0s"),
            (0.9, "0s"),
            (59.9, "59s"),
            (60.0, "1m"),
            (312.0, "5m 12s"),
            (3_600.0, "1h"),
            (3_659.0, "1h"),
            (7_261.0, "2h 1m"),
            (86_399.0, "23h 59m"),
            (86_400.0 * 3.0 + 4.0 * 3_600.0 + 59.0, "3d 4h"),
            (86_400.0 * 400.0, "400d"),
        ] {
            assert_eq!(span(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn a_span_reads_as_people_write_it() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("15m", 900),
            ("12h", 43_200),
            ("1d12h", 129_600),
            ("6d 23h", 601_200),
            ("2w", 1_209_600),
        ] {
            assert_eq!(read_span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "0", "0s", "-1", "1.5h", "h", "1h30", "1 x", "1y", "99999999999999999999d", "9999999999999999999w"]
        {
            assert!(read_span(text).unwrap_err().contains("such as 90s"), "{text}");
        }
    }

    #[test]
    fn sizes_have_the_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_258_291, "1.2 MiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (3 << 30, "3.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn an_end_is_a_code_or_a_signal() {
        assert_eq!(
            [ending(0, 0), ending(3, 0), ending(0, 9), ending(0, 40)],
            ["code 0", "code 3", "SIGKILL", "signal 40"]
        );
    }

    #[test]
    fn percents_have_one_decimal() {
        assert_eq!((percent(12.54).as_str(), percent(0.0).as_str()), ("12.5%", "0.0%"));
    }
}
