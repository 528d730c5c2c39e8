//! Websockets: a process's input and output, bare or in frames.

mod channel;
mod kept;
mod socket;
mod stdio;

use gaffer_core::{ProcessId, api::MOST_HISTORY, names::StreamLabel};

pub(crate) use self::socket::{Said, Socket};
pub use self::{
    channel::{Channel, ChannelItem},
    stdio::Stdio,
};
use crate::{Client, Error, transport::Call};

/// Which way a websocket is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Only to read.
    Read,
    /// Only to write.
    Write,
    /// Both.
    #[default]
    Both,
}

/// How a websocket to a process is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// Another output than the first one, or an extra pipe.
    pub stream: Option<StreamLabel>,
    /// Which way it is used.
    pub mode: Mode,
    /// So many of the last lines of output, as far as they are kept, come first.
    pub history: usize,
}

impl Mode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Both => "both",
        }
    }
}

impl SocketOptions {
    fn call(&self, call: Call) -> Call {
        let history = self.history.min(MOST_HISTORY).to_string();
        call.with(|request| request.query(&[("mode", self.mode.as_str()), ("history", &history)]))
    }
}

impl Client {
    /// Opens a process's input and output.
    ///
    /// # Errors
    /// As every call; also when there is no such process or stream (404), or it cannot be used that way (403).
    pub async fn stdio(&self, pid: ProcessId, options: &SocketOptions) -> Result<Stdio, Error> {
        let call = options.call(self.get(&["wstreams", &pid.to_string()]));
        let call = call.with(|request| request.query(&[("binary", "true")]));
        let call = match &options.stream {
            Some(label) => call.with(|request| request.query(&[("stream", label.as_str())])),
            None => call,
        };
        Ok(Stdio::new(Socket::open(call).await?))
    }

    /// Opens a process's input and output in frames.
    ///
    /// # Errors
    /// As every call; also when there is no such process or stream (404), or it cannot be used that way (403).
    pub async fn channel(&self, pid: ProcessId, options: &SocketOptions) -> Result<Channel, Error> {
        let pid = pid.to_string();
        let mut path = vec![pid.as_str(), "channel"];
        path.extend(options.stream.as_ref().map(StreamLabel::as_str));
        Ok(Channel::new(Socket::open(options.call(self.get(&path))).await?))
    }
}
