//! `/{pid}/channel`: the streams of a process as a websocket of [frames](Frame), in which each write is answered.

use std::{collections::VecDeque, time::Duration};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use gaffer_core::{
    Manager, ManagerError, ProcessId,
    api::frame::{Frame, Kind},
    streams::{Chunk, Stdin},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Api, ApiError,
    access::{
        Visitor,
        socket::{self, Speech},
    },
    extract::{Path, Query, read_pid},
    path::ByPid,
    websocket::{self, Asks, BadUpgrade, Ends, Form, Mode, ProcessOutput, Websocket, Wish, WishQuery},
};
use crate::{
    feed::Utf8Splitter,
    ws::{Data, Options, Outgoing, Receiver, Session},
};

/// The silence after which a client is pinged, if it does not say otherwise.
const USUAL_HEARTBEAT: Duration = Duration::from_secs(30);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ByStream {
    /// A process.
    #[param(value_type = u64, minimum = 1)]
    pid: String,
    /// An output, to be read; or an extra pipe, to be read and written.
    stream: String,
}

/// Opens a channel to a process: its first output and its input.
///
/// Messages are frames `V1 <type> <id>`, a NUL and a body. The client sends frames `message`, whose body is written to the
/// process, and which are answered by a `response` or an `error` with the same id; the process's output comes as frames
/// `message`; `lagged` says that some of it was lost, as the client was slow. The websocket closes when the process has ended.
#[utoipa::path(get, path = "/{pid}/channel", tag = "channels", params(ByPid, WishQuery), responses(
    (status = 101, description = "the channel is open; it tells all further errors"),
    (status = 400, description = "this is no proper request for a websocket"),
    (status = 403, description = "a web page from elsewhere may not open it"),
))]
pub(super) async fn open(
    State(api): State<Api>,
    Path(path): Path<ByPid>,
    Query(wanted): Query<WishQuery>,
    visitor: Visitor,
    websocket: Result<Websocket, BadUpgrade>,
) -> Response {
    speak(&api, path.process(), None, wanted, visitor, websocket).await
}

/// Opens a channel to one stream of a process.
///
/// An output is read, and the process's input written; an extra pipe is both.
#[utoipa::path(get, path = "/{pid}/channel/{stream}", operation_id = "open_stream", tag = "channels",
    params(ByStream, WishQuery), responses(
    (status = 101, description = "the channel is open; it tells all further errors"),
    (status = 400, description = "this is no proper request for a websocket"),
    (status = 403, description = "a web page from elsewhere may not open it"),
))]
pub(super) async fn open_stream(
    State(api): State<Api>,
    Path(path): Path<ByStream>,
    Query(wanted): Query<WishQuery>,
    visitor: Visitor,
    websocket: Result<Websocket, BadUpgrade>,
) -> Response {
    speak(&api, read_pid(&path.pid), Some(path.stream), wanted, visitor, websocket).await
}

async fn speak(
    api: &Api,
    pid: Result<ProcessId, ApiError>,
    stream: Option<String>,
    wanted: WishQuery,
    visitor: Visitor,
    websocket: Result<Websocket, BadUpgrade>,
) -> Response {
    let websocket = match websocket {
        Ok(websocket) => websocket,
        Err(refusal) => return refusal.into_response(),
    };
    let asked = async { Ok(Asked { pid: pid?, stream, wish: wanted.read(Some(USUAL_HEARTBEAT))? }) };
    match asked.await {
        Ok(asked) => websocket.admit(visitor, asked, api, SPEECH).await,
        Err(error) => websocket.refuse(&error, say(&error), api),
    }
}

/// A key in a frame is answered as every other frame is.
const SPEECH: Speech = Speech { say, acknowledge };

fn acknowledge(message: &[u8]) -> Vec<Outgoing> {
    let answer = Frame::read_message(message).map(|told| Outgoing::Data(frame(Kind::Response, told.id, "OK")));
    answer.into_iter().collect()
}

/// Errors that are about no message of the client.
fn say(error: &ApiError) -> Data {
    failed(Frame::OF_CHANNEL, error)
}

/// A request that reads.
struct Asked {
    pid: ProcessId,
    stream: Option<String>,
    wish: Wish,
}

impl Asks for Asked {
    type Source = ProcessOutput<Framed>;
    type Receiver = Writer;

    fn wants(&self) -> (ProcessId, Mode) {
        (self.pid, self.wish.mode)
    }

    fn options(&self) -> Options {
        Options { keep_alive: self.wish.feed.heartbeat, ..Options::default() }
    }

    async fn open(self, manager: Manager) -> Result<Session<Self::Source, Writer>, ApiError> {
        let options = self.options();
        let ends = Ends::find(&manager, self.pid, self.stream.as_deref(), &self.wish).await.map_err(channel_error)?;
        let (source, input) = ends.split(Framed::default());
        Ok(Session { source, receiver: Writer { input, is_first: true }, options })
    }
}

/// The codes that the original's channels have.
fn channel_error(error: ManagerError) -> ApiError {
    let code = match &error {
        ManagerError::UnknownStream { .. } => (StatusCode::NOT_FOUND, "ENOENT"),
        ManagerError::NotRedirected(_) | ManagerError::NoStdin(_) => (StatusCode::FORBIDDEN, "EPERM"),
        ManagerError::Write { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "EIO"),
        ManagerError::Refused(_) | ManagerError::NotWritable { .. } | ManagerError::Stopped => return error.into(),
    };
    ApiError::new(code.0, code.1, error)
}

fn frame(kind: Kind, id: &str, body: &str) -> Data {
    Data::text(Frame::head(kind, id) + body)
}

/// A frame that says what is wrong.
fn failed(id: &str, error: &ApiError) -> Data {
    frame(Kind::Error, id, &websocket::error_text(error))
}

/// Output as frames.
#[derive(Default)]
pub(super) struct Framed {
    text: Utf8Splitter,
    /// Ids of our own; a channel's are its own affair.
    last_id: u64,
}

impl Framed {
    fn push(&mut self, kind: Kind, body: &str, messages: &mut VecDeque<Data>) {
        if !body.is_empty() {
            self.last_id += 1;
            messages.push_back(frame(kind, &format!("{:032x}", self.last_id), body));
        }
    }
}

impl Form for Framed {
    fn chunk(&mut self, chunk: Chunk, messages: &mut VecDeque<Data>) {
        match chunk {
            Chunk::Data(data) => {
                let text = self.text.push(&data);
                self.push(Kind::Message, &text, messages);
            }
            Chunk::Lagged(lost) => {
                // The rest of a character that was begun is among what was lost.
                self.finish(messages);
                self.push(Kind::Lagged, &format!("{{\"lost\": {lost}}}"), messages);
            }
        }
    }

    fn finish(&mut self, messages: &mut VecDeque<Data>) {
        let text = self.text.finish();
        self.push(Kind::Message, &text, messages);
    }
}

/// Writes the bodies of messages, and answers each.
pub(super) struct Writer {
    /// A key may be shown by the first message, also where none is required.
    is_first: bool,
    /// `None` if the client said that it would only read.
    input: Option<Stdin>,
}

impl Receiver for Writer {
    async fn receive(&mut self, message: Data) -> Vec<Outgoing> {
        let bytes = message.into_bytes();
        if std::mem::take(&mut self.is_first) && socket::key_in(&bytes).is_some() {
            return acknowledge(&bytes);
        }
        let answer = match Frame::read_message(&bytes) {
            Ok(Frame { id, body, .. }) => match self.write(bytes.slice_ref(body)).await {
                Ok(()) => frame(Kind::Response, id, "OK"),
                Err(error) => failed(id, &error),
            },
            Err(invalid) => {
                let error = ApiError::new(StatusCode::BAD_REQUEST, "invalid_frame", invalid);
                failed(Frame::OF_CHANNEL, &error)
            }
        };
        vec![Outgoing::Data(answer)]
    }
}

impl Writer {
    async fn write(&self, body: bytes::Bytes) -> Result<(), ApiError> {
        let not_writable = || ApiError::new(StatusCode::FORBIDDEN, "EPERM", Mode::ONLY_READS);
        let input = self.input.as_ref().ok_or_else(not_writable)?;
        let failed = |error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "EIO", error);
        input.write(body).await.map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_frame_with_the_usual_body() {
        let error = ApiError::new(StatusCode::FORBIDDEN, "EPERM", "no");
        let text = r#"{"errno":403,"error":"EPERM","reason":"no"}"#;
        assert_eq!(failed(Frame::OF_CHANNEL, &error), Data::text(format!("V1 error gaffer_error\0{text}")));
    }
}
