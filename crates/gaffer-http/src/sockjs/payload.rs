//! What clients say, in whatever comes at once.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

/// Why it is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// There is nothing.
    #[error("Payload expected.")]
    Empty,
    /// It is no list of texts, or of absurdly many.
    #[error("Broken JSON encoding.")]
    Broken,
}

/// The most messages at once. Each costs far more than the three bytes in which an empty one comes.
const MOST: usize = 16 * 1024;

/// Reads messages: a list of texts, or one text.
pub(super) fn read(payload: &[u8]) -> Result<Vec<String>, Malformed> {
    if payload.trim_ascii().is_empty() {
        return Err(Malformed::Empty);
    }
    serde_json::from_slice(payload).map(|Messages(messages)| messages).map_err(|_| Malformed::Broken)
}

struct Messages(Vec<String>);

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Messages;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts, or a text")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Messages, E> {
                Ok(Messages(vec![lossy(bytes)]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Messages, A::Error> {
                let mut messages = Vec::new();
                while let Some(Text(text)) = items.next_element()? {
                    if messages.len() == MOST {
                        return Err(A::Error::custom("too many messages at once"));
                    }
                    messages.push(text);
                }
                Ok(Messages(messages))
            }
        }

        // As bytes: browsers send halves of characters that UTF-16 has and Unicode has not, which are no error there.
        deserializer.deserialize_bytes(Read)
    }
}

struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl Visitor<'_> for Read {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text(lossy(bytes)))
            }
        }

        deserializer.deserialize_bytes(Read)
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_of_texts_or_one_text_are_messages() {
        for (payload, expected) in [
            (r#"["a"]"#, vec!["a"]),
            (r#" ["a", "é\n\u2028"] "#, vec!["a", "é\n\u{2028}"]),
            ("[]", vec![]),
            (r#""a""#, vec!["a"]),
            (r#"["\ud83d\ude00"]"#, vec!["😀"]),
        ] {
            assert_eq!(read(payload.as_bytes()).unwrap(), expected, "{payload}");
        }
    }

    #[test]
    fn half_a_character_is_replaced_and_not_refused() {
        let messages = read(br#"["a\ud800b", "\udfff"]"#).unwrap();
        assert!(messages[0].starts_with('a') && messages[0].ends_with('b') && messages[0].contains('\u{FFFD}'));
        assert!(messages[1].chars().all(|c| c == '\u{FFFD}'));
    }

    #[test]
    fn what_is_no_message_is_told_apart() {
        for (payload, error) in [
            ("", Malformed::Empty),
            (" \n", Malformed::Empty),
            (r#"["x"#, Malformed::Broken),
            ("[1]", Malformed::Broken),
            ("[[\"a\"]]", Malformed::Broken),
            ("{}", Malformed::Broken),
            ("null", Malformed::Broken),
            (r#"["a"] x"#, Malformed::Broken),
        ] {
            assert_eq!(read(payload.as_bytes()), Err(error), "{payload}");
        }
        let empty = |count: usize| format!("[{}]", vec!["\"\""; count].join(","));
        assert_eq!(read(empty(MOST).as_bytes()).map(|messages| messages.len()), Ok(MOST));
        assert_eq!(read(empty(MOST + 1).as_bytes()), Err(Malformed::Broken));
        assert_eq!(read(b"[\"\xff\"]").map(|messages| messages.concat()), Ok("\u{FFFD}".to_owned()));
    }

    proptest! {
        #[test]
        fn whatever_was_written_reads_back(messages in prop::collection::vec(any::<String>(), 0..5)) {
            let payload = serde_json::to_vec(&messages).unwrap();
            prop_assert_eq!(read(&payload), Ok(messages));
        }

        #[test]
        fn no_bytes_confuse_it(payload in prop::collection::vec(any::<u8>(), 0..40)) {
            let _either_way = read(&payload);
        }
    }
}
