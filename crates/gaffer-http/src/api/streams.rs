//! `/streams/{pid}/{label}`: what a process writes, and its input.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_core::Stream;
use gaffer_core::{
    names::StreamLabel,
    streams::{Chunk, Output, OutputSubscription, Start},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Api, ApiError,
    answer::Done,
    body::Body,
    extract::{Path, Query, read_pid},
};
use crate::feed::{self, Beginning, FeedId, FeedQuery, Item, LastEventId, Media, Preceded};

/// A stream of a process.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ByLabel {
    /// A process.
    #[param(value_type = u64, minimum = 1)]
    pid: String,
    /// A label.
    label: String,
}

/// An output as a source of feeds.
struct OutputItems {
    label: StreamLabel,
    subscription: OutputSubscription,
    /// Where the subscription is.
    position: FeedId,
}

impl OutputItems {
    fn new(output: &Output, subscription: OutputSubscription, node: &str) -> Self {
        let position = FeedId { incarnation: Arc::from(node), number: subscription.position() };
        Self { label: output.label().clone(), subscription, position }
    }

    fn item(&mut self, chunk: Chunk) -> Item {
        let label = self.label.clone();
        match chunk {
            Chunk::Data(data) => {
                self.position.number += data.len() as u64;
                Item::Output(feed::Output { label, data, end: Some(self.position.clone()) })
            }
            Chunk::Lagged(lost) => {
                self.position.number += lost;
                Item::OutputLost(label, lost)
            }
        }
    }
}

impl Stream for OutputItems {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let chunk = self.subscription.poll_recv(cx);
        chunk.map(|chunk| chunk.map(|chunk| self.item(chunk)))
    }
}

/// Sends what a process writes.
///
/// With `history`, or as an event stream that goes on, also what one wrote that is gone by now, for as long as it is kept. Who has
/// read all of that gets a 204, at which browsers stop asking.
#[utoipa::path(get, path = "/streams/{pid}/{label}", tag = "streams", params(ByLabel, FeedQuery, LastEventId), responses(
    (status = 200, description = "bytes, or events named as the label", content(
        (String = "application/octet-stream"),
        (String = "text/event-stream"),
    )),
    (status = 204, description = "the process is gone, and the reader has seen all"),
))]
pub(super) async fn read(
    State(api): State<Api>,
    Path(path): Path<ByLabel>,
    Query(query): Query<FeedQuery>,
    last: LastEventId,
) -> Result<Response, ApiError> {
    let options = query.options(None)?;
    let pid = read_pid(&path.pid)?;
    let beginning = Beginning::of(&options, &last, api.manager.node());
    let output = match beginning {
        Beginning::Now => api.manager.output(pid, &path.label).await?,
        Beginning::Last(_) | Beginning::After(_) | Beginning::Kept => {
            api.manager.recent_output(pid, &path.label).await?
        }
    };
    if matches!(beginning, Beginning::After(position) if is_all_told(&output, position)) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let (first, subscription) = match beginning {
        Beginning::Now => (None, output.subscribe(Start::Now)),
        Beginning::Last(lines) => (None, output.subscribe(Start::Lines(lines))),
        Beginning::After(position) => (Some(Item::Resumed(output.label().clone())), output.subscribe_from(position)),
        Beginning::Kept => (Some(Item::Note(Beginning::UNKNOWN_ID)), output.subscribe(Start::Oldest)),
    };
    let items = OutputItems::new(&output, subscription, api.manager.node());
    Ok(feed::response(Preceded::new(first, items), options, Media::Bytes, api.lifetime.closing().clone()))
}

/// Whether nothing comes after this position. An id is the position before the line break at its event's end.
fn is_all_told(output: &Arc<Output>, position: u64) -> bool {
    let mut rest = output.subscribe_from(position);
    output.is_closed()
        && match rest.try_recv() {
            None => true,
            Some(Chunk::Data(data)) => matches!(&data[..], b"\n" | b"\r\n") && rest.try_recv().is_none(),
            Some(Chunk::Lagged(_)) => false,
        }
}

/// Writes to a process: to its input as `stdin` (or `ttin`), or to the extra pipe of this label. Answers once all was written.
#[utoipa::path(post, path = "/streams/{pid}/{label}", tag = "streams", params(ByLabel),
    request_body(content = String, content_type = "application/octet-stream"), responses(
    (status = 200, body = Done),
    (status = 403, description = "the process takes no input"),
    (status = 409, description = "the process does not read any more"),
    (status = 503, description = "too much input waits for processes that do not read it; or the node is shutting down"),
))]
pub(super) async fn write(
    State(api): State<Api>,
    Path(path): Path<ByLabel>,
    Body(data): Body,
) -> Result<Done, ApiError> {
    let pid = read_pid(&path.pid)?;
    let stream: Option<StreamLabel> = match path.label.as_str() {
        "stdin" | "ttin" => None,
        label => Some(label.parse()?),
    };
    let _waiting = api.waiting_input.take(data.len())?;
    api.manager.send(pid, data, stream.as_ref()).await?;
    Ok(Done::default())
}
