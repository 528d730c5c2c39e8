//! Changes of the file of the command line clients: who logs in finds the key there.
//!
//! People write this file. So it is not written anew: the lines of one key are changed, and all else stays as it is, byte for byte.

use std::{ops::Range, path::Path};

use super::{
    IniErrors, Place, UserFile, UserNode,
    error::Findings,
    scanner::{self, Entry, Section},
    user_file::{DIALECT, url_of},
};

/// Why a user's file cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserFileEditError {
    /// It has mistakes.
    #[error(transparent)]
    File(#[from] IniErrors),
    /// A text that no such file can hold at this place.
    #[error("the {what} cannot be written to a file of lines")]
    Unwritable {
        /// What the text is: a `URL`, or a `key`, which is not shown.
        what: &'static str,
    },
}

impl UserFile {
    /// The text of a user's file in which the node of this URL has the key; or none, if none is given. The URL is that of a section's
    /// header, as it stands there; if no section has it, one is written behind all others. `file_name` stands in messages.
    ///
    /// ```
    /// use gaffer_core::ini::UserFile;
    ///
    /// let text = "# mine\n[node \"http://a\"]\nname = home\n";
    /// let with_key = UserFile::with_key("gaffer.ini", text, "http://a", Some("6f1d"))?;
    /// assert_eq!(with_key, "# mine\n[node \"http://a\"]\nkey = 6f1d\nname = home\n");
    /// assert_eq!(UserFile::with_key("gaffer.ini", &with_key, "http://a", None)?, text);
    /// # Ok::<(), gaffer_core::ini::UserFileEditError>(())
    /// ```
    ///
    /// # Errors
    /// When the text is not that of a user's file, or URL or key cannot be written to one.
    pub fn with_key(file_name: &str, text: &str, url: &str, key: Option<&str>) -> Result<String, UserFileEditError> {
        let before = Self::parse(file_name, text)?;
        let edited = edited(file_name, text, url, key);
        let place = Place::new(Path::new(file_name), 0);
        // Whatever was given: the file says afterwards what it is to say, and nothing else is said otherwise.
        let mut expected: Vec<UserNode> = before.nodes;
        match (expected.iter_mut().find(|node| node.url == url), key) {
            (Some(node), _) => node.key = key.map(str::to_owned),
            (None, Some(_)) => expected.push(UserNode { key: key.map(str::to_owned), ..UserNode::bare(url, place) }),
            (None, None) => {}
        }
        let what = if key.is_some_and(|key| !is_word(key)) { "key" } else { "URL" };
        let after = Self::parse(file_name, &edited).map_err(|_| UserFileEditError::Unwritable { what })?;
        let is_as_expected = after.nodes.len() == expected.len()
            && after.nodes.iter().zip(&expected).all(|(node, expected)| node.says_the_same_as(expected));
        if is_as_expected { Ok(edited) } else { Err(UserFileEditError::Unwritable { what }) }
    }
}

/// Whether a text is one word that can stand in any line.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The text with the change, if it can be made.
fn edited(file_name: &str, text: &str, url: &str, key: Option<&str>) -> String {
    let (mark, body) = text.strip_prefix('\u{feff}').map_or(("", text), |body| ("\u{feff}", body));
    let sections = scanner::scan(&Path::new(file_name).into(), body, &DIALECT, &mut Findings::default());
    let lines = lines(body);
    let section = sections.iter().find(|section| url_of(&section.header) == Ok(url));
    let entry = section.and_then(|section| section.entries.iter().find(|entry| entry.key.to_lowercase() == "key"));
    let edited = match (section, entry, key) {
        (_, Some(entry), Some(key)) => replaced(body, &lines, entry, key),
        (_, Some(entry), None) => without(body, &lines, entry, 0),
        (Some(section), None, Some(key)) => inserted(body, &lines, section, &sections, key),
        (None, None, Some(key)) => appended(body, url, key),
        (_, None, None) => body.to_owned(),
    };
    format!("{mark}{edited}")
}

/// Where each line stands, its end included. They are those of the scanner.
fn lines(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut lines = Vec::new();
    let mut start = 0;
    for (position, byte) in bytes.iter().enumerate() {
        let is_end = match byte {
            b'\n' => true,
            b'\r' => bytes.get(position + 1) != Some(&b'\n'),
            _ => false,
        };
        if is_end {
            lines.push(start..position + 1);
            start = position + 1;
        }
    }
    lines.push(start..text.len());
    lines
}

/// The line of this number, from 1.
fn line<'a>(text: &'a str, lines: &[Range<usize>], number: usize) -> &'a str {
    let range = number.checked_sub(1).and_then(|position| lines.get(position)).cloned().unwrap_or_default();
    text.get(range).unwrap_or_default()
}

/// Where the line of this number ends.
fn end(lines: &[Range<usize>], number: usize) -> usize {
    number.checked_sub(1).and_then(|position| lines.get(position)).map_or(0, |range| range.end)
}

/// A line's own end.
fn line_break(line: &str) -> &str {
    let content = line.trim_end_matches(['\r', '\n']);
    line.get(content.len()..).unwrap_or_default()
}

/// How lines of this text end.
fn usual_line_break(text: &str) -> &str {
    let first = lines(text).first().cloned().unwrap_or_default();
    match line_break(text.get(first).unwrap_or_default()) {
        "" => "\n",
        line_break => line_break,
    }
}

/// The text without lines of an entry: its own first ones, which are kept, are counted.
fn without(text: &str, lines: &[Range<usize>], entry: &Entry, kept: usize) -> String {
    let dropped: Vec<usize> = entry.lines.iter().skip(kept).map(|line| line.number).collect();
    let stays = lines.iter().enumerate().filter(|(position, _)| !dropped.contains(&(position + 1)));
    stays.filter_map(|(_, range)| text.get(range.clone())).collect()
}

/// With another value of an entry, on its first line.
fn replaced(text: &str, lines: &[Range<usize>], entry: &Entry, key: &str) -> String {
    let number = entry.place.line;
    let old = line(text, lines, number);
    let content = old.trim_end();
    // Up to the separator and the blanks behind it.
    let separator = content.find(['=', ':']).map_or(content.len(), |position| position + 1);
    let (head, value) = content.split_at(separator);
    let blanks = &value[..value.len() - value.trim_start().len()];
    // `key =` is not to become `key =value`.
    let blanks =
        if value.is_empty() && head.trim_end_matches(['=', ':']).ends_with([' ', '\t']) { " " } else { blanks };
    let behind = &old[content.len()..];
    let new = format!("{head}{blanks}{key}{behind}");
    let before = without(text, lines, entry, 1);
    // What is dropped stands behind this line.
    let start = end(lines, number - 1);
    format!("{}{new}{}", &before[..start], &before[start + old.len()..])
}

/// With the key below the section's header.
fn inserted(text: &str, lines: &[Range<usize>], section: &Section, sections: &[Section], key: &str) -> String {
    let header = line(text, lines, section.place.line);
    // What follows must not stand further in, or it would go on with the key's value.
    let follower = section.entries.first().map(|entry| entry.place.line).or_else(|| {
        let behind = sections.iter().map(|other| other.place.line).filter(|line| *line > section.place.line);
        behind.min()
    });
    let follower = follower.map_or(header, |number| line(text, lines, number));
    let indentation = &follower[..follower.len() - follower.trim_start().len()];
    let (at, own_break) = (end(lines, section.place.line), line_break(header));
    let line_break = if own_break.is_empty() { usual_line_break(text) } else { own_break };
    let before = if own_break.is_empty() { line_break } else { "" };
    format!("{}{before}{indentation}key = {key}{line_break}{}", &text[..at], &text[at..])
}

/// With a section for the node at the end.
fn appended(text: &str, url: &str, key: &str) -> String {
    let line_break = usual_line_break(text);
    let gap = match (text.is_empty(), text.ends_with(['\n', '\r'])) {
        (true, _) => String::new(),
        (false, true) => line_break.to_owned(),
        (false, false) => line_break.repeat(2),
    };
    format!("{text}{gap}[node \"{url}\"]{line_break}key = {key}{line_break}")
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*, sample::select};

    use super::*;

    #[track_caller]
    fn set(text: &str, url: &str, key: Option<&str>) -> String {
        UserFile::with_key("/etc/gaffer.ini", text, url, key).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    #[test]
    fn a_key_takes_the_place_of_another() {
        for (text, expected) in [
            ("[node \"a\"]\nkey = old\nname = x\n", "[node \"a\"]\nkey = new\nname = x\n"),
            ("[node \"a\"]\r\n# k\r\nKEY:old \r\n", "[node \"a\"]\r\n# k\r\nKEY:new \r\n"),
            ("[node \"a\"]\n  key   =\told", "[node \"a\"]\n  key   =\tnew"),
            ("[node \"a\"]\nkey =\n", "[node \"a\"]\nkey = new\n"),
            ("[node \"a\"]\nkey =\n  # mine\n  old\n\nname = x\n", "[node \"a\"]\nkey = new\n  # mine\n\nname = x\n"),
            ("[node \"a\"]\nkey=", "[node \"a\"]\nkey=new"),
            ("\u{feff}[ node  \"a\" ] ; mine\rkey = old\r", "\u{feff}[ node  \"a\" ] ; mine\rkey = new\r"),
        ] {
            assert_eq!(set(text, "a", Some("new")), expected, "{text:?}");
        }
    }

    #[test]
    fn a_key_that_is_not_there_stands_first_in_its_section() {
        for (text, expected) in [
            ("[node \"a\"]\nname = x\n", "[node \"a\"]\nkey = new\nname = x\n"),
            ("[node \"a\"]\n# c\n\n  name = x\n", "[node \"a\"]\n  key = new\n# c\n\n  name = x\n"),
            ("[node \"a\"]", "[node \"a\"]\nkey = new\n"),
            ("# c\r\n[node \"a\"]", "# c\r\n[node \"a\"]\r\nkey = new\r\n"),
            ("[node \"a\"]\n  [node \"b\"]\n", "[node \"a\"]\n  key = new\n  [node \"b\"]\n"),
            ("[node \"b\"]\nkey = x\n[node \"a\"]\n", "[node \"b\"]\nkey = x\n[node \"a\"]\nkey = new\n"),
        ] {
            assert_eq!(set(text, "a", Some("new")), expected, "{text:?}");
        }
    }

    #[test]
    fn a_node_that_is_not_there_is_written_behind_all_others() {
        for (text, expected) in [
            ("", "[node \"a\"]\nkey = new\n"),
            ("# c\n", "# c\n\n[node \"a\"]\nkey = new\n"),
            ("[node \"b\"]\r\nname = x", "[node \"b\"]\r\nname = x\r\n\r\n[node \"a\"]\r\nkey = new\r\n"),
            ("[node \"b\"]\n  cacert =\n    x\n", "[node \"b\"]\n  cacert =\n    x\n\n[node \"a\"]\nkey = new\n"),
        ] {
            assert_eq!(set(text, "a", Some("new")), expected, "{text:?}");
        }
    }

    #[test]
    fn a_key_is_taken_out_and_nothing_else() {
        for (text, expected) in [
            ("[node \"a\"]\nkey = old\nname = x\n", "[node \"a\"]\nname = x\n"),
            ("[node \"a\"]\n# k\nkey =\n  # v\n  old\n", "[node \"a\"]\n# k\n  # v\n"),
            ("[node \"a\"]\nname = x\n", "[node \"a\"]\nname = x\n"),
            ("[node \"b\"]\nkey = old\n", "[node \"b\"]\nkey = old\n"),
            ("", ""),
        ] {
            assert_eq!(set(text, "a", None), expected, "{text:?}");
        }
    }

    #[test]
    fn what_no_file_can_hold_is_refused_and_the_key_is_not_shown() {
        let refused = |text: &str, url: &str, key: &str| {
            let error = UserFile::with_key("gaffer.ini", text, url, Some(key)).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
            error.to_string()
        };
        for key in ["hush\nname = x", "hush\n[node \"b\"]", " hush", "", "hush\u{a0}"] {
            for text in ["", "[node \"a\"]\nkey = x\n"] {
                assert_eq!(refused(text, "a", key), "the key cannot be written to a file of lines", "{key:?}");
            }
        }
        for url in ["", "a\"b", "a\nb", " a"] {
            assert_eq!(refused("", url, "hush"), "the URL cannot be written to a file of lines", "{url:?}");
        }
        assert!(refused("[nod \"a\"]\n", "a", "hush").starts_with("gaffer.ini:1: "));
    }

    /// Texts of which many are user files.
    fn text() -> impl Strategy<Value = String> {
        let line = select(vec![
            "[node \"a\"]",
            "[node \"b\"]",
            " [ node \"c\" ] # c",
            "key = old",
            "  KEY:old",
            "key =",
            "key=\t old \t",
            "name = x",
            "  name = y",
            "cacert =",
            "    ca.pem",
            "certfile: ü.pem",
            "# key = x",
            "  ; [node \"a\"]",
            "",
            "   ",
        ]);
        let end = select(vec!["\n", "\r\n", "\r"]);
        let lines = collection::vec((line, end), 0..10);
        let mark = select(vec!["", "\u{feff}"]);
        (lines, any::<bool>(), mark).prop_map(|(lines, is_ended, mark)| {
            let mut text = mark.to_owned();
            text.extend(lines.into_iter().flat_map(|(line, end)| [line, end]));
            if is_ended { text } else { text.trim_end_matches(['\r', '\n']).to_owned() }
        })
    }

    /// What is left of a text without the lines that may be about keys.
    fn other_lines(text: &str) -> Vec<&str> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = lines(text).into_iter().map(|range| text[range].trim());
        let is_of_key = |line: &str| line.to_lowercase().starts_with("key") || line == "ca.pem";
        lines.filter(|line| !line.is_empty() && !is_of_key(line)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { max_global_rejects: 100_000, ..ProptestConfig::default() })]

        #[test]
        fn the_key_is_what_was_set_and_all_else_as_before(text in text(), url in "[abcd]", key in "[!-~]{1,9}") {
            let before = UserFile::parse("g.ini", &text);
            prop_assume!(before.is_ok());
            let before = before.unwrap().nodes;
            let edited = UserFile::with_key("g.ini", &text, &url, Some(&key)).unwrap();
            let after = UserFile::parse("g.ini", &edited).unwrap().nodes;
            let of = |nodes: &[UserNode]| nodes.iter().find(|node| node.url == url).and_then(|node| node.key.clone());
            prop_assert_eq!(of(&after), Some(key.clone()));
            prop_assert!(after.len() <= before.len() + 1);
            for node in before.iter().filter(|node| node.url != url) {
                prop_assert!(after.iter().any(|other| other.says_the_same_as(node)));
            }
            // Comments and other keys stand where they stood.
            let kept = other_lines(&edited);
            prop_assert!(kept.starts_with(&other_lines(&text)), "{:?}", edited);

            prop_assert_eq!(&UserFile::with_key("g.ini", &edited, &url, Some(&key)).unwrap(), &edited, "once is enough");
            let removed = UserFile::with_key("g.ini", &edited, &url, None).unwrap();
            let nodes = UserFile::parse("g.ini", &removed).unwrap().nodes;
            prop_assert_eq!(of(&nodes), None);
            if of(&before).is_none() && before.len() == after.len() && !text.to_lowercase().contains("key") {
                prop_assert_eq!(removed.trim_end(), text.trim_end(), "there and back");
            }
        }

        #[test]
        fn nothing_is_written_that_does_not_read(text in any::<String>(), url in any::<String>(), key in any::<String>()) {
            if let Ok(edited) = UserFile::with_key("g.ini", &text, &url, Some(&key)) {
                prop_assert!(UserFile::parse("g.ini", &edited).unwrap().nodes.iter().any(|node| node.key.as_ref() == Some(&key)));
            }
        }
    }
}
