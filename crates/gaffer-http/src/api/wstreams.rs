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
    extract::{Path, Query},
    path::ByPid,
    websocket::{self, Ends, Exit, Form, Mode, Websocket, WishQuery},
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
    websocket: Websocket,
) -> Response {
    match find(&api.manager, path.process(), wanted, wish).await {
        Ok(session) => websocket.speak(session, &api),
        Err(error) => websocket.refuse(&error, Data::Text(websocket::error_text(&error)), &api),
    }
}

async fn find(
    manager: &Manager,
    pid: Result<ProcessId, ApiError>,
    wanted: Wanted,
    wish: WishQuery,
) -> Result<Session<websocket::ProcessOutput<Raw>, Writer>, ApiError> {
    let pid = pid?;
    let form = match wanted.binary.as_deref() {
        None | Some("false" | "0") => Raw::Text(Utf8Splitter::default()),
        Some("true" | "1") => Raw::Binary,
        Some(text) => return Err(ApiError::bad_value(format!("`binary` must be true or false, but is `{text}`"))),
    };
    let wish = wish.read(None)?;
    let ends = Ends::find(manager, pid, wanted.stream.as_deref(), &wish).await?;
    let (source, input) = ends.split(form);
    let receiver = Writer { manager: manager.clone(), pid, input };
    Ok(Session { source, receiver, options: Options { keep_alive: wish.feed.heartbeat, ..Options::default() } })
}

/// The bytes of a process and nothing else. What was lost shows in the process's info.
enum Raw {
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
struct Writer {
    manager: Manager,
    pid: ProcessId,
    /// `None` if the client said that it would only read.
    input: Option<Stdin>,
}

/// Time for the news of an exit to come, when a write has failed.
const NEWS_OF_EXIT: Duration = Duration::from_secs(1);

impl Receiver for Writer {
    async fn receive(&mut self, message: Data) -> Vec<Outgoing> {
        let Some(input) = &self.input else {
            return refusal(&ApiError::new(StatusCode::FORBIDDEN, "forbidden_write", Mode::ONLY_READS));
        };
        let Err(source) = input.write(message.into_bytes()).await else { return Vec::new() };
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
