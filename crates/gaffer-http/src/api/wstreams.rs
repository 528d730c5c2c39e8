//! `/wstreams/{pid}`: the input and an output of a process as a websocket, bytes for bytes.

use std::{collections::VecDeque, future::poll_fn, time::Duration};

use axum::{extract::State, http::StatusCode, response::Response};
use gaffer_core::{
    Manager, ManagerError, ProcessId,
    streams::{Chunk, Stdin},
};
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::IntoParams;

use super::{
    Api, ApiError,
    access::{
        Visitor,
        socket::{self, Speech},
    },
    extract::{Path, Query},
    path::ByPid,
    websocket::{self, Asks, Ends, Exit, Form, Mode, Websocket, Wish, WishQuery},
};
use crate::{
    feed::Utf8Splitter,
    ws::{Data, Options, Outgoing, Receiver, Session},
};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The output to be read, instead of the first one; or an extra pipe, to be read and written.
    stream: Option<String>,
    /// `true` has the output come as binary messages, byte for byte, and not as text. Default: false.
    #[param(value_type = Option<bool>)]
    binary: Option<String>,
}

/// Opens a websocket to a process.
///
/// What the client says is written to the process, what the process writes is said to the client. The websocket closes when the
/// process has ended. An error is told as the text of a message, and then with the close code 4000 + `errno`.
#[utoipa::path(get, path = "/wstreams/{pid}", tag = "streams", params(ByPid, Wanted, WishQuery), responses(
    (status = 101, description = "the websocket is open; it tells all further errors"),
    (status = 400, description = "this is no proper request for a websocket"),
    (status = 403, description = "a web page from elsewhere may not open it"),
))]
pub(super) async fn open(
    State(api): State<Api>,
    Path(path): Path<ByPid>,
    Query(wanted): Query<Wanted>,
    Query(wish): Query<WishQuery>,
    visitor: Visitor,
    websocket: Websocket,
) -> Response {
    match read(&path, wanted, wish) {
        Ok(wanted) => websocket.admit(visitor, wanted, &api, SPEECH).await,
        Err(error) => websocket.refuse(&error, say(&error), &api),
    }
}

/// A key is not answered: what comes is the process's.
const SPEECH: Speech = Speech { say, acknowledge: |_| Vec::new() };

/// Errors as the text of a message.
fn say(error: &ApiError) -> Data {
    Data::Text(websocket::error_text(error))
}

/// A request that reads.
struct Asked {
    pid: ProcessId,
    stream: Option<String>,
    form: Raw,
    wish: Wish,
}

fn read(path: &ByPid, wanted: Wanted, wish: WishQuery) -> Result<Asked, ApiError> {
    let pid = path.process()?;
    let form = match wanted.binary.as_deref() {
        None | Some("false" | "0") => Raw::Text(Utf8Splitter::default()),
        Some("true" | "1") => Raw::Binary,
        Some(text) => return Err(ApiError::bad_value(format!("`binary` must be true or false, but is `{text}`"))),
    };
    Ok(Asked { pid, stream: wanted.stream, form, wish: wish.read(None)? })
}

impl Asks for Asked {
    type Source = websocket::ProcessOutput<Raw>;
    type Receiver = Writer;

    fn wants(&self) -> (ProcessId, Mode) {
        (self.pid, self.wish.mode)
    }

    fn options(&self) -> Options {
        Options { keep_alive: self.wish.feed.heartbeat, ..Options::default() }
    }

    async fn open(self, manager: Manager) -> Result<Session<Self::Source, Writer>, ApiError> {
        let options = self.options();
        let ends = Ends::find(&manager, self.pid, self.stream.as_deref(), &self.wish).await?;
        let (source, input) = ends.split(self.form);
        let receiver = Writer { manager, pid: self.pid, input, is_first: true };
        Ok(Session { source, receiver, options })
    }
}

/// The bytes of a process and nothing else. What was lost shows in the process's info.
pub(super) enum Raw {
    Text(Utf8Splitter),
    Binary,
}

impl Form for Raw {
    fn chunk(&mut self, chunk: Chunk, messages: &mut VecDeque<Data>) {
        match (self, chunk) {
            (Self::Text(text), Chunk::Data(data)) => push_text(text.push(&data), messages),
            // The rest of a character that was begun is among what was lost.
            (Self::Text(text), Chunk::Lagged(_)) => push_text(text.finish(), messages),
            (Self::Binary, Chunk::Data(data)) => messages.push_back(Data::Binary(data)),
            (Self::Binary, Chunk::Lagged(_)) => {}
        }
    }

    fn finish(&mut self, messages: &mut VecDeque<Data>) {
        match self {
            Self::Text(text) => push_text(text.finish(), messages),
            Self::Binary => {}
        }
    }
}

fn push_text(text: String, messages: &mut VecDeque<Data>) {
    if !text.is_empty() {
        messages.push_back(Data::text(text));
    }
}

/// Writes what the client says.
pub(super) struct Writer {
    manager: Manager,
    pid: ProcessId,
    /// `None` if the client said that it would only read.
    input: Option<Stdin>,
    /// A key may be shown by the first message, also where it was shown before or none is required: it is nothing for the process.
    is_first: bool,
}

/// Time for the news of an exit to come, when a write has failed.
const NEWS_OF_EXIT: Duration = Duration::from_secs(1);

impl Receiver for Writer {
    async fn receive(&mut self, message: Data) -> Vec<Outgoing> {
        let message = message.into_bytes();
        if std::mem::take(&mut self.is_first) && socket::key_in(&message).is_some() {
            return Vec::new();
        }
        let Some(input) = &self.input else {
            return refusal(&ApiError::new(StatusCode::FORBIDDEN, "forbidden_write", Mode::ONLY_READS));
        };
        let Err(source) = input.write(message).await else { return Vec::new() };
        // Most inputs close because their process ends. Then it is no error, and the rest of its output is still to be said.
        let ended = async {
            if let Ok(mut exit) = Exit::of(&self.manager, self.pid).await {
                poll_fn(|cx| exit.poll(cx)).await;
            }
        };
        match timeout(NEWS_OF_EXIT, ended).await {
            Ok(()) => Vec::new(),
            Err(_) => refusal(&ManagerError::Write { pid: self.pid, source }.into()),
        }
    }
}

fn refusal(error: &ApiError) -> Vec<Outgoing> {
    let text = Data::Text(websocket::error_text(error));
    vec![Outgoing::Data(text), Outgoing::Close(websocket::close(error))]
}
