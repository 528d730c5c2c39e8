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
    names::{InvalidLabel, StreamLabel},
    streams::{Chunk, Output, OutputSubscription, Start},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Api, ApiError,
    access::{self, May, Names, Read, Write},
    answer::Done,
    body::Body,
    extract::{Query, read_pid},
    feeds::Feeds,
};
use crate::feed::{self, Beginning, FeedId, FeedQuery, Item, LastEventId, Media, Preceded, Seen};

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

impl Names for ByLabel {
    fn object(&self) -> Result<access::Object, ApiError> {
        read_pid(&self.pid).map(access::Object::Process)
    }
}

/// An output as a source of feeds.
struct OutputItems {
    label: StreamLabel,
    subscription: OutputSubscription,
    /// Where the subscription is.
    position: FeedId,
    /// Where it ends, if it is not to go on for as long as the output.
    end: Option<u64>,
}

impl OutputItems {
    fn new(output: &Output, subscription: OutputSubscription, node: &str) -> Self {
        let position = FeedId { incarnation: Arc::from(node), number: subscription.position() };
        Self { label: output.label().clone(), subscription, position, end: None }
    }

    /// Ends with what is written by now.
    fn kept_only(self, output: &Output) -> Self {
        Self { end: Some(output.total()), ..self }
    }

    fn item(&mut self, chunk: Chunk) -> Item {
        let label = self.label.clone();
        let left = self.end.map_or(u64::MAX, |end| end - self.position.number);
        match chunk {
            Chunk::Data(mut data) => {
                data.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                self.position.number += data.len() as u64;
                Item::Output(feed::Output { label, data, end: Some(self.position.clone()) })
            }
            Chunk::Lagged(lost) => {
                let lost = lost.min(left);
                self.position.number += lost;
                Item::OutputLost(label, lost)
            }
        }
    }
}

impl Stream for OutputItems {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        if self.end.is_some_and(|end| self.position.number >= end) {
            return Poll::Ready(None);
        }
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
    ), headers(("Last-Event-ID" = String, description = "of events: where they begin"))),
    (status = 204, description = "the process is gone, and the reader has seen all"),
))]
pub(super) async fn read(
    feeds: Feeds,
    May { manager, caller, path, .. }: May<Read, ByLabel>,
    Query(query): Query<FeedQuery>,
    last: LastEventId,
) -> Result<Response, ApiError> {
    let options = query.options(None)?;
    let pid = read_pid(&path.pid)?;
    let beginning = Beginning::of(&options, &last, manager.node());
    let output = match beginning {
        Beginning::Now => manager.output(pid, &path.label).await?,
        Beginning::Last(_) | Beginning::After(_) | Beginning::At(_) | Beginning::Kept => {
            manager.recent_output(pid, &path.label).await?
        }
    };
    let is_all_told = match beginning {
        Beginning::After(position) => is_all_told(&output, position),
        Beginning::At(position) => output.is_closed() && position >= output.total(),
        Beginning::Now | Beginning::Last(_) | Beginning::Kept => false,
    };
    if is_all_told {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let (first, subscription) = match beginning {
        Beginning::Now => (None, output.subscribe(Start::Now)),
        Beginning::Last(lines) => (None, output.subscribe(Start::Lines(lines))),
        Beginning::After(position) => (Some(Item::Resumed(output.label().clone())), output.subscribe_from(position)),
        Beginning::At(position) => (None, output.subscribe_from(position)),
        Beginning::Kept => (Some(Item::Note(Beginning::UNKNOWN_ID)), output.subscribe(Start::Oldest)),
    };
    let items = OutputItems::new(&output, subscription, manager.node());
    let begins = items.position.clone();
    let begins = if matches!(beginning, Beginning::After(_)) { Seen::UpTo(begins) } else { Seen::NothingSince(begins) };
    let items = if options.kept_only { items.kept_only(&output) } else { items };
    let items = Preceded::new(first, items);
    let mut response = feeds.answer(caller, items, options, Media::Bytes);
    Beginning::tell(&mut response, &options, &begins);
    Ok(response)
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
    May { manager, path, .. }: May<Write, ByLabel>,
    Body(data): Body,
) -> Result<Done, ApiError> {
    let pid = read_pid(&path.pid)?;
    let stream = read_input(&path.label)?;
    let _waiting = api.waiting_input.take(data.len())?;
    manager.send(pid, data, stream.as_ref()).await?;
    Ok(Done::default())
}

/// Reads where to write: the input, by either of its names, or the extra pipe of this label.
pub(super) fn read_input(label: &str) -> Result<Option<StreamLabel>, InvalidLabel> {
    match label {
        "stdin" | "ttin" => Ok(None),
        label => label.parse().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// Reads to the end, which must be there already: the bytes that were told, and how many were told as lost.
    async fn read(mut items: OutputItems) -> (Vec<u8>, u64) {
        let (mut told, mut lost) = (Vec::new(), 0);
        while let Some(item) = std::future::poll_fn(|cx| Pin::new(&mut items).poll_next(cx)).await {
            match item {
                Item::Output(feed::Output { data, .. }) => told.extend(data),
                Item::OutputLost(_, count) => lost += count,
                Item::Message(_) | Item::MessagesLost(_) | Item::Resumed(_) | Item::Note(_) => {
                    panic!("{item:?} is no output")
                }
            }
        }
        (told, lost)
    }

    fn kept(output: &Arc<Output>) -> OutputItems {
        OutputItems::new(output, output.subscribe(Start::Oldest), "n").kept_only(output)
    }

    #[tokio::test]
    async fn what_is_written_later_is_no_part_of_what_was_kept() {
        let output = Output::new("out".parse().unwrap());
        let nothing = kept(&output);
        output.push(Bytes::from_static(b"one\n"));
        let one = kept(&output);
        output.push(Bytes::from_static(b"two\n"));
        assert_eq!(read(nothing).await, (Vec::new(), 0));
        assert_eq!(read(one).await, (b"one\n".to_vec(), 0), "both were in one chunk");
    }

    #[tokio::test]
    async fn who_loses_more_than_was_kept_is_told_of_what_was() {
        let output = Output::new("out".parse().unwrap());
        output.push(Bytes::from_static(b"one\n"));
        let items = kept(&output);
        for _ in 0..=Output::MAX / 1024 {
            output.push(Bytes::from(vec![b'x'; 2048]));
        }
        assert_eq!(read(items).await, (Vec::new(), 4));
    }
}
