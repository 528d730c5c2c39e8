//! The messages of a channel: `V1 <type> <id>`, a NUL, and a body that may hold anything.

use crate::{
    api::{ApiError, websocket},
    ws::Data,
};

/// What a frame of ours is. Clients of the original do not mind types that they do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    Response,
    Error,
    Lagged,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Response => "response",
            Self::Error => "error",
            Self::Lagged => "lagged",
        }
    }
}

/// A frame of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: Kind,
    pub(super) id: &'a str,
    pub(super) body: &'a str,
}

impl Frame<'_> {
    /// The id of errors that answer no message.
    pub(super) const OF_CHANNEL: &'static str = "gaffer_error";

    /// A frame that says what is wrong, as a message.
    pub(super) fn error(id: &str, error: &ApiError) -> Data {
        Frame { kind: Kind::Error, id, body: &websocket::error_text(error) }.into()
    }
}

impl From<Frame<'_>> for Data {
    fn from(frame: Frame<'_>) -> Self {
        Self::text(format!("V1 {} {}\0{}", frame.kind.as_str(), frame.id, frame.body))
    }
}

/// Why a message of a client is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidFrame {
    #[error("a frame is `V1 message <id>`, a NUL, and what is to be written; the NUL is missing")]
    NoNul,
    #[error("a frame begins with `V1 message <id>`; these are not three words")]
    Header,
    #[error("a frame begins with `V1`, the version of the protocol")]
    Version,
    #[error("frames of clients have the type `message`")]
    Kind,
    #[error("the id of a frame must be UTF-8, and have at most 256 bytes")]
    Id,
}

/// Ids are sent back, so they are not kept if they are absurd.
const MAX_ID: usize = 256;

/// Reads a frame of a client: its id and its body.
pub(super) fn read(frame: &[u8]) -> Result<(&str, &[u8]), InvalidFrame> {
    let nul = frame.iter().position(|byte| *byte == 0).ok_or(InvalidFrame::NoNul)?;
    let (header, body) = (&frame[..nul], &frame[nul + 1..]);
    let mut words = header.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let (Some(version), Some(kind), Some(id), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err(InvalidFrame::Header);
    };
    if version != b"V1" {
        return Err(InvalidFrame::Version);
    }
    if kind != b"message" {
        return Err(InvalidFrame::Kind);
    }
    let id = std::str::from_utf8(id).ok().filter(|id| id.len() <= MAX_ID).ok_or(InvalidFrame::Id)?;
    Ok((id, body))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frames_look_as_in_the_original() {
        let frame = Frame { kind: Kind::Response, id: "5f", body: "OK" };
        assert_eq!(Data::from(frame), Data::text("V1 response 5f\0OK"));
        let error = ApiError::new(axum::http::StatusCode::FORBIDDEN, "EPERM", "no");
        let text = r#"{"errno":403,"error":"EPERM","reason":"no"}"#;
        assert_eq!(Frame::error(Frame::OF_CHANNEL, &error), Data::text(format!("V1 error gaffer_error\0{text}")));
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
            (b"V1 message \xff\0x", InvalidFrame::Id),
            (&[b"V1 message ", &[b'a'; 257][..], b"\0x"].concat(), InvalidFrame::Id),
        ] {
            assert_eq!(read(frame), Err(error), "{frame:?}");
        }
        assert_eq!(read(b"V1 message a\0"), Ok(("a", &b""[..])));
    }

    proptest! {
        #[test]
        fn whatever_the_body_it_is_read_whole(id in "[!-~é]{1,40}", body in prop::collection::vec(any::<u8>(), 0..40)) {
            let frame = [format!("V1 message {id}\0").as_bytes(), &body].concat();
            prop_assert_eq!(read(&frame), Ok((id.as_str(), body.as_slice())));
        }

        #[test]
        fn no_bytes_confuse_it(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _either_way = read(&bytes);
        }
    }
}
