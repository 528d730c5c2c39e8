//! Items into chunks.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use gaffer_core::names::StreamLabel;

use super::{FeedKind, Item, Utf8Splitter, body::Media, sse};

/// Writes items in one of the forms. What it writes are chunks: one each per item, and none of them empty.
#[derive(Debug)]
pub(super) struct Encoder {
    kind: FeedKind,
    media: Media,
    /// Only in event streams, which are text. A process has few streams, so a list will do.
    texts: Vec<(StreamLabel, Utf8Splitter)>,
}

impl Encoder {
    pub(super) fn new(kind: FeedKind, media: Media) -> Self {
        Self { kind, media, texts: Vec::new() }
    }

    /// Appends the chunks of an item: none, if there is nothing to tell in this form; two, if an unfinished character is given up.
    pub(super) fn encode(&mut self, item: Item, chunks: &mut VecDeque<Bytes>) {
        match (item, self.kind) {
            (Item::Message(message), FeedKind::Longpoll | FeedKind::Continuous) => {
                chunks.push_back(with_line_end(&message.json));
            }
            (Item::Message(message), FeedKind::EventSource) => {
                let json = String::from_utf8_lossy(&message.json);
                chunks.push_back(sse::event(&message.event, message.id.as_deref(), &json));
            }
            (Item::MessagesLost(count), FeedKind::Continuous) => {
                chunks.push_back(with_line_end(format!("{{\"lost\": {count}}}").as_bytes()));
            }
            (Item::MessagesLost(count), FeedKind::EventSource) => {
                chunks.push_back(sse::comment(&format!("{count} events lost")));
            }
            (Item::Output(_, data), FeedKind::Longpoll | FeedKind::Continuous) => {
                chunks.extend((!data.is_empty()).then_some(data));
            }
            (Item::Output(label, data), FeedKind::EventSource) => {
                let text = self.text(&label).push(&data);
                chunks.extend(output_event(&label, &text));
            }
            (Item::OutputLost(label, count), FeedKind::EventSource) => {
                // The rest of a character that was begun is among what was lost.
                let text = self.text(&label).finish();
                chunks.extend(output_event(&label, &text));
                chunks.push_back(sse::comment(&format!("{count} bytes of {label} lost")));
            }
            // A longpoll is over with the first item and has no place for more; bytes of a process are kept pure.
            (Item::MessagesLost(_), FeedKind::Longpoll)
            | (Item::OutputLost(..), FeedKind::Longpoll | FeedKind::Continuous) => {}
        }
    }

    /// Appends what was held back, once nothing more comes.
    pub(super) fn finish(&mut self, chunks: &mut VecDeque<Bytes>) {
        for (label, mut text) in std::mem::take(&mut self.texts) {
            chunks.extend(output_event(&label, &text.finish()));
        }
    }

    /// A sign of life.
    pub(super) fn heartbeat(&self) -> Bytes {
        match (self.kind, self.media) {
            (FeedKind::EventSource, _) => sse::comment("hb"),
            (_, Media::Bytes) => Bytes::from_static(b"\n"),
            (_, Media::Json) => Bytes::from_static(b"\r\n"),
        }
    }

    fn text(&mut self, label: &StreamLabel) -> &mut Utf8Splitter {
        let at = self.texts.iter().position(|(known, _)| known == label).unwrap_or_else(|| {
            self.texts.push((label.clone(), Utf8Splitter::default()));
            self.texts.len() - 1
        });
        &mut self.texts[at].1
    }
}

fn output_event(label: &StreamLabel, text: &str) -> Option<Bytes> {
    (!text.is_empty()).then(|| sse::event(label.as_str(), None, text))
}

fn with_line_end(line: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(line.len() + 2);
    out.put_slice(line);
    out.put_slice(b"\r\n");
    out.freeze()
}
