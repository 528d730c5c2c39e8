//! How each transport writes frames into an answer.

use bytes::Bytes;

use crate::sockjs::frame::{Frame, push_script_string};

/// How frames stand in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A line each; `streaming` with a beginning that makes browsers show the rest at once.
    Lines { streaming: bool },
    /// An event each.
    Events,
    /// A script each, in a page.
    Page(Callback),
    /// One script.
    Script(Callback),
}

/// The name of a function in the client's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Callback(String);

/// Why it is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidCallback {
    /// It is not there.
    #[error("\"callback\" parameter required")]
    Missing,
    /// It could be more than a name.
    #[error("invalid \"callback\" parameter")]
    Invalid,
}

/// Longer names are nobody's.
const MAX_CALLBACK: usize = 128;

/// What browsers collect before they show anything of a page.
const PAGE_PADDING: usize = 1024;

/// What some browsers collect of an answer before a script hears of it.
const STREAM_PADDING: usize = 2048;

impl Callback {
    /// Checks a name: it is put into a script.
    pub(crate) fn new(name: Option<String>) -> Result<Self, InvalidCallback> {
        let name = name.filter(|name| !name.is_empty()).ok_or(InvalidCallback::Missing)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.len() > MAX_CALLBACK || !name.chars().all(is_name) {
            return Err(InvalidCallback::Invalid);
        }
        Ok(Self(name))
    }
}

impl Format {
    /// A page, for a function of this name.
    pub(crate) fn page(callback: Option<String>) -> Result<Self, InvalidCallback> {
        Callback::new(callback).map(Self::Page)
    }

    /// A script, for a function of this name.
    pub(crate) fn script(callback: Option<String>) -> Result<Self, InvalidCallback> {
        Callback::new(callback).map(Self::Script)
    }

    /// Whether an answer goes on after its first frame.
    pub(crate) fn is_streaming(&self) -> bool {
        match self {
            Self::Lines { streaming } => *streaming,
            Self::Events | Self::Page(_) => true,
            Self::Script(_) => false,
        }
    }

    pub(crate) fn content_type(&self) -> &'static str {
        match self {
            Self::Lines { .. } | Self::Script(_) => "application/javascript; charset=UTF-8",
            Self::Events => "text/event-stream",
            Self::Page(_) => "text/html; charset=UTF-8",
        }
    }

    /// What comes before the first frame.
    pub(crate) fn prelude(&self) -> Option<Bytes> {
        match self {
            Self::Lines { streaming: true } => Some(Bytes::from("h".repeat(STREAM_PADDING) + "\n")),
            // A bug of an old Opera.
            Self::Events => Some(Bytes::from_static(b"\r\n")),
            Self::Page(Callback(name)) => {
                let head = format!(
                    "<!doctype html>\n<html><head>\n  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n  \
                     <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n\
                     </head><body><h2>Don't panic!</h2>\n  <script>\n    document.domain = document.domain;\n    \
                     var c = parent.{name};\n    c.start();\n    function p(d) {{c.message(d);}};\n    \
                     window.onload = function() {{c.stop();}};\n  </script>"
                );
                Some(Bytes::from(format!("{head}{}\r\n\r\n", " ".repeat(PAGE_PADDING))))
            }
            Self::Lines { streaming: false } | Self::Script(_) => None,
        }
    }

    /// Writes a frame.
    pub(crate) fn write(&self, frame: &Frame) -> Bytes {
        let frame = frame.encode();
        let mut out = String::with_capacity(frame.len() + 64);
        match self {
            Self::Lines { .. } => {
                out.push_str(&frame);
                out.push('\n');
            }
            Self::Events => {
                out.push_str("data: ");
                out.push_str(&frame);
                out.push_str("\r\n\r\n");
            }
            Self::Page(_) => {
                out.push_str("<script>\np(");
                push_script_string(&mut out, &frame);
                out.push_str(");\n</script>\r\n");
            }
            Self::Script(Callback(name)) => {
                // The comment keeps what a client chose from being the first bytes of something else than a script.
                out.push_str("/**/");
                out.push_str(name);
                out.push('(');
                push_script_string(&mut out, &frame);
                out.push_str(");\r\n");
            }
        }
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callback(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    #[test]
    fn frames_are_written_as_each_transport_has_them() {
        let frame = Frame::Messages(vec!["x".into()]);
        for (format, expected) in [
            (Format::Lines { streaming: false }, "a[\"x\"]\n"),
            (Format::Lines { streaming: true }, "a[\"x\"]\n"),
            (Format::Events, "data: a[\"x\"]\r\n\r\n"),
            (Format::page(callback("f")).unwrap(), "<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n"),
            (Format::script(callback("a.b")).unwrap(), "/**/a.b(\"a[\\\"x\\\"]\");\r\n"),
        ] {
            assert_eq!(format.write(&frame), expected, "{format:?}");
        }
    }

    #[test]
    fn a_callback_is_a_name_and_nothing_else() {
        assert_eq!(Callback::new(None), Err(InvalidCallback::Missing));
        assert_eq!(Callback::new(callback("")), Err(InvalidCallback::Missing));
        for name in [" ", "*", "abc(", "a;b", "<b>", "é", &"x".repeat(129)] {
            assert_eq!(Callback::new(callback(name)), Err(InvalidCallback::Invalid), "{name}");
        }
        assert!(Callback::new(callback("_jp.a0-b_c")).is_ok());
    }

    #[test]
    fn what_must_be_padded_is() {
        let prelude = |format: Format| format.prelude().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        assert_eq!(prelude(Format::Lines { streaming: true }).unwrap(), "h".repeat(2048) + "\n");
        assert_eq!(prelude(Format::Events).unwrap(), "\r\n");
        let page = prelude(Format::page(callback("f")).unwrap()).unwrap();
        assert!(page.len() > 1024 && page.contains("var c = parent.f;\n"), "{page}");
        assert_eq!(prelude(Format::Lines { streaming: false }), None);
    }
}
