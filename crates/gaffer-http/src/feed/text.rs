//! Bytes that come in pieces, read as text.

/// Decodes UTF-8 that arrives in pieces cut anywhere.
///
/// A character that is cut in two is kept until the rest of it comes; what is no UTF-8 becomes U+FFFD, exactly as if all pieces
/// had been decoded at once.
///
/// ```
/// use gaffer_http::feed::Utf8Splitter;
///
/// let mut splitter = Utf8Splitter::default();
/// assert_eq!(splitter.push(b"caf\xc3"), "caf");
/// assert_eq!(splitter.push(b"\xa9"), "é");
/// assert_eq!(splitter.finish(), "");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Utf8Splitter {
    /// The beginning of a character: never more than three bytes.
    tail: Vec<u8>,
}

impl Utf8Splitter {
    /// Adds a piece, and answers the text that is complete with it.
    pub fn push(&mut self, piece: &[u8]) -> String {
        let mut text = String::with_capacity(self.tail.len() + piece.len());
        let joined;
        let mut rest = if self.tail.is_empty() {
            piece
        } else {
            joined = [&std::mem::take(&mut self.tail), piece].concat();
            &joined
        };
        loop {
            let error = match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    return text;
                }
                Err(error) => error,
            };
            let (valid, after) = rest.split_at(error.valid_up_to());
            text.push_str(&String::from_utf8_lossy(valid)); // It is valid, so nothing is lost.
            match error.error_len() {
                Some(length) => {
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &after[length..];
                }
                None => {
                    self.tail = after.to_vec();
                    return text;
                }
            }
        }
    }

    /// How many bytes of a character that was begun are held back.
    pub fn pending(&self) -> usize {
        self.tail.len()
    }

    /// Gives up on a character that was begun: nothing more comes, or not its rest.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.tail)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes in which characters of every length, and broken ones, are likely.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<char>().prop_map(|c| c.to_string().into_bytes()),
            any::<u8>().prop_map(|byte| vec![byte]),
            (any::<char>(), 1..4usize).prop_map(|(c, n)| c.to_string().into_bytes().into_iter().take(n).collect()),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_text_is_the_same(bytes in bytes(), cuts in prop::collection::vec(0..8usize, 0..80)) {
            let mut splitter = Utf8Splitter::default();
            let mut text = String::new();
            let mut rest = bytes.as_slice();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                text.push_str(&splitter.push(piece));
                prop_assert!(splitter.tail.len() <= 3);
                rest = after;
            }
            text.push_str(&splitter.push(rest));
            text.push_str(&splitter.finish());
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }
    }
}
