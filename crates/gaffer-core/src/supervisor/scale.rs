//! `+n`, `-n`, `=n`, `n`: how a number of processes is changed.

use std::str::FromStr;

/// A change of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// So many more.
    Add(u32),
    /// So many fewer, but never below none.
    Sub(u32),
    /// Exactly so many.
    Set(u32),
}

/// Text that is no change of a number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not say how to scale; write +n, -n, =n or n")]
pub struct InvalidScale(pub String);

impl Scale {
    /// The number after the change; may exceed what a job may run.
    pub fn apply(self, number: u32) -> u64 {
        match self {
            Self::Add(n) => u64::from(number) + u64::from(n),
            Self::Sub(n) => u64::from(number.saturating_sub(n)),
            Self::Set(n) => u64::from(n),
        }
    }
}

impl From<i32> for Scale {
    /// A positive number adds, a negative one takes away.
    fn from(number: i32) -> Self {
        if number < 0 { Self::Sub(number.unsigned_abs()) } else { Self::Add(number.unsigned_abs()) }
    }
}

impl FromStr for Scale {
    type Err = InvalidScale;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        let make: fn(u32) -> Self = match trimmed.as_bytes().first() {
            Some(b'-') => Self::Sub,
            Some(b'=') => Self::Set,
            _ => Self::Add,
        };
        let digits = trimmed.strip_prefix(['+', '-', '=']).unwrap_or(trimmed).trim_start();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidScale(text.to_owned()));
        }
        digits.parse().map(make).map_err(|_| InvalidScale(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manuals_forms_read() {
        for (text, scale) in [
            ("1", Scale::Add(1)),
            ("+1", Scale::Add(1)),
            ("-1", Scale::Sub(1)),
            ("=1", Scale::Set(1)),
            ("= 3", Scale::Set(3)),
        ] {
            assert_eq!(text.parse(), Ok(scale), "{text}");
        }
        assert_eq!((Scale::from(1), Scale::from(-1)), (Scale::Add(1), Scale::Sub(1)));
        for text in ["", "+", "x", "1.5", "--1", "+-1", "99999999999"] {
            assert!(text.parse::<Scale>().is_err(), "{text}");
        }
        assert_eq!((Scale::Sub(5).apply(3), Scale::Add(u32::MAX).apply(1)), (0, 1 << 32));
    }
}
