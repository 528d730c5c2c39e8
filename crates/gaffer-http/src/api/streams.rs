//! `/streams/{pid}/{label}`: what a process writes, and its input.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{extract::State, response::Response};
use futures_core::Stream;
use gaffer_core::{
    Manager, ManagerError,
    names::StreamLabel,
    streams::{Chunk, OutputSubscription, Start},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Api, ApiError,
    answer::Done,
    extract::{Body, Path, Query, read_pid},
};
use crate::feed::{self, FeedOptions, Item, Media};

/// The form of a feed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FeedQuery {
    /// `longpoll` (the default), `continuous` or `eventsource`.
    feed: Option<String>,
    /// `true` (60 seconds) or seconds of silence after which a sign of life is sent. Default: none.
    heartbeat: Option<String>,
}

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
}

impl Stream for OutputItems {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let chunk = self.subscription.poll_recv(cx);
        chunk.map(|chunk| {
            let label = self.label.clone();
            chunk.map(|chunk| match chunk {
                Chunk::Data(data) => Item::Output(label, data),
                Chunk::Lagged(lost) => Item::OutputLost(label, lost),
            })
        })
    }
}

/// Sends what a process writes from now on.
#[utoipa::path(get, path = "/streams/{pid}/{label}", tag = "streams", params(ByLabel, FeedQuery), responses(
    (status = 200, content((String = "application/octet-stream"), (String = "text/event-stream"))),
))]
pub(super) async fn read(
    State(api): State<Api>,
    Path(path): Path<ByLabel>,
    Query(query): Query<FeedQuery>,
) -> Result<Response, ApiError> {
    let options = FeedOptions::from_query(query.feed.as_deref(), query.heartbeat.as_deref())?;
    let output = api.manager.output(read_pid(&path.pid)?, &path.label).await?;
    let items = OutputItems { label: output.label().clone(), subscription: output.subscribe(Start::Now) };
    Ok(feed::response(items, options, Media::Bytes, api.closing))
}

/// Writes to a process: to its input as `stdin` (or `ttin`), or to the extra pipe of this label. Answers once all was written.
#[utoipa::path(post, path = "/streams/{pid}/{label}", tag = "streams", params(ByLabel),
    request_body(content = String, content_type = "application/octet-stream"), responses(
    (status = 200, body = Done),
    (status = 403, description = "the process takes no input"),
    (status = 409, description = "the process does not read any more"),
))]
pub(super) async fn write(
    State(manager): State<Manager>,
    Path(path): Path<ByLabel>,
    Body(data): Body,
) -> Result<Done, ApiError> {
    let pid = read_pid(&path.pid)?;
    let stream: Option<StreamLabel> = match path.label.as_str() {
        "stdin" | "ttin" => None,
        label => Some(label.parse()?),
    };
    manager.send(pid, data, stream.as_ref()).await.map_err(|error| {
        let nowhere_to_write = matches!(error, ManagerError::UnknownStream { .. });
        let error = ApiError::from(error);
        if nowhere_to_write { error.with_code("not_found") } else { error }
    })?;
    Ok(Done::default())
}
