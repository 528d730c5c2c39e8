//! Frames: what a server says in SockJS, and how text is written so that every browser reads it back unharmed.

use std::fmt::Write;

use crate::ws::{Close, Utf8Bytes};

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The session is there.
    Open,
    /// The connection is.
    Heartbeat,
    /// Messages; at least one.
    Messages(Vec<Utf8Bytes>),
    /// The session is over.
    Close(Close),
}

impl Frame {
    /// The frame as all transports carry it.
    pub(super) fn encode(&self) -> String {
        match self {
            Self::Open => "o".to_owned(),
            Self::Heartbeat => "h".to_owned(),
            Self::Messages(messages) => {
                let mut out =
                    String::with_capacity(messages.iter().map(|message| message.len() + 16).sum::<usize>() + 3);
                out.push_str("a[");
                for (number, message) in messages.iter().enumerate() {
                    if number > 0 {
                        out.push(',');
                    }
                    push_string(&mut out, message);
                }
                out.push(']');
                out
            }
            Self::Close(Close { code, reason }) => {
                let mut out = format!("c[{code},");
                push_string(&mut out, reason);
                out.push(']');
                out
            }
        }
    }
}

/// Appends text as a string of JSON in which nothing is left that a browser or a proxy would change on the way: what is
/// invisible and what ends a line of JavaScript is escaped, and so are the specials at the end of the first plane.
pub(super) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (at, character) in text.char_indices() {
        let short = match character {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            character if is_fragile(character) => "",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        plain = at + character.len_utf8();
        if short.is_empty() {
            // Writing to a string does not fail.
            let _ = write!(out, "\\u{:04x}", u32::from(character));
        } else {
            out.push_str(short);
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

/// Appends text as a string of JavaScript in a page: nothing in it can end the script.
pub(super) fn push_script_string(out: &mut String, text: &str) {
    let begin = out.len();
    push_string(out, text);
    if out[begin..].contains('<') {
        let safe = out[begin..].replace('<', "\\u003c");
        out.truncate(begin);
        out.push_str(&safe);
    }
}

fn is_fragile(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1f}'
        | '\u{200c}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fff0}'..='\u{ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(text: &str) -> String {
        let mut out = String::new();
        push_string(&mut out, text);
        out
    }

    #[test]
    fn frames_look_as_in_the_protocol() {
        let close = Close { code: 3000, reason: "Go away!".into() };
        for (frame, expected) in [
            (Frame::Open, "o"),
            (Frame::Heartbeat, "h"),
            (Frame::Messages(vec!["a".into()]), r#"a["a"]"#),
            (Frame::Messages(vec!["a\"".into(), "".into(), "é😀".into()]), r#"a["a\"","","é😀"]"#),
            (Frame::Close(close), r#"c[3000,"Go away!"]"#),
        ] {
            assert_eq!(frame.encode(), expected);
        }
    }

    #[test]
    fn what_is_lost_on_the_way_is_escaped() {
        assert_eq!(string("  \0\n\r\t "), r#""  \u0000\n\r\t ""#);
        for number in
            (0..0x20).chain(0x200c..=0x200f).chain(0x2028..=0x202f).chain(0x2060..=0x206f).chain(0xfff0..=0xffff)
        {
            let character = char::from_u32(number).unwrap();
            let escaped = string(&character.to_string());
            assert!(escaped.is_ascii(), "{number:x}: {escaped}");
            if number >= 0x80 {
                assert_eq!(escaped, format!("\"\\u{number:04x}\""));
            }
        }
    }

    #[test]
    fn nothing_in_a_page_ends_its_script() {
        let mut out = "<script>".to_owned();
        push_script_string(&mut out, "a[\"</script><!--\"]");
        assert_eq!(out, r#"<script>"a[\"\u003c/script>\u003c!--\"]""#);
    }

    proptest! {
        #[test]
        fn whatever_the_text_it_reads_back(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&string(&text)).unwrap(), text.clone());
            let mut script = String::new();
            push_script_string(&mut script, &text);
            prop_assert!(!script.contains('<'));
            prop_assert_eq!(serde_json::from_str::<String>(&script).unwrap(), text);
        }
    }
}
