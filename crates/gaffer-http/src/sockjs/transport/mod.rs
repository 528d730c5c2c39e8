//! The ways in which frames get to clients, and messages from them.

mod answer;
mod format;
mod socket;

pub(super) use answer::{Answer, Limits};
pub(super) use format::Format;
pub(super) use socket::{Framed, FramedIntake, Raw, RawIntake};

/// A transport, by the last part of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Websocket,
    Xhr,
    XhrStreaming,
    XhrSend,
    EventSource,
    HtmlFile,
    Jsonp,
    JsonpSend,
}

impl Transport {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "websocket" => Self::Websocket,
            "xhr" => Self::Xhr,
            "xhr_streaming" => Self::XhrStreaming,
            "xhr_send" => Self::XhrSend,
            "eventsource" => Self::EventSource,
            "htmlfile" => Self::HtmlFile,
            "jsonp" => Self::Jsonp,
            "jsonp_send" => Self::JsonpSend,
            _ => return None,
        })
    }

    /// The methods that it takes, as the header `Allow` has them.
    pub(super) fn methods(self) -> &'static str {
        match self {
            Self::Websocket | Self::EventSource | Self::HtmlFile | Self::Jsonp => "GET",
            Self::Xhr | Self::XhrStreaming | Self::XhrSend => "OPTIONS, POST",
            Self::JsonpSend => "POST",
        }
    }
}
