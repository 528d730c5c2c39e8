//! What becomes of a request with conditions, in the order of RFC 9110, section 13.2.2.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, Method, header, request::Parts};

use super::{
    range::{self, Asked, Part},
    validators::Validators,
};

/// What is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The file, or a part of it.
    Send(Option<Part>),
    /// That the client has it already.
    Known,
    /// That it is not the version that the client wants.
    Changed,
    /// That there is no such part.
    Unsatisfiable,
}

/// Holds the conditions of a request against a file of so many bytes.
pub(super) fn judge(request: &Parts, validators: &Validators, length: u64, now: SystemTime) -> Verdict {
    let headers = &request.headers;
    let is_wanted = match tags(headers, &header::IF_MATCH) {
        Some(tags) => tags.is_one(|tag| tag == validators.tag),
        None => date(headers, &header::IF_UNMODIFIED_SINCE)
            .zip(validators.modified)
            .is_none_or(|(since, modified)| modified <= since),
    };
    if !is_wanted {
        return Verdict::Changed;
    }
    let is_known = match tags(headers, &header::IF_NONE_MATCH) {
        Some(tags) => tags.is_one(|tag| tag.strip_prefix("W/").unwrap_or(tag) == validators.tag),
        None => date(headers, &header::IF_MODIFIED_SINCE)
            .zip(validators.modified)
            .is_some_and(|(since, modified)| modified <= since),
    };
    if is_known {
        return Verdict::Known;
    }
    match asked(request, validators, length, now) {
        Asked::Whole => Verdict::Send(None),
        Asked::Part(part) => Verdict::Send(Some(part)),
        Asked::Unsatisfiable => Verdict::Unsatisfiable,
    }
}

/// The part that is asked for, of the version that it is wanted of.
fn asked(request: &Parts, validators: &Validators, length: u64, now: SystemTime) -> Asked {
    // Parts are defined for GET alone.
    if request.method != Method::GET {
        return Asked::Whole;
    }
    let Some(range) = single(&request.headers, &header::RANGE) else { return Asked::Whole };
    if request.headers.contains_key(header::IF_RANGE) {
        let version = single(&request.headers, &header::IF_RANGE).unwrap_or_default();
        if version != validators.tag && !is_date_of(version, validators, now) {
            return Asked::Whole;
        }
    }
    range::read(range, length)
}

/// Whether a date stands for this version and no other: a file may change again within the second of its date.
fn is_date_of(text: &str, validators: &Validators, now: SystemTime) -> bool {
    let Some(modified) = validators.modified else { return false };
    let is_over = now.duration_since(modified).is_ok_and(|age| age > Duration::from_secs(1));
    is_over && httpdate::parse_http_date(text).is_ok_and(|date| date == modified)
}

/// Tags of a header, all its lines joined.
struct Tags<'a>(Vec<&'a str>);

impl Tags<'_> {
    /// Whether any version fits, or one of those that are listed.
    fn is_one(&self, fits: impl Fn(&str) -> bool) -> bool {
        self.0.iter().any(|tag| *tag == "*" || fits(tag))
    }
}

/// Our tags have no commas, so that others which do are no concern.
fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Tags<'a>> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    headers.contains_key(name).then(|| Tags(lines.flat_map(|line| line.split(',')).map(str::trim).collect()))
}

/// A date; one that does not read is as if it were not there.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(single(headers, name)?).ok()
}

/// The value of a header that stands there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?.to_str().ok()?;
    lines.next().is_none().then_some(line.trim())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    const TAG: &str = "\"00000000000000aa\"";
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const WHOLE: Verdict = Verdict::Send(None);
    const PART: Verdict = Verdict::Send(Some(Part { first: 2, length: 3 }));

    /// The verdict on a file of 10 bytes, so many seconds after its last change.
    fn judged(age: u64, method: Method, headers: &[(&str, &str)]) -> Verdict {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let modified = httpdate::parse_http_date(THEN).unwrap();
        let validators = Validators { tag: TAG.to_owned(), modified: Some(modified) };
        judge(&parts, &validators, 10, modified + Duration::from_secs(age))
    }

    fn got(headers: &[(&str, &str)]) -> Verdict {
        judged(60, Method::GET, headers)
    }

    #[test]
    fn who_knows_the_file_is_spared_it() {
        for tags in
            [TAG, "*", "W/\"00000000000000aa\"", "\"x\", \"00000000000000aa\"", "\"a,b\",W/\"00000000000000aa\""]
        {
            assert_eq!(got(&[("if-none-match", tags)]), Verdict::Known, "{tags}");
        }
        assert_eq!(got(&[("if-none-match", "\"x\""), ("if-none-match", TAG)]), Verdict::Known);
        for tags in ["\"x\"", "", "00000000000000aa", "w/\"00000000000000aa\""] {
            assert_eq!(got(&[("if-none-match", tags)]), WHOLE, "{tags}");
        }
        for date in [THEN, LATER, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(got(&[("if-modified-since", date)]), Verdict::Known, "{date}");
        }
        for date in [BEFORE, "yesterday", ""] {
            assert_eq!(got(&[("if-modified-since", date)]), WHOLE, "{date}");
        }
    }

    #[test]
    fn a_tag_wins_over_a_date() {
        assert_eq!(got(&[("if-none-match", "\"x\""), ("if-modified-since", LATER)]), WHOLE);
        assert_eq!(got(&[("if-none-match", TAG), ("if-modified-since", BEFORE)]), Verdict::Known);
        assert_eq!(got(&[("if-match", TAG), ("if-unmodified-since", BEFORE)]), WHOLE);
    }

    #[test]
    fn who_wants_another_version_is_told() {
        for header in [("if-match", "\"x\""), ("if-match", "W/\"00000000000000aa\""), ("if-unmodified-since", BEFORE)] {
            assert_eq!(got(&[header, ("if-none-match", TAG)]), Verdict::Changed, "{header:?}");
        }
        for header in
            [("if-match", TAG), ("if-match", "*"), ("if-unmodified-since", THEN), ("if-unmodified-since", "x")]
        {
            assert_eq!(got(&[header]), WHOLE, "{header:?}");
        }
    }

    #[test]
    fn a_part_is_sent_of_the_version_that_it_is_wanted_of() {
        let range = ("range", "bytes=2-4");
        assert_eq!(got(&[range]), PART);
        for version in [TAG, THEN] {
            assert_eq!(got(&[range, ("if-range", version)]), PART, "{version}");
        }
        for version in ["\"x\"", "W/\"00000000000000aa\"", BEFORE, LATER, "*", ""] {
            assert_eq!(got(&[range, ("if-range", version)]), WHOLE, "{version}");
        }
        assert_eq!(judged(1, Method::GET, &[range, ("if-range", THEN)]), WHOLE, "it may have changed since");
        assert_eq!(got(&[range, ("if-none-match", TAG)]), Verdict::Known);
        assert_eq!(got(&[("range", "bytes=10-")]), Verdict::Unsatisfiable);
        assert_eq!(got(&[("range", "bytes=10-"), ("if-range", "\"x\"")]), WHOLE);
        assert_eq!(got(&[range, range]), WHOLE);
    }

    #[test]
    fn a_head_is_of_the_whole() {
        assert_eq!(judged(60, Method::HEAD, &[("range", "bytes=2-4")]), WHOLE);
        assert_eq!(judged(60, Method::HEAD, &[("range", "bytes=10-")]), WHOLE);
        assert_eq!(judged(60, Method::HEAD, &[("if-none-match", TAG)]), Verdict::Known);
    }
}
