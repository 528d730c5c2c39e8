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

use super::{
    Api, ApiError,
    answer::Done,
    extract::{Body, Path, Query, read_pid},
};
use crate::feed::{self, FeedOptions, Item, Media};

#[derive(Deserialize)]
pub(super) struct FeedQuery {
    feed: Option<String>,
    heartbeat: Option<String>,
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

/// `GET /streams/{pid}/{label}?feed=…&heartbeat=…`: what the process writes from now on.
pub(super) async fn read(
    State(api): State<Api>,
    Path((pid, label)): Path<(String, String)>,
    Query(query): Query<FeedQuery>,
) -> Result<Response, ApiError> {
    let options = FeedOptions::from_query(query.feed.as_deref(), query.heartbeat.as_deref())?;
    let output = api.manager.output(read_pid(&pid)?, &label).await?;
    let items = OutputItems { label: output.label().clone(), subscription: output.subscribe(Start::Now) };
    Ok(feed::response(items, options, Media::Bytes, api.closing))
}

/// `POST /streams/{pid}/stdin` (or `ttin`), or the label of an extra pipe: answers once all was written.
pub(super) async fn write(
    State(manager): State<Manager>,
    Path((pid, label)): Path<(String, String)>,
    Body(data): Body,
) -> Result<Done, ApiError> {
    let pid = read_pid(&pid)?;
    let stream: Option<StreamLabel> = match label.as_str() {
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
