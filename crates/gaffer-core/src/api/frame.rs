//! The messages of a channel to a process: `V1 <type> <id>`, a NUL, and a body that may hold anything.

/// What a frame is. Clients of the original do not mind types that they do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something to be written, or that was written by the process.
    Message,
    /// The message of this id was written.
    Response,
    /// The message of this id failed, or something else of the channel; the body is an error as HTTP tells it.
    Error,
    /// Output was lost, as the client was slow; the body is a JSON object with `lost`, the number of bytes.
    Lagged,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Message, Self::Response, Self::Error, Self::Lagged];

    fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Response => "response",
            Self::Error => "error",
            Self::Lagged => "lagged",
        }
    }
}

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is; `None` for a type that is not known here.
    pub kind: Option<Kind>,
    /// What ties an answer to its message.
    pub id: &'a str,
    /// What it is about.
    pub body: &'a [u8],
}

/// Why a message is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFrame {
    /// There is nothing that ends the head.
    #[error("a frame is `V1 message <id>`, a NUL, and what is to be written; the NUL is missing")]
    NoNul,
    /// The head is not as it should be.
    #[error("a frame begins with `V1 message <id>`; these are not three words")]
    Header,
    /// Another protocol.
    #[error("a frame begins with `V1`, the version of the protocol")]
    Version,
    /// A client says something that is not for clients to say.
    #[error("frames of clients have the type `message`")]
    Kind,
    /// The id is absurd.
    #[error("the id of a frame must be UTF-8, and have at most {MAX_ID} bytes")]
    Id,
}

/// Ids are sent back, so they are not kept if they are absurd.
const MAX_ID: usize = 256;

impl<'a> Frame<'a> {
    /// The id of errors that answer no message.
    pub const OF_CHANNEL: &'static str = "gaffer_error";

    /// What stands before the body, the NUL included.
    pub fn head(kind: Kind, id: &str) -> String {
        format!("V1 {} {id}\0", kind.as_str())
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(frame: &'a [u8]) -> Result<Self, InvalidFrame> {
        let nul = frame.iter().position(|byte| *byte == 0).ok_or(InvalidFrame::NoNul)?;
        let (head, body) = (&frame[..nul], &frame[nul + 1..]);
        let mut words = head.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let (Some(version), Some(word), Some(id), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(InvalidFrame::Header);
        };
        if version != b"V1" {
            return Err(InvalidFrame::Version);
        }
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str().as_bytes() == word);
        let id = std::str::from_utf8(id).ok().filter(|id| id.len() <= MAX_ID).ok_or(InvalidFrame::Id)?;
        Ok(Self { kind, id, body })
    }

    /// Reads a frame of a client, which must be a message.
    ///
    /// # Errors
    /// When it is none.
    pub fn read_message(frame: &'a [u8]) -> Result<Self, InvalidFrame> {
        Self::read(frame).and_then(|frame| match frame.kind {
            Some(Kind::Message) => Ok(frame),
            Some(Kind::Response | Kind::Error | Kind::Lagged) | None => Err(InvalidFrame::Kind),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frames_look_as_in_the_original() {
        assert_eq!(Frame::head(Kind::Response, "5f"), "V1 response 5f\0");
        for kind in Kind::ALL {
            let frame = Frame::head(kind, "5f") + "{}";
            assert_eq!(Frame::read(frame.as_bytes()), Ok(Frame { kind: Some(kind), id: "5f", body: b"{}" }));
        }
        assert_eq!(Frame::read(b"V1 news a\0"), Ok(Frame { kind: None, id: "a", body: b"" }));
    }

    #[test]
    fn what_is_no_frame_is_told_apart() {
        for (frame, error) in [
            (&b""[..], InvalidFrame::NoNul),
            (b"hello", InvalidFrame::NoNul),
            (b"\0", InvalidFrame::Header),
            (b"V1 message\0x", InvalidFrame::Header),
            (b"V1 message a b\0x", InvalidFrame::Header),
            (b"V2 message a\0x", InvalidFrame::Version),
            (b"V1 response a\0x", InvalidFrame::Kind),
            (b"V1 news a\0x", InvalidFrame::Kind),
            (b"V1 message \xff\0x", InvalidFrame::Id),
            (&[b"V1 message ", &[b'a'; 257][..], b"\0x"].concat(), InvalidFrame::Id),
        ] {
            assert_eq!(Frame::read_message(frame), Err(error), "{frame:?}");
        }
        assert_eq!(Frame::read_message(b"V1 message a\0").map(|frame| (frame.id, frame.body)), Ok(("a", &b""[..])));
    }

    proptest! {
        #[test]
        fn whatever_the_body_it_is_read_whole(id in "[!-~é]{1,40}", body in prop::collection::vec(any::<u8>(), 0..40)) {
            let bytes = [Frame::head(Kind::Message, &id).as_bytes(), &body].concat();
            let expected = Frame { kind: Some(Kind::Message), id: &id, body: &body };
            prop_assert_eq!(Frame::read_message(&bytes), Ok(expected));
        }

        #[test]
        fn no_bytes_confuse_it(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _either_way = Frame::read(&bytes);
        }
    }
}
