//! The part of a file that a request asks for.

/// Bytes of a file that follow each other; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The offset of the first one.
    pub(super) first: u64,
    /// How many.
    pub(super) length: u64,
}

/// What a `Range` header comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Everything: it does not read, or asks for what may be answered so.
    Whole,
    Part(Part),
    /// Nothing of it is in the file.
    Unsatisfiable,
}

impl Part {
    /// The value of `Content-Range`, in a file of so many bytes.
    pub(super) fn of(self, length: u64) -> String {
        format!("bytes {}-{}/{length}", self.first, self.first + (self.length - 1))
    }
}

/// Reads a `Range` header for a file of so many bytes. Several ranges are answered by the whole, as is allowed.
pub(super) fn read(header: &str, length: u64) -> Asked {
    let Some((unit, range)) = header.split_once('=') else { return Asked::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Asked::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Asked::Whole,
        (Some(first), Some(last)) => between(first, last, length),
        (Some(first), None) if last.is_empty() => between(first, u64::MAX, length),
        (None, Some(0)) if first.is_empty() => Asked::Unsatisfiable,
        // There is no way to say which part of nothing is sent.
        (None, Some(_)) if first.is_empty() && length == 0 => Asked::Whole,
        (None, Some(suffix)) if first.is_empty() => between(length.saturating_sub(suffix), u64::MAX, length),
        _ => Asked::Whole,
    }
}

fn between(first: u64, last: u64, length: u64) -> Asked {
    if first >= length {
        return Asked::Unsatisfiable;
    }
    Asked::Part(Part { first, length: last.min(length - 1) - first + 1 })
}

/// Reads digits alone. Beyond what fits it is beyond any file.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(first: u64, length: u64) -> Asked {
        Asked::Part(Part { first, length })
    }

    #[test]
    fn one_range_is_a_part() {
        for (header, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=2-4", part(2, 3)),
            ("Bytes= 2-4 ", part(2, 3)),
            ("bytes=9-", part(9, 1)),
            ("bytes=0-", part(0, 10)),
            ("bytes=5-99999999999999999999999", part(5, 5)),
            ("bytes=-3", part(7, 3)),
            ("bytes=-100", part(0, 10)),
            ("bytes=-99999999999999999999999", part(0, 10)),
        ] {
            assert_eq!(read(header, 10), expected, "{header}");
        }
        assert_eq!(Part { first: 2, length: 3 }.of(10), "bytes 2-4/10");
    }

    #[test]
    fn what_is_beyond_the_end_is_unsatisfiable() {
        for header in ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(read(header, 10), Asked::Unsatisfiable, "{header}");
        }
        assert_eq!(read("bytes=0-", 0), Asked::Unsatisfiable);
        assert_eq!(read("bytes=-5", 0), Asked::Whole);
    }

    #[test]
    fn what_does_not_read_or_is_more_than_one_is_the_whole() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=4-2",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=--1",
            "bytes=1 - 2",
            "lines=0-1",
            "bytes=0-1,3-4",
            "bytes=0-1-2",
        ] {
            assert_eq!(read(header, 10), Asked::Whole, "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_nor_beyond_the_file(
            header in "bytes=[0-9]{0,21}-[0-9]{0,21}", length in prop_oneof![0..100_u64, Just(u64::MAX)],
        ) {
            if let Asked::Part(part) = read(&header, length) {
                prop_assert!(part.length > 0);
                prop_assert!(part.first.checked_add(part.length).is_some_and(|end| end <= length));
            }
        }
    }
}
